//! Private keys as PEM: PKCS#8 (RFC 5958), also encrypted, PKCS#1 (RFC 8017 appendix A.1.2) and SEC 1
//! (RFC 5915).

use pkcs1::RsaPrivateKeyRef;
use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::der::{self, Decode as _, Encode as _};
use pkcs8::spki::AlgorithmIdentifierRef;
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use sec1::{EcParameters, EcPrivateKey};
use zeroize::Zeroizing;

use super::components::rsa_kind;
use super::pem::{self, Block};
use super::private::KeyPair;
use super::{Curve, KeyError, PrivateKey, encryption};
use crate::cryptography::{Ed25519KeyPair, EllipticKeyPair, Failed, RsaKeyPair};
use crate::jwk::Attributes;
use crate::random::Random;

const PKCS8: &str = "PRIVATE KEY";
const ENCRYPTED_PKCS8: &str = "ENCRYPTED PRIVATE KEY";
const PKCS1: &str = "RSA PRIVATE KEY";
const SEC1: &str = "EC PRIVATE KEY";

const UNWRITTEN: KeyError = KeyError::Cryptography { operation: "write a private key" };

impl PrivateKey {
    /// Reads a PEM that holds one private key: PKCS#8, PKCS#1 or SEC 1. The label decides.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let Block { label, der } = Block::read(pem)?;
        let pair = match label {
            PKCS8 => read_pkcs8(&der),
            PKCS1 => read_pkcs1(&der),
            SEC1 => read_sec1(&der),
            ENCRYPTED_PKCS8 => Err(KeyError::PasswordNeeded),
            other => Err(wrong_block(other)),
        }?;
        Self::new(pair, Attributes::default())
    }

    /// Reads a PEM that holds one encrypted private key (PKCS#8 with PBES2).
    pub fn from_encrypted_pem(pem: &str, password: &[u8]) -> Result<Self, KeyError> {
        let Block { label, der } = Block::read(pem)?;
        let pair = match label {
            ENCRYPTED_PKCS8 => read_pkcs8(encryption::decrypt(&der, password)?.as_bytes()),
            PKCS8 | PKCS1 | SEC1 => Err(KeyError::NotEncrypted),
            other => Err(wrong_block(other)),
        }?;
        Self::new(pair, Attributes::default())
    }

    /// The key as PKCS#8, which is for all kinds of keys. In plain text: it must not be seen by others.
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        pem::encode(PKCS8, &self.pair.to_pkcs8()?)
    }

    /// The key as PKCS#8, encrypted with a password; that takes a tenth of a second and more, by
    /// design.
    pub fn to_encrypted_pkcs8_pem(&self, password: &[u8], random: &dyn Random) -> Result<String, KeyError> {
        let encrypted = encryption::encrypt(&self.pair.to_pkcs8()?, password, random)?;
        pem::encode(ENCRYPTED_PKCS8, encrypted.as_bytes()).map(|mut pem| std::mem::take(&mut *pem))
    }

    /// An RSA key as PKCS#1. In plain text: it must not be seen by others.
    pub fn to_pkcs1_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        match &self.pair {
            KeyPair::Rsa(pair) => pem::encode(PKCS1, &pair.private_der().map_err(|Failed| UNWRITTEN)?),
            _ => Err(KeyError::WrongContainer { container: "PKCS#1", kind: self.kind() }),
        }
    }

    /// An elliptic curve key as SEC 1. In plain text: it must not be seen by others.
    pub fn to_sec1_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        match &self.pair {
            KeyPair::Elliptic(curve, pair) => {
                pem::encode(SEC1, &sec1_der(pair, Some(EcParameters::NamedCurve(curve.object_identifier())))?)
            }
            _ => Err(KeyError::WrongContainer { container: "SEC 1", kind: self.kind() }),
        }
    }
}

impl KeyPair {
    pub(super) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match self {
            Self::Rsa(pair) => {
                pkcs8_der(pem::RSA, Some(AnyRef::NULL), &pair.private_der().map_err(|Failed| UNWRITTEN)?)
            }
            Self::Elliptic(curve, pair) => {
                // The curve is named outside.
                let curve = curve.object_identifier();
                pkcs8_der(pem::ELLIPTIC, Some(AnyRef::from(&curve)), &sec1_der(pair, None)?)
            }
            Self::Ed25519(pair) => {
                let private = pair.private().map_err(|Failed| UNWRITTEN)?;
                let inner = OctetStringRef::new(&private).and_then(|octets| octets.to_der());
                pkcs8_der(pem::ED25519, None, &Zeroizing::new(inner.map_err(|_| UNWRITTEN)?))
            }
        }
    }
}

/// A `PrivateKeyInfo` around a key (RFC 5208 section 5).
fn pkcs8_der(
    oid: ObjectIdentifier,
    parameters: Option<AnyRef<'_>>,
    key: &[u8],
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let write = || -> der::Result<_> {
        PrivateKeyInfoRef::new(AlgorithmIdentifierRef { oid, parameters }, OctetStringRef::new(key)?).to_der()
    };
    write().map(Zeroizing::new).map_err(|_| UNWRITTEN)
}

/// An `ECPrivateKey` (RFC 5915 section 3), its public half in it.
fn sec1_der(
    pair: &EllipticKeyPair,
    parameters: Option<EcParameters>,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let private = pair.private().map_err(|Failed| UNWRITTEN)?;
    let point = pair.point();
    let key = EcPrivateKey { private_key: &private, parameters, public_key: Some(&point) };
    key.to_der().map(Zeroizing::new).map_err(|_| UNWRITTEN)
}

fn read_pkcs8(der: &[u8]) -> Result<KeyPair, KeyError> {
    const MALFORMED: KeyError = KeyError::MalformedDer { container: "PKCS#8 key" };
    let info = PrivateKeyInfoRef::try_from(der).map_err(|_| MALFORMED)?;
    match info.algorithm.oid {
        pem::RSA => read_pkcs1(info.private_key.as_bytes()),
        pem::ELLIPTIC => {
            let curve = pem::curve(info.algorithm.parameters_oid().ok())?;
            read_elliptic(curve, info.private_key.as_bytes())
        }
        pem::ED25519 => read_ed25519(&info).ok_or(MALFORMED),
        other => Err(pem::unsupported_key_type(other)),
    }
}

fn read_pkcs1(der: &[u8]) -> Result<KeyPair, KeyError> {
    let key = RsaPrivateKeyRef::try_from(der)
        .map_err(|_| KeyError::MalformedDer { container: "PKCS#1 private key" })?;
    if key.other_prime_infos.is_some() {
        return Err(KeyError::MultiPrime);
    }
    rsa_kind(key.modulus.as_bytes(), key.public_exponent.as_bytes())?;
    RsaKeyPair::new(&key).map(KeyPair::Rsa).map_err(|Failed| KeyError::Inconsistent)
}

fn read_sec1(der: &[u8]) -> Result<KeyPair, KeyError> {
    let key = EcPrivateKey::try_from(der).map_err(|_| KeyError::MalformedDer { container: "SEC 1 key" })?;
    read_elliptic(pem::curve(key.parameters.and_then(sec1::EcParameters::named_curve))?, der)
}

fn read_elliptic(curve: Curve, sec1: &[u8]) -> Result<KeyPair, KeyError> {
    EllipticKeyPair::from_sec1(curve, sec1)
        .map(|pair| KeyPair::Elliptic(curve, pair))
        .map_err(|Failed| KeyError::Inconsistent)
}

/// The key inside is an octet string once more, and nothing qualifies it (RFC 8410 sections 3 and 7).
fn read_ed25519(info: &PrivateKeyInfoRef<'_>) -> Option<KeyPair> {
    if info.algorithm.parameters.is_some() {
        return None;
    }
    let private = <&OctetStringRef>::from_der(info.private_key.as_bytes()).ok()?;
    let public = match &info.public_key {
        Some(bits) => Some(bits.as_bytes()?),
        None => None,
    };
    Ed25519KeyPair::new(private.as_bytes(), public).map(KeyPair::Ed25519).ok()
}

fn wrong_block(label: &str) -> KeyError {
    let advice = match label {
        "PUBLIC KEY" | "RSA PUBLIC KEY" => {
            "give the file of the other half, which starts with `-----BEGIN PRIVATE KEY-----`"
        }
        "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => {
            "give the private key that the certificate was made for"
        }
        "OPENSSH PRIVATE KEY" => "convert a copy of it with `ssh-keygen -p -m PKCS8 -f COPY`",
        _ => "convert the key with `openssl pkcs8 -topk8 -nocrypt -in KEY -out NEW`",
    };
    KeyError::WrongPemBlock { label: label.to_owned(), needed: "private", advice }
}
