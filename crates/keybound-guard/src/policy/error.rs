//! Why a policy can't be used.

use std::io;
use std::path::PathBuf;

/// Why a policy can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file can't be read.
    #[error("the policy {} can't be read: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The file is longer than [`super::MAX_POLICY_BYTES`].
    #[error("the policy has more than {} bytes", super::MAX_POLICY_BYTES)]
    TooLong,
    /// Not TOML, a field that no policy has, or a value of the wrong kind. The text names the line, and is one itself.
    #[error("it is no policy: {0}")]
    Syntax(String),
    /// A field whose value makes no sense, or not with the others.
    #[error("the policy's `{field}` can't be used: {reason}")]
    Field {
        /// The field, as its path in the file.
        field: String,
        /// What is wrong, and what to write instead.
        reason: String,
    },
}

impl PolicyError {
    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Field { field: field.into(), reason: reason.into() }
    }
}
