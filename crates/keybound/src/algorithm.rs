//! Signature algorithms (RFC 7518 section 3, RFC 8037 section 3.1, RFC 9864): the asymmetric ones alone.
//!
//! `none` and the HMAC algorithms have no value here, so no configuration can let them in
//! (RFC 8725 sections 3.1 and 3.2).

use std::fmt;
use std::str::FromStr;

use crate::excerpt::{NAME, excerpt};
use crate::key::KeyKind;

/// An asymmetric signature algorithm, as the header's `alg` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256, and a salt of that hash's length.
    PS256,
    /// RSASSA-PSS with SHA-384, and a salt of that hash's length.
    PS384,
    /// RSASSA-PSS with SHA-512, and a salt of that hash's length.
    PS512,
    /// ECDSA with P-256 and SHA-256.
    ES256,
    /// ECDSA with P-384 and SHA-384.
    ES384,
    /// ECDSA with P-521 and SHA-512.
    ES512,
    /// Ed25519 by the name of RFC 8037, which leaves the curve to the key.
    EdDSA,
    /// Ed25519 by the name of RFC 9864, which says the curve.
    Ed25519,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
        Self::Ed25519,
    ];

    /// The name that a header's `alg` has.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// Whether a key of this kind can make and verify such signatures.
    pub const fn fits(self, kind: KeyKind) -> bool {
        match self {
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => {
                matches!(kind, KeyKind::Rsa { .. })
            }
            Self::ES256 => matches!(kind, KeyKind::P256),
            Self::ES384 => matches!(kind, KeyKind::P384),
            Self::ES512 => matches!(kind, KeyKind::P521),
            Self::EdDSA | Self::Ed25519 => matches!(kind, KeyKind::Ed25519),
        }
    }

    /// Whether both names mean the same signatures: an algorithm and itself, `EdDSA` and `Ed25519`.
    pub const fn is_same_as(self, other: Self) -> bool {
        matches!((self, other), (Self::EdDSA | Self::Ed25519, Self::EdDSA | Self::Ed25519))
            || self as u8 == other as u8
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnsupportedAlgorithm;

    /// Names have case (RFC 7515 section 4.1.1).
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or_else(|| UnsupportedAlgorithm { name: excerpt(name, NAME) })
    }
}

/// The name is not that of an asymmetric signature algorithm that this crate knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a signature algorithm that is supported; use RS256, RS384, RS512, PS256, PS384, PS512, \
     ES256, ES384, ES512, EdDSA or Ed25519"
)]
#[non_exhaustive]
pub struct UnsupportedAlgorithm {
    /// The name, cut to 64 characters.
    pub name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_its_algorithm() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.name().parse(), Ok(algorithm));
            assert!(algorithm.fits(KeyKind::for_algorithm(algorithm)), "{algorithm}");
        }
    }

    #[test]
    fn unsigned_symmetric_and_misspelt_names_are_no_algorithm() {
        for name in ["none", "HS256", "rs256", "ES256K", "RSA-OAEP", "Ed448", "", "ES256 "] {
            assert_eq!(name.parse::<Algorithm>(), Err(UnsupportedAlgorithm { name: name.to_owned() }));
        }
        let error = "ü".repeat(1_000).parse::<Algorithm>().unwrap_err();
        assert_eq!(error.name.chars().count(), NAME, "a hostile name is cut");
        let error = "\u{1b}[2J\nx".parse::<Algorithm>().unwrap_err();
        assert_eq!(error.name, "[2Jx", "a hostile name cannot write over a terminal");
    }

    #[test]
    fn only_the_two_names_of_ed25519_are_the_same() {
        for one in Algorithm::ALL {
            for other in Algorithm::ALL {
                let both_ed25519 = [one, other].iter().all(|name| name.fits(KeyKind::Ed25519));
                assert_eq!(one.is_same_as(other), one == other || both_ed25519, "{one} and {other}");
            }
        }
    }
}
