//! Bad access tokens: each breaks one rule of RFC 9068 section 4, RFC 8725 or RFC 9449 section 6.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use keybound::access_token::{AccessTokenPolicy, AccessTokenRefusal as Refusal};
use keybound::json::MemberError;
use keybound::{Algorithm, HeaderAlgorithmError, JwkSet, JwsError, NumericDate, Signer as _, SigningKey};
use serde_json::{Value, json};
use support::{Draft, ES256, NOW, RS256};

const ISSUER: &str = "https://org.example.com";
const AUDIENCE: &str = "https://api.example.com";
const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

fn draft() -> Draft {
    Draft {
        header: json!({"typ": "at+jwt", "alg": "RS256", "kid": "k"}),
        claims: json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "0oa1", "cid": "0oa1", "jti": "AT.1",
            "scp": ["okta.users.read"], "iat": NOW.seconds(), "exp": NOW.seconds() + 3600,
            "cnf": {"jkt": JKT},
        }),
    }
}

fn check(token: &str) -> Result<keybound::access_token::AccessToken, Refusal> {
    let keys = JwkSet::from_keys(vec![RS256.public_key().clone().with_key_id("k")]);
    AccessTokenPolicy::new(ISSUER.to_owned(), AUDIENCE.to_owned()).verify(token, &keys, NOW)
}

fn check_draft(draft: &Draft) -> Result<(), Refusal> {
    check(&draft.sign(&RS256)).map(|_| ())
}

#[test]
fn a_good_token_tells_who_it_is_for_and_what_it_allows() {
    let token = check(&draft().sign(&RS256)).unwrap();
    assert_eq!(token.thumbprint.unwrap().to_string(), JKT);
    assert_eq!(token.scopes, ["okta.users.read"]);
    assert_eq!(token.client_id.as_deref(), Some("0oa1"));
    let other = draft().claim("scope", json!("a b")).claim("client_id", json!("c")).without_claim("cnf");
    let token = check(&other.sign(&RS256)).unwrap();
    assert_eq!(token.scopes, ["a", "b"], "RFC 9068 section 2.2.3");
    assert_eq!(token.client_id.as_deref(), Some("c"), "RFC 9068 section 2.2");
    assert_eq!(token.thumbprint, None);
    let ahead = draft().claim("iat", json!(NOW.seconds() + 5)).claim("nbf", json!(NOW.seconds() + 5));
    assert_eq!(check_draft(&ahead), Ok(()), "the issuer's clock may be ahead by the leeway");
}

#[test]
fn bad_tokens_are_refused_by_the_rule_they_break() {
    let date = NumericDate::from_seconds;
    let now = NOW.seconds();
    let missing = |name| Refusal::Member(MemberError::Missing(name));
    let wrong = |name, expected| Refusal::Member(MemberError::WrongType { name, expected });
    let claim = |name: &str, value: Value| draft().claim(name, value);
    let header = |name: &str, value: Value| draft().header(name, value);
    let other_issuer =
        |found: &str| Refusal::WrongIssuer { expected: ISSUER.to_owned(), found: found.to_owned() };
    let other_audience =
        |found: &str| Refusal::WrongAudience { expected: AUDIENCE.to_owned(), found: found.to_owned() };
    for (draft, refusal, why) in [
        (header("typ", json!("dpop+jwt")), Refusal::WrongType, "a proof: RFC 8725 section 3.11"),
        (header("typ", json!("JWT")), Refusal::WrongType, "an ID token: RFC 9068 section 4"),
        (draft().without_header("typ"), Refusal::WrongType, "untyped: RFC 9068 section 4"),
        (header("crit", json!(["x"])), Refusal::CriticalExtensions, "critical extensions: RFC 7515 4.1.11"),
        (
            header("alg", json!("none")),
            Refusal::UnusableAlgorithm(HeaderAlgorithmError::Unsigned),
            "unsigned: RFC 8725 section 3.2",
        ),
        (
            header("alg", json!("HS256")),
            Refusal::UnusableAlgorithm(HeaderAlgorithmError::Symmetric("HS256".to_owned())),
            "symmetric: RFC 8725 section 2.1",
        ),
        (
            header("alg", json!("PS256")),
            Refusal::AlgorithmNotAllowed { found: Algorithm::PS256 },
            "not the issuer's: RFC 8725 section 3.1",
        ),
        (header("kid", json!("x")), Refusal::NoSuchKey { key_id: Some("x".to_owned()) }, "an unknown kid"),
        (header("kid", json!(1)), wrong("kid", "a string"), "kid is a number"),
        (draft().without_claim("iss"), missing("iss"), "no iss"),
        (draft().without_claim("aud"), missing("aud"), "no aud"),
        (draft().without_claim("exp"), missing("exp"), "no exp"),
        (draft().without_claim("sub"), missing("sub"), "no sub"),
        (
            claim("iss", json!("https://evil.example")),
            other_issuer("https://evil.example"),
            "of another issuer",
        ),
        (
            claim("iss", json!("https://org.example.com/")),
            other_issuer("https://org.example.com/"),
            "issuers compare exactly",
        ),
        (
            claim("aud", json!("https://other.example")),
            other_audience("https://other.example"),
            "for another resource",
        ),
        (claim("aud", json!([])), other_audience(""), "for none"),
        (claim("aud", json!({})), wrong("aud", "an array of strings"), "aud is an object"),
        (claim("exp", json!("never")), wrong("exp", "a number of seconds since 1970"), "exp is a text"),
        (claim("exp", json!(now - 5)), Refusal::Expired { expired: date(now - 5), now: NOW }, "expired"),
        (
            claim("iat", json!(now + 6)),
            Refusal::FromFuture { begins: date(now + 6), now: NOW },
            "of the future",
        ),
        (
            claim("nbf", json!(now + 6)),
            Refusal::FromFuture { begins: date(now + 6), now: NOW },
            "not yet valid",
        ),
        (claim("scp", json!("okta.users.read")), wrong("scp", "an array of strings"), "scp is a text"),
        (claim("scope", json!(["a"])), wrong("scope", "a string"), "scope is an array"),
        (claim("cnf", json!("x")), Refusal::UnusableConfirmation, "cnf is a text"),
        (claim("cnf", json!(null)), Refusal::UnusableConfirmation, "cnf is null"),
        (claim("cnf", json!({})), Refusal::UnusableConfirmation, "cnf is empty"),
        (claim("cnf", json!({"jkt": 1})), Refusal::UnusableConfirmation, "jkt is a number"),
        (claim("cnf", json!({"jkt": &JKT[1..]})), Refusal::UnusableConfirmation, "jkt is cut short"),
        (claim("cnf", json!({"x5t#S256": JKT})), Refusal::UnusableConfirmation, "bound to a certificate"),
    ] {
        assert_eq!(check_draft(&draft), Err(refusal), "{why}");
    }
}

#[test]
fn a_token_is_signed_by_the_issuers_key_alone() {
    let stranger = SigningKey::generate(Algorithm::RS256).unwrap();
    assert_eq!(check(&draft().sign(&stranger)).unwrap_err(), Refusal::WrongSignature);
    let embedded = draft().header("jwk", support::jwk(stranger.public_key())).sign(&stranger);
    assert_eq!(check(&embedded).unwrap_err(), Refusal::WrongSignature, "RFC 8725 section 3.10");
    let remote = draft().header("jku", json!("https://evil.example/jwks")).sign(&stranger);
    assert_eq!(check(&remote).unwrap_err(), Refusal::WrongSignature, "RFC 8725 section 3.10");
    let swapped = draft().header("alg", json!("ES256")).sign(&ES256);
    assert_eq!(check(&swapped).unwrap_err(), Refusal::AlgorithmNotAllowed { found: Algorithm::ES256 });
}

#[test]
fn a_token_that_cannot_be_read_is_refused() {
    assert_eq!(check("opaque").unwrap_err(), Refusal::Unreadable(JwsError::NotThreeParts));
    let large = draft().claim("padding", json!("x".repeat(16 * 1024))).sign(&RS256);
    assert!(matches!(
        check(&large).unwrap_err(),
        Refusal::Unreadable(JwsError::TooLarge { limit: 16_384, .. })
    ));
    for (bytes, too_large) in [(16_384, false), (16_385, true)] {
        let refusal = check(&"x".repeat(bytes)).unwrap_err();
        assert_eq!(
            matches!(refusal, Refusal::Unreadable(JwsError::TooLarge { .. })),
            too_large,
            "{bytes} bytes"
        );
    }
}

#[test]
fn untyped_tokens_are_accepted_by_name_and_proofs_never() {
    let mut policy = AccessTokenPolicy::new(ISSUER.to_owned(), AUDIENCE.to_owned());
    policy.accept_untyped_tokens = true;
    let keys = JwkSet::from_keys(vec![RS256.public_key().clone()]);
    let verify = |draft: &Draft| policy.verify(&draft.sign(&RS256), &keys, NOW).map(|_| ());
    let draft = draft().without_header("kid");
    assert_eq!(verify(&draft.clone().without_header("typ")), Ok(()));
    assert_eq!(verify(&draft.clone().header("typ", json!("JWT"))), Ok(()));
    assert_eq!(verify(&draft.header("typ", json!("dpop+jwt"))), Err(Refusal::WrongType));
}

#[test]
fn a_token_is_for_a_resource_if_it_has_one_of_its_names() {
    let keys = JwkSet::from_keys(vec![RS256.public_key().clone().with_key_id("k")]);
    let other = "https://other.example";
    let expected = |names: &str, found: &str| {
        Err(Refusal::WrongAudience { expected: names.to_owned(), found: found.to_owned() })
    };
    for (names, audience, outcome) in [
        (vec![AUDIENCE, other], json!(other), Ok(())),
        (vec![other, AUDIENCE], json!(["x", AUDIENCE]), Ok(())),
        (vec![other, "x"], json!(AUDIENCE), expected("https://other.example or x", AUDIENCE)),
        (
            vec![other, "x"],
            json!("https://other.example or x"),
            expected("https://other.example or x", "https://other.example or x"),
        ),
        (vec![], json!(""), expected("", "")),
        (vec![], json!([]), expected("", "")),
    ] {
        let policy = AccessTokenPolicy {
            audiences: names.iter().map(|name| (*name).to_owned()).collect(),
            ..AccessTokenPolicy::new(ISSUER.to_owned(), String::new())
        };
        let token = draft().claim("aud", audience.clone()).sign(&RS256);
        let verified = policy.verify(&token, &keys, NOW).map(|_| ());
        assert_eq!(verified, outcome, "{names:?} and {audience}");
    }
}
