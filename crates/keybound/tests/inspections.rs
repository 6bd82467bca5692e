//! Inspections of proofs: unlike the check, which stops at the first broken rule of RFC 9449
//! section 4.3, an inspection tells how the proof stands by each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use http::Method;
use keybound::proof::{KnownRequest, Outcome, ProofPolicy, ProofRefusal as Refusal, inspect};
use keybound::{Algorithm, NonceRefusal, Rule, Signer as _, SigningKey, TargetUri};
use serde_json::json;
use support::{Draft, ES256, NOW, RS256, TOKEN};

/// A proof whose request nobody knows: what is left to look at is the proof itself.
const NOTHING: KnownRequest<'_> =
    KnownRequest { method: None, target: None, access_token: None, thumbprint: None, nonce: None, now: NOW };

/// The rules that the proof breaks, each with its refusal.
fn broken(proof: &str, known: &KnownRequest<'_>) -> Vec<(Rule, Refusal)> {
    inspect(&ProofPolicy::default(), proof, known)
        .into_iter()
        .filter_map(|finding| match finding.outcome {
            Outcome::Failed(refusal) => Some((finding.rule, refusal)),
            _ => None,
        })
        .collect()
}

#[test]
fn an_inspection_names_every_broken_rule_at_once() {
    let target = TargetUri::parse("https://api.example.com/other").unwrap();
    let known = KnownRequest {
        method: Some(&Method::PUT),
        target: Some(&target),
        access_token: Some(TOKEN),
        thumbprint: Some(RS256.public_key().thumbprint()),
        nonce: Some("n"),
        now: NOW.after(Duration::from_secs(3600)),
    };
    let proof = Draft::proof().claim("exp", json!(NOW.seconds())).header("typ", json!("JWT")).sign(&ES256);
    let findings = inspect(&ProofPolicy::default(), &proof, &known);
    let failed: Vec<_> = findings
        .iter()
        .filter(|finding| matches!(finding.outcome, Outcome::Failed(_)))
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(
        failed,
        [
            Rule::ProofType,
            Rule::Method,
            Rule::TargetUri,
            Rule::ServerNonce,
            Rule::Freshness,
            Rule::ProofExpiry,
            Rule::AccessTokenHash,
            Rule::KeyBinding,
        ]
    );
    assert_eq!(findings.len(), Rule::PROOF.len());
    let nothing = inspect(&ProofPolicy::default(), "junk", &known);
    assert!(
        nothing.iter().all(|finding| finding.outcome != Outcome::Passed || finding.rule == Rule::ProofSize)
    );
}

#[test]
fn an_inspection_names_the_one_rule_that_is_broken() {
    let stranger = SigningKey::generate(Algorithm::ES256).unwrap();
    let with_nonce = KnownRequest { nonce: Some("given"), ..NOTHING };
    let good = || Draft::proof().claim("nonce", json!("given"));
    for (proof, known, expected, why) in [
        (good().sign(&ES256), with_nonce, None, "a good proof"),
        (good().sign(&ES256), NOTHING, None, "a nonce that nobody knows of"),
        (
            good().sign(&stranger),
            with_nonce,
            Some((Rule::ProofSignature, Refusal::WrongSignature)),
            "signed with another key: check 6",
        ),
        (
            good().claim("nonce", json!("another")).sign(&ES256),
            with_nonce,
            Some((Rule::ServerNonce, Refusal::NonceRefused(NonceRefusal::Unknown))),
            "another nonce: check 10",
        ),
        (
            good().without_claim("nonce").sign(&ES256),
            with_nonce,
            Some((Rule::ServerNonce, Refusal::NonceMissing)),
            "no nonce: check 10",
        ),
    ] {
        assert_eq!(broken(&proof, &known), Vec::from_iter(expected), "{why}");
    }
    let for_encryption = good().jwk_member("use", json!("enc")).sign(&ES256);
    let found = broken(&for_encryption, &with_nonce);
    assert!(
        matches!(
            &found[..],
            [(Rule::KeyUse, Refusal::KeyNotForAlgorithm { algorithm: Algorithm::ES256, .. })]
        ),
        "a key for encryption: RFC 7517 section 4.2: {found:?}"
    );
}
