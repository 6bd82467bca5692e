//! Why Redis gave no answer to go by.

use std::fmt;

use keybound::excerpt::{SENTENCE, excerpt};
use redis::{ErrorKind, ServerErrorKind};

/// Why Redis gave no answer to go by. The proof is refused, whether or not Redis has recorded it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// No answer within the policy's time.
    #[error("Redis did not answer in time; see that it runs, and `replay.timeout_milliseconds`")]
    TimedOut,
    /// It can't be reached, or the connection was lost.
    #[error("Redis can't be reached: {reason}; see that it runs and that `replay.urls` are right")]
    Unreachable {
        /// What the operating system or TLS says.
        reason: String,
    },
    /// It does not know the user or the password, or the user may not do what is needed.
    #[error(
        "Redis denies access: {reason}; see `replay.username` and the file of `replay.password_file`; the \
         user needs `+set` on the keys of `replay.key_prefix` (docs/replay.md)"
    )]
    Denied {
        /// What Redis says.
        reason: String,
    },
    /// A file of the settings can't be used any more.
    #[error("Redis can't be asked: {reason}")]
    UnusableSettings {
        /// Which, and what is wrong.
        reason: String,
    },
    /// It answers with an error.
    #[error("Redis refuses the command: {reason}")]
    Refused {
        /// What Redis says.
        reason: String,
    },
    /// The record was made, and too few replicas have it.
    #[error(
        "{acknowledged} of {wanted} replicas acknowledged the record in time; see that they run, and \
         `replay.acknowledged_by_replicas`"
    )]
    NotAcknowledged {
        /// How many the policy wants.
        wanted: usize,
        /// How many did.
        acknowledged: i64,
    },
    /// The answer is none that the command has.
    #[error("what answers at `replay.urls` is not Redis")]
    NotRedis,
}

impl RedisError {
    /// Whether a connection that brought this is of no more use: lost, or to a server that is no master any
    /// more.
    pub(super) fn needs_new_connection(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Denied { .. } | Self::Refused { .. } | Self::NotRedis => true,
            // A connection that is slow may be good; when it goes on the breaker opens, and drops it.
            Self::TimedOut | Self::NotAcknowledged { .. } | Self::UnusableSettings { .. } => false,
        }
    }
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        let reason = excerpt(&error.to_string(), SENTENCE);
        match error.kind() {
            _ if error.is_timeout() => Self::TimedOut,
            ErrorKind::AuthenticationFailed | ErrorKind::Server(ServerErrorKind::NoPerm) => {
                Self::Denied { reason }
            }
            _ if matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "NOPERM")) => Self::Denied { reason },
            ErrorKind::Server(_) | ErrorKind::Extension => Self::Refused { reason },
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::NotRedis,
            _ => Self::Unreachable { reason },
        }
    }
}

/// A step of connecting that came to nothing, which is no answer of a server.
pub(super) fn unreachable(reason: impl fmt::Display) -> RedisError {
    RedisError::Unreachable { reason: excerpt(&reason.to_string(), SENTENCE) }
}
