//! A request to an authorization server, in which a client shows who it is and which key it holds (RFC 7523 section 3,
//! RFC 9449 section 5).

use keybound::assertion::{self, AssertionRefusal};
use keybound::inspection::Outcome;
use keybound::proof::{self, KnownRequest, ProofRefusal};
use keybound::{DecodedJwt, Refusal, Rule};

use super::{Explained, Finding, Known, ProofField, broken, holds, proof_field, proof_token, token};
use crate::authorization_server::HeldTo;
use crate::trace::exchange::{Signature, Token, TokenKind};
use crate::trace::principal::parameter;

pub(super) fn explain(known: &Known<'_>, held_to: &HeldTo) -> Explained {
    let mut explained = Explained::default();
    if let Some(assertion) = parameter(known.parameters, "client_assertion") {
        explained.tokens.push(assertion_token(assertion, known, held_to));
    }
    match proof_field(known) {
        _ if !held_to.takes_proofs => {}
        ProofField::None => {}
        ProofField::Unusable(refusal) => explained.findings.push(broken(&Refusal::from(refusal))),
        ProofField::Proof(proof) => {
            let request = KnownRequest {
                method: Some(known.method),
                target: Some(&held_to.target),
                access_token: None,
                thumbprint: None,
                nonce: None,
                now: known.at,
            };
            explained.findings.push(holds(Rule::ProofRequired));
            explained.tokens.push(proof_token(proof, &request, |nonce| by_nonce(nonce, known)));
        }
    }
    if let Some(issued) = &known.issued {
        let signature = Signature::Made;
        let made = token(TokenKind::IssuedAccessToken, issued, Vec::new(), "");
        explained.tokens.push(Token { signature, ..made });
    }
    explained
}

fn by_nonce(nonce: Option<&str>, known: &Known<'_>) -> proof::Outcome {
    match nonce.map(|nonce| known.nonce(nonce)) {
        None => Outcome::Failed(ProofRefusal::NonceMissing),
        Some(Ok(())) => Outcome::Passed,
        Some(Err(refusal)) => Outcome::Failed(ProofRefusal::NonceRefused(refusal)),
    }
}

fn assertion_token(assertion: &str, known: &Known<'_>, held_to: &HeldTo) -> Token {
    let subject = DecodedJwt::decode(assertion).text_claim("sub").map(str::to_owned);
    let keys = subject.and_then(|client_id| known.client_keys(&client_id));
    let is_known = keys.is_some();
    let findings = assertion::inspect(&held_to.assertions, assertion, keys.as_ref(), known.at);
    let findings = findings.into_iter().map(|finding| {
        let outcome = match finding.rule {
            Rule::AssertionClient if !is_known && finding.outcome == Outcome::Passed => {
                Outcome::Failed(AssertionRefusal::UnknownClient)
            }
            _ => finding.outcome,
        };
        Finding::new(finding.rule, outcome)
    });
    let findings = findings.collect();
    token(TokenKind::ClientAssertion, assertion, findings, Rule::AssertionSignature.requirement())
}
