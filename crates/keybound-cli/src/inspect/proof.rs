//! A proof, by the rules of RFC 9449 section 4.3.

use keybound::Thumbprint;
use keybound::proof::{self, KnownRequest, Outcome as ProofOutcome, ProofPolicy};

use super::Arguments;
use super::document::Document;
use super::findings::{Finding, Judgement};
use crate::key_file;
use crate::report::Outcome;

pub(super) fn inspect(document: &Document<'_>, arguments: &Arguments) -> Outcome<Vec<Finding>> {
    let known = KnownRequest {
        method: arguments.method.as_ref(),
        target: arguments.url.as_ref(),
        access_token: arguments.access_token.as_deref(),
        thumbprint: binding(arguments)?,
        nonce: arguments.nonce.as_deref(),
        now: arguments.now(),
    };
    let findings = proof::inspect(&ProofPolicy::default(), document.text, &known);
    Ok(findings.into_iter().map(|finding| Finding::new(finding.rule, judgement(finding.outcome))).collect())
}

/// The key that the access token is bound to: the one that was given, or the one that the token names.
fn binding(arguments: &Arguments) -> Outcome<Option<Thumbprint>> {
    if let Some(path) = &arguments.key {
        return Ok(Some(key_file::read_public(path)?.thumbprint()));
    }
    let token = arguments.access_token.as_deref().map(Document::decode);
    Ok(token.and_then(|token| token.thumbprint()?.parse().ok()))
}

pub(crate) fn judgement(outcome: ProofOutcome) -> Judgement {
    match outcome {
        ProofOutcome::Passed => Judgement::Passed,
        ProofOutcome::Failed(refusal) => Judgement::failed(&refusal),
        ProofOutcome::NotChecked(reason) => Judgement::not_checked(reason),
        _ => Judgement::not_checked("this version does not know how it stands"),
    }
}
