//! Bad ID tokens: each breaks one rule of OpenID Connect Core section 3.1.3.7, or of RFC 8725.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use keybound::id_token::{CLOCK_LEEWAY, IdToken, IdTokenContext, IdTokenPolicy, IdTokenRefusal as Refusal};
use keybound::json::MemberError;
use keybound::{
    Algorithm, HeaderAlgorithmError, JwkSet, JwsError, NumericDate, Secret, Signer as _, SigningKey,
};
use serde_json::{Value, json};
use support::{Draft, ES256, NOW, RS256};

const ISSUER: &str = "https://org.example.com";
const CLIENT: &str = "0oa1";
const NONCE: &str = "n-0S6_WzA2Mj";
/// The access token and its `at_hash` of OpenID Connect Core appendix A.3.
const ACCESS_TOKEN: &str = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
const AT_HASH: &str = "77QmUPtjPfzWtF2AnpK9RQ";

fn draft() -> Draft {
    Draft {
        header: json!({"alg": "RS256", "kid": "k"}),
        claims: json!({
            "iss": ISSUER, "aud": CLIENT, "sub": "00u1", "nonce": NONCE, "at_hash": AT_HASH,
            "iat": NOW.seconds(), "exp": NOW.seconds() + 3600, "preferred_username": "ada@example.com",
        }),
    }
}

fn check(token: &str, nonce: Option<&str>) -> Result<IdToken, Refusal> {
    let keys = JwkSet::from_keys(vec![RS256.public_key().clone().with_key_id("k")]);
    let nonce = nonce.map(Secret::new);
    let context = IdTokenContext { nonce: nonce.as_ref(), access_token: ACCESS_TOKEN, now: NOW };
    IdTokenPolicy::new(ISSUER, CLIENT).verify(token, &keys, &context)
}

fn check_draft(draft: &Draft) -> Result<(), Refusal> {
    check(&draft.sign(&RS256), Some(NONCE)).map(drop)
}

#[test]
fn a_good_token_tells_who_has_signed_in() {
    let token = check(&draft().sign(&RS256), Some(NONCE)).unwrap();
    assert_eq!((token.subject.as_str(), token.issuer.as_str()), ("00u1", ISSUER));
    assert_eq!(token.preferred_username.as_deref(), Some("ada@example.com"));
    assert!(!format!("{token:?}").contains("ada"), "what is personal is not for a log");
    for (draft, nonce, why) in [
        (draft().header("typ", json!("JWT")), Some(NONCE), "typed"),
        (draft().claim("aud", json!([CLIENT])), Some(NONCE), "a list of one"),
        (draft().claim("azp", json!(CLIENT)), Some(NONCE), "to this client"),
        (draft().without_claim("at_hash"), Some(NONCE), "`at_hash` is optional: section 3.1.3.6"),
        (draft().without_claim("nonce"), None, "no nonce was sent, as with a device"),
        (draft(), None, "a nonce that nobody asked for"),
        (draft().without_header("kid"), Some(NONCE), "one key fits"),
        (
            draft().claim("exp", json!(NOW.seconds() - CLOCK_LEEWAY.as_secs() + 1)),
            Some(NONCE),
            "within the leeway",
        ),
        (
            draft().claim("iat", json!(NOW.seconds() + CLOCK_LEEWAY.as_secs())),
            Some(NONCE),
            "of a clock ahead",
        ),
    ] {
        assert!(check(&draft.sign(&RS256), nonce).is_ok(), "{why}: {:?}", check(&draft.sign(&RS256), nonce));
    }
}

#[test]
fn bad_tokens_are_refused_by_the_rule_they_break() {
    let date = NumericDate::from_seconds;
    let (now, leeway) = (NOW.seconds(), CLOCK_LEEWAY.as_secs());
    let missing = |name| Refusal::Member(MemberError::Missing(name));
    let wrong = |name, expected| Refusal::Member(MemberError::WrongType { name, expected });
    let claim = |name: &str, value: Value| draft().claim(name, value);
    let header = |name: &str, value: Value| draft().header(name, value);
    let other_issuer =
        |found: &str| Refusal::WrongIssuer { expected: ISSUER.to_owned(), found: found.to_owned() };
    let other_audience =
        |found: &str| Refusal::WrongAudience { expected: CLIENT.to_owned(), found: found.to_owned() };
    let party = Refusal::WrongAuthorizedParty { expected: CLIENT.to_owned(), found: "other".to_owned() };
    for (draft, refusal, why) in [
        (header("typ", json!("at+jwt")), Refusal::WrongType, "an access token: RFC 8725 section 3.11"),
        (header("typ", json!("dpop+jwt")), Refusal::WrongType, "a proof: RFC 8725 section 3.11"),
        (header("typ", json!("logout+jwt")), Refusal::WrongType, "a logout token"),
        (header("crit", json!(["x"])), Refusal::CriticalExtensions, "critical extensions: RFC 7515 4.1.11"),
        (
            header("alg", json!("none")),
            Refusal::UnusableAlgorithm(HeaderAlgorithmError::Unsigned),
            "unsigned: RFC 8725 section 3.2",
        ),
        (
            header("alg", json!("HS256")),
            Refusal::UnusableAlgorithm(HeaderAlgorithmError::Symmetric("HS256".to_owned())),
            "symmetric: number 8, which is for clients with a secret",
        ),
        (header("alg", json!("PS256")), Refusal::AlgorithmNotAllowed { found: Algorithm::PS256 }, "number 7"),
        (header("kid", json!("x")), Refusal::NoSuchKey { key_id: Some("x".to_owned()) }, "an unknown kid"),
        (draft().without_claim("iss"), missing("iss"), "no iss"),
        (draft().without_claim("aud"), missing("aud"), "no aud"),
        (draft().without_claim("sub"), missing("sub"), "no sub"),
        (draft().without_claim("exp"), missing("exp"), "no exp"),
        (draft().without_claim("iat"), missing("iat"), "no iat: section 2"),
        (claim("iss", json!("https://evil.example")), other_issuer("https://evil.example"), "number 2"),
        (claim("iss", json!(format!("{ISSUER}/"))), other_issuer("https://org.example.com/"), "exactly"),
        (claim("aud", json!("other")), other_audience("other"), "number 3: another client"),
        (claim("aud", json!([])), other_audience(""), "number 3: nobody"),
        (
            claim("aud", json!([CLIENT, "other"])),
            other_audience("0oa1, other"),
            "number 3: one that is not trusted",
        ),
        (claim("aud", json!({})), wrong("aud", "an array of strings"), "aud is an object"),
        (claim("azp", json!("other")), party, "number 5"),
        (claim("sub", json!("")), wrong("sub", "a name of 1 to 255 bytes"), "nobody"),
        (claim("sub", json!("x".repeat(256))), wrong("sub", "a name of 1 to 255 bytes"), "section 2"),
        (
            claim("exp", json!(now - leeway)),
            Refusal::Expired { expired: date(now - leeway), now: NOW },
            "number 9",
        ),
        (
            claim("iat", json!(now + leeway + 1)),
            Refusal::FromFuture { begins: date(now + leeway + 1), now: NOW },
            "number 10",
        ),
        (
            claim("nbf", json!(now + leeway + 1)),
            Refusal::FromFuture { begins: date(now + leeway + 1), now: NOW },
            "RFC 7519 section 4.1.5",
        ),
        (draft().without_claim("nonce"), Refusal::WrongNonce { is_missing: true }, "number 11: none"),
        (claim("nonce", json!("other")), Refusal::WrongNonce { is_missing: false }, "number 11: another"),
        (claim("nonce", json!(1)), wrong("nonce", "a string"), "a nonce that is a number"),
        (claim("at_hash", json!("77QmUPtjPfzWtF2AnpK9RA")), Refusal::OtherAccessToken, "section 3.1.3.8"),
        (claim("at_hash", json!("")), Refusal::OtherAccessToken, "section 3.1.3.8: an empty one"),
    ] {
        assert_eq!(check_draft(&draft), Err(refusal), "{why}");
    }
}

#[test]
fn a_token_is_signed_by_the_issuers_key_alone() {
    let stranger = SigningKey::generate(Algorithm::RS256).unwrap();
    let check = |token: &str| check(token, Some(NONCE)).unwrap_err();
    assert_eq!(check(&draft().sign(&stranger)), Refusal::WrongSignature, "number 6");
    let embedded = draft().header("jwk", support::jwk(stranger.public_key())).sign(&stranger);
    assert_eq!(check(&embedded), Refusal::WrongSignature, "RFC 8725 section 3.10");
    let swapped = draft().header("alg", json!("ES256")).sign(&ES256);
    assert_eq!(check(&swapped), Refusal::AlgorithmNotAllowed { found: Algorithm::ES256 });
    assert_eq!(check("a.b.c.d.e"), Refusal::Unreadable(JwsError::NotThreeParts), "encrypted: number 1");
    let large = draft().claim("padding", json!("x".repeat(16 * 1024))).sign(&RS256);
    assert!(matches!(check(&large), Refusal::Unreadable(JwsError::TooLarge { limit: 16_384, .. })));
}

#[test]
fn the_hash_of_the_access_token_is_that_of_the_algorithm() {
    // Each value is `printf %s TOKEN | openssl dgst -sha384 -binary | head -c 24 | basenc --base64url`, and so on.
    for (algorithm, at_hash) in [
        (Algorithm::ES256, "77QmUPtjPfzWtF2AnpK9RQ"),
        (Algorithm::ES384, "jtAeDp945y1dDqU3nkIVGNZP1HjH_MFs"),
        (Algorithm::ES512, "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"),
        (Algorithm::EdDSA, "q7nS86GgvvFaZkzALLWqJYaJIKw2wCDAVfCAsm5CrBM"),
    ] {
        let key = SigningKey::generate(algorithm).unwrap();
        let keys = JwkSet::from_keys(vec![key.public_key().clone().with_key_id("k")]);
        let mut policy = IdTokenPolicy::new(ISSUER, CLIENT);
        policy.algorithms = vec![algorithm];
        let nonce = Secret::new(NONCE);
        let context = IdTokenContext { nonce: Some(&nonce), access_token: ACCESS_TOKEN, now: NOW };
        let token =
            draft().header("alg", json!(algorithm.name())).claim("at_hash", json!(at_hash)).sign(&key);
        assert!(policy.verify(&token, &keys, &context).is_ok(), "{algorithm}");
        let other = IdTokenContext { access_token: "another", ..context };
        assert_eq!(
            policy.verify(&token, &keys, &other).unwrap_err(),
            Refusal::OtherAccessToken,
            "{algorithm}"
        );
    }
}
