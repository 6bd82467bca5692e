//! A proof, by the rules of RFC 9449 section 4.3.

use keybound::proof::{self, KnownRequest, ProofPolicy};
use keybound::{DecodedJwt, Thumbprint};

use super::Arguments;
use super::findings::{Finding, Judgement};
use crate::key_file;
use crate::report::Outcome;

pub(super) fn inspect(proof: &str, arguments: &Arguments) -> Outcome<Vec<Finding>> {
    let known = KnownRequest {
        method: arguments.method.as_ref(),
        target: arguments.url.as_ref(),
        access_token: arguments.access_token.as_deref(),
        thumbprint: binding(arguments)?,
        nonce: arguments.nonce.as_deref(),
        now: arguments.now(),
    };
    let findings = proof::inspect(&ProofPolicy::default(), proof, &known);
    Ok(findings
        .into_iter()
        .map(|finding| Finding::new(finding.rule, Judgement::of(finding.outcome, None)))
        .collect())
}

/// The key that the access token is bound to: the one that was given, or the one that the token names.
fn binding(arguments: &Arguments) -> Outcome<Option<Thumbprint>> {
    if let Some(path) = &arguments.key {
        return Ok(Some(key_file::read_public(path)?.thumbprint()));
    }
    let token = arguments.access_token.as_deref().map(DecodedJwt::decode);
    Ok(token.and_then(|token| token.thumbprint()?.parse().ok()))
}
