//! The test vectors of the specifications (`vectors.json`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use http::Method;
use keybound::proof::{AccessTokenHash, BoundToken, ProofContext, ProofPolicy, ProofRefusal};
use keybound::{NumericDate, PublicKey, TargetUri, UnverifiedJws};
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors.json")).unwrap()
}

fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap()
}

#[test]
fn the_proofs_of_rfc_9449_are_accepted_for_their_requests_and_no_others() {
    for vector in vectors()["proofs"].as_array().unwrap() {
        let source = text(vector, "/source");
        let method: Method = text(vector, "/claims/htm").parse().unwrap();
        let target = TargetUri::parse(text(vector, "/claims/htu")).unwrap();
        let access_token = vector["access_token"].as_str().map(|token| BoundToken {
            hash: AccessTokenHash::of(token),
            thumbprint: text(vector, "/jkt").parse().unwrap(),
        });
        let now = NumericDate::from_seconds(vector["claims"]["iat"].as_u64().unwrap());
        let context = ProofContext { method: &method, target: &target, access_token, nonces: None, now };
        let proof = text(vector, "/proof");
        let verified = ProofPolicy::default().check(proof, &context).expect(source);
        assert_eq!(verified.thumbprint().to_string(), text(vector, "/jkt"), "{source}");
        assert_eq!(verified.jwt_id(), text(vector, "/claims/jti"), "{source}");

        let other = ProofContext { method: &Method::DELETE, ..context };
        let refusal = ProofPolicy::default().check(proof, &other).unwrap_err();
        assert!(matches!(refusal, ProofRefusal::WrongMethod { .. }), "{source}");
    }
}

#[test]
fn the_access_token_of_rfc_9449_section_6_1_is_bound_to_the_key_of_its_proofs() {
    let vectors = vectors();
    let jws = UnverifiedJws::decode(text(&vectors, "/jwt_access_token/jwt"), 1024).unwrap();
    let claims = jws.claims().unwrap();
    assert_eq!(claims.object("cnf").unwrap().string("jkt"), Ok(text(&vectors, "/proofs/0/jkt")));
}

#[test]
fn thumbprints_are_those_of_rfc_7638_and_rfc_8037() {
    for vector in vectors()["thumbprints"].as_array().unwrap() {
        let key = PublicKey::from_jwk(vector["jwk"].to_string().as_bytes()).unwrap();
        assert_eq!(key.thumbprint().to_string(), text(vector, "/sha256"), "{}", text(vector, "/source"));
    }
}
