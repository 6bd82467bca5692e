//! Why a client's request is refused, and the one place where that becomes an answer (RFC 6749 section 5.2, RFC 8628
//! section 3.5, RFC 9449 section 8).
//!
//! Where Okta has words of its own for a refusal, they are used, so that programs that look for them find
//! them. Elsewhere the answer says which rule is broken, which is more than Okta says.

use axum::response::Response;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use keybound::assertion::AssertionRefusal;
use keybound::exchange::DPOP_NONCE;
use keybound::proof::ProofRefusal;
use keybound::random::RandomUnavailable;
use keybound::{Nonce, Refusal, Rule, SignError, TargetUriError, description};
use serde_json::json;

use super::authorization_request::RequestRefusal;
use super::endpoint::json_answer;
use super::grants::GRANT_TYPES;
use crate::answer::RefusedBy;
use crate::form::FormRefusal;
use crate::store::{GrantType, Redeemed, StoreError, TokenEndpointAuthMethod};

/// Why a client does not get what it asks for.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenRefusal {
    #[error(transparent)]
    Form(#[from] FormRefusal),
    #[error(
        "The authorization grant type is not supported by the authorization server. Configured grant types: [{}].",
        GRANT_TYPES.map(GrantType::name).join(", ")
    )]
    GrantType,
    #[error(
        "The client is not authorized to use the provided grant type. Configured grant types: [{configured}]."
    )]
    GrantNotAllowed { configured: String },
    #[error("Client authentication failed: the app authenticates with {} and nothing else.", .0.name())]
    AuthenticationMethod(TokenEndpointAuthMethod),
    #[error(
        "Cannot supply multiple client credentials: the Authorization field, client_secret and client_assertion are \
         alternatives (RFC 6749 section 2.3)."
    )]
    TwoAuthenticationMethods,
    #[error(
        "Client authentication failed: the Authorization field is not Basic with a form-encoded client id and secret \
         (RFC 6749 section 2.3.1)."
    )]
    MalformedBasic,
    #[error("A 'client_id' must be provided in the request.")]
    NoClientId,
    #[error("Invalid value for 'client_id' parameter.")]
    UnknownClient,
    #[error("The client secret supplied for a confidential client is invalid.")]
    ClientSecret,
    #[error(
        "Client authentication failed: client_id is not the sub of the client assertion, or the user of the Authorization field (RFC 7521 section 4.2)."
    )]
    ClientId,
    #[error("Browser requests to the token endpoint must use Proof Key for Code Exchange.")]
    PageWithoutPkce,
    #[error("The authorization code is invalid or has expired.")]
    Code,
    #[error("The 'redirect_uri' does not match the redirection URI used in the authorization request.")]
    RedirectUri,
    #[error("PKCE verification failed.")]
    Pkce,
    #[error("The refresh token is invalid or expired.")]
    RefreshToken,
    #[error("The user is not active any more.")]
    UserNotActive,
    #[error("User is not assigned to the client application.")]
    UserNotAssigned,
    #[error(
        "The DPoP proof is of another key than the one that the grant is bound to (RFC 9449 sections 5 and 10)."
    )]
    OtherKey,
    #[error("The dpop_jkt parameter is not the thumbprint of the DPoP proof's key (RFC 9449 section 10.1).")]
    OtherThumbprint,
    #[error("Policy evaluation failed for this request, please check the policy configurations.")]
    Policy,
    #[error("The device authorization is pending. Please try again later.")]
    DevicePending,
    #[error("The device polls too fast: it has to wait {pause} seconds between two polls.")]
    SlowDown { pause: u64 },
    #[error("The resource owner or authorization server denied the request.")]
    DeviceDenied,
    #[error("The device code is invalid or has expired.")]
    DeviceExpired,
    #[error("The device code is invalid or has expired.")]
    DeviceCode,
    #[error(
        "The scope offline_access asks for a refresh token, and the app does not have the grant type refresh_token."
    )]
    OfflineAccess,
    /// Of a pushed request whose answer has no place to go to.
    #[error("{0}")]
    NoTarget(String),
    #[error(transparent)]
    Request(#[from] RequestRefusal),
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
    Target(#[from] TargetUriError),
    #[error("the claims of a token cannot be written")]
    Unwritable,
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
    /// That what a token was to be given for is good no more.
    pub(super) fn used_up(redeemed: Redeemed<'_>) -> Self {
        match redeemed {
            Redeemed::Code(_) => Self::Code,
            Redeemed::RefreshToken(_) => Self::RefreshToken,
            Redeemed::DeviceCode(_) => Self::DeviceCode,
        }
    }

    /// The answer; one that asks for a nonce brings `nonce`.
    pub(super) fn answer(&self, nonce: &Nonce) -> Response {
        let (status, error) = self.status_and_error();
        let description = self.description();
        tracing::info!(
            status = status.as_u16(),
            error,
            rule = self.rule().map(Rule::source),
            "token refused"
        );
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            tracing::error!(error = %self, "the token endpoint failed");
        }

        let body = json!({ "error": error, "error_description": &description });
        let mut response = json_answer(status, &body);
        if matches!(self, Self::MalformedBasic | Self::ClientSecret) {
            // RFC 6749 section 5.2: where the client tried this field, the answer names its scheme.
            response
                .headers_mut()
                .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"oauth2\""));
        }
        if let Self::Rule(refusal) = self {
            let answer = refusal.at_token_endpoint();
            let nonce = answer.gives_nonce.then(|| HeaderValue::from_str(nonce.as_str()).ok()).flatten();
            let retry_after = answer.retry_after.map(|after| HeaderValue::from(after.as_secs()));
            response.headers_mut().extend(nonce.map(|nonce| (DPOP_NONCE, nonce)));
            response.headers_mut().extend(retry_after.map(|after| (RETRY_AFTER, after)));
        }
        response.extensions_mut().insert(RefusedBy { rule: self.rule(), reason: description });
        response
    }

    fn status_and_error(&self) -> (StatusCode, &'static str) {
        let bad_request = |error| (StatusCode::BAD_REQUEST, error);
        match self {
            Self::Form(FormRefusal::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
            Self::Form(_) | Self::NoTarget(_) | Self::TwoAuthenticationMethods => {
                bad_request("invalid_request")
            }
            Self::GrantType => bad_request("unsupported_grant_type"),
            Self::GrantNotAllowed { .. } => bad_request("unauthorized_client"),
            Self::AuthenticationMethod(_)
            | Self::MalformedBasic
            | Self::NoClientId
            | Self::UnknownClient
            | Self::ClientSecret
            | Self::ClientId
            | Self::PageWithoutPkce => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::Code
            | Self::RedirectUri
            | Self::Pkce
            | Self::RefreshToken
            | Self::UserNotActive
            | Self::DeviceCode => bad_request("invalid_grant"),
            Self::OtherKey | Self::OtherThumbprint => bad_request("invalid_dpop_proof"),
            Self::Policy | Self::DeviceDenied | Self::UserNotAssigned | Self::Store(StoreError::Gone) => {
                bad_request("access_denied")
            }
            Self::DevicePending => bad_request("authorization_pending"),
            Self::SlowDown { .. } => bad_request("slow_down"),
            Self::DeviceExpired => bad_request("expired_token"),
            Self::NoScope | Self::Scope | Self::OfflineAccess => bad_request("invalid_scope"),
            Self::Request(refusal) => bad_request(refusal.error()),
            Self::Rule(refusal) => {
                let answer = refusal.at_token_endpoint();
                (answer.status, answer.code.map_or("invalid_request", keybound::ErrorCode::as_str))
            }
            Self::Store(StoreError::TooManyWaiting) => {
                (StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable")
            }
            Self::Store(_) | Self::Random(_) | Self::Sign(_) | Self::Target(_) | Self::Unwritable => {
                (StatusCode::INTERNAL_SERVER_ERROR, "server_error")
            }
        }
    }

    /// The error as an authorization response has it (RFC 6749 section 4.1.2.1).
    pub(super) fn error(&self) -> &'static str {
        self.status_and_error().1
    }

    /// What the client is told of it; of a fault of the server nothing.
    pub(super) fn description(&self) -> String {
        if self.is_failure() {
            return "The authorization server failed; its log tells more.".to_owned();
        }
        self.to_string()
    }

    /// Whether the client is to try again with a nonce, as a client that is not told of one does.
    pub(super) fn asks_for_nonce(&self) -> bool {
        matches!(self, Self::Rule(refusal) if refusal.at_token_endpoint().gives_nonce)
    }

    /// Whether it is what a device gets until its user has decided.
    pub(super) fn is_polled(&self) -> bool {
        matches!(self, Self::DevicePending | Self::SlowDown { .. })
    }

    /// Whether the fault is the server's.
    pub(super) fn is_failure(&self) -> bool {
        self.status_and_error().0 == StatusCode::INTERNAL_SERVER_ERROR
    }

    fn rule(&self) -> Option<Rule> {
        match self {
            Self::Rule(refusal) => Some(refusal.rule()),
            _ => None,
        }
    }
}
