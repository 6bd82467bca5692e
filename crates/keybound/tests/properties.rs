//! What holds for every proof: what is made is accepted, what is changed in any one byte is refused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::Method;
use keybound::proof::{AccessTokenHash, BoundToken, DpopKey, ProofContext, ProofPolicy, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::{
    Algorithm, Nonce, NoncePolicy, NonceSecret, Nonces, NumericDate, PrivateKey, Signer as _, SigningKey,
    TargetUri,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Draft, ES256, RS256};

static KEYS: LazyLock<Vec<DpopKey>> = LazyLock::new(|| {
    let key = |algorithm: &Algorithm| DpopKey::new(Arc::new(SigningKey::generate(*algorithm).unwrap()));
    Algorithm::ALL.iter().map(key).collect()
});

static NONCES: LazyLock<Nonces> =
    LazyLock::new(|| Nonces::new(NoncePolicy::default(), NonceSecret::from_bytes(&[7; 32])));

/// The members of a JSON object, in alphabetic order.
fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<_> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_proof_has_what_the_rule_asks_for_and_nothing_else() {
    let target = support::target();
    for (key, members) in [(&*ES256, &["crv", "kty", "x", "y"][..]), (&*RS256, &["e", "kty", "n"])] {
        let mut jwk: Value = serde_json::from_str(&key.private_key().to_jwk().unwrap()).unwrap();
        jwk["kid"] = json!("a name that says who it is");
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(key.algorithm().name());
        let named = PrivateKey::from_jwk(jwk.to_string().as_bytes()).unwrap();
        assert!(names(&support::jwk(named.public_key())).contains(&"kid"), "the key keeps its name");
        let key = DpopKey::new(Arc::new(SigningKey::new(named, key.algorithm()).unwrap()));
        let request = ProofRequest { method: &Method::GET, target: &target, access_token: None, nonce: None };
        let proof = Draft::read(&key.prove(&request, support::NOW, &OperatingSystem).unwrap());
        assert_eq!(names(&proof.header), ["alg", "jwk", "typ"], "RFC 9449 section 4.2");
        assert_eq!(names(&proof.header["jwk"]), members, "RFC 7638 section 3.2: what makes the key");
        assert_eq!(names(&proof.claims), ["htm", "htu", "iat", "jti"], "RFC 9449 section 4.2");
        let jwt_id = proof.claims["jti"].as_str().unwrap();
        assert_eq!(jwt_id.len(), 22, "128 bits in base64url; RFC 9449 section 4.2 asks for 96");
    }
}

#[test]
fn nonces_that_are_renewed_at_every_time_are_accepted_while_they_live() {
    let policy = NoncePolicy { renewed_every: Duration::ZERO, accepted_for: Duration::from_secs(2) };
    let nonces = Nonces::new(policy, NonceSecret::from_bytes(&[1; 32]));
    for now in [NumericDate::from_seconds(0), support::NOW] {
        let nonce = nonces.current(now);
        for (second, accepted) in [(0, true), (2, true), (3, false)] {
            let later = now.after(Duration::from_secs(second));
            assert_eq!(nonces.check(nonce.as_str(), later).is_ok(), accepted, "{now} and {second}");
        }
    }
}

#[test]
fn a_proof_changed_in_any_one_byte_is_refused() {
    let (method, now) = (Method::POST, support::NOW);
    let target = TargetUri::parse("https://server.example.com/token").unwrap();
    let context = ProofContext { method: &method, target: &target, access_token: None, nonces: None, now };
    for key in KEYS.iter() {
        let request = ProofRequest { method: &method, target: &target, access_token: None, nonce: None };
        let proof = key.prove(&request, now, &OperatingSystem).unwrap();
        assert!(ProofPolicy::default().check(&proof, &context).is_ok(), "{key:?}");
        for place in 0..proof.len() {
            let mut changed = proof.clone().into_bytes();
            // Another letter of the alphabet: a change that only the signature or the meaning can show.
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(ProofPolicy::default().check(&changed, &context).is_err(), "{key:?} {place}");
        }
        for place in 0..=proof.len() {
            let mut longer = proof.clone();
            longer.insert(place, 'A');
            assert!(ProofPolicy::default().check(&longer, &context).is_err(), "{key:?} {place}");
        }
        for place in 0..proof.len() {
            let mut shorter = proof.clone();
            shorter.remove(place);
            assert!(ProofPolicy::default().check(&shorter, &context).is_err(), "{key:?} {place}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn what_is_made_is_accepted(
        key in 0..Algorithm::ALL.len(),
        method in "[A-Z]{1,10}",
        path in "(/[a-zA-Z0-9._~%-]{0,8}){0,4}",
        query in "(\\?[a-z=&]{0,10})?",
        token in prop::option::of("[A-Za-z0-9._~+/-]{1,200}"),
        wants_nonce: bool,
        seconds in 300u64..4_000_000_000,
    ) {
        let uri = format!("https://server.example.com{path}{query}");
        let Ok(target) = TargetUri::parse(&uri) else { return Ok(()) };
        let (key, now) = (&KEYS[key], NumericDate::from_seconds(seconds));
        let method: Method = method.parse().unwrap();
        let nonce: Option<Nonce> = wants_nonce.then(|| NONCES.current(now));
        let request = ProofRequest {
            method: &method,
            target: &target,
            access_token: token.as_deref().map(AccessTokenHash::of),
            nonce: nonce.as_ref(),
        };
        let proof = key.prove(&request, now, &OperatingSystem).unwrap();
        let context = ProofContext {
            method: &method,
            target: &target,
            access_token: token.as_deref().map(|token| BoundToken {
                hash: AccessTokenHash::of(token),
                thumbprint: key.thumbprint(),
            }),
            nonces: wants_nonce.then_some(&*NONCES),
            now,
        };
        let verified = ProofPolicy::default().check(&proof, &context).unwrap();
        prop_assert_eq!(verified.thumbprint(), key.thumbprint());
        prop_assert_eq!(verified.issued_at(), now);
    }

    #[test]
    fn no_text_makes_the_check_panic(proof in "\\PC{0,200}") {
        let target = support::target();
        let context = ProofContext {
            method: &Method::GET, target: &target, access_token: None, nonces: None, now: support::NOW,
        };
        prop_assert!(ProofPolicy::default().check(&proof, &context).is_err());
    }
}
