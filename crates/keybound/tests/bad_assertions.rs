//! Bad client assertions: each breaks one rule of RFC 7523 section 3 and is refused by that rule.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use keybound::assertion::{
    AssertionPolicy, AssertionRefusal as Refusal, ClientAssertion, UnverifiedAssertion,
};
use keybound::json::MemberError;
use keybound::random::OperatingSystem;
use keybound::{
    Algorithm, HeaderAlgorithmError, JwkSet, JwsError, KeyKind, NumericDate, PrivateKey, Rule, Signer as _,
    SigningKey,
};
use serde_json::json;
use support::{Draft, ES256, NOW, RS256};

const TOKEN_ENDPOINT: &str = "https://org.example.com/oauth2/v1/token";
const CLIENT: &str = "0oa1client";

fn draft() -> Draft {
    Draft {
        header: json!({"alg": "ES256", "kid": "registered"}),
        claims: json!({
            "iss": CLIENT, "sub": CLIENT, "aud": TOKEN_ENDPOINT, "jti": "1",
            "iat": NOW.seconds(), "exp": NOW.seconds() + 300,
        }),
    }
}

fn registered() -> JwkSet {
    JwkSet::from_keys(vec![ES256.public_key().clone().with_key_id("registered")])
}

fn check(assertion: &str) -> Result<(), Refusal> {
    check_with(assertion, &registered())
}

fn check_with(assertion: &str, keys: &JwkSet) -> Result<(), Refusal> {
    let policy = AssertionPolicy::new(vec![TOKEN_ENDPOINT.to_owned(), "https://org.example.com".to_owned()]);
    let verified = UnverifiedAssertion::parse(assertion)?.verify(&policy, keys, NOW)?;
    assert_eq!(verified.client_id, CLIENT);
    Ok(())
}

#[test]
fn good_assertions_are_accepted() {
    for (draft, why) in [
        (draft(), "as most clients make it"),
        (draft().without_header("kid"), "without kid"),
        (draft().without_claim("jti"), "without jti, which Okta does not demand"),
        (draft().without_claim("iat"), "without iat"),
        (draft().header("typ", json!("JWT")), "typ JWT"),
        (draft().header("typ", json!("client-authentication+jwt")), "typ of RFC 7523bis"),
        (draft().claim("aud", json!("https://org.example.com")), "for the issuer"),
        (draft().claim("aud", json!(["https://x.example", TOKEN_ENDPOINT])), "for several"),
        (draft().claim("exp", json!(NOW.seconds() + 3600)), "for an hour"),
        (draft().claim("exp", json!(NOW.seconds() + 3605)), "for an hour, by a clock that is a little ahead"),
        (draft().claim("iat", json!(NOW.seconds() + 5)), "by a clock that is a little ahead"),
    ] {
        assert_eq!(check(&draft.sign(&ES256)), Ok(()), "{why}");
    }
}

#[test]
fn bad_assertions_are_refused_by_the_rule_they_break() {
    let date = NumericDate::from_seconds;
    let now = NOW.seconds();
    let with = |name: &str, value| draft().claim(name, value);
    let missing = |name| Refusal::Member(MemberError::Missing(name));
    let wrong = |name, expected| Refusal::Member(MemberError::WrongType { name, expected });
    let wrong_audience = || Refusal::WrongAudience {
        expected: vec![TOKEN_ENDPOINT.to_owned(), "https://org.example.com".to_owned()],
    };
    for (draft, rule, refusal, why) in [
        (draft().without_claim("sub"), Rule::WellFormedAssertion, missing("sub"), "no sub"),
        (draft().without_claim("iss"), Rule::WellFormedAssertion, missing("iss"), "no iss"),
        (draft().without_claim("aud"), Rule::WellFormedAssertion, missing("aud"), "no aud"),
        (draft().without_claim("exp"), Rule::WellFormedAssertion, missing("exp"), "no exp"),
        (with("sub", json!(1)), Rule::WellFormedAssertion, wrong("sub", "a string"), "sub is a number"),
        (
            with("aud", json!([1])),
            Rule::WellFormedAssertion,
            wrong("aud", "an array of strings"),
            "aud of numbers",
        ),
        (with("jti", json!(1)), Rule::WellFormedAssertion, wrong("jti", "a string"), "jti is a number"),
        (with("iss", json!("other")), Rule::AssertionClient, Refusal::IssuerIsNotSubject, "iss is not sub"),
        (
            with("aud", json!("https://evil.example")),
            Rule::AssertionAudience,
            wrong_audience(),
            "for another server",
        ),
        (with("aud", json!([])), Rule::AssertionAudience, wrong_audience(), "for nobody"),
        (
            with("aud", json!(format!("{TOKEN_ENDPOINT}/"))),
            Rule::AssertionAudience,
            wrong_audience(),
            "almost",
        ),
        (
            with("exp", json!(now - 5)),
            Rule::AssertionTimes,
            Refusal::Expired { expired: date(now - 5), now: NOW },
            "expired",
        ),
        (
            with("exp", json!(now + 3606)),
            Rule::AssertionTimes,
            Refusal::LivesTooLong { life: 3606, limit: 3600 },
            "more than an hour",
        ),
        (
            with("exp", json!(u64::MAX)),
            Rule::AssertionTimes,
            Refusal::LivesTooLong { life: u64::MAX - now, limit: 3600 },
            "for ever",
        ),
        (
            with("iat", json!(now + 6)),
            Rule::AssertionTimes,
            Refusal::FromFuture { claim: "iat", found: date(now + 6), now: NOW },
            "made in the future",
        ),
        (
            with("nbf", json!(now + 60)),
            Rule::AssertionTimes,
            Refusal::FromFuture { claim: "nbf", found: date(now + 60), now: NOW },
            "not yet valid",
        ),
        (
            with("jti", json!("x".repeat(257))),
            Rule::WellFormedAssertion,
            Refusal::JwtIdTooLong { found: 257 },
            "a jti that is too long to keep",
        ),
        (
            draft().header("crit", json!(["x"])),
            Rule::WellFormedAssertion,
            Refusal::CriticalExtensions,
            "critical extensions",
        ),
        (draft().header("typ", json!("dpop+jwt")), Rule::WellFormedAssertion, Refusal::WrongType, "a proof"),
        (
            draft().header("typ", json!("at+jwt")),
            Rule::WellFormedAssertion,
            Refusal::WrongType,
            "an access token",
        ),
        (
            draft().header("alg", json!("none")),
            Rule::AssertionSignature,
            Refusal::UnusableAlgorithm(HeaderAlgorithmError::Unsigned),
            "unsigned",
        ),
        (
            draft().header("alg", json!("HS256")),
            Rule::AssertionSignature,
            Refusal::UnusableAlgorithm(HeaderAlgorithmError::Symmetric("HS256".to_owned())),
            "symmetric",
        ),
        (
            draft().header("kid", json!("x")),
            Rule::AssertionSignature,
            Refusal::NoSuchKey,
            "a kid that is not registered",
        ),
        (
            draft().header("alg", json!("RS256")),
            Rule::AssertionSignature,
            Refusal::NoSuchKey,
            "no key of this kind",
        ),
    ] {
        let refused = check(&draft.sign(&ES256)).expect_err(why);
        assert_eq!(refused, refusal, "{why}");
        assert_eq!(refused.rule(), rule, "{why}");
    }
    assert!(matches!(check("a.b"), Err(Refusal::Unreadable(JwsError::NotThreeParts))));
    assert_eq!(
        check(&"x".repeat(16_384)),
        Err(Refusal::Unreadable(JwsError::NotThreeParts)),
        "not too large"
    );
    assert!(matches!(
        check(&"x".repeat(16_385)),
        Err(Refusal::Unreadable(JwsError::TooLarge { limit: 16_384, .. }))
    ));
}

#[test]
fn a_server_takes_the_algorithms_of_its_policy_alone() {
    let keys = JwkSet::from_keys(vec![ES256.public_key().clone(), RS256.public_key().clone()]);
    let mut policy = AssertionPolicy::new(vec![TOKEN_ENDPOINT.to_owned()]);
    policy.algorithms = vec![Algorithm::RS256];
    let verify = |draft: &Draft, key| {
        let assertion = draft.sign(key);
        UnverifiedAssertion::parse(&assertion).unwrap().verify(&policy, &keys, NOW).map(|_| ())
    };
    let draft = draft().without_header("kid");
    let refusal = Refusal::AlgorithmNotAllowed { found: Algorithm::ES256 };
    assert_eq!(verify(&draft, &ES256), Err(refusal), "RFC 8725 section 3.1");
    assert_eq!(verify(&draft.header("alg", json!("RS256")), &RS256), Ok(()));
}

#[test]
fn an_assertion_is_signed_by_a_registered_key() {
    let stranger = SigningKey::generate(Algorithm::ES256).unwrap();
    assert_eq!(check(&draft().sign(&stranger)), Err(Refusal::WrongSignature));
    assert_eq!(check(&draft().without_header("kid").sign(&stranger)), Err(Refusal::WrongSignature));
    assert_eq!(check_with(&draft().sign(&ES256), &JwkSet::from_keys(vec![])), Err(Refusal::NoSuchKey));
    let embedded = draft().header("jwk", support::jwk(stranger.public_key())).sign(&stranger);
    assert_eq!(
        check(&embedded),
        Err(Refusal::WrongSignature),
        "a key that the assertion brings is not looked at"
    );
    let two = JwkSet::from_keys(vec![stranger.public_key().clone(), ES256.public_key().clone()]);
    assert_eq!(
        check_with(&draft().without_header("kid").sign(&ES256), &two),
        Ok(()),
        "all that fit are tried"
    );
}

#[test]
fn no_more_than_sixteen_keys_are_tried() {
    let assertion = draft().without_header("kid").sign(&ES256);
    for (strangers, expected) in [(15, Ok(())), (16, Err(Refusal::WrongSignature))] {
        let stranger = |_| PrivateKey::generate(KeyKind::P256).unwrap().public_key().clone();
        let mut keys: Vec<_> = (0..strangers).map(stranger).collect();
        keys.push(ES256.public_key().clone().with_key_id("registered"));
        let keys = JwkSet::from_keys(keys);
        assert_eq!(check_with(&assertion, &keys), expected, "behind {strangers} other keys");
        assert_eq!(check_with(&draft().sign(&ES256), &keys), Ok(()), "behind {strangers}, named by kid");
    }
}

#[test]
fn an_assertion_is_made_as_its_client_asks() {
    for (key_id, lifetime) in [(Some("registered"), 300), (Some("another"), 3600), (None, 1)] {
        let assertion = ClientAssertion {
            client_id: CLIENT,
            audience: TOKEN_ENDPOINT,
            lifetime: Duration::from_secs(lifetime),
            key_id,
        };
        let unsigned = assertion.prepare(Algorithm::ES256, NOW, &OperatingSystem).unwrap();
        let made = Draft::read(std::str::from_utf8(unsigned.signing_input()).unwrap());
        let jwt_id = made.claims["jti"].as_str().unwrap();
        assert_eq!(jwt_id.len(), 22, "128 bits in base64url");
        let header = key_id.map_or(json!({"alg": "ES256"}), |kid| json!({"alg": "ES256", "kid": kid}));
        assert_eq!(made.header, header);
        assert_eq!(
            made.claims,
            json!({
                "iss": CLIENT, "sub": CLIENT, "aud": TOKEN_ENDPOINT, "jti": jwt_id,
                "iat": NOW.seconds(), "exp": NOW.seconds() + lifetime,
            }),
            "RFC 7523 section 3"
        );
    }
}

#[test]
fn what_a_client_makes_a_server_accepts() {
    for key in [&*ES256, &*RS256] {
        let assertion = ClientAssertion {
            client_id: CLIENT,
            audience: TOKEN_ENDPOINT,
            lifetime: Duration::from_secs(300),
            key_id: Some("registered"),
        };
        let keys = JwkSet::from_keys(vec![key.public_key().clone().with_key_id("registered")]);
        let prepare =
            || assertion.prepare(key.algorithm(), NOW, &OperatingSystem).unwrap().sign(key).unwrap();
        let (first, second) = (prepare(), prepare());
        assert_eq!(check_with(&first, &keys), Ok(()));
        assert_ne!(first, second, "every assertion has a jti of its own");
    }
}
