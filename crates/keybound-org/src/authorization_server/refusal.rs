//! Why a token request is refused, and the one place where that becomes the token endpoint's answer
//! (RFC 6749 section 5.2, RFC 9449 section 8).
//!
//! Where Okta has words of its own for a refusal, they are used, so that programs that look for them find
//! them. Elsewhere the answer says which rule is broken, which is more than Okta says.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use keybound::assertion::AssertionRefusal;
use keybound::exchange::DPOP_NONCE;
use keybound::proof::ProofRefusal;
use keybound::random::RandomUnavailable;
use keybound::{Nonce, Refusal, Rule, SignError, description};
use serde_json::json;

use super::form::FormRefusal;
use crate::background::Unfinished;
use crate::store::StoreError;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenRefusal {
    #[error(transparent)]
    Form(#[from] FormRefusal),
    #[error(
        "The authorization grant type is not supported by the authorization server. Configured grant types: \
         [client_credentials]."
    )]
    GrantType,
    #[error(
        "Client authentication failed: a service app authenticates with private_key_jwt and nothing else."
    )]
    AuthenticationMethod,
    #[error(
        "Client authentication failed: client_id is not the sub of the client assertion (RFC 7521 section 4.2)."
    )]
    ClientId,
    #[error(
        "The authorization server resource does not have any configured default scopes, 'scope' must be provided."
    )]
    NoScope,
    #[error("One or more scopes are not configured for the authorization server resource.")]
    Scope,
    /// A rule for client assertions or for proofs.
    #[error("{}", in_words(.0))]
    Rule(#[from] Refusal),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Random(#[from] RandomUnavailable),
    #[error("{0}")]
    Sign(#[from] SignError),
    #[error("{0}")]
    Unfinished(#[from] Unfinished),
}

impl From<AssertionRefusal> for TokenRefusal {
    fn from(refusal: AssertionRefusal) -> Self {
        Self::Rule(refusal.into())
    }
}

impl From<ProofRefusal> for TokenRefusal {
    fn from(refusal: ProofRefusal) -> Self {
        Self::Rule(refusal.into())
    }
}

fn in_words(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Proof(ProofRefusal::Missing) => "The DPoP proof JWT header is missing.".to_owned(),
        Refusal::Proof(ProofRefusal::NonceMissing) => {
            "Authorization server requires nonce in DPoP proof.".to_owned()
        }
        refusal => description(refusal),
    }
}

impl TokenRefusal {
    /// The answer; one that asks for a nonce brings `nonce`.
    pub(super) fn answer(&self, nonce: &Nonce) -> Response {
        let (status, error) = self.status_and_error();
        let description = match status {
            StatusCode::INTERNAL_SERVER_ERROR => {
                "The authorization server failed; its log tells more.".to_owned()
            }
            _ => self.to_string(),
        };
        tracing::info!(
            status = status.as_u16(),
            error,
            rule = self.rule().map(Rule::source),
            "token refused"
        );
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self, "the token endpoint failed");
        }

        let body = json!({ "error": error, "error_description": description }).to_string();
        let fields = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
        let mut response = (status, fields, body).into_response();
        if let Self::Rule(refusal) = self {
            let answer = refusal.at_token_endpoint();
            let nonce = answer.gives_nonce.then(|| HeaderValue::from_str(nonce.as_str()).ok()).flatten();
            let retry_after = answer.retry_after.map(|after| HeaderValue::from(after.as_secs()));
            response.headers_mut().extend(nonce.map(|nonce| (DPOP_NONCE, nonce)));
            response.headers_mut().extend(retry_after.map(|after| (RETRY_AFTER, after)));
        }
        response
    }

    /// The error code that the answer has.
    pub(super) fn error(&self) -> &'static str {
        self.status_and_error().1
    }

    /// Whether the client is to try again with a nonce, as a client that is not told of one does.
    pub(super) fn asks_for_nonce(&self) -> bool {
        matches!(self, Self::Rule(refusal) if refusal.at_token_endpoint().gives_nonce)
    }

    fn status_and_error(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Form(FormRefusal::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
            Self::Form(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::GrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::AuthenticationMethod | Self::ClientId => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::NoScope | Self::Scope => (StatusCode::BAD_REQUEST, "invalid_scope"),
            Self::Rule(refusal) => {
                let answer = refusal.at_token_endpoint();
                (answer.status, answer.code.map_or("invalid_request", keybound::ErrorCode::as_str))
            }
            Self::Store(_) | Self::Random(_) | Self::Sign(_) | Self::Unfinished(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "server_error")
            }
        }
    }

    fn rule(&self) -> Option<Rule> {
        match self {
            Self::Rule(refusal) => Some(refusal.rule()),
            _ => None,
        }
    }
}
