//! Which sort of failure an error is.

use http::StatusCode;
use keybound::exchange::ExchangeError;
use keybound::metadata::NotSupported;
use keybound_client::{CallError, DiscoveryError, TokenError, TransportError};

use crate::api_error::OktaError;
use crate::error::Error;

/// The sort of a failure; one that a script can tell from another by the program's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing or wrong.
    Settings,
    /// A key file is missing, wrong, or readable by others.
    Key,
    /// The request itself is wrong: its path, a header field.
    Request,
    /// No answer, or none of an org: address, network, TLS, another service.
    Connection,
    /// The local clock is off.
    Clock,
    /// The org doesn't accept the client: its id, its key, its rights.
    Client,
    /// A scope is unknown or not granted.
    Scope,
    /// A proof is missing, refused or ignored.
    Dpop,
    /// The API refused the call (4xx).
    Api,
    /// The server failed (5xx), or answered what makes no sense.
    Server,
    /// This machine failed: no randomness, no signature.
    Machine,
}

impl Error {
    /// Which sort of failure it is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Settings(error) if error.is_about_key() => ErrorKind::Key,
            Self::Settings(_) | Self::UnknownScopes { .. } | Self::NoScopes => ErrorKind::Settings,
            Self::Path(_)
            | Self::Operation(_)
            | Self::Body(_)
            | Self::ForeignCursor(_)
            | Self::CredentialsGiven
            | Self::ApiToken(_)
            | Self::NoAccessToken => ErrorKind::Request,
            Self::Transport(error) => kind_of_transport(error),
            Self::Discovery(error) => kind_of_discovery(error),
            Self::NotSupported(problem) => kind_of_unsupported(problem),
            Self::BrokenOff { error, .. } => error.kind(),
            Self::Call { error, .. } => kind_of_call(error),
            Self::Api(error) => kind_of_api(error),
            Self::Unreadable { .. } => ErrorKind::Connection,
            Self::ForeignLink(_) | Self::PagesInCircle => ErrorKind::Server,
        }
    }
}

fn kind_of_call(error: &CallError) -> ErrorKind {
    match error {
        CallError::CredentialsGiven(_) => ErrorKind::Request,
        CallError::Token(error) => kind_of_token(error),
        CallError::Transport(error) => kind_of_transport(error),
        _ => ErrorKind::Machine,
    }
}

fn kind_of_token(error: &TokenError) -> ErrorKind {
    match error {
        TokenError::Transport(error) => kind_of_transport(error),
        TokenError::Discovery(error) => kind_of_discovery(error),
        TokenError::NotSupported(problem) => kind_of_unsupported(problem),
        TokenError::Refused { .. } if error.clock_offset().is_some() => ErrorKind::Clock,
        TokenError::Refused { refusal, .. } => kind_of_exchange(refusal),
        _ => ErrorKind::Machine,
    }
}

fn kind_of_discovery(error: &DiscoveryError) -> ErrorKind {
    match error {
        DiscoveryError::Transport(error) => kind_of_transport(error),
        DiscoveryError::Issuer { .. } => ErrorKind::Settings,
        _ => ErrorKind::Connection,
    }
}

fn kind_of_unsupported(problem: &NotSupported) -> ErrorKind {
    match problem {
        NotSupported::ProofAlgorithm { .. } | NotSupported::NoProofAlgorithm { .. } => ErrorKind::Dpop,
        NotSupported::AssertionAlgorithm { .. } | NotSupported::ClientAuthentication { .. } => {
            ErrorKind::Client
        }
        _ => ErrorKind::Connection,
    }
}

fn kind_of_exchange(refusal: &ExchangeError) -> ErrorKind {
    match refusal {
        ExchangeError::Refused { status, error, .. } => match error.as_str() {
            "invalid_client" | "unauthorized_client" | "invalid_grant" | "access_denied" => ErrorKind::Client,
            "invalid_scope" | "consent_required" => ErrorKind::Scope,
            "invalid_dpop_proof" | "use_dpop_nonce" => ErrorKind::Dpop,
            _ if status.is_server_error() => ErrorKind::Server,
            _ => ErrorKind::Api,
        },
        ExchangeError::NotATokenEndpoint { status, .. } if status.is_server_error() => ErrorKind::Server,
        ExchangeError::NotATokenEndpoint { status: StatusCode::TOO_MANY_REQUESTS, .. } => ErrorKind::Api,
        ExchangeError::NotATokenEndpoint { .. } => ErrorKind::Connection,
        ExchangeError::ChallengeWithoutNonce
        | ExchangeError::TooManyChallenges
        | ExchangeError::NotBound
        | ExchangeError::BoundToNoKey => ErrorKind::Dpop,
        _ => ErrorKind::Server,
    }
}

fn kind_of_transport(error: &TransportError) -> ErrorKind {
    match error {
        TransportError::Target(_) | TransportError::NotSecure { .. } => ErrorKind::Request,
        TransportError::SetUp { .. } => ErrorKind::Settings,
        TransportError::Certificate { not_valid_yet: true, .. } => ErrorKind::Clock,
        _ => ErrorKind::Connection,
    }
}

fn kind_of_api(error: &OktaError) -> ErrorKind {
    let about_proof = error
        .challenge
        .as_ref()
        .is_some_and(|challenge| challenge.is("invalid_dpop_proof") || challenge.is("use_dpop_nonce"));
    match (about_proof, error.clock_offset) {
        (true, Some(_)) => ErrorKind::Clock,
        (true, None) => ErrorKind::Dpop,
        (false, _) if error.lacks_scope() => ErrorKind::Scope,
        (false, _) if error.status.is_server_error() => ErrorKind::Server,
        (false, _) => ErrorKind::Api,
    }
}
