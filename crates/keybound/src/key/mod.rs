//! Keys: parsed and checked once, then used without further ado.
//!
//! [`PrivateKey`] and [`PublicKey`] come from PEM, from a JWK, or are made here. With an
//! [`Algorithm`] they become a [`SigningKey`] or a [`VerifyingKey`], which is where it is decided
//! that the key fits the algorithm and may be used for it.
//!
//! ```
//! use keybound::{Algorithm, KeyKind, PrivateKey, Signer, SigningKey};
//!
//! # let pem = PrivateKey::generate(KeyKind::P256)?.to_pkcs8_pem()?;
//! let private = PrivateKey::from_pem(&pem)?; // PKCS #8, PKCS #1 or SEC 1
//! println!("{}", serde_json::to_string(private.public_key().jwk())?); // to be registered for the client
//! let key = SigningKey::new(private, Algorithm::ES256)?;
//! assert_eq!(key.algorithm(), Algorithm::ES256);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod components;
mod curve;
mod encryption;
mod error;
mod pem;
mod private;
mod private_jwk;
mod private_pem;
mod public;
mod public_jwk;
mod public_pem;
mod signing;
mod verifying;

use std::fmt;

use crate::algorithm::Algorithm;

pub(crate) use components::{Components, RsaNumbers};
pub(crate) use curve::Curve;
pub use encryption::{MAX_PBKDF2_ITERATIONS, MAX_SCRYPT_BLOCKS};
pub use error::KeyError;
pub use pem::MAX_PEM_BYTES;
pub use private::PrivateKey;
pub use public::PublicKey;
pub use public_jwk::MAX_JWK_BYTES;
pub use signing::SigningKey;
pub use verifying::{SignatureMismatch, VerifyingKey};

/// Bits of an RSA modulus, at least (RFC 7518 sections 3.3 and 3.5).
pub const MIN_RSA_BITS: u16 = 2048;

/// Bits of an RSA modulus, at most: one verification with such a key takes a quarter of a millisecond,
/// and with larger ones soon so long that a stranger's key could keep a server busy.
pub const MAX_RSA_BITS: u16 = 8192;

/// What a key is: its type, and its size where that is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// RSA.
    Rsa {
        /// Bits of the modulus.
        bits: u16,
    },
    /// Elliptic curve P-256 (secp256r1).
    P256,
    /// Elliptic curve P-384 (secp384r1).
    P384,
    /// Elliptic curve P-521 (secp521r1).
    P521,
    /// Edwards curve Ed25519.
    Ed25519,
}

impl KeyKind {
    /// The kind of key that `algorithm` needs; for RSA of 2048 bits, the least that is allowed.
    pub const fn for_algorithm(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::ES256 => Self::P256,
            Algorithm::ES384 => Self::P384,
            Algorithm::ES512 => Self::P521,
            Algorithm::EdDSA | Algorithm::Ed25519 => Self::Ed25519,
            Algorithm::RS256
            | Algorithm::RS384
            | Algorithm::RS512
            | Algorithm::PS256
            | Algorithm::PS384
            | Algorithm::PS512 => Self::Rsa { bits: MIN_RSA_BITS },
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(formatter, "RSA of {bits} bits"),
            Self::P256 => formatter.pad("P-256"),
            Self::P384 => formatter.pad("P-384"),
            Self::P521 => formatter.pad("P-521"),
            Self::Ed25519 => formatter.pad("Ed25519"),
        }
    }
}
