//! The replay rule: a proof is accepted once (RFC 9449 section 11.1).
//!
//! A store remembers the proofs that were accepted until no check would accept them any more. It must
//! never forget one before: an evicting cache would let an attacker push a proof out with others and
//! use it again. A store that has no room refuses.

mod memory;
mod refusal;

pub use memory::{MemoryReplayLimits, MemoryReplayStore};
pub use refusal::ReplayRefusal;

use crate::cryptography::sha256;
use crate::htu::TargetUri;
use crate::numeric_date::NumericDate;
use crate::thumbprint::Thumbprint;

/// What identifies a proof: a hash of its key's thumbprint, its target and its `jti`.
///
/// The key is part of it, so that no client can use up an identifier of another's; the target is, as
/// RFC 9449 section 11.1 asks. It is the same on every server of a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReplayKey {
    hash: [u8; 32],
    thumbprint: Thumbprint,
}

impl ReplayKey {
    /// The key of a proof.
    pub fn new(thumbprint: Thumbprint, target: &TargetUri, jwt_id: &str) -> Self {
        // The thumbprint has a fixed length and a target no zero byte, so no two triples run together.
        let parts = [thumbprint.as_bytes(), target.as_str().as_bytes(), &[0], jwt_id.as_bytes()];
        Self { hash: sha256(&parts.concat()), thumbprint }
    }

    /// The 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The key that signed the proof: whose quota of a store it counts against.
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }
}

/// Remembers proofs; shared by all requests.
pub trait ReplayStore: Send + Sync {
    /// Records the proof `key`, which no check accepts after `expires`; refuses if it is there already.
    ///
    /// Of any number of concurrent calls with one key, exactly one succeeds.
    fn record(&self, key: &ReplayKey, expires: NumericDate, now: NumericDate) -> Result<(), ReplayRefusal>;
}
