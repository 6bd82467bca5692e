//! A private key with the algorithm that it signs with.

use std::fmt;

use super::private::KeyPair;
use super::{KeyError, KeyKind, PrivateKey, PublicKey};
use crate::algorithm::Algorithm;
use crate::cryptography::Failed;
use crate::signer::{SignError, Signature, Signer};

/// A private key in this process, ready to sign with one algorithm.
///
/// ```
/// use keybound::{Algorithm, Signer, SigningKey, VerifyingKey};
///
/// let key = SigningKey::generate(Algorithm::ES256)?;
/// let signature = key.sign(b"what is said")?;
/// VerifyingKey::new(key.public_key(), Algorithm::ES256)?.verify(b"what is said", signature.as_bytes())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SigningKey {
    key: PrivateKey,
    algorithm: Algorithm,
}

impl SigningKey {
    /// The key for `algorithm`, if it fits and the key may be used for it ([`PublicKey::allow`]).
    pub fn new(key: PrivateKey, algorithm: Algorithm) -> Result<Self, KeyError> {
        key.public_key().allow(algorithm)?;
        Ok(Self { key, algorithm })
    }

    /// A new key for `algorithm`; for RSA of 2048 bits. See [`PrivateKey::generate`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::new(PrivateKey::generate(KeyKind::for_algorithm(algorithm))?, algorithm)
    }

    /// The private key.
    pub fn private_key(&self) -> &PrivateKey {
        &self.key
    }
}

impl Signer for SigningKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_key(&self) -> &PublicKey {
        self.key.public_key()
    }

    fn sign(&self, signing_input: &[u8]) -> Result<Signature, SignError> {
        let bytes = match &self.key.pair {
            KeyPair::Rsa(pair) => pair.sign(self.algorithm, signing_input),
            KeyPair::Elliptic(_, pair) => pair.sign(signing_input),
            KeyPair::Ed25519(pair) => pair.sign(signing_input),
        };
        bytes.map(Signature::from_bytes).map_err(|Failed| SignError::Failed)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({}, {})", self.algorithm, self.public_key().thumbprint())
    }
}
