//! A public key with the algorithm that it verifies with.

use std::fmt;
use std::sync::Arc;

use super::{KeyError, PublicKey};
use crate::algorithm::Algorithm;
use crate::cryptography::{self, Failed};

/// A public key, ready to verify signatures of one algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    parsed: Arc<cryptography::PublicKey>,
}

impl VerifyingKey {
    /// The key for `algorithm`, if it fits and the key may be used for it ([`PublicKey::allow`]).
    pub fn new(key: &PublicKey, algorithm: Algorithm) -> Result<Self, KeyError> {
        key.allow(algorithm)?;
        key.verifying_key(algorithm)
    }

    /// `parsed` must have been made for `algorithm`.
    pub(super) fn from_parsed(parsed: cryptography::PublicKey, algorithm: Algorithm) -> Self {
        Self { algorithm, parsed: Arc::new(parsed) }
    }

    /// The algorithm of the signatures.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature`, in the form of RFC 7518, is this key's over `message`.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        self.parsed.verify(message, signature).map_err(|Failed| SignatureMismatch)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "VerifyingKey({})", self.algorithm)
    }
}

/// The signature is not this key's over this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature was not made over this message with this key")]
#[non_exhaustive]
pub struct SignatureMismatch;
