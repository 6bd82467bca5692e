//! Crates in Rust alone, most of them of the project `RustCrypto`: for where C cannot be compiled.
//!
//! Slower than aws-lc, and less looked at. Signatures of ECDSA are deterministic (RFC 6979), so that only the
//! making of keys and RSA need randomness.

mod elliptic;
mod rsa;

use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

pub(crate) use elliptic::EllipticKeyPair;
pub(crate) use rsa::RsaKeyPair;

use super::{ED25519_KEY_BYTES, Failed, HashBits, SHA256_BYTES};
use crate::algorithm::Algorithm;
use crate::key::{Curve, RsaNumbers};

pub(crate) fn sha256(message: &[u8]) -> [u8; SHA256_BYTES] {
    Sha256::digest(message).into()
}

/// The hash of SHA-2 with so many bits: 256, 384 or 512.
pub(crate) fn sha2(bits: HashBits, message: &[u8]) -> Vec<u8> {
    match bits {
        HashBits::Of256 => Sha256::digest(message).to_vec(),
        HashBits::Of384 => Sha384::digest(message).to_vec(),
        HashBits::Of512 => Sha512::digest(message).to_vec(),
    }
}

/// Random bytes of the operating system; of the JavaScript host with the feature `wasm-js`.
pub(crate) fn fill_with_random(bytes: &mut [u8]) -> Result<(), Failed> {
    getrandom::fill(bytes).map_err(|_| Failed)
}

/// A key for HMAC-SHA-256.
pub(crate) struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    pub(crate) fn new(secret: &[u8; SHA256_BYTES]) -> Self {
        /// Bytes that SHA-256 takes at once; a key is filled up with zeros to as many (RFC 2104 section 2).
        const BLOCK_BYTES: usize = 64;
        let mut block = Zeroizing::new([0; BLOCK_BYTES]);
        for (to, from) in block.iter_mut().zip(secret) {
            *to = *from;
        }
        Self(Hmac::new((&*block).into()))
    }

    pub(crate) fn code(&self, message: &[u8]) -> [u8; SHA256_BYTES] {
        self.0.clone().chain_update(message).finalize().into_bytes().into()
    }
}

/// A public key, parsed for one algorithm.
pub(crate) enum PublicKey {
    Rsa(rsa::PublicKey),
    Elliptic(elliptic::PublicKey),
    /// `None` if the octets are no point: such a key verifies nothing, as with aws-lc, which looks at them
    /// only then.
    Ed25519(Option<ed25519_dalek::VerifyingKey>),
}

impl PublicKey {
    /// `algorithm` is one of RSA.
    pub(crate) fn rsa(key: &RsaNumbers, algorithm: Algorithm) -> Result<Self, Failed> {
        rsa::PublicKey::new(key, algorithm).map(Self::Rsa)
    }

    /// `point` is uncompressed.
    pub(crate) fn elliptic(curve: Curve, point: &[u8]) -> Result<Self, Failed> {
        elliptic::PublicKey::new(curve, point).map(Self::Elliptic)
    }

    #[expect(clippy::unnecessary_wraps, reason = "aws-lc can fail here")]
    pub(crate) fn ed25519(octets: &[u8; ED25519_KEY_BYTES]) -> Result<Self, Failed> {
        // A point has one spelling (RFC 8032 section 5.1.3); the library takes others for it too.
        let is_canonical =
            |key: &ed25519_dalek::VerifyingKey| key.to_edwards().compress().as_bytes() == octets;
        Ok(Self::Ed25519(ed25519_dalek::VerifyingKey::from_bytes(octets).ok().filter(is_canonical)))
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Failed> {
        match self {
            Self::Rsa(key) => key.verify(message, signature),
            Self::Elliptic(key) => key.verify(message, signature),
            Self::Ed25519(key) => {
                let key = key.as_ref().ok_or(Failed)?;
                let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| Failed)?;
                ed25519_dalek::Verifier::verify(key, message, &signature).map_err(|_| Failed)
            }
        }
    }
}

pub(crate) struct Ed25519KeyPair(ed25519_dalek::SigningKey);

impl Ed25519KeyPair {
    pub(crate) fn generate() -> Result<Self, Failed> {
        let mut private = Zeroizing::new([0; ED25519_KEY_BYTES]);
        fill_with_random(private.as_mut_slice())?;
        Ok(Self(ed25519_dalek::SigningKey::from_bytes(&private)))
    }

    /// The key of this private half; if the public one is given too, they must belong together.
    pub(crate) fn new(private: &[u8], public: Option<&[u8]>) -> Result<Self, Failed> {
        let pair = ed25519_dalek::SigningKey::try_from(private).map_err(|_| Failed)?;
        match public {
            Some(public) if pair.verifying_key().as_bytes() != public => Err(Failed),
            _ => Ok(Self(pair)),
        }
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        self.0.verifying_key().as_bytes().to_vec()
    }

    #[expect(clippy::unnecessary_wraps, reason = "aws-lc can fail here")]
    pub(crate) fn private(&self) -> Result<Zeroizing<Vec<u8>>, Failed> {
        Ok(Zeroizing::new(self.0.as_bytes().to_vec()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failed> {
        self.0.try_sign(message).map(|signature| signature.to_bytes().to_vec()).map_err(|_| Failed)
    }
}
