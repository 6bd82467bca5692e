//! Private keys.

use std::fmt;

use super::components::{Components, Point};
use super::{Curve, KeyError, KeyKind, PublicKey};
use crate::cryptography::{Ed25519KeyPair, EllipticKeyPair, Failed, RsaKeyPair};
use crate::jwk::Attributes;

/// Bits of the RSA keys that are made.
const MADE_RSA_BITS: [u16; 4] = [2048, 3072, 4096, 8192];

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
    Elliptic(Curve, EllipticKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl PrivateKey {
    /// Makes a new key. An RSA key takes a tenth of a second and more, with luck of the draw: not for the
    /// path of a request.
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        let pair = match kind {
            KeyKind::Rsa { bits } if !MADE_RSA_BITS.contains(&bits) => {
                return Err(KeyError::RsaSizeNotMade { bits });
            }
            KeyKind::Rsa { bits } => RsaKeyPair::generate(bits).map(KeyPair::Rsa),
            KeyKind::Ed25519 => Ed25519KeyPair::generate().map(KeyPair::Ed25519),
            KeyKind::P256 => KeyPair::generate_elliptic(Curve::P256),
            KeyKind::P384 => KeyPair::generate_elliptic(Curve::P384),
            KeyKind::P521 => KeyPair::generate_elliptic(Curve::P521),
        };
        let pair = pair.map_err(|Failed| KeyError::Cryptography { operation: "make a key" })?;
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
    fn generate_elliptic(curve: Curve) -> Result<Self, Failed> {
        Ok(Self::Elliptic(curve, EllipticKeyPair::generate(curve)?))
    }

    fn public_components(&self) -> Result<Components, KeyError> {
        const FAILED: KeyError = KeyError::Cryptography { operation: "give the public half of a key" };
        match self {
            Self::Rsa(pair) => pair.public().map(Components::Rsa).map_err(|Failed| FAILED),
            Self::Elliptic(curve, pair) => {
                Point::from_octets(*curve, &pair.point()).map(Components::Elliptic).ok_or(FAILED)
            }
            Self::Ed25519(pair) => pair.public().try_into().map(Components::Ed25519).map_err(|_| FAILED),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PrivateKey({}, {})", self.kind(), self.public.thumbprint())
    }
}
