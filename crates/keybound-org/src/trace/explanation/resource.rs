//! A call of a protected resource, with an access token and, if that is bound to a key, a proof (RFC 9449 section 7).

use keybound::access_token::{self, Part};
use keybound::credentials::{Credentials, Scheme};
use keybound::inspection::Outcome;
use keybound::proof::{KnownRequest, ProofRefusal};
use keybound::{DecodedJwt, Refusal, Rule, Thumbprint};

use super::{Explained, Finding, Known, ProofField, broken, holds, proof_field, proof_token, token, told};
use crate::admin_token::ssws_token;
use crate::authorization_server::HeldTo;
use crate::trace::exchange::{FindingOutcome, Token, TokenKind};

pub(super) fn explain(known: &Known<'_>, held_to: &HeldTo) -> Explained {
    let mut explained = Explained::default();
    if is_administrators(known) {
        return explained;
    }
    let credentials = match Credentials::of_request(known.headers, known.query) {
        Ok(credentials) => credentials,
        Err(refusal) => {
            explained.findings.push(broken(&Refusal::from(refusal)));
            return explained;
        }
    };
    for rule in [Rule::CredentialsRequired, Rule::OneCredential, Rule::Scheme] {
        explained.findings.push(holds(rule));
    }
    let thumbprint = bound_to(credentials.access_token);
    explained.findings.push(by_binding(credentials.scheme, thumbprint));
    explained.tokens.push(access_token(credentials.access_token, known, held_to));

    let request = KnownRequest {
        method: Some(known.method),
        target: Some(&held_to.target),
        access_token: Some(credentials.access_token),
        thumbprint,
        nonce: None,
        now: known.at,
    };
    match proof_field(known) {
        ProofField::Proof(proof) => {
            explained.findings.push(holds(Rule::ProofRequired));
            let no_nonce = |_: Option<&str>| Outcome::NotChecked("the org's API asks for no nonce");
            explained.tokens.push(proof_token(proof, &request, no_nonce));
        }
        ProofField::Unusable(refusal) => explained.findings.push(broken(&Refusal::from(refusal))),
        ProofField::None if credentials.scheme == Scheme::Dpop => {
            explained.findings.push(broken(&Refusal::from(ProofRefusal::Missing)));
        }
        ProofField::None => {}
    }
    explained.findings.push(by_scope(known));
    explained
}

/// Whether the request carries the administrator's API token, to which no rule of RFC 9449 applies.
fn is_administrators(known: &Known<'_>) -> bool {
    let field = known.headers.get(http::header::AUTHORIZATION).and_then(|field| field.to_str().ok());
    field.and_then(ssws_token).is_some()
}

fn bound_to(access_token: &str) -> Option<Thumbprint> {
    DecodedJwt::decode(access_token).thumbprint()?.parse().ok()
}

fn by_binding(scheme: Scheme, thumbprint: Option<Thumbprint>) -> Finding {
    match (scheme, thumbprint) {
        (Scheme::Dpop, None) => broken(&Refusal::UnboundTokenAsDpop),
        (Scheme::Bearer, Some(_)) => broken(&Refusal::BoundTokenAsBearer),
        _ => holds(Rule::SchemeFitsBinding),
    }
}

/// Whether the token's scopes do is for the endpoint to say, which is asked last.
fn by_scope(known: &Known<'_>) -> Finding {
    match known.refused {
        Some(refused) if refused.rule == Some(Rule::Scope) => {
            Finding::new(Rule::Scope, Outcome::Failed(&refused.reason))
        }
        None if known.is_admitted => holds(Rule::Scope),
        _ => Finding::new(
            Rule::Scope,
            Outcome::<&str>::NotChecked("the request was refused before this was asked"),
        ),
    }
}

fn access_token(text: &str, known: &Known<'_>, held_to: &HeldTo) -> Token {
    let findings = access_token::inspect(&held_to.access_tokens, text, Some(&held_to.issuer_keys), known.at);
    let is_sound = !findings.iter().any(|finding| matches!(finding.outcome, Outcome::Failed(_)));
    let findings = findings.into_iter().map(|finding| {
        let (outcome, reason) = match finding.part {
            Part::Standing => standing(known, is_sound),
            _ => told(finding.outcome),
        };
        let change = (outcome == FindingOutcome::Failed).then(|| Rule::AccessToken.remedy().into());
        let (rule, requirement) = (finding.part.source().into(), finding.part.requirement().into());
        Finding { rule, requirement, outcome, reason, change }
    });
    let findings = findings.collect();
    token(TokenKind::AccessToken, text, findings, Part::Signature.requirement())
}

/// Whether the token was revoked: the org knew, and asks after all else about the token, but before the proof.
fn standing(known: &Known<'_>, is_sound: bool) -> (FindingOutcome, Option<std::borrow::Cow<'static, str>>) {
    let not_asked = || told(Outcome::<&str>::NotChecked("the request was refused before this was asked"));
    match known.refused.map(|refused| refused.rule) {
        Some(Some(Rule::AccessToken)) if is_sound => {
            told(Outcome::Failed(&known.refused.map(|refused| refused.reason.clone()).unwrap_or_default()))
        }
        Some(None) => told(Outcome::<&str>::NotChecked("the answer does not tell")),
        Some(Some(Rule::AccessToken)) => not_asked(),
        Some(Some(_)) => told(Outcome::<&str>::Passed),
        None if known.is_admitted => told(Outcome::<&str>::Passed),
        None => not_asked(),
    }
}
