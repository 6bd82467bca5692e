//! DPoP proofs (RFC 9449 section 4): a signed statement that whoever sends this request holds this key.
//!
//! [`DpopKey`] makes them for a client, [`ProofPolicy::check`] holds them to every rule for a server, and
//! [`inspect`] goes on where the check would stop, to tell a person all that is wrong with one.

mod binding;
mod check;
mod claims;
mod inspect;
mod known_keys;
mod make;
mod refusal;

pub use binding::BoundToken;
pub(crate) use binding::{Binding, TokenHash};
pub use check::{ProofContext, ProofPolicy, VerifiedProof, proof_header};
pub use inspect::{Finding, KnownRequest, Outcome, inspect};
pub use known_keys::KnownKeys;
pub use make::{DpopKey, ProofRequest, ProofTemplate, ProveError};
pub use refusal::ProofRefusal;

use std::fmt;
use std::hash::{Hash, Hasher};

use subtle::ConstantTimeEq as _;

use crate::base64url;
use crate::cryptography::{SHA256_BYTES, sha256};

/// The media type of a proof, the value of its header's `typ` (RFC 9449 section 4.2).
pub const PROOF_TYPE: &str = "dpop+jwt";

/// Bytes of a proof, at most. One with an RSA key of 8192 bits and every claim has about 4 KiB.
pub const MAX_PROOF_BYTES: usize = 8 * 1024;

/// Bytes of a `jti`, at most: an identifier of 96 to 256 bits in any usual spelling is far shorter.
pub const MAX_JWT_ID_BYTES: usize = 256;

/// The hash by which a proof names the access token that it comes with (`ath`, RFC 9449 section 4.2).
///
/// ```
/// use keybound::proof::AccessTokenHash;
///
/// let ath = AccessTokenHash::of("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU");
/// assert_eq!(ath.to_string(), "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"); // RFC 9449 section 7.1
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AccessTokenHash([u8; SHA256_BYTES]);

impl AccessTokenHash {
    /// SHA-256 of the token's ASCII characters.
    pub fn of(access_token: &str) -> Self {
        Self(sha256(access_token.as_bytes()))
    }

    /// The 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; SHA256_BYTES] {
        &self.0
    }

    /// Whether `ath` is this hash in strict base64url.
    pub fn is(&self, ath: &str) -> bool {
        base64url::decode_array(ath).is_ok_and(|hash| *self == Self(hash))
    }
}

impl PartialEq for AccessTokenHash {
    /// In a time that does not tell where they differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for AccessTokenHash {}

impl Hash for AccessTokenHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for AccessTokenHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        base64url::encode(self.0).fmt(formatter)
    }
}
