//! The token exchange against scripted servers: every fault is a line of a table
//! (RFC 6749 section 5, RFC 9449 sections 5 and 8).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use keybound::assertion::{AssertionPolicy, UnverifiedAssertion};
use keybound::credentials::Scheme;
use keybound::exchange::{ClientCredentials, ExchangeError, GrantedToken, Progress, TokenExchange};
use keybound::json::MemberError;
use keybound::proof::{DpopKey, ProofContext, ProofPolicy};
use keybound::random::OperatingSystem;
use keybound::{Algorithm, JwkSet, Nonce, Signer as _, SigningKey, TargetUri};
use support::{NOW, RS256};

const TOKEN_ENDPOINT: &str = "https://org.example.com/oauth2/v1/token";
const GRANTED: &str =
    r#"{"access_token":"a.b.c","token_type":"DPoP","expires_in":3600,"scope":"okta.users.read"}"#;
const CHALLENGE: &str =
    r#"{"error":"use_dpop_nonce","error_description":"Authorization server requires nonce in DPoP proof."}"#;

type Answer = (u16, Option<&'static str>, &'static str);

struct Run {
    result: Result<GrantedToken, ExchangeError>,
    requests: Vec<Request<String>>,
    nonce: Option<Nonce>,
}

fn dpop_key() -> DpopKey {
    DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()))
}

fn run(answers: &[Answer], dpop_key: Option<&DpopKey>) -> Run {
    let grant =
        ClientCredentials::new(TOKEN_ENDPOINT, "0oa1", ["okta.users.read", "okta.groups.read"]).unwrap();
    let proofs = dpop_key.map(|key| key.template().clone());
    let mut exchange = TokenExchange::new(grant, Algorithm::RS256, proofs, None);
    let mut requests = Vec::new();
    let mut answers = answers.iter();
    let result = loop {
        let attempt = exchange.attempt(NOW, &OperatingSystem).unwrap();
        requests.push(attempt.sign(&*RS256, dpop_key).unwrap());
        let (status, nonce, body) = answers.next().expect("no more requests than answers");
        let mut answer = Response::builder().status(*status).header("content-type", "application/json");
        if let Some(nonce) = nonce {
            answer = answer.header("DPoP-Nonce", *nonce);
        }
        match exchange.receive(&answer.body(*body).unwrap()) {
            Ok(Progress::AnswerChallenge) => {}
            Ok(Progress::Granted(token)) => break Ok(token),
            Err(error) => break Err(error),
        }
    };
    assert!(answers.next().is_none(), "as many requests as answers");
    Run { result, requests, nonce: exchange.nonce().cloned() }
}

fn form(request: &Request<String>) -> HashMap<String, String> {
    form_urlencoded::parse(request.body().as_bytes()).into_owned().collect()
}

#[test]
fn a_challenge_is_answered_with_the_nonce_a_fresh_proof_and_a_fresh_assertion() {
    let key = dpop_key();
    let run = run(&[(400, Some("n1"), CHALLENGE), (200, Some("n2"), GRANTED)], Some(&key));
    let token = run.result.unwrap();
    assert_eq!(token.scheme, Scheme::Dpop);
    assert_eq!(token.expires_at.unwrap().since(NOW).as_secs(), 3600);
    assert_eq!(token.scopes.unwrap(), ["okta.users.read"]);
    assert_eq!(run.nonce.unwrap().as_str(), "n2", "RFC 9449 section 8.2: a success brings a nonce too");

    let target = TargetUri::parse(TOKEN_ENDPOINT).unwrap();
    let mut identifiers = HashSet::new();
    for request in &run.requests {
        let fields = form(request);
        assert_eq!(fields["grant_type"], "client_credentials");
        assert_eq!(fields["scope"], "okta.users.read okta.groups.read");
        let policy = AssertionPolicy::new(vec![TOKEN_ENDPOINT.to_owned()]);
        let keys = JwkSet::from_keys(vec![RS256.public_key().clone()]);
        let assertion = UnverifiedAssertion::parse(&fields["client_assertion"]).unwrap();
        assert!(identifiers.insert(assertion.verify(&policy, &keys, NOW).unwrap().jwt_id.unwrap()));
        let proof = request.headers()["dpop"].to_str().unwrap();
        let context = ProofContext {
            method: request.method(),
            target: &target,
            access_token: None,
            nonces: None,
            now: NOW,
        };
        let proof = ProofPolicy::default().check(proof, &context).unwrap();
        assert_eq!(proof.thumbprint(), key.thumbprint());
        assert!(identifiers.insert(proof.jwt_id().to_owned()), "every attempt has identifiers of its own");
        assert!(request.headers()["dpop"].is_sensitive());
    }
}

#[test]
fn a_second_challenge_is_answered_and_a_third_is_an_error() {
    let key = dpop_key();
    let challenge = |nonce| (400, Some(nonce), CHALLENGE);
    assert!(run(&[challenge("n1"), challenge("n2"), (200, None, GRANTED)], Some(&key)).result.is_ok());
    let third = run(&[challenge("n1"), challenge("n2"), challenge("n3")], Some(&key));
    assert_eq!(third.result.unwrap_err(), ExchangeError::TooManyChallenges);
}

#[test]
fn without_a_key_a_bearer_token_is_asked_for() {
    let run = run(&[(200, None, r#"{"access_token":"t","token_type":"bearer"}"#)], None);
    let token = run.result.unwrap();
    assert_eq!((token.scheme, token.expires_at, token.scopes), (Scheme::Bearer, None, None));
    assert!(!run.requests[0].headers().contains_key("dpop"));
}

#[test]
fn what_does_not_end_in_a_bound_token_is_an_error_that_says_why() {
    let refused = |status, error: &str, description: Option<&str>| ExchangeError::Refused {
        status: StatusCode::from_u16(status).unwrap(),
        error: error.to_owned(),
        description: description.map(str::to_owned),
    };
    for (answer, expected, why) in [
        ((400, None, CHALLENGE), ExchangeError::ChallengeWithoutNonce, "a challenge without a nonce"),
        ((400, Some("a b"), CHALLENGE), ExchangeError::ChallengeWithoutNonce, "a challenge with a bad nonce"),
        (
            (401, None, r#"{"error":"invalid_client"}"#),
            refused(401, "invalid_client", None),
            "an OAuth error",
        ),
        (
            (400, None, "{\"error\":\"invalid_scope\",\"error_description\":\"\\u001b[31mno\\u0007\"}"),
            refused(400, "invalid_scope", Some("[31mno")),
            "an OAuth error with control characters",
        ),
        (
            (404, None, "<html>"),
            ExchangeError::NotATokenEndpoint {
                status: StatusCode::NOT_FOUND,
                content_type: Some("application/json".to_owned()),
            },
            "a page",
        ),
        (
            (302, None, ""),
            ExchangeError::NotATokenEndpoint {
                status: StatusCode::FOUND,
                content_type: Some("application/json".to_owned()),
            },
            "a redirect",
        ),
        (
            (200, None, r#"{"access_token":"t","token_type":"Bearer"}"#),
            ExchangeError::NotBound,
            "a bearer token instead: RFC 9449 section 5",
        ),
        (
            (200, None, r#"{"access_token":"t","token_type":"mac"}"#),
            ExchangeError::UnknownTokenType { found: "mac".to_owned() },
            "an unknown type: RFC 6749 section 7.1",
        ),
        (
            (200, None, r#"{"token_type":"DPoP"}"#),
            ExchangeError::Malformed(MemberError::Missing("access_token")),
            "no token",
        ),
        (
            (200, None, r#"{"access_token":"t"}"#),
            ExchangeError::Malformed(MemberError::Missing("token_type")),
            "no type",
        ),
        (
            (200, None, r#"{"access_token":"a\r\nb","token_type":"DPoP"}"#),
            ExchangeError::UnusableToken,
            "a token that would split a header",
        ),
        (
            (200, None, r#"{"access_token":"","token_type":"DPoP"}"#),
            ExchangeError::UnusableToken,
            "an empty token",
        ),
    ] {
        assert_eq!(run(&[answer], Some(&dpop_key())).result.unwrap_err(), expected, "{why}");
    }
    assert!(matches!(
        run(&[(200, None, "not JSON")], Some(&dpop_key())).result,
        Err(ExchangeError::NotStrictJson(_))
    ));
    assert_eq!(
        run(&[(200, None, GRANTED)], None).result.unwrap_err(),
        ExchangeError::BoundToNoKey,
        "a bound token although no key was shown"
    );
    assert_eq!(
        run(&[(400, Some("n"), CHALLENGE)], None).result.unwrap_err(),
        refused(400, "use_dpop_nonce", Some("Authorization server requires nonce in DPoP proof.")),
        "a challenge although no proof was sent"
    );
}

#[test]
fn an_answer_is_bounded_and_a_token_is_in_no_debug_text() {
    let large: &'static str = Box::leak("x".repeat(64 * 1024 + 1).into_boxed_str());
    assert_eq!(
        run(&[(200, None, large)], Some(&dpop_key())).result.unwrap_err(),
        ExchangeError::TooLarge { found: 65_537 }
    );
    let token = run(&[(200, None, GRANTED)], Some(&dpop_key())).result.unwrap();
    assert!(!format!("{token:?}").contains("a.b.c"));
}
