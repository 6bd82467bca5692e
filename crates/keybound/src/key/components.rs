//! The numbers that make a public key, checked: what every container of a public key comes down to.

use pkcs1::{RsaPublicKeyRef, UintRef};
use pkcs8::der;

use super::{Curve, KeyError, KeyKind, MAX_RSA_BITS, MIN_RSA_BITS};
use crate::algorithm::Algorithm;
use crate::cryptography::{self, ED25519_KEY_BYTES, Failed};

/// Bits of an RSA public exponent, at most; larger ones are in no use, and make verification slow.
const MAX_EXPONENT_BITS: usize = 33;

/// The numbers of a public key.
#[derive(Clone, Debug)]
pub(crate) enum Components {
    /// Modulus and exponent.
    Rsa(RsaNumbers),
    /// A point of an elliptic curve.
    Elliptic(Point),
    /// An encoded point of Ed25519.
    Ed25519([u8; ED25519_KEY_BYTES]),
}

impl Components {
    /// What kind of key this is, if it is strong enough and well-formed. Whether a point is on its curve
    /// is seen when it is parsed.
    pub(crate) fn kind(&self) -> Result<KeyKind, KeyError> {
        match self {
            Self::Rsa(numbers) => rsa_kind(&numbers.modulus, &numbers.exponent),
            Self::Elliptic(point) => Ok(point.curve.kind()),
            Self::Ed25519(octets) => ed25519_kind(octets),
        }
    }

    /// The key as the cryptographic library wants it for `algorithm`, which fits it.
    pub(crate) fn parse(&self, algorithm: Algorithm) -> Result<cryptography::PublicKey, KeyError> {
        const FAILED: KeyError = KeyError::Cryptography { operation: "read a public key" };
        match self {
            Self::Rsa(numbers) => cryptography::PublicKey::rsa(numbers, algorithm).map_err(|Failed| FAILED),
            Self::Elliptic(point) => cryptography::PublicKey::elliptic(point.curve, &point.octets)
                .map_err(|Failed| KeyError::NotOnCurve { curve: point.curve.name() }),
            Self::Ed25519(octets) => cryptography::PublicKey::ed25519(octets).map_err(|Failed| FAILED),
        }
    }
}

/// The numbers of a public RSA key, big-endian and in their shortest form.
#[derive(Clone, Debug)]
pub(crate) struct RsaNumbers {
    pub(crate) modulus: Vec<u8>,
    pub(crate) exponent: Vec<u8>,
}

impl RsaNumbers {
    /// The `RSAPublicKey` of PKCS#1 (RFC 8017 appendix A.1.1).
    pub(crate) fn as_pkcs1(&self) -> der::Result<RsaPublicKeyRef<'_>> {
        let modulus = UintRef::new(&self.modulus)?;
        let public_exponent = UintRef::new(&self.exponent)?;
        Ok(RsaPublicKeyRef { modulus, public_exponent })
    }
}

impl From<RsaPublicKeyRef<'_>> for RsaNumbers {
    fn from(key: RsaPublicKeyRef<'_>) -> Self {
        Self { modulus: key.modulus.as_bytes().to_vec(), exponent: key.public_exponent.as_bytes().to_vec() }
    }
}

/// A point of an elliptic curve, uncompressed (SEC 1 section 2.3.3).
#[derive(Clone, Debug)]
pub(crate) struct Point {
    curve: Curve,
    octets: Vec<u8>,
}

/// What an uncompressed point starts with.
const UNCOMPRESSED: u8 = 4;

impl Point {
    /// The point of two coordinates that have the curve's length.
    pub(super) fn new(curve: Curve, x: &[u8], y: &[u8]) -> Self {
        Self { curve, octets: [&[UNCOMPRESSED], x, y].concat() }
    }

    /// The point that these octets encode, if it is uncompressed and of the curve's length.
    pub(crate) fn from_octets(curve: Curve, octets: &[u8]) -> Option<Self> {
        let (&first, coordinates) = octets.split_first()?;
        let well_formed = first == UNCOMPRESSED && coordinates.len() == 2 * curve.coordinate_bytes();
        well_formed.then(|| Self { curve, octets: octets.to_vec() })
    }

    pub(crate) fn curve(&self) -> Curve {
        self.curve
    }

    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub(crate) fn coordinates(&self) -> (&[u8], &[u8]) {
        let coordinates = self.octets.get(1..).unwrap_or_default();
        coordinates.split_at_checked(self.curve.coordinate_bytes()).unwrap_or_default()
    }
}

/// Refuses the points of small order: with such a key a signature can be made that holds for any message,
/// by anybody (RFC 8032 section 8.9 speaks of cofactors; the points are those of order 1, 2, 4 and 8).
fn ed25519_kind(octets: &[u8; ED25519_KEY_BYTES]) -> Result<KeyKind, KeyError> {
    let mut y = *octets;
    // The highest bit is the sign of x.
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    if SMALL_ORDER_Y.contains(&y) { Err(KeyError::SmallOrder) } else { Ok(KeyKind::Ed25519) }
}

/// The y coordinates of all points of small order, little-endian: 1, -1, 0, the two of order 8; and 0 and 1
/// again as p and p + 1.
const SMALL_ORDER_Y: [[u8; ED25519_KEY_BYTES]; 7] = [
    near(0x01, 0x00, 0x00),
    near(0xec, 0xff, 0x7f),
    near(0x00, 0x00, 0x00),
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    near(0xed, 0xff, 0x7f),
    near(0xee, 0xff, 0x7f),
];

/// A number near 0 or p, little-endian: its first byte, the bytes between, its last byte.
const fn near(first: u8, between: u8, last: u8) -> [u8; ED25519_KEY_BYTES] {
    let mut octets = [between; ED25519_KEY_BYTES];
    octets[0] = first;
    octets[ED25519_KEY_BYTES - 1] = last;
    octets
}

/// Refuses what no honest program makes, and what would be slow to verify with. The modulus is not
/// factored, of course: that it has two prime factors is its owner's own interest.
pub(super) fn rsa_kind(modulus: &[u8], exponent: &[u8]) -> Result<KeyKind, KeyError> {
    let bits = bit_length(modulus);
    let accepted = u16::try_from(bits).ok().filter(|bits| (MIN_RSA_BITS..=MAX_RSA_BITS).contains(bits));
    let bits = accepted.ok_or(KeyError::RsaSize { bits })?;
    if !is_odd(modulus) {
        return Err(KeyError::RsaModulusEven);
    }
    if !is_odd(exponent) || exponent == [1] || bit_length(exponent) > MAX_EXPONENT_BITS {
        return Err(KeyError::RsaExponent);
    }
    Ok(KeyKind::Rsa { bits })
}

/// Of a big-endian number without leading zero bytes.
fn bit_length(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |first| first.leading_zeros() as usize);
    number.len() * 8 - unused
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last % 2 == 1)
}
