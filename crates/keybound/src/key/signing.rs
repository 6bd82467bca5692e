//! A private key with the algorithm that it signs with.

use std::fmt;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding, RsaKeyPair,
};

use super::private::KeyPair;
use super::{KeyError, KeyKind, PrivateKey, PublicKey};
use crate::algorithm::Algorithm;
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
        // aws-lc takes its own randomness and ignores this source.
        let random = SystemRandom::new();
        let bytes = match &self.key.pair {
            KeyPair::Rsa(pair) => sign_rsa(pair, self.algorithm, signing_input),
            KeyPair::Elliptic(_, pair) => {
                pair.sign(&random, signing_input).map(|made| made.as_ref().to_vec())
            }
            KeyPair::Ed25519(pair) => pair.try_sign(signing_input).map(|made| made.as_ref().to_vec()),
        };
        bytes.map(Signature::from_bytes).map_err(|Unspecified| SignError::Failed)
    }
}

fn sign_rsa(pair: &RsaKeyPair, algorithm: Algorithm, signing_input: &[u8]) -> Result<Vec<u8>, Unspecified> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(rsa_encoding(algorithm)?, &SystemRandom::new(), signing_input, &mut signature)?;
    Ok(signature)
}

fn rsa_encoding(algorithm: Algorithm) -> Result<&'static dyn RsaEncoding, Unspecified> {
    match algorithm {
        Algorithm::RS256 => Ok(&RSA_PKCS1_SHA256),
        Algorithm::RS384 => Ok(&RSA_PKCS1_SHA384),
        Algorithm::RS512 => Ok(&RSA_PKCS1_SHA512),
        Algorithm::PS256 => Ok(&RSA_PSS_SHA256),
        Algorithm::PS384 => Ok(&RSA_PSS_SHA384),
        Algorithm::PS512 => Ok(&RSA_PSS_SHA512),
        Algorithm::ES256 | Algorithm::ES384 | Algorithm::ES512 | Algorithm::EdDSA | Algorithm::Ed25519 => {
            Err(Unspecified)
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SigningKey({}, {})", self.algorithm, self.public_key().thumbprint())
    }
}
