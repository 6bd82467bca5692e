//! Why a user's authorization has not come about.

use std::time::Duration;

use http::StatusCode;
use keybound::authorization::{BeginError, PushError, ResponseRefusal};
use keybound::device::DeviceError;
use keybound::exchange::NotTheBoundKey;
use keybound::id_token::IdTokenRefusal;
use keybound::key::KeyError;
use keybound::metadata::NotSupported;

use crate::token_source::TokenError;
use crate::transport::TransportError;

/// Why a user's authorization has not come about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// The server does not offer what is needed.
    #[error(transparent)]
    NotSupported(#[from] NotSupported),
    /// The request can't be begun.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The network, a signature, or the server's refusal.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The answer to the pushed request can't be used.
    #[error(transparent)]
    Push(#[from] PushError),
    /// The device authorization response can't be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The response at the redirect URI gives no code.
    #[error(transparent)]
    Response(#[from] ResponseRefusal),
    /// The request is bound to another key.
    #[error(transparent)]
    WrongKey(#[from] NotTheBoundKey),
    /// The ID token does not hold: nobody has signed in.
    #[error(transparent)]
    IdToken(#[from] IdTokenRefusal),
    /// The server's keys can't be had.
    #[error("the keys at {place} that the ID token is to be verified with can't be had: {reason}")]
    Keys {
        /// The `jwks_uri`.
        place: String,
        /// Why.
        reason: KeysFault,
    },
    /// Nothing can listen at the redirect URI.
    #[error("nothing can listen on {address} for the user's browser: {reason}")]
    Listen {
        /// The address.
        address: String,
        /// The system's own words.
        reason: String,
    },
    /// The user's browser did not come back.
    #[error("the user's browser did not come back within {} s", .patience.as_secs())]
    NoResponse {
        /// How long it was waited for.
        patience: Duration,
    },
}

/// Why a server's keys can't be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeysFault {
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// An answer that is not one of success.
    #[error("the server answered with {0}")]
    Status(StatusCode),
    /// No JWK set that can be used.
    #[error(transparent)]
    Unusable(#[from] KeyError),
}
