//! The replay rule (RFC 9449 section 11.1): what identifies a proof, and until when it is remembered.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use keybound::access_token::AccessToken;
use keybound::proof::{AccessTokenHash, DpopKey, ProofContext, ProofPolicy, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::replay::{MemoryReplayLimits, MemoryReplayStore, ReplayKey};
use keybound::resource::{Demands, ProtectedResource, ResourceRequest};
use keybound::{Algorithm, Signer as _, SigningKey, TargetUri};
use serde_json::json;
use support::{Draft, ES256, NOW, RS256, TOKEN, target};

#[test]
fn a_replay_key_is_made_of_the_key_the_target_and_the_jti() {
    let (own, other) = (ES256.public_key().thumbprint(), RS256.public_key().thumbprint());
    let (here, there) = (target(), TargetUri::parse("https://api.example.com/other").unwrap());
    let key = ReplayKey::new(own, &here, "1");
    assert_eq!(ReplayKey::new(own, &here, "1"), key, "the same on every server of a fleet");
    let begun = TargetUri::parse("https://api.example.com/oth").unwrap();
    let run_together = ReplayKey::new(own, &begun, "er1");
    assert_ne!(run_together.as_bytes(), ReplayKey::new(own, &there, "1").as_bytes(), "where one part ends");
    for (different, why) in [
        (ReplayKey::new(other, &here, "1"), "no client uses up an identifier of another's"),
        (ReplayKey::new(own, &there, "1"), "a jti is unique for a target"),
        (ReplayKey::new(own, &here, "2"), "another jti"),
        (ReplayKey::new(own, &here, ""), "no jti"),
    ] {
        assert_ne!(different.as_bytes(), key.as_bytes(), "{why}");
    }
}

#[test]
fn a_verified_proof_names_its_replay_key() {
    let verified = ProofPolicy::default()
        .check(
            &Draft::proof().claim("jti", json!("1")).sign(&ES256),
            &ProofContext {
                method: &Method::GET,
                target: &target(),
                access_token: None,
                nonces: None,
                now: NOW,
            },
        )
        .unwrap();
    let expected = ReplayKey::new(ES256.public_key().thumbprint(), &target(), "1");
    assert_eq!(verified.replay_key(), &expected);
}

#[test]
fn a_proof_expires_when_no_check_accepts_it_any_more() {
    let now = NOW.seconds();
    for (issued_at, expires, why) in [
        (now, now + 60, "made now"),
        (now - 60, now, "as old as is accepted: in its last second"),
        (now + 5, now + 65, "made by a clock that is ahead"),
    ] {
        let proof = Draft::proof().claim("iat", json!(issued_at)).sign(&ES256);
        let context = ProofContext {
            method: &Method::GET,
            target: &target(),
            access_token: None,
            nonces: None,
            now: NOW,
        };
        let verified = ProofPolicy::default().check(&proof, &context).unwrap();
        assert_eq!(verified.expires().seconds(), expires, "{why}");
    }
}

#[test]
fn a_store_remembers_by_default_as_long_as_the_policy_accepts_by_default() {
    let policy = ProofPolicy::default();
    assert_eq!(MemoryReplayLimits::default().longest_life, policy.max_age + policy.future_tolerance);
}

#[test]
fn a_proof_is_admitted_once_in_its_whole_life() {
    let key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()));
    let made_for = ProofRequest {
        method: &Method::GET,
        target: &target(),
        access_token: Some(AccessTokenHash::of(TOKEN)),
        nonce: None,
    };
    let proof = key.prove(&made_for, NOW.after(Duration::from_secs(5)), &OperatingSystem).unwrap();
    let headers = HeaderMap::from_iter([
        (http::header::AUTHORIZATION, HeaderValue::from_str(&format!("DPoP {TOKEN}")).unwrap()),
        (keybound::exchange::DPOP, HeaderValue::from_str(&proof).unwrap()),
    ]);
    let token = Arc::new(AccessToken {
        issuer: "https://org.example.com".to_owned(),
        audiences: vec![],
        subject: "0oa1".to_owned(),
        client_id: None,
        scopes: vec![],
        issued_at: None,
        expires: NOW.after(Duration::from_secs(3600)),
        jwt_id: None,
        thumbprint: Some(key.thumbprint()),
    });
    let resource = ProtectedResource {
        demands: Demands::default(),
        replay: Arc::new(MemoryReplayStore::new(MemoryReplayLimits::default(), &OperatingSystem).unwrap()),
    };
    let target = target();
    let request = ResourceRequest { method: &Method::GET, target: &target, query: None, headers: &headers };
    let admitted: Vec<u64> = (0..=66)
        .filter(|second| {
            let now = NOW.after(Duration::from_secs(*second));
            resource.admit(&request, |_| Ok(token.clone()), now).is_ok()
        })
        .collect();
    assert_eq!(admitted, [0], "the seconds at which it was admitted, from its first one to its last");
}
