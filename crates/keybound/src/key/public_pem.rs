//! Public keys as PEM: SPKI (RFC 5280 section 4.1.2.7), and PKCS#1 for reading (RFC 8017 appendix A.1.1).

use pkcs1::RsaPublicKeyRef;
use pkcs8::der::asn1::{AnyRef, BitStringRef};
use pkcs8::der::{self, Encode as _};
use pkcs8::spki::{AlgorithmIdentifier, SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};

use super::components::{Components, Point};
use super::pem::{self, Block};
use super::{KeyError, PublicKey};
use crate::jwk::Attributes;

const SPKI: &str = "PUBLIC KEY";
const PKCS1: &str = "RSA PUBLIC KEY";

impl PublicKey {
    /// Reads a PEM that holds one public key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let Block { label, der } = Block::read(pem)?;
        let components = match label {
            SPKI => read_spki(&der),
            PKCS1 => read_pkcs1(&der),
            other => Err(wrong_block(other)),
        }?;
        Self::new(components, Attributes::default())
    }

    /// The key as PEM (`PUBLIC KEY`).
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "only a key of gigabytes cannot be written"
    )]
    pub fn to_pem(&self) -> String {
        let der = spki(&self.components).expect("a key of bounded size is written");
        let mut pem = pem::encode(SPKI, &der).expect("a key of bounded size is written");
        std::mem::take(&mut *pem)
    }
}

fn read_spki(der: &[u8]) -> Result<Components, KeyError> {
    const MALFORMED: KeyError = KeyError::MalformedDer { container: "public key (SPKI)" };
    let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| MALFORMED)?;
    let key = info.subject_public_key.as_bytes().ok_or(MALFORMED)?;
    match info.algorithm.oid {
        pem::RSA => read_pkcs1(key),
        pem::ELLIPTIC => {
            let curve = pem::curve(info.algorithm.parameters_oid().ok())?;
            match (Point::from_octets(curve, key), key.first()) {
                (Some(point), _) => Ok(Components::Elliptic(point)),
                (None, Some(2 | 3)) => Err(KeyError::CompressedPoint),
                (None, _) => Err(MALFORMED),
            }
        }
        pem::ED25519 => key.try_into().map(Components::Ed25519).map_err(|_| MALFORMED),
        other => Err(pem::unsupported_key_type(other)),
    }
}

fn read_pkcs1(der: &[u8]) -> Result<Components, KeyError> {
    let key = RsaPublicKeyRef::try_from(der)
        .map_err(|_| KeyError::MalformedDer { container: "PKCS#1 public key" })?;
    Ok(Components::Rsa(key.into()))
}

fn spki(components: &Components) -> der::Result<Vec<u8>> {
    match components {
        Components::Rsa(numbers) => info(pem::RSA, Some(AnyRef::NULL), &numbers.as_pkcs1()?.to_der()?),
        Components::Elliptic(point) => {
            let curve = point.curve().object_identifier();
            info(pem::ELLIPTIC, Some(AnyRef::from(&curve)), point.octets())
        }
        Components::Ed25519(octets) => info(pem::ED25519, None, octets),
    }
}

fn info(oid: pkcs8::ObjectIdentifier, parameters: Option<AnyRef<'_>>, key: &[u8]) -> der::Result<Vec<u8>> {
    let algorithm = AlgorithmIdentifier { oid, parameters };
    SubjectPublicKeyInfo { algorithm, subject_public_key: BitStringRef::from_bytes(key)? }.to_der()
}

fn wrong_block(label: &str) -> KeyError {
    let advice = match label {
        "CERTIFICATE" | "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" => {
            "take it out of the certificate with `openssl x509 -pubkey -noout -in CERTIFICATE`"
        }
        private if private.ends_with("PRIVATE KEY") => {
            "keep the private key to yourself and give its other half: `openssl pkey -in KEY -pubout`"
        }
        _ => "give one that starts with `-----BEGIN PUBLIC KEY-----`",
    };
    KeyError::WrongPemBlock { label: label.to_owned(), needed: "public", advice }
}
