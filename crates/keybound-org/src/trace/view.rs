//! From what was recorded to what is shown.

use std::sync::Arc;

use http::{Method, StatusCode};
use keybound::Rule;
use serde_json::Value;

use super::Traces;
use super::exchange::{Exchange, Lane, Verdict, VerdictOutcome};
use super::explanation::{self, Known};
use super::principal::{Principal, parameters, principal};
use super::recording::Recording;
use super::redaction;
use super::struck_by::StruckBy;
use crate::paths::is_under;

/// To which part of the org a path leads.
pub(super) fn lane(path: &str) -> Lane {
    if is_under(path, "/api") || is_under(path, "/oauth2/v1/clients") {
        Lane::Api
    } else {
        Lane::AuthorizationServer
    }
}

impl Traces {
    /// What is shown of a recording whose conversation is known.
    pub(super) fn view(&self, recording: &Arc<Recording>) -> Exchange {
        let headers = recording.fields.read();
        let parameters = parameters(recording, &headers);
        let answer_headers = recording.answer_fields.read();
        let verdict = verdict(recording);
        let known = Known::of(&self.servers, recording, &headers, &parameters);
        let explained = explanation::explain(&known);
        let is_client = |client_id: &str| matches!(self.servers.store.app(client_id), Ok(Some(_)));
        let principal = principal(&headers, &parameters);
        Exchange {
            id: recording.id,
            conversation: recording.conversation.get().copied().unwrap_or(recording.id),
            at: recording.at.seconds(),
            duration_microseconds: u64::try_from(recording.duration.as_micros()).unwrap_or(u64::MAX),
            client_address: recording.client.map(|address| address.to_string()),
            is_administrator: principal == Some(Principal::Administrator),
            client_id: principal.and_then(|principal| principal.shown_client_id(is_client)),
            lane: lane(recording.target.path()),
            method: recording.method.to_string(),
            target: redaction::target(&recording.target),
            request: redaction::message(&headers, &recording.body, &is_client),
            status: recording.status.map(|status| status.as_u16()),
            answer: redaction::message(&answer_headers, &recording.answer_body, &is_client),
            verdict,
            fault: StruckBy::of_answer(&answer_headers),
            tokens: explained.tokens,
            findings: explained.findings,
            replay_of: recording.replay_of,
            kept: self.remembered().is_kept(recording.id),
        }
    }
}

/// What the org decided, by its answer and by what it said of it in this process.
pub(super) fn verdict(recording: &Recording) -> Verdict {
    let Some(status) = recording.status else {
        let reason = "the client went away before there was an answer, or the time for it was over";
        let (outcome, reason) = (VerdictOutcome::Unanswered, Some(reason.to_owned()));
        return Verdict { outcome, rule: None, reason, change: None };
    };
    let rule = recording.refused.as_ref().and_then(|refused| refused.rule);
    let outcome = if rule == Some(Rule::ServerNonce) {
        VerdictOutcome::Challenged
    } else if status.is_server_error() {
        VerdictOutcome::Failed
    } else if status.is_client_error() || recording.refused.is_some() {
        VerdictOutcome::Refused
    } else {
        VerdictOutcome::Admitted
    };
    if outcome == VerdictOutcome::Admitted {
        return Verdict { outcome, rule: None, reason: None, change: None };
    }
    let told = recording.refused.as_ref().map(|refused| refused.reason.clone());
    let change = rule.map(Rule::remedy).or_else(|| other_change(recording, status));
    Verdict {
        outcome,
        rule: rule.map(|rule| rule.source().into()),
        reason: told.or_else(|| status.canonical_reason().map(str::to_owned)),
        change: change.map(Into::into),
    }
}

/// What to change where no rule for tokens and proofs is broken, by the error code.
fn other_change(recording: &Recording, status: StatusCode) -> Option<&'static str> {
    if recording.method == Method::OPTIONS && status == StatusCode::FORBIDDEN {
        return Some("Trust the origin that the page is from, or give the page's app a redirect URI there.");
    }
    let answer: Value = serde_json::from_slice(&recording.answer_body.bytes).unwrap_or_default();
    let code = ["error", "errorCode"].into_iter().find_map(|name| answer.get(name)?.as_str());
    Some(match code.unwrap_or_default() {
        "invalid_client" => {
            "Authenticate in the way that the app is set to (token_endpoint_auth_method), with its client id and a key or secret that is registered; a page shows a code_verifier (PKCE)."
        }
        "invalid_grant" => {
            "Ask the user again: a code is good once and for minutes, with the redirect_uri and code_verifier of its request; a refresh token is good once."
        }
        "invalid_scope" => "Ask for scopes that are granted to the app, and grant it those that it needs.",
        "unauthorized_client" => "Use a grant type of the app, or allow it the one that was used.",
        "unsupported_grant_type" => "Use a grant type of grant_types_supported.",
        "access_denied" => "Let the user or the access policy allow it.",
        "authorization_pending" => "Wait for the user, and ask again after the interval.",
        "slow_down" => "Ask five seconds more seldom.",
        "invalid_dpop_proof" => "Use the key that the code or the refresh token is bound to.",
        "invalid_request" => "Send each parameter once, in a form, and all that must be there.",
        "E0000001" | "E0000003" => "Correct the body as the causes say.",
        "E0000006" => "Assign the app an admin role that may do this, and grant it the scope.",
        "E0000007" => "Correct the id or the path.",
        "E0000022" => "Use a method that the endpoint has.",
        "E0000047" => "Wait until the time of X-Rate-Limit-Reset, and call more seldom.",
        _ if status.is_server_error() => "Send it again later; the org's log tells more.",
        _ => return None,
    })
}
