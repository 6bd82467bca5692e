//! Tokens that the issuer is asked about (RFC 7662).

use std::path::Path;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use keybound::Refusal;
use keybound::access_token::AccessTokenRefusal;
use keybound_guard::policy::{self, Introspection};
use serde_json::{Value, json};

use crate::scripted::{
    Answer, Asked, INTROSPECT, Issuer, JKT, KEYS, Key, METADATA, NOW, RESOURCE, Rig, claims, jwks, metadata,
    policy, until,
};

/// `issuer` in a policy that has it asked at [`INTROSPECT`]; the secret is in `folder`.
pub(crate) fn asked_at(issuer: &Issuer, folder: &Path) -> policy::Issuer {
    let client_secret_file = folder.join("secret");
    std::fs::write(&client_secret_file, "hush!\n").unwrap();
    let introspection = Introspection {
        endpoint: Some(format!("{}{INTROSPECT}", issuer.name)),
        client_id: "guard".to_owned(),
        client_secret_file,
        cached_for: Duration::from_secs(30),
    };
    policy::Issuer { introspection: Some(introspection), ..issuer.policy() }
}

fn active(name: &str) -> Value {
    let mut answer = claims(name);
    answer["active"] = json!(true);
    answer["token_type"] = json!("DPoP");
    answer
}

/// Answers that `good` tokens are active, and no others.
fn knows(good: &'static str) -> impl Fn(&str, &Asked) -> Answer + Send + 'static {
    move |name, asked| match asked.form.get("token") {
        Some(token) if token.starts_with(good) => Answer::Json(200, active(name).to_string()),
        Some(_) => Answer::Json(200, r#"{"active":false}"#.to_owned()),
        None => metadata(name),
    }
}

fn refused(refusal: AccessTokenRefusal) -> Refusal {
    Refusal::AccessToken(refusal)
}

#[tokio::test]
async fn an_opaque_token_is_asked_about_once_while_the_answer_is_relied_on() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start(knows("good")).await;
    let rig = Rig::new(vec![asked_at(&issuer, folder.path())]);
    let outcomes = join_all((0..1000).map(|_| rig.verify("good/1"))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{:?}", outcomes[0]);
    let token = rig.verify("good/1").await.unwrap();
    assert_eq!((token.subject.as_str(), token.issuer.as_str()), ("alice", issuer.name.as_str()));
    assert_eq!(token.thumbprint.unwrap().to_string(), JKT);

    let asked = issuer.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].head.starts_with("POST /introspect "));
    // guard:hush%21 in base64.
    assert!(asked[0].head.contains("authorization: Basic Z3VhcmQ6aHVzaCUyMQ==\r\n"), "{}", asked[0].head);
    assert_eq!(asked[0].form["token"], "good/1");
    assert_eq!(asked[0].form["token_type_hint"], "access_token");

    rig.pass(29);
    rig.verify("good/1").now_or_never().expect("relied on").unwrap();
    rig.pass(1);
    issuer.go_by(knows("nothing"));
    assert_eq!(rig.verify("good/1").await.unwrap_err(), refused(AccessTokenRefusal::Inactive));
    assert_eq!(issuer.asked().len(), 2);
}

#[tokio::test]
async fn an_answer_is_not_relied_on_beyond_the_tokens_life() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start(|name, _| {
        let mut answer = active(name);
        answer["exp"] = json!(NOW.seconds() + 10);
        Answer::Json(200, answer.to_string())
    })
    .await;
    let rig = Rig::new(vec![asked_at(&issuer, folder.path())]);
    rig.verify("opaque").await.unwrap();
    rig.pass(15);
    let refusal = rig.verify("opaque").await.unwrap_err();
    assert!(matches!(refusal, Refusal::AccessToken(AccessTokenRefusal::Expired { .. })), "{refusal:?}");
    assert_eq!(issuer.asked().len(), 2);
}

#[tokio::test]
async fn a_refused_token_is_remembered_for_a_short_time() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start(knows("good")).await;
    let rig = Rig::new(vec![asked_at(&issuer, folder.path())]);
    let outcomes = join_all((0..100).map(|_| rig.verify("bad"))).await;
    assert!(outcomes.iter().all(|outcome| *outcome == Err(refused(AccessTokenRefusal::Inactive))));
    rig.pass(9);
    rig.verify("bad").await.unwrap_err();
    assert_eq!(issuer.asked().len(), 1);
    issuer.go_by(knows("bad"));
    rig.pass(1);
    rig.verify("bad").await.expect("good by now");
    assert_eq!(issuer.asked().len(), 2);
}

#[tokio::test]
async fn a_token_that_is_active_for_another_resource_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (member, value, why) in [
        ("aud", json!("https://other.example"), "another audience"),
        ("aud", Value::Null, "no audience"),
        ("iss", json!("https://other.example"), "another issuer"),
        ("cnf", json!({"x5t#S256": "x"}), "bound to a certificate"),
        ("token_type", json!("refresh_token"), "another kind of token"),
        ("nbf", json!(NOW.seconds() + 60), "not yet valid"),
    ] {
        let changed = value.clone();
        let issuer = Issuer::start(move |name, _| {
            let mut answer = active(name);
            answer[member] = changed.clone();
            Answer::Json(200, answer.to_string())
        })
        .await;
        let rig = Rig::new(vec![asked_at(&issuer, folder.path())]);
        let refusal = rig.verify("opaque").await.unwrap_err();
        assert!(matches!(refusal, Refusal::AccessToken(_)), "{why}: {refusal:?}");
        rig.verify("opaque").now_or_never().expect("remembered").unwrap_err();
    }
}

#[tokio::test]
async fn too_many_questions_at_once_are_not_asked() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start(knows("good")).await;
    let mut policy = policy(vec![asked_at(&issuer, folder.path())]);
    policy.limits.introspections_at_once = 2;
    let rig = Rig::with(&policy);
    issuer.close();
    let (first, second) = (tokio::spawn(ask(&rig, "good/1")), tokio::spawn(ask(&rig, "good/2")));
    until(|| async { issuer.asked().len() == 2 }).await;
    let refusal = rig.verify("good/3").await.unwrap_err();
    assert!(matches!(refusal, Refusal::TokenUnverifiable { .. }), "{refusal:?}");
    assert_eq!(issuer.asked().len(), 2);
    issuer.open();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    rig.verify("good/3").await.expect("there is room again");
}

fn ask(rig: &Rig, token: &'static str) -> impl Future<Output = Result<(), Refusal>> + Send + 'static {
    let tokens = rig.tokens.clone();
    let hash = keybound::proof::AccessTokenHash::of(token);
    async move { tokens.verify(token, hash, NOW).await.map(drop) }
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_end_the_question() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start(knows("good")).await;
    let rig = Rig::new(vec![asked_at(&issuer, folder.path())]);
    assert!(rig.verify("good").now_or_never().is_none(), "the first has to wait, and goes");
    rig.verify("good").await.unwrap();
    assert_eq!(issuer.asked().len(), 1);
}

#[tokio::test]
async fn issuers_are_asked_in_turn_whose_an_opaque_token_is() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Issuer::start(knows("a")).await, Issuer::start(knows("b")).await);
    let keys_alone = Issuer::start(|_, _| Answer::Down).await;
    let rig = Rig::new(vec![
        keys_alone.policy(),
        asked_at(&first, folder.path()),
        asked_at(&second, folder.path()),
    ]);
    assert_eq!(rig.verify("a").await.unwrap().issuer, first.name);
    assert_eq!(second.asked().len(), 0, "the first vouches for it");
    assert_eq!(rig.verify("b").await.unwrap().issuer, second.name);
    assert_eq!(rig.verify("c").await.unwrap_err(), refused(AccessTokenRefusal::Inactive));
    assert_eq!((first.asked().len(), second.asked().len()), (3, 2));

    first.go_down();
    assert_eq!(rig.verify("b/2").await.unwrap().issuer, second.name, "another vouches for it");
    let refusal = rig.verify("c/2").await.unwrap_err();
    assert!(matches!(refusal, Refusal::TokenUnverifiable { .. }), "it may be the first one's: {refusal:?}");
    assert!(keys_alone.asked().is_empty());

    let many = vec![asked_at(&first, folder.path()); 5];
    let many = many
        .into_iter()
        .enumerate()
        .map(|(number, issuer)| policy::Issuer { issuer: format!("https://as{number}.example"), ..issuer });
    assert!(Rig::by(&policy(many.collect()), None).is_err(), "a token does not go to any number");
}

#[tokio::test]
async fn the_endpoint_is_found_in_the_metadata_once() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start(knows("good")).await;
    let mut asked = asked_at(&issuer, folder.path());
    asked.introspection.as_mut().unwrap().endpoint = None;
    let rig = Rig::new(vec![asked]);
    let outcomes = join_all(["good/1", "good/2", "good/3"].map(|token| rig.verify(token))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!((issuer.count(METADATA), issuer.count(INTROSPECT)), (1, 3));
}

#[tokio::test]
async fn a_jwt_of_an_issuer_without_known_keys_is_asked_about() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::named("one");
    let issuer = Issuer::start(knows("")).await;
    let other = Issuer::start(knows("")).await;
    let rig = Rig::new(vec![asked_at(&other, folder.path()), asked_at(&issuer, folder.path())]);
    rig.verify(&key.token(&issuer)).await.unwrap();
    assert_eq!((issuer.count(INTROSPECT), issuer.asked().len()), (1, 1));
    assert!(other.asked().is_empty(), "it says whose it is");
}

#[tokio::test]
async fn a_jwt_is_asked_about_as_often_as_the_policy_wants_revocations_to_be_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (key, forger) = (Key::named("one"), Key::named("one"));
    let issuer = Issuer::start(|_, _| Answer::Down).await;
    let keys = jwks(&[&key]);
    let serving = move |active: &'static str| {
        let keys = keys.clone();
        move |name: &str, asked: &Asked| match asked.path.as_str() {
            METADATA => metadata(name),
            KEYS => Answer::Json(200, keys.clone()),
            _ => Answer::Json(200, active.to_owned()),
        }
    };
    issuer.go_by(serving(r#"{"active":true}"#));
    let rig = Rig::new(vec![policy::Issuer {
        revocation_checked_every: Some(Duration::from_secs(60)),
        ..asked_at(&issuer, folder.path())
    }]);
    let token = key.token(&issuer);
    let outcomes = join_all((0..100).map(|_| rig.verify(&token))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{:?}", outcomes[0]);
    rig.pass(59);
    rig.verify(&token).now_or_never().expect("remembered").unwrap();
    assert_eq!(issuer.count(INTROSPECT), 1);
    rig.verify(&forger.token(&issuer)).await.unwrap_err();
    assert_eq!(issuer.count(INTROSPECT), 1, "what its keys have not signed is nothing to ask about");

    issuer.go_by(serving(r#"{"active":false}"#));
    rig.pass(1);
    assert_eq!(rig.verify(&token).await.unwrap_err(), refused(AccessTokenRefusal::Revoked));
    assert_eq!(issuer.count(INTROSPECT), 2);

    issuer.go_down();
    rig.pass(10);
    let refusal = rig.verify(&token).await.unwrap_err();
    assert!(matches!(refusal, Refusal::TokenUnverifiable { .. }), "{refusal:?}");
}

#[tokio::test]
async fn a_secret_that_can_not_be_read_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start(|_, _| Answer::Down).await;
    let asked = asked_at(&issuer, folder.path());
    let file = folder.path().join("secret");
    for content in ["", "\n", &"x".repeat(5000)] {
        std::fs::write(&file, content).unwrap();
        let error = Rig::by(&policy(vec![asked.clone()]), None).err().expect(content).to_string();
        assert!(error.contains("issuers[0].introspection.client_secret_file"), "{error}");
        assert!(!error.contains("xxxx"), "{error}");
    }
    assert_eq!(RESOURCE, policy(Vec::new()).resources[0].as_str().trim_end_matches('/'));
}
