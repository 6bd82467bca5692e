//! The elliptic curves of ECDSA in JOSE (RFC 7518 section 6.2.1.1).

use pkcs8::ObjectIdentifier;

use super::KeyKind;

/// A curve of the NIST; each goes with one hash, and so with one algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    pub(crate) const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// The value of `crv`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == name)
    }

    pub(crate) fn of_kind(kind: KeyKind) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.kind() == kind)
    }

    pub(crate) fn identified_by(identifier: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.object_identifier() == identifier)
    }

    pub(crate) const fn kind(self) -> KeyKind {
        match self {
            Self::P256 => KeyKind::P256,
            Self::P384 => KeyKind::P384,
            Self::P521 => KeyKind::P521,
        }
    }

    /// Bytes of a coordinate, of a private key, and of each half of a signature.
    pub(crate) const fn coordinate_bytes(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// RFC 5480 section 2.1.1.1.
    pub(crate) const fn object_identifier(self) -> ObjectIdentifier {
        match self {
            Self::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Self::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
            Self::P521 => ObjectIdentifier::new_unwrap("1.3.132.0.35"),
        }
    }
}
