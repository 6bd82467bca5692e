//! Why there is no access token.

use std::time::Duration;

use keybound::SignError;
use keybound::exchange::ExchangeError;
use keybound::key::KeyError;
use keybound::metadata::NotSupported;
use keybound::random::RandomUnavailable;

use crate::clock::ClockOffset;
use crate::discovery::DiscoveryError;
use crate::transport::TransportError;

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The network, or what a server may not do over it.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The authorization server granted none.
    #[error("{refusal}{}", in_brackets(.clock_offset.as_ref()))]
    Refused {
        /// What it answered.
        refusal: ExchangeError,
        /// How far the local clock is off, if it is: assertions and proofs are refused for their time, too.
        clock_offset: Option<ClockOffset>,
        /// How long it asked to be left alone (`Retry-After` of a 429 or 503), or
        /// [`LONGEST_PAUSE`](crate::LONGEST_PAUSE) if that is longer than somebody would wait.
        retry_after: Option<Duration>,
    },
    /// The server is known by its issuer, and its metadata can't be had.
    #[error(transparent)]
    Discovery(Box<DiscoveryError>),
    /// The server says in its metadata that it does not do what is needed.
    #[error(transparent)]
    NotSupported(#[from] NotSupported),
    /// No key for proofs could be made.
    #[error("no key for proofs could be made: {0}")]
    Key(#[from] KeyError),
    /// A key gave no signature.
    #[error("the token request can't be signed: {0}")]
    Sign(#[from] SignError),
    /// The operating system gave no randomness.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// The exchange was stopped before its end.
    #[error("the token request was stopped before its end: its runtime shut down, or its task panicked")]
    Stopped,
}

impl TokenError {
    /// How far the local clock is off, if that explains why the request was refused.
    pub fn clock_offset(&self) -> Option<ClockOffset> {
        match self {
            Self::Refused { clock_offset, .. } => clock_offset.filter(|_| self.may_be_for_the_time()),
            _ => None,
        }
    }

    /// Whether a wrong time can be why the server refused.
    pub(crate) fn may_be_for_the_time(&self) -> bool {
        let Self::Refused { refusal: ExchangeError::Refused { error, .. }, .. } = self else { return false };
        ["invalid_client", "invalid_grant", "invalid_request", "invalid_dpop_proof"].contains(&error.as_str())
    }

    /// Whether those who come shortly after are told the same without another exchange: something was sent,
    /// and would only be sent again.
    pub(crate) fn is_shared(&self) -> bool {
        use TransportError::{NotSecure, SetUp, Target};
        let was_sent = |error: &_| !matches!(error, Target(_) | NotSecure { .. } | SetUp { .. });
        match self {
            Self::Transport(error) => was_sent(error),
            Self::Discovery(error) => match &**error {
                DiscoveryError::Transport(error) => was_sent(error),
                DiscoveryError::Issuer { .. } => false,
                DiscoveryError::NotThere { .. } | DiscoveryError::Metadata { .. } => true,
            },
            Self::Refused { .. } | Self::NotSupported(_) => true,
            Self::Key(_) | Self::Sign(_) | Self::Random(_) | Self::Stopped => false,
        }
    }

    /// How long the server asked to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

fn in_brackets(clock_offset: Option<&ClockOffset>) -> String {
    clock_offset.map(|offset| format!(" (the local clock is {offset})")).unwrap_or_default()
}
