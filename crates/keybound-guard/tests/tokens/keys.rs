//! Tokens that are verified by their issuer's keys.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use keybound::Refusal;
use keybound::access_token::AccessTokenRefusal;
use keybound_guard::policy;
use serde_json::json;

use crate::scripted::{Answer, Issuer, KEYS, Key, METADATA, NOW, OPENID, Rig, claims, jwks, metadata, until};

fn refused(refusal: AccessTokenRefusal) -> Refusal {
    Refusal::AccessToken(refusal)
}

fn is_of_no_key(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::AccessToken(AccessTokenRefusal::NoSuchKey { key_id: Some(_) }))
}

#[tokio::test]
async fn a_thousand_first_tokens_fetch_metadata_and_keys_once() {
    let key = Key::named("one");
    let issuer = Issuer::with_keys(&[&key]).await;
    let rig = Rig::new(vec![issuer.policy()]);
    let tokens: Vec<_> = (0..1000)
        .map(|number| {
            let mut claims = claims(&issuer.name);
            claims["jti"] = json!(number.to_string());
            key.sign(&claims)
        })
        .collect();
    let outcomes = join_all(tokens.iter().map(|token| rig.verify(token))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{:?}", outcomes[0]);
    assert_eq!((issuer.count(METADATA), issuer.count(KEYS)), (1, 1));
    assert_eq!(issuer.asked().len(), 2);
    assert!(issuer.asked().iter().all(|asked| asked.head.starts_with("GET ")));
}

#[tokio::test]
async fn a_token_that_was_verified_costs_no_question_while_its_keys_are_fresh() {
    let key = Key::named("one");
    let issuer = Issuer::with_keys(&[&key]).await;
    let rig = Rig::new(vec![issuer.policy()]);
    let token = key.token(&issuer);
    let first = rig.verify(&token).await.unwrap();
    issuer.go_down();
    rig.pass(479);
    let again = rig.verify(&token).now_or_never().expect("a remembered token is not waited for").unwrap();
    assert!(Arc::ptr_eq(&first, &again), "the very same");
    assert_eq!(issuer.asked().len(), 2);
}

#[tokio::test]
async fn a_token_is_not_taken_beyond_its_life() {
    let key = Key::named("one");
    let issuer = Issuer::with_keys(&[&key]).await;
    let rig = Rig::new(vec![issuer.policy()]);
    let mut claims = claims(&issuer.name);
    claims["exp"] = json!(NOW.seconds() + 60);
    let token = key.sign(&claims);
    rig.verify(&token).await.unwrap();
    rig.pass(64);
    rig.verify(&token).await.expect("within the leeway");
    rig.pass(1);
    let refusal = rig.verify(&token).await.unwrap_err();
    assert!(matches!(refusal, Refusal::AccessToken(AccessTokenRefusal::Expired { .. })), "{refusal:?}");
}

#[tokio::test]
async fn what_a_tokens_text_shows_is_refused_before_anybody_is_asked() {
    let key = Key::named("one");
    let issuer = Issuer::with_keys(&[&key]).await;
    let rig = Rig::new(vec![issuer.policy()]);
    let good = claims(&issuer.name);
    let changed = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[name] = value;
        key.sign(&claims)
    };
    for (token, why) in [
        (changed("iss", json!("https://other.example")), "an unknown issuer"),
        (changed("iss", json!(format!("{}/", issuer.name))), "another spelling of the issuer"),
        (changed("iss", json!(7)), "an issuer that is none"),
        (changed("aud", json!("https://other.example")), "another resource"),
        (changed("exp", json!(NOW.seconds() - 10)), "expired"),
        (changed("iat", json!(NOW.seconds() + 60)), "from the future"),
        (key.sign_as(&json!({"typ": "JWT", "alg": "ES256", "kid": "one"}), &good), "untyped"),
        (key.sign_as(&json!({"typ": "at+jwt", "alg": "ES384", "kid": "one"}), &good), "another algorithm"),
        (key.sign_as(&json!({"typ": "at+jwt", "alg": "none"}), &good), "no algorithm"),
        ("opaque".to_owned(), "no JWT, and nobody to ask"),
        ("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU".to_owned(), "looks like a JWT, and is none"),
        ("x".repeat(20_000), "too long"),
    ] {
        let outcome = rig.verify(&token).now_or_never().expect("nothing to wait for");
        assert!(matches!(outcome, Err(Refusal::AccessToken(_))), "{why}: {outcome:?}");
    }
    assert!(issuer.asked().is_empty());
}

#[tokio::test]
async fn unknown_keys_have_the_issuer_asked_once_in_ten_seconds() {
    let (key, stranger) = (Key::named("one"), Key::named("junk"));
    let issuer = Issuer::with_keys(&[&key]).await;
    let rig = Rig::new(vec![issuer.policy()]);
    rig.verify(&key.token(&issuer)).await.unwrap();
    assert_eq!(issuer.count(KEYS), 1);

    let junk: Vec<_> = (0..1000)
        .map(|number| {
            let header = json!({"typ": "at+jwt", "alg": "ES256", "kid": format!("junk-{number}")});
            stranger.sign_as(&header, &claims(&issuer.name))
        })
        .collect();
    for round in 0..3 {
        let outcomes = join_all(junk.iter().map(|token| rig.verify(token))).await;
        assert!(outcomes.iter().all(|outcome| is_of_no_key(outcome.as_ref().unwrap_err())));
        assert_eq!(issuer.count(KEYS), 1 + round, "a fetch for the tokens of ten seconds");
        rig.pass(9);
        for token in junk.iter().take(100) {
            rig.verify(token).await.unwrap_err();
        }
        assert_eq!(issuer.count(KEYS), 1 + round, "none within them");
        rig.pass(1);
    }
    rig.verify(&key.token(&issuer)).now_or_never().expect("nobody else is kept waiting").unwrap();
}

#[tokio::test]
async fn a_new_key_is_known_with_its_first_token_and_a_withdrawn_one_is_not_taken() {
    let (old, new) = (Key::named("old"), Key::named("new"));
    let issuer = Issuer::with_keys(&[&old]).await;
    let rig = Rig::new(vec![issuer.policy()]);
    let (of_old, of_new) = (old.token(&issuer), new.token(&issuer));
    rig.verify(&of_old).await.unwrap();

    issuer.publish(&[&old, &new]);
    rig.pass(10);
    let outcomes = join_all((0..100).map(|_| rig.verify(&of_new))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{:?}", outcomes[0]);
    assert_eq!(issuer.count(KEYS), 2);
    rig.verify(&of_old).now_or_never().expect("its key is known").unwrap();

    issuer.publish(&[&new]);
    rig.pass(480);
    rig.verify(&of_old).now_or_never().expect("fetched in the background").unwrap();
    until(|| async { rig.verify(&of_old).await.is_err() }).await;
    assert!(is_of_no_key(&rig.verify(&of_old).await.unwrap_err()));
    rig.verify(&of_new).await.unwrap();
    assert_eq!(issuer.count(KEYS), 3);
}

#[tokio::test]
async fn a_key_that_is_replaced_under_its_name_is_noticed() {
    let (old, new) = (Key::named("one"), Key::named("one"));
    let issuer = Issuer::with_keys(&[&old]).await;
    let rig = Rig::new(vec![issuer.policy()]);
    rig.verify(&old.token(&issuer)).await.unwrap();
    issuer.publish(&[&new]);
    rig.pass(10);
    rig.verify(&new.token(&issuer)).await.unwrap();
    rig.pass(10);
    assert_eq!(
        rig.verify(&old.token(&issuer)).await.unwrap_err(),
        refused(AccessTokenRefusal::WrongSignature)
    );
}

#[tokio::test]
async fn keys_are_fetched_ahead_while_nobody_waits() {
    let key = Key::named("one");
    let issuer = Issuer::with_keys(&[&key]).await;
    let rig = Rig::new(vec![issuer.policy()]);
    let (remembered, other) = (key.token(&issuer), key.sign(&claims(&issuer.name)));
    rig.verify(&remembered).await.unwrap();

    issuer.close();
    rig.pass(480);
    for token in [&remembered, &other, &remembered] {
        rig.verify(token).now_or_never().expect("the keys are good").unwrap();
    }
    until(|| async { issuer.count(METADATA) == 2 }).await;
    rig.pass(119);
    rig.verify(&remembered).now_or_never().expect("the keys are good to their last second").unwrap();
    issuer.open();
    until(|| async { issuer.count(KEYS) == 2 }).await;
    rig.pass(2);
    rig.verify(&remembered).await.unwrap();
    assert_eq!((issuer.count(METADATA), issuer.count(KEYS)), (2, 2));
}

#[tokio::test]
async fn an_issuer_that_is_down_is_done_without_for_a_time_and_then_refused_and_then_back() {
    let key = Key::named("one");
    let issuer = Issuer::with_keys(&[&key]).await;
    let rig = Rig::new(vec![policy::Issuer {
        keys_stale_for: std::time::Duration::from_secs(3600),
        ..issuer.policy()
    }]);
    let mut long = claims(&issuer.name);
    long["exp"] = json!(NOW.seconds() + 100_000);
    let token = key.sign(&long);
    rig.verify(&token).await.unwrap();

    issuer.go_down();
    rig.pass(600);
    rig.verify(&token).await.expect("stale keys are used");
    let asked = issuer.asked().len();
    for _ in 0..1000 {
        rig.verify(&token).now_or_never().expect("nobody waits for a server that is down").unwrap();
    }
    assert_eq!(issuer.asked().len(), asked, "nor is it asked at once");

    rig.pass(3600);
    let refusal = rig.verify(&token).await.unwrap_err();
    assert!(matches!(refusal, Refusal::TokenUnverifiable { .. }), "{refusal:?}");
    let asked = issuer.asked().len();
    for _ in 0..100 {
        let outcome = rig.verify(&token).now_or_never().expect("nobody waits in the pause");
        assert!(matches!(outcome, Err(Refusal::TokenUnverifiable { .. })));
    }
    assert_eq!(issuer.asked().len(), asked, "and it is left alone");

    issuer.publish(&[&key]);
    rig.pass(60);
    rig.verify(&token).await.expect("back by itself");
}

#[tokio::test]
async fn an_issuer_that_stays_down_is_asked_ever_more_rarely() {
    let key = Key::named("one");
    let issuer = Issuer::start(|_, _| Answer::Down).await;
    let rig = Rig::new(vec![issuer.policy()]);
    let token = key.token(&issuer);
    for _ in 0..600 {
        let outcome = rig.verify(&token).await;
        assert!(matches!(outcome, Err(Refusal::TokenUnverifiable { .. })), "{outcome:?}");
        rig.pass(1);
    }
    // After 1, 2, 4, 8, 16, 32 seconds, and then once a minute.
    assert_eq!(issuer.asked().len(), 15);
}

#[tokio::test]
async fn an_unknown_key_of_an_issuer_that_is_down_is_not_called_wrong() {
    let (old, new) = (Key::named("old"), Key::named("new"));
    let issuer = Issuer::with_keys(&[&old]).await;
    let rig = Rig::new(vec![issuer.policy()]);
    rig.verify(&old.token(&issuer)).await.unwrap();
    issuer.go_down();
    rig.pass(10);
    let refusal = rig.verify(&new.token(&issuer)).await.unwrap_err();
    assert!(matches!(refusal, Refusal::TokenUnverifiable { .. }), "{refusal:?}");
    rig.verify(&old.token(&issuer)).await.unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_end_the_fetch() {
    let key = Key::named("one");
    let issuer = Issuer::with_keys(&[&key]).await;
    let rig = Rig::new(vec![issuer.policy()]);
    let token = key.token(&issuer);
    assert!(rig.verify(&token).now_or_never().is_none(), "the first has to wait, and goes");
    rig.verify(&token).await.unwrap();
    assert_eq!((issuer.count(METADATA), issuer.count(KEYS)), (1, 1));
}

#[test]
fn outside_of_a_runtime_a_token_is_unverifiable_and_nothing_panics() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = Key::named("one");
    let issuer = runtime.block_on(Issuer::with_keys(&[&key]));
    let rig = Rig::new(vec![issuer.policy()]);
    let token = key.token(&issuer);
    let outcome = rig.verify(&token).now_or_never().expect("nothing to wait for");
    assert!(matches!(outcome, Err(Refusal::TokenUnverifiable { .. })), "{outcome:?}");
    rig.pass(2);
    runtime.block_on(rig.verify(&token)).unwrap();
}

#[tokio::test]
async fn a_fetch_that_its_runtime_drops_is_begun_again_in_another() {
    let key = Key::named("one");
    let issuer = Issuer::with_keys(&[&key]).await;
    let rig = Rig::new(vec![issuer.policy()]);
    let token = key.token(&issuer);
    let short_lived = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let enter = short_lived.enter();
    assert!(rig.verify(&token).now_or_never().is_none(), "the fetch has begun in the other runtime");
    drop(enter);
    short_lived.shutdown_background();
    rig.pass(2);
    rig.verify(&token).await.unwrap();
}

#[tokio::test]
async fn keys_are_found_where_the_policy_or_the_metadata_says() {
    let key = Key::named("one");
    let issuer = Issuer::with_keys(&[&key]).await;
    let direct = policy::Issuer { jwks_uri: Some(format!("{}{KEYS}", issuer.name)), ..issuer.policy() };
    Rig::new(vec![direct]).verify(&key.token(&issuer)).await.unwrap();
    assert_eq!((issuer.count(METADATA), issuer.count(KEYS)), (0, 1));

    let jwks = jwks(&[&key]);
    issuer.go_by(move |name, asked| match asked.path.as_str() {
        OPENID => metadata(name),
        KEYS => Answer::Json(200, jwks.clone()),
        _ => Answer::Json(404, "{}".to_owned()),
    });
    Rig::new(vec![issuer.policy()]).verify(&key.token(&issuer)).await.unwrap();
    assert_eq!((issuer.count(METADATA), issuer.count(OPENID), issuer.count(KEYS)), (1, 1, 2));
}

#[tokio::test]
async fn keys_in_a_file_need_no_network() {
    let (key, other) = (Key::named("one"), Key::named("two"));
    let issuer = Issuer::start(|_, _| Answer::Down).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, jwks(&[&key])).unwrap();
    let by_file = policy::Issuer { jwks_file: Some(file.clone()), ..issuer.policy() };
    let rig = Rig::new(vec![by_file.clone()]);
    let token = key.token(&issuer);
    rig.verify(&token).now_or_never().unwrap().unwrap();
    rig.pass(3000);
    rig.verify(&token).now_or_never().unwrap().unwrap();
    let outcome = rig.verify(&other.token(&issuer)).now_or_never().unwrap();
    assert!(is_of_no_key(&outcome.unwrap_err()));
    assert!(issuer.asked().is_empty());

    for unusable in ["{}", r#"{"keys":[]}"#, "no JSON", &" ".repeat(300_000)] {
        std::fs::write(&file, unusable).unwrap();
        let outcome = Rig::by(&crate::scripted::policy(vec![by_file.clone()]), None);
        let error = outcome.err().expect("the file is of no use").to_string();
        assert!(error.contains("issuers[0].jwks_file"), "{error}");
    }
}

#[tokio::test]
async fn each_issuer_has_its_own_keys_audiences_and_types() {
    let (key, of_okta) = (Key::named("one"), Key::named("one"));
    let issuer = Issuer::with_keys(&[&key]).await;
    let okta = Issuer::with_keys(&[&of_okta]).await;
    let rig = Rig::new(vec![
        issuer.policy(),
        policy::Issuer {
            audiences: vec!["api://default".to_owned()],
            accept_untyped_tokens: true,
            ..okta.policy()
        },
    ]);
    let as_okta = |key: &Key, audience: &str| {
        let mut claims = claims(&okta.name);
        claims["aud"] = json!(audience);
        key.sign_as(&json!({"alg": "ES256", "kid": "one"}), &claims)
    };
    let with_slash = |key: &Key| {
        let mut claims = claims(&issuer.name);
        claims["aud"] = json!(["https://other.example", "https://api.example.com/"]);
        key.sign(&claims)
    };
    for (token, good, why) in [
        (key.token(&issuer), true, "its own, for the first resource"),
        (with_slash(&key), true, "the other spelling of the first resource"),
        (as_okta(&of_okta, "api://default"), true, "untyped, for the audience of the policy"),
        (as_okta(&of_okta, "https://api.example.com"), false, "the resource is not its audience"),
        (as_okta(&key, "api://default"), false, "the key of another issuer"),
        (of_okta.token(&issuer), false, "the key of another issuer"),
    ] {
        assert_eq!(rig.verify(&token).await.is_ok(), good, "{why}");
    }
}
