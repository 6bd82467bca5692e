//! Every grant but client credentials against scripted servers, and every way in which a client says who it
//! is (RFC 6749 sections 2.3, 4.1.3 and 6, RFC 7636, RFC 8628, RFC 9449 sections 5, 8 and 10).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use keybound::authorization::{AuthorizationCode, AuthorizationRequest};
use keybound::device::{DeviceAuthorization, DeviceError, DeviceExchange, DeviceRequest};
use keybound::endpoint::Endpoint;
use keybound::exchange::{
    ClientAuthentication, ClientIdentity, ExchangeError, Grant, NotTheBoundKey, Progress, RefreshToken,
    TokenExchange, TokenRequest,
};
use keybound::proof::DpopKey;
use keybound::random::OperatingSystem;
use keybound::{Algorithm, Secret, SignError, SigningKey, Thumbprint};
use support::{Draft, NOW, RS256};

const TOKEN_ENDPOINT: &str = "https://as.example.com/token";
const REDIRECT_URI: &str = "https://client.example.com/cb";
const GRANTED: &str = r#"{"access_token":"a.b.c","token_type":"DPoP"}"#;
const CHALLENGE: &str = r#"{"error":"use_dpop_nonce"}"#;

fn dpop_key() -> DpopKey {
    DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()))
}

fn endpoint(url: &str) -> Endpoint {
    Endpoint::parse(url).unwrap()
}

fn public() -> ClientIdentity {
    ClientIdentity::public("s6BhdRkqt")
}

fn with_key() -> ClientIdentity {
    let authentication = ClientAuthentication::PrivateKeyJwt {
        algorithm: Algorithm::RS256,
        audience: "https://as.example.com".to_owned(),
        key_id: None,
    };
    ClientIdentity { id: "s6BhdRkqt".to_owned(), authentication }
}

/// A code as a checked response gives it, and the verifier's challenge.
fn code(bound_to: Option<Thumbprint>) -> AuthorizationCode {
    let mut request = AuthorizationRequest::new(
        "https://as.example.com",
        endpoint("https://as.example.com/authorize"),
        "s6BhdRkqt",
        REDIRECT_URI,
    );
    request.bound_to = bound_to;
    let pending = request.begin(&OperatingSystem).unwrap();
    let url = pending.url();
    let state = url.split('&').find_map(|pair| pair.strip_prefix("state=")).unwrap();
    pending.receive(&format!("code=SplxlOBeZQQYbYS6WxSbIA&state={state}")).unwrap()
}

fn refresh(bound_to: Option<Thumbprint>, scopes: &[&str]) -> Grant {
    Grant::RefreshToken {
        token: RefreshToken::new(Secret::new("old"), bound_to),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    }
}

fn device(expires_in: u64, interval: u64) -> Grant {
    let json = format!(
        r#"{{"device_code":"GmRh","user_code":"A","verification_uri":"https://as.example.com/d",
        "expires_in":{expires_in},"interval":{interval}}}"#
    );
    Grant::DeviceCode(DeviceAuthorization::parse(json.as_bytes(), NOW).unwrap().grant().clone())
}

fn exchange(client: ClientIdentity, grant: Grant, key: Option<&DpopKey>) -> TokenExchange {
    let request = TokenRequest::new(endpoint(TOKEN_ENDPOINT), client, grant);
    TokenExchange::for_request(request, key.map(|key| key.template().clone()), None).unwrap()
}

fn next(exchange: &mut TokenExchange, key: Option<&DpopKey>) -> Request<String> {
    let attempt = exchange.attempt(NOW, &OperatingSystem).unwrap();
    match attempt.assertion() {
        Some(_) => attempt.sign(&*RS256, key).unwrap(),
        None => attempt.sign_proof(key).unwrap(),
    }
}

fn form(request: &Request<String>) -> Vec<(String, String)> {
    form_urlencoded::parse(request.body().as_bytes()).into_owned().collect()
}

fn value(request: &Request<String>, name: &str) -> Option<String> {
    form(request).into_iter().find_map(|(found, value)| (found == name).then_some(value))
}

fn answer(status: u16, body: &'static str) -> Response<&'static str> {
    Response::builder().status(status).body(body).unwrap()
}

fn challenge(nonce: &str) -> Response<&'static str> {
    Response::builder().status(400).header("dpop-nonce", nonce).body(CHALLENGE).unwrap()
}

fn refused(error: &str) -> ExchangeError {
    let (status, error) = (StatusCode::BAD_REQUEST, error.to_owned());
    ExchangeError::Refused { status, error, description: None }
}

#[test]
fn each_grant_has_its_form() {
    const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
    let scopes = vec!["a".to_owned(), "b".to_owned()];
    for (grant, fields, why) in [
        (
            Grant::ClientCredentials { scopes },
            vec![("grant_type", "client_credentials"), ("scope", "a b"), ("client_id", "s6BhdRkqt")],
            "RFC 6749 section 4.4.2",
        ),
        (
            Grant::AuthorizationCode(code(None)),
            vec![
                ("grant_type", "authorization_code"),
                ("code", "SplxlOBeZQQYbYS6WxSbIA"),
                ("redirect_uri", REDIRECT_URI),
                ("code_verifier", "*"),
                ("client_id", "s6BhdRkqt"),
            ],
            "RFC 6749 section 4.1.3, RFC 7636 section 4.5, and the request of RFC 9449 section 5",
        ),
        (
            refresh(None, &[]),
            vec![("grant_type", "refresh_token"), ("refresh_token", "old"), ("client_id", "s6BhdRkqt")],
            "RFC 6749 section 6: all scopes that were granted",
        ),
        (
            refresh(None, &["a"]),
            vec![
                ("grant_type", "refresh_token"),
                ("refresh_token", "old"),
                ("scope", "a"),
                ("client_id", "s6BhdRkqt"),
            ],
            "RFC 6749 section 6: fewer scopes",
        ),
        (
            device(60, 5),
            vec![("grant_type", DEVICE), ("device_code", "GmRh"), ("client_id", "s6BhdRkqt")],
            "RFC 8628 section 3.4",
        ),
    ] {
        let request = next(&mut exchange(public(), grant, None), None);
        let found = form(&request);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, fields.iter().map(|(name, _)| *name).collect::<Vec<_>>(), "{why}");
        for ((_, found), (_, expected)) in found.iter().zip(&fields) {
            assert!(*expected == "*" || found == expected, "{why}: {found}");
        }
        assert_eq!(request.uri(), TOKEN_ENDPOINT);
        assert!(!request.headers().contains_key("authorization"), "{why}");
    }
}

#[test]
fn a_token_is_asked_for_by_resource_and_audience() {
    let grant = Grant::ClientCredentials { scopes: Vec::new() };
    let mut request = TokenRequest::new(endpoint(TOKEN_ENDPOINT), public(), grant);
    request.resources = vec!["https://one.example".to_owned(), "https://two.example".to_owned()];
    request.audience = Some("api".to_owned());
    let request = next(&mut TokenExchange::for_request(request, None, None).unwrap(), None);
    let resources: Vec<_> =
        form(&request).into_iter().filter(|(name, _)| name == "resource").map(|(_, value)| value).collect();
    assert_eq!(resources, ["https://one.example", "https://two.example"], "RFC 8707 section 2: one or more");
    assert_eq!(value(&request, "audience").as_deref(), Some("api"));
}

#[test]
fn each_client_authenticates_in_its_way_and_in_no_other() {
    let secret = || Secret::new("p w");
    let client = |authentication| ClientIdentity { id: "s6BhdRkqt".to_owned(), authentication };
    for (client, basic, post, assertion, id, why) in [
        (with_key(), false, false, true, false, "RFC 7521 section 4.2: the assertion names the client"),
        (client(ClientAuthentication::SecretBasic(secret())), true, false, false, false, "RFC 6749 2.3.1"),
        (client(ClientAuthentication::SecretPost(secret())), false, true, false, true, "RFC 6749 2.3.1"),
        (public(), false, false, false, true, "RFC 6749 section 3.2.1"),
    ] {
        assert!(!format!("{client:?}").contains("p w"), "{why}");
        let request = next(&mut exchange(client, refresh(None, &[]), None), None);
        let has = |name| value(&request, name).is_some();
        assert_eq!(request.headers().contains_key("authorization"), basic, "{why}");
        assert_eq!(has("client_secret"), post, "{why}");
        assert_eq!((has("client_assertion"), has("client_assertion_type")), (assertion, assertion), "{why}");
        assert_eq!(has("client_id"), id, "{why}");
    }
}

#[test]
fn an_assertion_that_nobody_signed_is_not_sent() {
    let mut exchange = exchange(with_key(), refresh(None, &[]), None);
    let attempt = exchange.attempt(NOW, &OperatingSystem).unwrap();
    assert_eq!(attempt.sign_proof(None).unwrap_err(), SignError::AssertionNotSigned);
}

#[test]
fn every_grant_answers_a_challenge_with_a_fresh_proof_and_a_fresh_assertion() {
    let key = dpop_key();
    for grant in [
        Grant::ClientCredentials { scopes: Vec::new() },
        Grant::AuthorizationCode(code(Some(key.thumbprint()))),
        refresh(None, &[]),
        device(60, 5),
    ] {
        let mut exchange = exchange(with_key(), grant, Some(&key));
        let mut identifiers = HashSet::new();
        let mut forms = Vec::new();
        for (answer, nonce) in
            [(challenge("n1"), None), (challenge("n2"), Some("n1")), (answer(200, GRANTED), Some("n2"))]
        {
            let request = next(&mut exchange, Some(&key));
            let proof = Draft::read(request.headers()["dpop"].to_str().unwrap());
            assert_eq!(proof.claims["nonce"].as_str(), nonce, "RFC 9449 section 8.2");
            assert!(identifiers.insert(proof.claims["jti"].to_string()));
            let assertion = Draft::read(&value(&request, "client_assertion").unwrap());
            assert!(identifiers.insert(assertion.claims["jti"].to_string()));
            let fields = form(&request).into_iter().filter(|(name, _)| name != "client_assertion");
            forms.push(fields.collect::<Vec<_>>());
            assert!(exchange.receive(&answer).is_ok());
        }
        assert!(forms.windows(2).all(|pair| pair[0] == pair[1]), "the grant itself is the same");
    }
}

#[test]
fn a_code_or_refresh_token_is_sent_again_for_a_challenge_and_for_nothing_else() {
    let key = dpop_key();
    for grant in [Grant::AuthorizationCode(code(None)), refresh(None, &[])] {
        assert!(grant.is_used_up());
        for error in ["invalid_grant", "invalid_dpop_proof", "authorization_pending", "slow_down"] {
            let mut exchange = exchange(public(), grant.clone(), Some(&key));
            next(&mut exchange, Some(&key));
            let body: &'static str = Box::leak(format!(r#"{{"error":"{error}"}}"#).into_boxed_str());
            let ended = exchange.receive(&answer(400, body)).unwrap_err();
            assert_eq!(ended, refused(error), "{error}");
        }
    }
}

#[test]
fn a_grant_keeps_the_key_that_it_is_bound_to() {
    let (key, other) = (dpop_key(), dpop_key());
    let (ours, theirs) = (key.thumbprint(), other.thumbprint());
    for (grant, proven, found, why) in [
        (refresh(Some(ours), &[]), Some(&key), None, "its key: RFC 9449 section 5"),
        (refresh(Some(ours), &[]), Some(&other), Some(Some(theirs)), "another key: RFC 9449 section 5"),
        (refresh(Some(ours), &[]), None, Some(None), "no key: RFC 9449 section 5"),
        (refresh(None, &[]), Some(&other), None, "bound to the client, not to a key: RFC 9449 section 5"),
        (Grant::AuthorizationCode(code(Some(ours))), Some(&key), None, "its key: RFC 9449 section 10"),
        (
            Grant::AuthorizationCode(code(Some(ours))),
            Some(&other),
            Some(Some(theirs)),
            "another: RFC 9449 section 10",
        ),
        (Grant::AuthorizationCode(code(None)), Some(&other), None, "a code without dpop_jkt"),
    ] {
        let request = TokenRequest::new(endpoint(TOKEN_ENDPOINT), public(), grant);
        let proofs = proven.map(|key| key.template().clone());
        match (TokenExchange::for_request(request, proofs, None), found) {
            (Ok(_), None) => {}
            (Err(NotTheBoundKey { expected, found, .. }), Some(reported)) => {
                assert_eq!((expected, found), (ours, reported), "{why}");
            }
            (outcome, _) => panic!("{why}: {:?}", outcome.map(drop)),
        }
    }
}

#[test]
fn a_refresh_token_is_bound_as_the_client_is() {
    // The answer of RFC 9449 section 5.
    const ANSWER: &str = r#"{"access_token":"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU","token_type":"DPoP",
        "expires_in":2677,"refresh_token":"Q..Zkm29lexi8VnWg2zPW1x-tgGad0Ibc3s3EwM_Ni4-g","id_token":"e.f.g"}"#;
    let key = dpop_key();
    for (client, bound, why) in [
        (public(), true, "a public client's: to its DPoP key"),
        (with_key(), false, "a confidential client's: to the client"),
    ] {
        let mut exchange = exchange(client, Grant::AuthorizationCode(code(None)), Some(&key));
        next(&mut exchange, Some(&key));
        let Ok(Progress::Granted(token)) = exchange.receive(&answer(200, ANSWER)) else { panic!("{why}") };
        let refresh = token.refresh_token.clone().unwrap();
        assert_eq!(refresh.secret().expose(), "Q..Zkm29lexi8VnWg2zPW1x-tgGad0Ibc3s3EwM_Ni4-g");
        assert_eq!(refresh.bound_to(), bound.then(|| key.thumbprint()), "{why}");
        assert_eq!(token.id_token.as_ref().unwrap().expose(), "e.f.g");
        let shown = format!("{token:?} {refresh:?} {exchange:?}");
        for secret in ["Kz~8m", "Q..Zkm", "e.f.g", "Splxl"] {
            assert!(!shown.contains(secret), "{secret} is in {shown}");
        }
    }
    for (body, refresh, why) in [
        (GRANTED, false, "none: the old one stays (RFC 6749 section 6)"),
        (r#"{"access_token":"a","token_type":"DPoP","refresh_token":""}"#, false, "an empty one is none"),
    ] {
        let mut exchange = exchange(public(), self::refresh(None, &[]), Some(&key));
        next(&mut exchange, Some(&key));
        let Ok(Progress::Granted(token)) = exchange.receive(&answer(200, body)) else { panic!("{why}") };
        assert_eq!(token.refresh_token.is_some(), refresh, "{why}");
    }
}

#[test]
fn a_device_waits_as_long_as_it_is_told() {
    const PENDING: &str = r#"{"error":"authorization_pending"}"#;
    const SLOW_DOWN: &str = r#"{"error":"slow_down"}"#;
    let key = dpop_key();
    for (expires_in, answers, outcome, why) in [
        (60, vec![(PENDING, Some(5)), (PENDING, Some(5))], None, "RFC 8628 section 3.5"),
        (
            60,
            vec![(SLOW_DOWN, Some(10)), (PENDING, Some(10)), (SLOW_DOWN, Some(15))],
            None,
            "5 s longer, for good",
        ),
        (5, vec![(PENDING, None)], Some(ExchangeError::DeviceCodeExpired), "it will have expired by then"),
        (
            60,
            vec![(r#"{"error":"expired_token"}"#, None)],
            Some(ExchangeError::DeviceCodeExpired),
            "the server says so",
        ),
        (
            60,
            vec![(r#"{"error":"access_denied"}"#, None)],
            Some(ExchangeError::AccessDenied),
            "the user's no",
        ),
        (60, vec![(r#"{"error":"invalid_grant"}"#, None)], Some(refused("invalid_grant")), "any other error"),
    ] {
        let mut exchange = exchange(public(), device(expires_in, 5), Some(&key));
        for (body, wait) in answers {
            next(&mut exchange, Some(&key));
            match exchange.receive(&answer(400, body)) {
                Ok(Progress::Wait(waited)) => assert_eq!(Some(waited.as_secs()), wait, "{why}"),
                Err(error) => assert_eq!((Some(error), wait), (outcome.clone(), None), "{why}"),
                other => panic!("{why}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_is_not_answered_is_asked_again_by_a_device_alone_and_less_often() {
    let mut polling = exchange(public(), device(60, 5), None);
    for wait in [Some(10), Some(20), Some(40), None] {
        next(&mut polling, None);
        assert_eq!(polling.unanswered().map(|wait| wait.as_secs()), wait, "RFC 8628 section 3.5");
    }
    for grant in [
        Grant::ClientCredentials { scopes: Vec::new() },
        Grant::AuthorizationCode(code(None)),
        refresh(None, &[]),
    ] {
        let mut other = exchange(public(), grant, None);
        next(&mut other, None);
        assert_eq!(other.unanswered(), None, "it may have been heard");
    }
}

#[test]
fn a_device_that_waits_long_may_be_challenged_at_each_poll() {
    let key = dpop_key();
    let mut exchange = exchange(public(), device(600, 5), Some(&key));
    for _ in 0..5 {
        for nonce in ["n1", "n2"] {
            next(&mut exchange, Some(&key));
            assert!(matches!(exchange.receive(&challenge(nonce)), Ok(Progress::AnswerChallenge)));
        }
        next(&mut exchange, Some(&key));
        let pending = answer(400, r#"{"error":"authorization_pending"}"#);
        assert!(matches!(exchange.receive(&pending), Ok(Progress::Wait(_))));
    }
    next(&mut exchange, Some(&key));
    assert!(matches!(exchange.receive(&answer(200, GRANTED)), Ok(Progress::Granted(_))));
}

#[test]
fn a_device_asks_with_its_client_id_once_and_without_a_proof() {
    let secret = ClientAuthentication::SecretPost(Secret::new("s"));
    for client in
        [public(), with_key(), ClientIdentity { id: "s6BhdRkqt".to_owned(), authentication: secret }]
    {
        let request = DeviceRequest {
            endpoint: endpoint("https://as.example.com/device"),
            client,
            scopes: vec!["a".to_owned()],
            resources: vec!["https://api.example".to_owned()],
        };
        let mut exchange = DeviceExchange::new(request);
        let attempt = exchange.attempt(NOW, &OperatingSystem).unwrap();
        let request = match attempt.assertion() {
            Some(_) => attempt.sign(&*RS256, None).unwrap(),
            None => attempt.sign_proof(None).unwrap(),
        };
        let ids = form(&request).into_iter().filter(|(name, _)| name == "client_id").count();
        assert_eq!(ids, 1, "RFC 8628 section 3.1");
        assert_eq!(value(&request, "scope").as_deref(), Some("a"));
        assert_eq!(value(&request, "resource").as_deref(), Some("https://api.example"));
        assert!(!request.headers().contains_key("dpop"));
        let no = exchange.receive(&answer(400, r#"{"error":"unauthorized_client"}"#)).unwrap_err();
        assert_eq!(no, DeviceError::Exchange(refused("unauthorized_client")));
        let yes = exchange.receive(&answer(
            200,
            r#"{"device_code":"d","user_code":"A","verification_uri":"https://as.example.com/d","expires_in":60}"#,
        ));
        let polling = yes.unwrap().grant().polling();
        assert_eq!(polling.wait(NOW), Some(Duration::from_secs(5)), "RFC 8628 section 3.2: five by default");
    }
}
