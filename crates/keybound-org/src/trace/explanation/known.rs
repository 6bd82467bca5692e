//! What is known of a recorded request, and of what the org held it to.

use std::sync::Arc;

use http::{HeaderMap, Method};
use keybound::{JwkSet, NonceRefusal, Nonces, NumericDate};
use serde_json::Value;

use crate::answer::RefusedBy;
use crate::authorization_server::{AuthorizationServers, HeldTo};
use crate::trace::recording::Recording;

/// A request, with what it takes to judge it.
pub(in crate::trace) struct Known<'k> {
    pub(super) method: &'k Method,
    pub(super) query: Option<&'k str>,
    pub(super) headers: &'k HeaderMap,
    pub(super) parameters: &'k [(String, String)],
    pub(super) at: NumericDate,
    /// What it was held to; none where no rule for tokens holds.
    pub(super) held_to: Option<HeldTo>,
    /// Whether it got what it asked for.
    pub(super) is_admitted: bool,
    pub(super) refused: Option<&'k RefusedBy>,
    /// The access token that the answer brought.
    pub(super) issued: Option<String>,
    nonces: &'k Nonces,
    servers: &'k Arc<AuthorizationServers>,
}

impl<'k> Known<'k> {
    pub(in crate::trace) fn of(
        servers: &'k Arc<AuthorizationServers>,
        recording: &'k Recording,
        headers: &'k HeaderMap,
        parameters: &'k [(String, String)],
    ) -> Self {
        let is_success =
            recording.status.is_some_and(|status| !status.is_client_error() && !status.is_server_error());
        // A browser that asks whether a page may ask shows nothing, and is held to no rule for tokens.
        let held_to = match recording.method {
            Method::OPTIONS => Ok(None),
            _ => servers.held_to(recording.target.path(), recording.at),
        };
        let held_to = held_to.unwrap_or_else(|error| {
            tracing::error!(%error, "a recorded request cannot be explained");
            None
        });
        Self {
            method: &recording.method,
            query: recording.target.query(),
            headers,
            parameters,
            at: recording.at,
            held_to,
            is_admitted: is_success && recording.refused.is_none(),
            refused: recording.refused.as_ref(),
            issued: issued(&recording.answer_body.bytes),
            nonces: &recording.nonces,
            servers,
        }
    }

    /// The keys of an app that is registered and active.
    pub(super) fn client_keys(&self, client_id: &str) -> Option<JwkSet> {
        self.servers.client_keys(client_id)
    }

    /// Whether a nonce was one of the org's at that time.
    pub(super) fn nonce(&self, nonce: &str) -> Result<(), NonceRefusal> {
        self.nonces.check(nonce, self.at).map(drop)
    }
}

fn issued(answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    answer.get("access_token")?.as_str().map(str::to_owned)
}
