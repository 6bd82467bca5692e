//! Getting, keeping and renewing tokens over a real connection, against servers that answer by a script.

mod scripted;

use std::time::Duration;

use futures_util::future::join_all;
use keybound::exchange::ExchangeError;
use keybound_client::{CallError, TokenError, TransportError};
use scripted::{Differently, NOW, Rig, Server, all_differ, answer, grant, refuse};

#[tokio::test]
async fn a_token_request_has_an_assertion_and_a_proof_that_hold() {
    let server = Server::start(|asked| match asked.before {
        0 => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "one")]),
        _ => grant("token", "DPoP"),
    })
    .await;
    let rig = Rig::new(&server.origin);
    let token = rig.client.tokens().token().await.unwrap();
    assert_eq!((token.secret(), token.expires_at()), ("token", Some(NOW.after(Duration::from_secs(3600)))));
    assert_eq!(token.bound_to().unwrap().thumbprint(), rig.key.thumbprint());

    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    for asked in &asked {
        asked.check_proof(&server.origin, None, &rig.key).unwrap();
        let assertion = asked.assertion();
        assert_eq!((assertion["iss"].as_str(), assertion["sub"].as_str()), (Some("0oa1"), Some("0oa1")));
        assert_eq!(assertion["aud"], server.url("/oauth2/v1/token"));
        assert_eq!(assertion["iat"], NOW.seconds());
    }
    assert!(all_differ(asked.iter().map(|asked| asked.proof()["jti"].clone())), "RFC 9449 section 8");
    assert!(all_differ(asked.iter().map(|asked| asked.assertion()["jti"].clone())), "a fresh assertion too");
}

#[tokio::test]
async fn a_bearer_token_needs_no_proof() {
    let server =
        Server::start(
            |asked| {
                if asked.is_for_token() { grant("token", "Bearer") } else { answer(200, &[], "") }
            },
        )
        .await;
    let rig = Rig::with(&server.origin, Differently { bearer: true, ..Differently::default() });
    rig.get(&server.url("/api")).await.unwrap();
    assert_eq!(server.called()[0].authorization(), "Bearer token");
    assert!(server.asked().iter().all(|asked| !asked.headers.contains_key("dpop")));
}

#[tokio::test]
async fn many_first_calls_make_one_token_request() {
    let server =
        Server::start(
            |asked| {
                if asked.is_for_token() { grant("token", "DPoP") } else { answer(200, &[], "") }
            },
        )
        .await;
    let rig = Rig::new(&server.origin);
    let url = server.url("/api");
    let outcomes = join_all((0..100).map(|_| rig.get(&url))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(server.asked_for_token().len(), 1);
    assert_eq!(server.called().len(), 100);
}

#[tokio::test]
async fn many_calls_that_are_refused_together_make_one_token_request_more() {
    let server = Server::start(|asked| match asked.is_for_token() {
        true => grant(&format!("token-{}", asked.before), "DPoP"),
        false if asked.authorization() == "DPoP token-0" => scripted::challenge("invalid_token", &[]),
        false => answer(200, &[], ""),
    })
    .await;
    let rig = Rig::new(&server.origin);
    let url = server.url("/api");
    let outcomes = join_all((0..50).map(|_| rig.get(&url))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(server.asked_for_token().len(), 2);
}

#[tokio::test]
async fn who_waits_for_an_exchange_shares_its_failure_and_who_comes_later_asks_again() {
    let server = Server::start(|_| refuse(401, "invalid_client", &[])).await;
    let rig = Rig::new(&server.origin);
    let tokens = rig.client.tokens();
    let outcomes = join_all((0..100).map(|_| tokens.token())).await;
    assert!(outcomes.iter().all(Result::is_err));
    assert_eq!(server.asked().len(), 1);
    tokens.token().await.unwrap_err();
    assert_eq!(server.asked().len(), 2);
}

#[tokio::test]
async fn a_token_is_renewed_shortly_before_it_expires() {
    for (lifetime, kept_for, why) in [
        (Some(3600), 3540, "a minute before"),
        (Some(100), 80, "or a fifth of a short life before"),
        (Some(0), 0, "at once if it has none"),
        (None, 1_000_000, "not before it is refused if the server didn't say"),
    ] {
        let server = Server::start(move |_| {
            let lifetime = lifetime.map(|seconds| format!(r#","expires_in":{seconds}"#)).unwrap_or_default();
            answer(200, &[], format!(r#"{{"token_type":"dpop","access_token":"t"{lifetime}}}"#))
        })
        .await;
        let rig = Rig::new(&server.origin);
        let tokens = rig.client.tokens();
        tokens.token().await.unwrap();
        if kept_for > 0 {
            rig.clock.advance(Duration::from_secs(kept_for - 1));
            tokens.token().await.unwrap();
            assert_eq!(server.asked().len(), 1, "{why}: kept");
            rig.clock.advance(Duration::from_secs(1));
        }
        tokens.token().await.unwrap();
        assert_eq!(server.asked().len(), if lifetime.is_some() { 2 } else { 1 }, "{why}: renewed");
    }
}

#[tokio::test]
async fn a_refusal_keeps_the_servers_words() {
    let server = Server::start(|_| refuse(401, "invalid_client", &[])).await;
    let outcome = Rig::new(&server.origin).get(&server.url("/api")).await;
    let Err(CallError::Token(error @ TokenError::Refused { .. })) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(error.to_string().contains("invalid_client") && error.to_string().contains("says the server"));
    assert_eq!(error.clock_offset(), None);
}

#[tokio::test]
async fn a_clock_that_explains_a_refusal_is_told_with_it() {
    for (error, explains) in [
        ("invalid_client", true),
        ("invalid_dpop_proof", true),
        ("invalid_scope", false),
        ("unauthorized_client", false),
    ] {
        let server = Server::start(move |_| refuse(400, error, &[])).await;
        let clock = NOW.before(Duration::from_secs(3600));
        let rig = Rig::with(&server.origin, Differently { clock, ..Differently::default() });
        let refusal = rig.client.tokens().token().await.unwrap_err();
        assert_eq!(refusal.clock_offset().is_some(), explains, "{error}");
        assert!(refusal.to_string().contains("3600 s behind the server's"), "{error}");
        assert_eq!(server.asked().len(), 1, "an hour is not corrected");
    }
}

#[tokio::test]
async fn what_is_no_token_is_told_for_what_it_is() {
    type Check = fn(&TokenError) -> bool;
    let cases: [(http::Response<String>, Check, &str); 6] = [
        (
            answer(404, &[("content-type", "text/html")], "<html>not here</html>"),
            |error| {
                matches!(error, TokenError::Refused { refusal: ExchangeError::NotATokenEndpoint { .. }, .. })
            },
            "HTML in place of JSON",
        ),
        (
            answer(200, &[("content-type", "text/html")], "<html>sign in</html>"),
            |error| matches!(error, TokenError::Refused { refusal: ExchangeError::NotStrictJson(_), .. }),
            "HTML with 200",
        ),
        (
            grant("token", "Bearer"),
            |error| matches!(error, TokenError::Refused { refusal: ExchangeError::NotBound, .. }),
            "a token that is not bound",
        ),
        (
            grant("to\u{7f}ken", "DPoP"),
            |error| matches!(error, TokenError::Refused { refusal: ExchangeError::UnusableToken, .. }),
            "a token that can't be sent",
        ),
        (
            answer(302, &[("location", "https://evil.example/token")], ""),
            |error| matches!(error, TokenError::Transport(TransportError::Redirected { .. })),
            "a redirect",
        ),
        (
            refuse(400, "use_dpop_nonce", &[]),
            |error| {
                matches!(error, TokenError::Refused { refusal: ExchangeError::ChallengeWithoutNonce, .. })
            },
            "a challenge without a nonce",
        ),
    ];
    for (response, is_expected, why) in cases {
        let server = Server::start(move |_| response.clone()).await;
        let error = Rig::new(&server.origin).client.tokens().token().await.unwrap_err();
        assert!(is_expected(&error), "{why}: {error:?}");
    }
}
