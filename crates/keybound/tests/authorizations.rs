//! Authorization requests and responses: what is asked, and what is refused (RFC 6749 section 4.1, RFC 7636,
//! RFC 9126, RFC 9207, RFC 9449 section 10).
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

use http::{Request, Response, StatusCode};
use keybound::authorization::{
    AuthorizationRequest, BeginError, MAX_CODE_BYTES, MAX_RESPONSE_BYTES, PendingAuthorization, PushError,
    PushProgress, ResponseRefusal,
};
use keybound::endpoint::Endpoint;
use keybound::exchange::{
    ClientAuthentication, ClientIdentity, ExchangeError, Grant, TokenExchange, TokenRequest,
};
use keybound::json::MemberError;
use keybound::proof::DpopKey;
use keybound::random::{OperatingSystem, Random, RandomUnavailable};
use keybound::{Algorithm, Secret, SigningKey};
use proptest::prelude::*;
use support::{Draft, NOW};

const ISSUER: &str = "https://server.example.com";

/// The octets of RFC 7636 appendix B, whatever is asked for.
struct AppendixB;

impl Random for AppendixB {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        const OCTETS: [u8; 32] = [
            116, 24, 223, 180, 151, 153, 224, 37, 79, 250, 96, 125, 216, 173, 187, 186, 22, 212, 37, 77, 105,
            214, 191, 240, 91, 88, 5, 88, 83, 132, 141, 121,
        ];
        bytes.copy_from_slice(&OCTETS);
        Ok(())
    }
}

fn request() -> AuthorizationRequest {
    AuthorizationRequest::new(
        ISSUER,
        Endpoint::parse("https://server.example.com/authorize").unwrap(),
        "s6BhdRkqt3",
        "https://client.example.com/cb",
    )
}

fn begun() -> PendingAuthorization {
    request().begin(&OperatingSystem).unwrap()
}

fn parameters(url: &str) -> Vec<(String, String)> {
    let query = url.split_once('?').unwrap().1;
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

fn value(url: &str, name: &str) -> Option<String> {
    parameters(url).into_iter().find_map(|(found, value)| (found == name).then_some(value))
}

fn state(pending: &PendingAuthorization) -> String {
    value(&pending.url(), "state").unwrap()
}

fn dpop_key() -> DpopKey {
    DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()))
}

#[test]
fn a_request_is_that_of_the_specifications() {
    let mut request = request();
    // RFC 9449 section 10, with the challenge of RFC 7636 appendix B.
    request.bound_to = Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs".parse().unwrap());
    let pending = request.begin(&AppendixB).unwrap();
    let expected = [
        ("response_type", "code"),
        ("client_id", "s6BhdRkqt3"),
        ("redirect_uri", "https://client.example.com/cb"),
        ("state", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
        ("dpop_jkt", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
    ];
    let found = parameters(&pending.url());
    let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(found, expected);

    // The verifier goes to the token endpoint alone (RFC 7636 section 4.5).
    let code = pending.receive("code=c&state=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
    let endpoint = Endpoint::parse("https://server.example.com/token").unwrap();
    let client = ClientIdentity::public("s6BhdRkqt3");
    let mut request = TokenRequest::new(endpoint, client, Grant::AuthorizationCode(code.clone()));
    request.audience = None;
    let refused = TokenExchange::for_request(request, None, None).unwrap_err();
    assert_eq!(refused.expected.to_string(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert!(!format!("{pending:?}{code:?}").contains("dBjft"), "verifier and state are in no Debug text");
}

#[test]
fn what_may_be_used_once_is_fresh_each_time() {
    let mut seen = HashSet::new();
    let mut request = request();
    request.scopes = vec!["openid".to_owned(), "email".to_owned()];
    for _ in 0..8 {
        let url = request.clone().begin(&OperatingSystem).unwrap().url();
        for name in ["state", "nonce", "code_challenge"] {
            let value = value(&url, name).unwrap();
            assert_eq!(value.len(), 43, "{name} has 256 bits");
            assert!(seen.insert(value), "{name} is fresh");
        }
        assert_eq!(value(&url, "scope").as_deref(), Some("openid email"));
    }
    assert_eq!(value(&begun().url(), "nonce"), None, "of OpenID Connect alone");
}

#[test]
fn further_parameters_take_no_place_of_ours() {
    for (name, why) in [
        ("state", "who knows it can forge the response"),
        ("code_challenge_method", "plain protects from nobody"),
        ("redirect_uri", "the code would go elsewhere"),
        ("dpop_jkt", "another key"),
        ("request_uri", "another request altogether"),
        ("prompt", "twice: RFC 6749 section 3.1"),
    ] {
        let mut request = request();
        request.parameters =
            vec![("prompt".to_owned(), "consent".to_owned()), (name.to_owned(), "x".to_owned())];
        let reserved = BeginError::Reserved { name: name.to_owned() };
        assert_eq!(request.begin(&OperatingSystem).map(drop).unwrap_err(), reserved, "{why}");
    }
    let mut request = request();
    request.parameters = vec![("login_hint".to_owned(), "a&b=c".to_owned())];
    request.resources = vec!["https://a.example".to_owned(), "https://b.example".to_owned()];
    let url = request.begin(&OperatingSystem).unwrap().url();
    assert_eq!(value(&url, "login_hint").as_deref(), Some("a&b=c"));
    assert_eq!(
        parameters(&url).iter().filter(|(name, _)| name == "resource").count(),
        2,
        "RFC 8707 section 2"
    );
}

#[test]
fn a_response_holds_by_every_rule_or_gives_no_code() {
    use ResponseRefusal::*;
    let refused = |error: &str, description: Option<&str>| Refused {
        error: error.to_owned(),
        description: description.map(str::to_owned),
    };
    let wrong_issuer = |found: &str| WrongIssuer { expected: ISSUER.to_owned(), found: found.to_owned() };
    let (silent, mut naming) = (begun(), request());
    naming.issuer_is_named = true;
    let naming = naming.begin(&OperatingSystem).unwrap();
    let iss = "iss=https%3A%2F%2Fserver.example.com";
    for (pending, query, outcome, why) in [
        (&silent, "code=c&state=S".to_owned(), Ok(()), "RFC 6749 section 4.1.2"),
        (&silent, "code=c&state=S&session_state=x&x".to_owned(), Ok(()), "unknown ones are ignored: 4.1.2"),
        (&silent, format!("code=c&state=S&{iss}"), Ok(()), "iss although nobody announced it: RFC 9207"),
        (&naming, format!("code=c&state=S&{iss}"), Ok(()), "RFC 9207 section 2"),
        (&naming, "code=c&state=S".to_owned(), Err(MissingIssuer), "RFC 9207 section 2.4"),
        (&naming, "error=access_denied&state=S".to_owned(), Err(MissingIssuer), "errors have it too"),
        (
            &silent,
            "code=c&state=S&iss=https%3A%2F%2Fevil.example".to_owned(),
            Err(wrong_issuer("https://evil.example")),
            "mix-up: RFC 9207 section 2.4",
        ),
        (
            &silent,
            format!("code=c&state=S&{iss}%2F"),
            Err(wrong_issuer("https://server.example.com/")),
            "compared without normalising",
        ),
        (&silent, "code=c".to_owned(), Err(WrongState { is_missing: true }), "RFC 6749 section 10.12"),
        (&silent, "code=c&state=".to_owned(), Err(WrongState { is_missing: false }), "an empty one"),
        (&silent, "code=c&state=other".to_owned(), Err(WrongState { is_missing: false }), "another's"),
        (&silent, "code=c&state=Sx".to_owned(), Err(WrongState { is_missing: false }), "a longer one"),
        (&silent, "state=S".to_owned(), Err(NotOneOutcome { both: false }), "nothing"),
        (&silent, "code=c&error=e&state=S".to_owned(), Err(NotOneOutcome { both: true }), "both"),
        (&silent, "code=&state=S".to_owned(), Err(UnusableCode), "an empty code"),
        (&silent, "code=%0a&state=S".to_owned(), Err(UnusableCode), "RFC 6749 appendix A.11"),
        (&silent, "code=%ff&state=S".to_owned(), Err(UnusableCode), "not UTF-8"),
        (&silent, format!("code={}&state=S", "c".repeat(MAX_CODE_BYTES + 1)), Err(UnusableCode), "too long"),
        (
            &silent,
            "x".repeat(MAX_RESPONSE_BYTES + 1),
            Err(TooLarge { found: MAX_RESPONSE_BYTES + 1 }),
            "beyond what is read",
        ),
        (
            &silent,
            "code=a&code=b&state=S".to_owned(),
            Err(Duplicate { name: "code" }),
            "RFC 6749 section 3.1",
        ),
        (&silent, "code=a&state=S&state=S".to_owned(), Err(Duplicate { name: "state" }), "even if equal"),
        (&silent, "code=a&c%6fde=a&state=S".to_owned(), Err(Duplicate { name: "code" }), "another spelling"),
        (
            &silent,
            "error=access_denied&error_description=no+%1b%5B31mway&state=S".to_owned(),
            Err(refused("access_denied", Some("no [31mway"))),
            "RFC 6749 section 4.1.2.1, without control characters",
        ),
        (
            &silent,
            "error=x".to_owned(),
            Err(WrongState { is_missing: true }),
            "a refusal is held to state too",
        ),
        (&silent, String::new(), Err(WrongState { is_missing: true }), "nothing at all"),
    ] {
        let query = query.replace("state=S", &format!("state={}", state(pending)));
        assert_eq!(pending.receive(&query).map(drop), outcome, "{why}: {query}");
    }
}

#[test]
fn only_a_response_to_this_request_ends_it() {
    use ResponseRefusal::*;
    for (refusal, is_final) in [
        (WrongState { is_missing: true }, false),
        (Duplicate { name: "state" }, false),
        (TooLarge { found: 9000 }, false),
        (MissingIssuer, true),
        (UnusableCode, true),
        (NotOneOutcome { both: true }, true),
        (Refused { error: "access_denied".to_owned(), description: None }, true),
    ] {
        assert_eq!(refusal.is_final(), is_final, "{refusal}");
    }
}

proptest! {
    /// Whoever does not know `state` gets no code out of this, whatever they send.
    #[test]
    fn no_response_of_a_stranger_gives_a_code(query in "[ -~]{0,60}", name in "code|state|iss|error") {
        let pending = begun();
        let forged = format!("{name}={query}&code=c");
        prop_assert!(pending.receive(&query).is_err());
        prop_assert!(pending.receive(&forged).is_err());
    }

    /// What the server gives is what comes out, however it is encoded.
    #[test]
    fn a_code_comes_through_unchanged(code in "[ -~]{1,200}") {
        let pending = begun();
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &code).append_pair("state", &state(&pending));
        let checked = pending.receive(&query.finish()).unwrap();
        let endpoint = Endpoint::parse("https://server.example.com/token").unwrap();
        let client = ClientIdentity::public("c");
        let request = TokenRequest::new(endpoint, client, Grant::AuthorizationCode(checked));
        let mut exchange = TokenExchange::for_request(request, None, None).unwrap();
        let request = exchange.attempt(NOW, &OperatingSystem).unwrap().sign_proof(None).unwrap();
        let sent = form_urlencoded::parse(request.body().as_bytes())
            .find_map(|(name, value)| (name == "code").then(|| value.into_owned()));
        prop_assert_eq!(sent, Some(code));
    }
}

const PUSHED: &str =
    r#"{"request_uri":"urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c","expires_in":60}"#;

fn pushed(
    pending: &PendingAuthorization,
    key: &DpopKey,
) -> (Request<String>, Result<PushProgress, PushError>) {
    push(pending, key, &Response::builder().status(201).body(PUSHED).unwrap())
}

fn push(
    pending: &PendingAuthorization,
    key: &DpopKey,
    answer: &Response<&'static str>,
) -> (Request<String>, Result<PushProgress, PushError>) {
    let endpoint = Endpoint::parse("https://server.example.com/par").unwrap();
    let authentication = ClientAuthentication::SecretPost(Secret::new("s"));
    let client = ClientIdentity { id: "s6BhdRkqt3".to_owned(), authentication };
    let mut exchange = pending.push(endpoint, client, Some(key.template().clone()), None).unwrap();
    let request = exchange.attempt(NOW, &OperatingSystem).unwrap().sign_proof(Some(key)).unwrap();
    let progress = exchange.receive(answer);
    (request, progress)
}

#[test]
fn a_pushed_request_is_the_whole_one_and_the_browser_carries_none_of_it() {
    let key = dpop_key();
    let mut request = request();
    request.bound_to = Some(key.thumbprint());
    let pending = request.begin(&OperatingSystem).unwrap();
    let (sent, progress) = pushed(&pending, &key);
    let mut form: Vec<_> = form_urlencoded::parse(sent.body().as_bytes()).into_owned().collect();
    assert_eq!(form.pop(), Some(("client_secret".to_owned(), "s".to_owned())), "RFC 9126 section 2.1");
    assert_eq!(form, parameters(&pending.url()), "the parameters of the URL, client_id once");
    let proof = Draft::read(sent.headers()["dpop"].to_str().unwrap());
    assert_eq!(proof.claims["htu"], "https://server.example.com/par", "RFC 9449 section 10.1");

    let Ok(PushProgress::Pushed(pushed)) = progress else { panic!("{progress:?}") };
    assert_eq!(pushed.expires_at.since(NOW).as_secs(), 60);
    assert_eq!(
        pending.pushed_url(&pushed),
        "https://server.example.com/authorize?client_id=s6BhdRkqt3&request_uri=urn%3Aietf%3Aparams%3Aoauth%3Arequest_uri%3A6esc_11ACC5bwc014ltc14eY22c",
        "RFC 9126 section 4"
    );
}

#[test]
fn a_request_is_pushed_with_the_key_that_it_is_bound_to() {
    let (key, other) = (dpop_key(), dpop_key());
    let mut request = request();
    request.bound_to = Some(key.thumbprint());
    let pending = request.begin(&OperatingSystem).unwrap();
    let endpoint = Endpoint::parse("https://server.example.com/par").unwrap();
    let push = |proofs| pending.push(endpoint.clone(), ClientIdentity::public("c"), proofs, None).map(drop);
    let refused = push(Some(other.template().clone())).unwrap_err();
    assert_eq!((refused.expected, refused.found), (key.thumbprint(), Some(other.thumbprint())));
    assert!(push(None).is_ok(), "dpop_jkt alone says it too: RFC 9449 section 10.1");
}

#[test]
fn an_answer_to_a_pushed_request_holds_by_every_rule() {
    let key = dpop_key();
    let answer = |status: u16, body: &'static str| Response::builder().status(status).body(body).unwrap();
    let not_an_endpoint =
        |status| PushError::Exchange(ExchangeError::NotATokenEndpoint { status, content_type: None });
    for (answer, refusal, why) in [
        (answer(200, PUSHED), not_an_endpoint(StatusCode::OK), "201 it is: RFC 9126 section 2.2"),
        (
            answer(400, r#"{"error":"invalid_request"}"#),
            PushError::Exchange(ExchangeError::Refused {
                status: StatusCode::BAD_REQUEST,
                error: "invalid_request".to_owned(),
                description: None,
            }),
            "RFC 9126 section 2.3",
        ),
        (
            answer(201, r#"{"expires_in":60}"#),
            PushError::Member(MemberError::Missing("request_uri")),
            "no reference",
        ),
        (
            answer(201, r#"{"request_uri":"urn:a"}"#),
            PushError::Member(MemberError::Missing("expires_in")),
            "no end",
        ),
        (answer(201, r#"{"request_uri":"a b:c","expires_in":60}"#), PushError::RequestUri, "a space"),
        (answer(201, r#"{"request_uri":"","expires_in":60}"#), PushError::RequestUri, "empty"),
        (
            answer(400, r#"{"error":"use_dpop_nonce"}"#),
            PushError::Exchange(ExchangeError::ChallengeWithoutNonce),
            "RFC 9449 section 8",
        ),
    ] {
        let (_, progress) = push(&begun(), &key, &answer);
        assert_eq!(progress.map(drop), Err(refusal), "{why}");
    }
    let challenge =
        Response::builder().status(400).header("dpop-nonce", "n").body(r#"{"error":"use_dpop_nonce"}"#);
    let (_, progress) = push(&begun(), &key, &challenge.unwrap());
    assert!(matches!(progress, Ok(PushProgress::AnswerChallenge)), "{progress:?}");
}
