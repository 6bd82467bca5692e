//! The access token that a proof goes with: its hash, and the key that it is bound to (RFC 9449 section 4.3, check 12).

use super::{AccessTokenHash, KnownKeys};
use crate::thumbprint::Thumbprint;

/// An access token as far as a proof concerns it.
#[derive(Clone, Copy, Debug)]
pub struct BoundToken {
    /// The token's hash, which `ath` must be.
    pub hash: AccessTokenHash,
    /// The token's `cnf.jkt`, which the proof's key must have.
    pub thumbprint: Thumbprint,
}

/// An access token as a resource knows it, whose hash may not have been taken yet.
pub(crate) struct Binding<'a> {
    pub(crate) hash: TokenHash<'a>,
    /// The key that it is bound to; `None` while nobody has said.
    pub(crate) thumbprint: Option<Thumbprint>,
    /// Keys among which the token's may be, and is after the check.
    pub(crate) known_keys: Option<&'a KnownKeys>,
}

/// The hash of an access token, taken when a proof has come so far that it is needed: a token may have
/// kilobytes.
#[derive(Clone, Copy)]
pub(crate) enum TokenHash<'a> {
    Taken(AccessTokenHash),
    Of(&'a str),
}

impl TokenHash<'_> {
    pub(super) fn get(self) -> AccessTokenHash {
        match self {
            Self::Taken(hash) => hash,
            Self::Of(access_token) => AccessTokenHash::of(access_token),
        }
    }
}
