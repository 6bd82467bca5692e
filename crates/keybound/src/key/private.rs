//! Private keys.

use std::fmt;

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use pkcs1::RsaPublicKeyRef;

use super::components::{Components, Point};
use super::{Curve, KeyError, KeyKind, PublicKey};
use crate::jwk::Attributes;

/// A private key, with its public half.
///
/// Its memory is wiped when it is dropped, and `Debug` shows only what the public half is.
pub struct PrivateKey {
    pub(super) pair: KeyPair,
    pub(super) public: PublicKey,
}

/// The key as the cryptographic library has it.
pub(super) enum KeyPair {
    Rsa(RsaKeyPair),
    Elliptic(Curve, EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// Makes a new key. An RSA key takes a tenth of a second and more, with luck of the draw: not for the
    /// path of a request.
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Cryptography { operation: "make a key" };
        let pair = match kind {
            KeyKind::Rsa { bits } => KeyPair::Rsa(RsaKeyPair::generate(rsa_size(bits)?).map_err(failed)?),
            KeyKind::Ed25519 => KeyPair::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
            KeyKind::P256 => KeyPair::generate_elliptic(Curve::P256).map_err(failed)?,
            KeyKind::P384 => KeyPair::generate_elliptic(Curve::P384).map_err(failed)?,
            KeyKind::P521 => KeyPair::generate_elliptic(Curve::P521).map_err(failed)?,
        };
        Self::new(pair, Attributes::default())
    }

    pub(super) fn new(pair: KeyPair, attributes: Attributes) -> Result<Self, KeyError> {
        let public = PublicKey::new(pair.public_components()?, attributes)?;
        Ok(Self { pair, public })
    }

    /// What the key is.
    pub fn kind(&self) -> KeyKind {
        self.public.kind()
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }
}

impl KeyPair {
    fn generate_elliptic(curve: Curve) -> Result<Self, aws_lc_rs::error::Unspecified> {
        Ok(Self::Elliptic(curve, EcdsaKeyPair::generate(curve.signing())?))
    }

    fn public_components(&self) -> Result<Components, KeyError> {
        const FAILED: KeyError = KeyError::Cryptography { operation: "give the public half of a key" };
        match self {
            Self::Rsa(pair) => {
                let key = RsaPublicKeyRef::try_from(pair.public_key().as_ref()).map_err(|_| FAILED)?;
                Ok(Components::from(key))
            }
            Self::Elliptic(curve, pair) => {
                Point::from_octets(*curve, pair.public_key().as_ref()).map(Components::Elliptic).ok_or(FAILED)
            }
            Self::Ed25519(pair) => {
                pair.public_key().as_ref().try_into().map(Components::Ed25519).map_err(|_| FAILED)
            }
        }
    }
}

fn rsa_size(bits: u16) -> Result<KeySize, KeyError> {
    match bits {
        2048 => Ok(KeySize::Rsa2048),
        3072 => Ok(KeySize::Rsa3072),
        4096 => Ok(KeySize::Rsa4096),
        8192 => Ok(KeySize::Rsa8192),
        bits => Err(KeyError::RsaSizeNotMade { bits }),
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({}, {})", self.kind(), self.public.thumbprint())
    }
}
