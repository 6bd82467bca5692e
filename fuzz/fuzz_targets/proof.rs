//! A proof from a stranger: the check and the inspection agree, and neither panics.
#![no_main]

use http::Method;
use keybound::proof::{KnownRequest, Outcome, ProofContext, ProofPolicy, inspect};
use keybound::{NumericDate, TargetUri};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|proof: &str| {
    let target = TargetUri::parse("https://server.example.com/token").unwrap();
    let now = NumericDate::from_seconds(1_562_262_616);
    let context =
        ProofContext { method: &Method::POST, target: &target, access_token: None, nonces: None, now };
    let known = KnownRequest {
        method: Some(&Method::POST),
        target: Some(&target),
        access_token: None,
        thumbprint: None,
        nonce: None,
        now,
    };
    let policy = ProofPolicy::default();
    let findings = inspect(&policy, proof, &known);
    let failed = findings.iter().any(|finding| matches!(finding.outcome, Outcome::Failed(_)));
    assert_eq!(policy.check(proof, &context).is_err(), failed);
});
