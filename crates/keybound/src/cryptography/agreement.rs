//! The two libraries against each other: what one makes the other takes, and what one refuses so does the
//! other. A caller must not come to another verdict for having been built in another way.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use pkcs1::{RsaPrivateKeyRef, UintRef};
use pkcs8::der::Encode as _;
use pkcs8::{PrivateKeyInfoRef, SecretDocument};
use sec1::{EcParameters, EcPrivateKey};

use super::{Failed, HashBits, aws_lc, rust_crypto};
use crate::algorithm::Algorithm;
use crate::key::{Curve, KeyKind};

const MESSAGE: &[u8] = b"what is said";

/// Both gave `accepted`; the rest says why.
fn assert_both<A, R>(aws_lc: &Result<A, Failed>, rust_crypto: &Result<R, Failed>, accepted: bool, why: &str) {
    assert_eq!((aws_lc.is_ok(), rust_crypto.is_ok()), (accepted, accepted), "aws-lc, rust-crypto: {why}");
}

/// The RSA key of the tests, as PKCS#8.
fn rsa_key() -> SecretDocument {
    SecretDocument::from_pem(include_str!("../../tests/keys/rsa.pkcs8.pem")).unwrap().1
}

fn rsa_numbers(pkcs8: &SecretDocument) -> RsaPrivateKeyRef<'_> {
    let info: PrivateKeyInfoRef<'_> = pkcs8.decode_msg().unwrap();
    RsaPrivateKeyRef::try_from(info.private_key.as_bytes()).unwrap()
}

type Sign = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// One key in both libraries, for one algorithm.
struct Both {
    /// By aws-lc, and by crates in Rust alone.
    sign: [Sign; 2],
    public: (aws_lc::PublicKey, rust_crypto::PublicKey),
}

impl Both {
    fn new(algorithm: Algorithm) -> Self {
        match KeyKind::for_algorithm(algorithm) {
            KeyKind::Ed25519 => Self::ed25519(),
            KeyKind::Rsa { .. } => Self::rsa(algorithm),
            kind => Self::elliptic(Curve::of_kind(kind).unwrap()),
        }
    }

    fn rsa(algorithm: Algorithm) -> Self {
        let pkcs8 = rsa_key();
        let key = rsa_numbers(&pkcs8);
        let (one, other) =
            (aws_lc::RsaKeyPair::new(&key).unwrap(), rust_crypto::RsaKeyPair::new(&key).unwrap());
        assert_eq!(one.private_der(), other.private_der());
        let (public, same) = (one.public().unwrap(), other.public().unwrap());
        assert_eq!((&public.modulus, &public.exponent), (&same.modulus, &same.exponent));
        Self {
            public: (
                aws_lc::PublicKey::rsa(&public, algorithm).unwrap(),
                rust_crypto::PublicKey::rsa(&public, algorithm).unwrap(),
            ),
            sign: [
                Box::new(move |message| one.sign(algorithm, message).unwrap()),
                Box::new(move |message| other.sign(algorithm, message).unwrap()),
            ],
        }
    }

    fn elliptic(curve: Curve) -> Self {
        let other = rust_crypto::EllipticKeyPair::generate(curve).unwrap();
        let (private, point) = (other.private().unwrap(), other.point());
        let one = aws_lc::EllipticKeyPair::new(curve, &private, &point).unwrap();
        assert_eq!((one.private().unwrap(), one.point()), (private, point.clone()));
        Self {
            public: (
                aws_lc::PublicKey::elliptic(curve, &point).unwrap(),
                rust_crypto::PublicKey::elliptic(curve, &point).unwrap(),
            ),
            sign: [
                Box::new(move |message| one.sign(message).unwrap()),
                Box::new(move |message| other.sign(message).unwrap()),
            ],
        }
    }

    fn ed25519() -> Self {
        let other = rust_crypto::Ed25519KeyPair::generate().unwrap();
        let (private, public) = (other.private().unwrap(), other.public());
        let one = aws_lc::Ed25519KeyPair::new(&private, Some(&public)).unwrap();
        assert_eq!((one.private().unwrap(), one.public()), (private, public.clone()));
        let public = public.try_into().unwrap();
        Self {
            public: (
                aws_lc::PublicKey::ed25519(&public).unwrap(),
                rust_crypto::PublicKey::ed25519(&public).unwrap(),
            ),
            sign: [
                Box::new(move |message| one.sign(message).unwrap()),
                Box::new(move |message| other.sign(message).unwrap()),
            ],
        }
    }

    fn assert_verdict(&self, signature: &[u8], accepted: bool, why: &str) {
        let (one, other) = &self.public;
        assert_both(&one.verify(MESSAGE, signature), &other.verify(MESSAGE, signature), accepted, why);
    }
}

#[test]
fn each_library_verifies_what_the_other_signs() {
    for algorithm in Algorithm::ALL {
        let key = Both::new(algorithm);
        for (sign, by) in key.sign.iter().zip(["aws-lc", "rust-crypto"]) {
            let signature = sign(MESSAGE);
            key.assert_verdict(&signature, true, &format!("{algorithm} by {by}"));
            key.assert_verdict(
                &sign(b"something else"),
                false,
                &format!("{algorithm} by {by}, another message"),
            );
            for (changed, why) in [
                (signature[1..].to_vec(), "its first byte missing"),
                ([&[0], &*signature].concat(), "a zero before it"),
                ([&*signature, &[0]].concat(), "a zero after it"),
                (vec![0; signature.len()], "zeros"),
                (vec![0xff; signature.len()], "ones"),
                (vec![], "nothing"),
            ] {
                key.assert_verdict(&changed, false, &format!("{algorithm} by {by}: {why}"));
            }
        }
    }
}

#[test]
fn hashes_and_codes_are_the_same() {
    for length in [0, 1, 55, 56, 63, 64, 65, 1_000] {
        let message = vec![0x5a; length];
        assert_eq!(aws_lc::sha256(&message), rust_crypto::sha256(&message), "{length} bytes");
        let secret = aws_lc::sha256(&length.to_be_bytes());
        let (one, other) = (aws_lc::HmacKey::new(&secret), rust_crypto::HmacKey::new(&secret));
        assert_eq!(one.code(&message), other.code(&message), "{length} bytes");
    }
}

/// The order of P-256, big-endian (SEC 2 section 2.4.2).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// `a - b` of big-endian numbers, `a` the larger.
fn difference(a: [u8; 32], b: &[u8]) -> [u8; 32] {
    let mut borrow = 0;
    let mut result = [0; 32];
    for place in (0..32).rev() {
        let digit = i16::from(a[place]) - i16::from(b[place]) - borrow;
        borrow = i16::from(digit < 0);
        result[place] = u8::try_from(digit.rem_euclid(256)).unwrap();
    }
    result
}

#[test]
fn the_numbers_of_an_ecdsa_signature_are_held_to_the_same_bounds() {
    let key = Both::elliptic(Curve::P256);
    for sign in &key.sign {
        let signature = sign(MESSAGE);
        let (r, s) = signature.split_at(32);
        // Every signature has two spellings, and JOSE forbids neither.
        key.assert_verdict(&[r, &difference(P256_ORDER, s)].concat(), true, "n - s");
        key.assert_verdict(&[&difference(P256_ORDER, r), s].concat(), false, "n - r");
        key.assert_verdict(&[&[0; 32], s].concat(), false, "r = 0");
        key.assert_verdict(&[r, &[0; 32]].concat(), false, "s = 0");
        key.assert_verdict(&[&P256_ORDER, s].concat(), false, "r = n");
        key.assert_verdict(&[r, &P256_ORDER].concat(), false, "s = n");
    }
}

#[test]
fn private_keys_of_a_curve_are_held_to_the_same_bounds() {
    let one = {
        let mut octets = [0; 32];
        octets[31] = 1;
        octets
    };
    let generator =
        rust_crypto::EllipticKeyPair::from_sec1(Curve::P256, &sec1(&one, None, None)).unwrap().point();
    let private = one.as_slice();
    let compressed = [&[2 + (generator[64] & 1)], &generator[1..33]].concat();
    let other = aws_lc::EllipticKeyPair::generate(Curve::P256).unwrap().point();
    for (der, accepted, why) in [
        (sec1(private, None, None), true, "no public half"),
        (sec1(private, Some(Curve::P256), Some(&generator)), true, "all of it"),
        (sec1(private, Some(Curve::P384), Some(&generator)), false, "another curve"),
        (sec1(private, None, Some(&other)), false, "another public half"),
        (sec1(private, None, Some(&compressed)), true, "a compressed public half"),
        (sec1(private, None, Some(&generator[..64])), false, "half a point"),
        (sec1(&[1], None, Some(&generator)), true, "leading zeros left out"),
        (sec1(&[&[0], private].concat(), None, Some(&generator)), true, "one more leading zero"),
        (sec1(&[&[1], private].concat(), None, None), false, "longer than the curve's"),
        (sec1(&[0; 32], None, None), false, "zero"),
        (sec1(&[], None, None), false, "empty"),
        (sec1(&P256_ORDER, None, None), false, "n"),
        (sec1(&difference(P256_ORDER, private), None, None), true, "n - 1"),
        (sec1(&[0xff; 32], None, None), false, "above n"),
    ] {
        let read = (
            aws_lc::EllipticKeyPair::from_sec1(Curve::P256, &der),
            rust_crypto::EllipticKeyPair::from_sec1(Curve::P256, &der),
        );
        assert_both(&read.0, &read.1, accepted, why);
        if let (Ok(one), Ok(other)) = read {
            assert_eq!((one.private(), one.point()), (other.private(), other.point()), "{why}");
        }
    }
}

fn sec1(private_key: &[u8], curve: Option<Curve>, public_key: Option<&[u8]>) -> Vec<u8> {
    let parameters = curve.map(|curve| EcParameters::NamedCurve(curve.object_identifier()));
    EcPrivateKey { private_key, parameters, public_key }.to_der().unwrap()
}

#[test]
fn points_off_their_curve_are_refused_by_both() {
    for curve in Curve::ALL {
        let point = aws_lc::EllipticKeyPair::generate(curve).unwrap().point();
        let mut off = point.clone();
        *off.last_mut().unwrap() ^= 1;
        let beyond = [&[4][..], &vec![0xff; 2 * curve.coordinate_bytes()]].concat();
        let zero = [&[4][..], &vec![0; 2 * curve.coordinate_bytes()]].concat();
        for (point, accepted, why) in [
            (&*point, true, "on the curve"),
            (&*off, false, "off the curve"),
            (&*beyond, false, "coordinates beyond the field"),
            (&*zero, false, "zero"),
            (&[0], false, "the point at infinity"),
            (&[], false, "empty"),
        ] {
            let read =
                (aws_lc::PublicKey::elliptic(curve, point), rust_crypto::PublicKey::elliptic(curve, point));
            assert_both(&read.0, &read.1, accepted, &format!("{}: {why}", curve.name()));
        }
    }
}

#[test]
fn halves_of_two_keys_are_refused_by_both() {
    for curve in Curve::ALL {
        let [one, other] = [(); 2].map(|()| aws_lc::EllipticKeyPair::generate(curve).unwrap());
        for (public, accepted) in [(one.point(), true), (other.point(), false)] {
            let private = one.private().unwrap();
            let read = (
                aws_lc::EllipticKeyPair::new(curve, &private, &public),
                rust_crypto::EllipticKeyPair::new(curve, &private, &public),
            );
            assert_both(&read.0, &read.1, accepted, curve.name());
        }
    }
    let [one, other] = [(); 2].map(|()| aws_lc::Ed25519KeyPair::generate().unwrap());
    for (public, accepted, why) in [
        (Some(one.public()), true, "its own"),
        (Some(other.public()), false, "another's"),
        (Some(one.public()[..31].to_vec()), false, "cut short"),
        (None, true, "none"),
    ] {
        let private = one.private().unwrap();
        let read = (
            aws_lc::Ed25519KeyPair::new(&private, public.as_deref()),
            rust_crypto::Ed25519KeyPair::new(&private, public.as_deref()),
        );
        assert_both(&read.0, &read.1, accepted, &format!("Ed25519, public half: {why}"));
    }
}

#[test]
fn a_point_of_ed25519_has_one_spelling() {
    // The neutral point has y = 1, and a signature of it and zero holds for any message: so its other spelling
    // can be told from it. As a key it is refused above (`KeyError::SmallOrder`).
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut plus_p = [0xff; 32];
    (plus_p[0], plus_p[31]) = (0xee, 0x7f);
    let mut no_point = [0; 32];
    no_point[0] = 2;
    let signature = [neutral, [0; 32]].concat();
    for (key, accepted, why) in
        [(neutral, true, "y = 1"), (plus_p, false, "y = 1 + p"), (no_point, false, "y = 2, which has no x")]
    {
        let (one, other) = (aws_lc::PublicKey::ed25519(&key), rust_crypto::PublicKey::ed25519(&key));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_both(&one.verify(MESSAGE, &signature), &other.verify(MESSAGE, &signature), accepted, why);
    }
}

/// The order of Ed25519's subgroup, little-endian (RFC 8032 section 5.1).
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn a_signature_of_ed25519_has_one_spelling() {
    let key = Both::ed25519();
    let signature = key.sign[0](MESSAGE);
    assert_eq!(signature, key.sign[1](MESSAGE));
    let mut malleated = signature;
    let mut carry = 0;
    for (to, from) in malleated[32..].iter_mut().zip(ED25519_ORDER) {
        let sum = u16::from(*to) + u16::from(from) + carry;
        *to = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    key.assert_verdict(&malleated, false, "S + L (RFC 8032 section 5.1.7)");
}

#[test]
fn the_numbers_of_an_rsa_key_must_belong_together_for_both() {
    let pkcs8 = rsa_key();
    let key = rsa_numbers(&pkcs8);
    let two = UintRef::new(&[2]).unwrap();
    let swapped = RsaPrivateKeyRef { prime1: key.prime2, prime2: key.prime1, ..key.clone() };
    for (key, accepted, why) in [
        (key.clone(), true, "as it is"),
        (RsaPrivateKeyRef { private_exponent: two, ..key.clone() }, false, "another d"),
        (RsaPrivateKeyRef { prime1: two, ..key.clone() }, false, "another p"),
        (RsaPrivateKeyRef { prime2: key.prime1, ..key.clone() }, false, "p twice"),
        (RsaPrivateKeyRef { exponent1: two, ..key.clone() }, false, "another dP"),
        (RsaPrivateKeyRef { exponent2: two, ..key.clone() }, false, "another dQ"),
        (RsaPrivateKeyRef { coefficient: two, ..key.clone() }, false, "another qInv"),
        (
            RsaPrivateKeyRef { exponent1: key.exponent2, exponent2: key.exponent1, ..key.clone() },
            false,
            "dP, dQ swapped",
        ),
        (
            RsaPrivateKeyRef { public_exponent: UintRef::new(&[3]).unwrap(), ..key.clone() },
            false,
            "another e",
        ),
        (swapped, false, "p and q swapped, without what is made of them"),
    ] {
        let read = (aws_lc::RsaKeyPair::new(&key), rust_crypto::RsaKeyPair::new(&key));
        assert_both(&read.0, &read.1, accepted, why);
    }
}

#[test]
fn an_rsa_key_that_one_library_makes_the_other_takes() {
    const BITS: u16 = 2048;
    let der = rust_crypto::RsaKeyPair::generate(BITS).unwrap().private_der().unwrap();
    let key = RsaPrivateKeyRef::try_from(&**der).unwrap();
    assert_eq!(aws_lc::RsaKeyPair::new(&key).unwrap().private_der().unwrap(), der);
    let der = aws_lc::RsaKeyPair::generate(BITS).unwrap().private_der().unwrap();
    let key = RsaPrivateKeyRef::try_from(&**der).unwrap();
    let other = rust_crypto::RsaKeyPair::new(&key).unwrap();
    assert_eq!(other.private_der().unwrap(), der);
    assert_eq!(other.public().unwrap().modulus, key.modulus.as_bytes());
}

#[test]
fn hashes_are_the_same() {
    for (bits, bytes) in [(HashBits::Of256, 32), (HashBits::Of384, 48), (HashBits::Of512, 64)] {
        let hash = aws_lc::sha2(bits, MESSAGE);
        assert_eq!((hash.len(), &hash), (bytes, &rust_crypto::sha2(bits, MESSAGE)));
    }
}
