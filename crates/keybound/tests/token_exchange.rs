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
use std::time::Duration;

use http::{Request, Response, StatusCode};
use keybound::access_token::MAX_ACCESS_TOKEN_BYTES;
use keybound::assertion::{AssertionPolicy, UnverifiedAssertion};
use keybound::credentials::Scheme;
use keybound::exchange::{ClientCredentials, ExchangeError, GrantedToken, Progress, TokenExchange};
use keybound::json::MemberError;
use keybound::proof::{DpopKey, ProofContext, ProofPolicy};
use keybound::random::OperatingSystem;
use keybound::{Algorithm, JwkSet, Nonce, SignError, Signer as _, SigningKey, TargetUri};
use serde_json::json;
use support::{Draft, NOW, RS256};

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

fn grant() -> ClientCredentials {
    ClientCredentials::new(TOKEN_ENDPOINT, "0oa1", ["okta.users.read", "okta.groups.read"]).unwrap()
}

fn run(answers: &[Answer], dpop_key: Option<&DpopKey>) -> Run {
    run_with(None, answers, dpop_key)
}

/// A run of an exchange that has this nonce from an earlier one.
fn run_with(nonce: Option<&str>, answers: &[Answer], dpop_key: Option<&DpopKey>) -> Run {
    let proofs = dpop_key.map(|key| key.template().clone());
    let nonce = nonce.map(|nonce| Nonce::parse(nonce).unwrap());
    let mut exchange = TokenExchange::new(grant(), Algorithm::RS256, proofs, nonce);
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
            Ok(Progress::Wait(_)) => panic!("only a device code is waited for"),
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
fn every_proof_has_the_newest_nonce() {
    let challenge = |nonce| (400, Some(nonce), CHALLENGE);
    for (known, answers, expected, why) in [
        (None, vec![(200, None, GRANTED)], vec![None], "no nonce yet"),
        (Some("n0"), vec![(200, None, GRANTED)], vec![Some("n0")], "the nonce of an earlier exchange"),
        (
            None,
            vec![challenge("n1"), (200, None, GRANTED)],
            vec![None, Some("n1")],
            "the nonce of a challenge: RFC 9449 section 8",
        ),
        (
            Some("n0"),
            vec![challenge("n1"), challenge("n2"), (200, None, GRANTED)],
            vec![Some("n0"), Some("n1"), Some("n2")],
            "a new nonce each time: RFC 9449 section 8.2",
        ),
    ] {
        let run = run_with(known, &answers, Some(&dpop_key()));
        let proofs: Vec<_> = run
            .requests
            .iter()
            .map(|request| Draft::read(request.headers()["dpop"].to_str().unwrap()))
            .collect();
        let nonces: Vec<_> = proofs.iter().map(|proof| proof.claims["nonce"].as_str()).collect();
        assert_eq!(nonces, expected, "{why}");
    }
}

#[test]
fn an_answer_with_two_nonces_gives_none() {
    let mut exchange =
        TokenExchange::new(grant(), Algorithm::RS256, Some(dpop_key().template().clone()), None);
    exchange.attempt(NOW, &OperatingSystem).unwrap();
    let answer = Response::builder().status(400).header("DPoP-Nonce", "n1").header("DPoP-Nonce", "n2");
    let error = exchange.receive(&answer.body(CHALLENGE).unwrap()).unwrap_err();
    assert_eq!(error, ExchangeError::ChallengeWithoutNonce, "RFC 9449 section 8.1");
    assert_eq!(exchange.nonce(), None);
}

#[test]
fn a_client_assertion_is_for_the_audience_and_names_the_key_of_the_grant() {
    let issuer = "https://org.example.com";
    let (mut with_issuer, mut with_key) = (grant(), grant());
    with_issuer.assertion_audience = issuer.to_owned();
    with_key.key_id = Some("registered".to_owned());
    for (grant, audience, key_id, why) in [
        (grant(), TOKEN_ENDPOINT, json!(null), "as Okta wants it"),
        (with_issuer, issuer, json!(null), "as RFC 7523bis wants it"),
        (with_key, TOKEN_ENDPOINT, json!("registered"), "with a key of several"),
    ] {
        let mut exchange = TokenExchange::new(grant, Algorithm::RS256, None, None);
        let attempt = exchange.attempt(NOW, &OperatingSystem).unwrap();
        let assertion =
            Draft::read(std::str::from_utf8(attempt.assertion().unwrap().signing_input()).unwrap());
        assert_eq!(assertion.claims["aud"], audience, "{why}");
        assert_eq!(assertion.header["kid"], key_id, "{why}");
        assert_eq!(assertion.claims["iat"], NOW.seconds(), "{why}");
        assert_eq!(assertion.claims["exp"], NOW.seconds() + 300, "{why}");
    }
}

#[test]
fn a_token_expires_by_the_clock_of_the_attempt_that_got_it() {
    for (first, second, why) in [
        (NOW, NOW.after(Duration::from_secs(10)), "a clock that goes on"),
        (NOW, NOW.before(Duration::from_secs(100)), "a clock that was set back"),
    ] {
        let proofs = Some(dpop_key().template().clone());
        let mut exchange = TokenExchange::new(grant(), Algorithm::RS256, proofs, None);
        exchange.attempt(first, &OperatingSystem).unwrap();
        let challenge = Response::builder().status(400).header("DPoP-Nonce", "n").body(CHALLENGE).unwrap();
        assert!(matches!(exchange.receive(&challenge), Ok(Progress::AnswerChallenge)), "{why}");
        exchange.attempt(second, &OperatingSystem).unwrap();
        let Ok(Progress::Granted(token)) = exchange.receive(&Response::new(GRANTED)) else {
            panic!("{why}: no token");
        };
        assert_eq!(token.expires_at, Some(second.after(Duration::from_secs(3600))), "{why}");
    }
}

#[test]
fn a_token_is_as_long_as_a_header_field_can_carry() {
    for (bytes, usable) in [(MAX_ACCESS_TOKEN_BYTES, true), (MAX_ACCESS_TOKEN_BYTES + 1, false)] {
        let body = format!(r#"{{"access_token":"{}","token_type":"DPoP"}}"#, "a".repeat(bytes));
        let proofs = Some(dpop_key().template().clone());
        let mut exchange = TokenExchange::new(grant(), Algorithm::RS256, proofs, None);
        exchange.attempt(NOW, &OperatingSystem).unwrap();
        match exchange.receive(&Response::new(body)) {
            Ok(_) => assert!(usable, "{bytes} bytes"),
            Err(error) => assert_eq!((error, usable), (ExchangeError::UnusableToken, false), "{bytes} bytes"),
        }
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
fn an_answer_may_have_its_lifetime_in_a_string_and_null_for_what_is_left_out() {
    let key = dpop_key();
    for (body, lifetime) in [
        (r#"{"access_token":"t","token_type":"DPoP","expires_in":"60"}"#, Some(60)),
        (r#"{"access_token":"t","token_type":"DPoP","expires_in":60.5}"#, Some(60)),
        (r#"{"access_token":"t","token_type":"DPoP","expires_in":null,"scope":null}"#, None),
        (r#"{"access_token":"t","token_type":"DPoP","refresh_token":null,"id_token":null}"#, None),
    ] {
        let token = run(&[(200, None, body)], Some(&key)).result.unwrap();
        let expected = lifetime.map(|seconds| NOW.after(Duration::from_secs(seconds)));
        assert_eq!((token.expires_at, token.scopes), (expected, None), "RFC 6749 section 5.1: {body}");
        assert!(token.refresh_token.is_none() && token.id_token.is_none(), "{body}");
    }
    let wrong = MemberError::WrongType { name: "expires_in", expected: "a number of seconds" };
    for (body, expected) in [
        (r#"{"access_token":null,"token_type":"DPoP"}"#, MemberError::Missing("access_token")),
        (r#"{"access_token":"t","token_type":null}"#, MemberError::Missing("token_type")),
        (r#"{"access_token":"t","token_type":"DPoP","expires_in":"-1"}"#, wrong),
    ] {
        let error = run(&[(200, None, body)], Some(&key)).result.unwrap_err();
        assert_eq!(error, ExchangeError::Malformed(expected), "{body}");
    }
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
            (400, Some("n"), r#"{"error":"use_dpop_nonces"}"#),
            refused(400, "use_dpop_nonces", None),
            "almost a challenge",
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
            (201, None, GRANTED),
            ExchangeError::NotATokenEndpoint {
                status: StatusCode::CREATED,
                content_type: Some("application/json".to_owned()),
            },
            "a token with another status than 200: RFC 6749 section 5.1",
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
            (200, None, r#"{"access_token":"a b","token_type":"DPoP"}"#),
            ExchangeError::UnusableToken,
            "a token with a space",
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
fn the_url_is_in_doubt_only_where_the_status_does_not_say_that_the_endpoint_is_out_of_reach() {
    for (status, is_in_doubt) in [(302, true), (404, true), (429, false), (500, false), (503, false)] {
        let status = StatusCode::from_u16(status).unwrap();
        let error = ExchangeError::NotATokenEndpoint { status, content_type: Some("text/html".to_owned()) };
        let text = error.to_string();
        assert_eq!(text.contains("is the URL right?"), is_in_doubt, "{text}");
        assert!(text.contains(status.as_str()) && text.contains("text/html"), "{text}");
    }
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

#[test]
fn a_request_whose_proof_nobody_signed_is_not_made() {
    let key = dpop_key();
    let mut exchange = TokenExchange::new(grant(), Algorithm::RS256, Some(key.template().clone()), None);
    let mut attempt = || exchange.attempt(NOW, &OperatingSystem).unwrap();
    let unsigned = attempt().sign(&*RS256, None);
    assert_eq!(unsigned.unwrap_err(), SignError::ProofNotSigned, "RFC 9449 section 5");
    let first = attempt();
    let assertion = RS256.sign(first.assertion().unwrap().signing_input()).unwrap();
    assert_eq!(first.attach(Some(&assertion), None).unwrap_err(), SignError::ProofNotSigned);

    let other = SigningKey::generate(Algorithm::ES256).unwrap();
    let (expected, found) = (Algorithm::RS256, Algorithm::ES256);
    let mismatched = attempt().sign(&other, Some(&key));
    assert_eq!(mismatched.unwrap_err(), SignError::WrongAlgorithm { expected, found });
}
