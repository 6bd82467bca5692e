//! Why a request was let in or refused: its tokens decoded, and every rule, with what to change.
//!
//! The rules are those of the checks themselves ([`keybound::proof::inspect`] and what stands beside it); only, none
//! stops the others. What only the server knew at the time (whether a `jti` was used before) follows from what it
//! decided, so what is told here agrees with the answer.

mod known;
mod resource;
mod token_request;

use keybound::inspection::Outcome;
use keybound::proof::{self, KnownRequest, ProofRefusal, proof_header};
use keybound::{DecodedJwt, Refusal, Rule};

use super::exchange::{Finding, FindingOutcome, Signature, Token, TokenKind};
use crate::protected_resource::proof_policy;

pub(super) use known::Known;

/// What is told of a request.
#[derive(Default)]
pub(super) struct Explained {
    pub(super) tokens: Vec<Token>,
    /// The rules for the request as a whole.
    pub(super) findings: Vec<Finding>,
}

/// Tells of a request what there is to tell.
pub(super) fn explain(known: &Known<'_>) -> Explained {
    let mut explained = match &known.held_to {
        None => Explained::default(),
        Some(held_to) if held_to.is_resource => resource::explain(known, held_to),
        Some(held_to) => token_request::explain(known, held_to),
    };
    explained.agree(known);
    explained
}

impl Finding {
    fn new(rule: Rule, outcome: Outcome<impl ToString>) -> Self {
        let (outcome, reason) = told(outcome);
        let is_failed = outcome == FindingOutcome::Failed;
        Self {
            rule: rule.source().into(),
            requirement: rule.requirement().into(),
            outcome,
            reason,
            change: is_failed.then(|| rule.remedy().into()),
        }
    }

    pub(super) fn is_of(&self, rule: Rule) -> bool {
        self.rule == rule.source() && self.requirement == rule.requirement()
    }

    fn become_passed(&mut self) {
        (self.outcome, self.reason, self.change) = (FindingOutcome::Passed, None, None);
    }

    fn become_not_checked(&mut self, reason: &'static str) {
        (self.outcome, self.reason, self.change) = (FindingOutcome::NotChecked, Some(reason.into()), None);
    }
}

/// An outcome in words.
fn told(outcome: Outcome<impl ToString>) -> (FindingOutcome, Option<std::borrow::Cow<'static, str>>) {
    match outcome {
        Outcome::Passed => (FindingOutcome::Passed, None),
        Outcome::Failed(refusal) => (FindingOutcome::Failed, Some(refusal.to_string().into())),
        Outcome::NotChecked(reason) => (FindingOutcome::NotChecked, Some(reason.into())),
        _ => (FindingOutcome::NotChecked, None),
    }
}

/// A token of which the findings say whether its signature verifies.
fn token(kind: TokenKind, text: &str, findings: Vec<Finding>, signature: &str) -> Token {
    let decoded = DecodedJwt::decode(text);
    let of_signature = findings.iter().find(|finding| finding.requirement == signature);
    let signature = match of_signature.map(|finding| finding.outcome) {
        Some(FindingOutcome::Passed) => Signature::Verified,
        Some(FindingOutcome::Failed) => Signature::Refused,
        _ => Signature::NotChecked,
    };
    let (header, claims, thumbprint) = (decoded.header(), decoded.claims(), decoded.thumbprint());
    Token { kind, header, claims, thumbprint, signature, findings }
}

/// The proof that came, and what the header field itself breaks.
enum ProofField<'h> {
    None,
    Proof(&'h str),
    Unusable(ProofRefusal),
}

fn proof_field<'h>(known: &'h Known<'_>) -> ProofField<'h> {
    match proof_header(known.headers) {
        Ok(None) => ProofField::None,
        Ok(Some(proof)) => ProofField::Proof(proof),
        Err(refusal) => ProofField::Unusable(refusal),
    }
}

/// A proof by every rule. `nonce` says how it stands by the server's nonces.
fn proof_token(
    proof: &str,
    request: &KnownRequest<'_>,
    nonce: impl FnOnce(Option<&str>) -> proof::Outcome,
) -> Token {
    let decoded = DecodedJwt::decode(proof);
    let mut nonce = Some(nonce);
    let findings = proof::inspect(&proof_policy(), proof, request).into_iter().map(|finding| {
        let is_readable = decoded.claims().is_some();
        let outcome = match finding.rule {
            Rule::OneProof => Outcome::Passed,
            Rule::ServerNonce if is_readable => match nonce.take() {
                Some(nonce) => nonce(decoded.text_claim("nonce")),
                None => finding.outcome,
            },
            _ => finding.outcome,
        };
        Finding::new(finding.rule, outcome)
    });
    let findings = findings.collect();
    token(TokenKind::Proof, proof, findings, Rule::ProofSignature.requirement())
}

const REFUSED_BEFORE: &str =
    "the request was refused before this was asked; only one that is let in uses up its jti";

impl Explained {
    fn all(&mut self) -> impl Iterator<Item = &mut Finding> {
        self.findings.iter_mut().chain(self.tokens.iter_mut().flat_map(|token| &mut token.findings))
    }

    /// Makes what is told agree with what the org decided: it knew what is used once, and what has changed since.
    fn agree(&mut self, known: &Known<'_>) {
        let broken = known.refused.and_then(|refused| refused.rule);
        for finding in self.all() {
            let is_single_use = finding.is_of(Rule::Replay) || finding.is_of(Rule::AssertionSingleUse);
            if known.is_admitted {
                if is_single_use || finding.is_failed() {
                    finding.become_passed();
                }
            } else if is_single_use {
                match broken {
                    // Asked after everything else.
                    Some(Rule::Scope) => finding.become_passed(),
                    Some(_) => finding.become_not_checked(REFUSED_BEFORE),
                    None => finding.become_not_checked("the answer does not tell whether this was asked"),
                }
            }
        }
        let (Some(rule), Some(refused)) = (broken, known.refused) else { return };
        let is_told = self.all().any(|finding| finding.is_failed() && finding.is_of(rule));
        // Of an access token the parts of the rule are told.
        let is_told = is_told
            || rule == Rule::AccessToken
                && self.tokens.iter().any(|token| token.kind == TokenKind::AccessToken && token.is_broken());
        if is_told {
            return;
        }
        let failed = Finding::new(rule, Outcome::Failed(&refused.reason));
        let place = self.all().find(|finding| finding.is_of(rule));
        match place {
            Some(place) => *place = failed,
            None => self.findings.push(failed),
        }
    }
}

/// A rule that a refusal breaks, as a finding.
fn broken(refusal: &Refusal) -> Finding {
    Finding::new(refusal.rule(), Outcome::Failed(refusal))
}

/// A rule that holds.
fn holds(rule: Rule) -> Finding {
    Finding::new(rule, Outcome::<&str>::Passed)
}
