//! The public half of a key as the TPM has it, brought into the form of a JWK, and how the key signs.

use keybound::{Algorithm, KeyKind, PublicKey, base64url};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::ecc::EccCurve;
use tss_esapi::structures::{
    EccScheme, HashScheme, Public, PublicEccParameters, PublicParameters, PublicRsaParameters, RsaScheme,
    Signature, SignatureScheme,
};

use super::super::algorithm_for;
use super::Tpm2Error;

/// A public key with the one way in which its private half signs.
pub(super) struct PublicHalf {
    pub(super) key: PublicKey,
    pub(super) algorithm: Algorithm,
    pub(super) scheme: SignatureScheme,
    /// What the TPM has to have for it.
    pub(super) parameters: PublicParameters,
}

/// What a key is reserved for (TPM 2.0 part 2, section 12.2.3): a scheme and a digest, or nothing.
enum Reserved {
    No,
    For(Algorithm),
    /// Something that is no algorithm of a JWS, or not one that is served.
    Else,
}

/// Refuses a key that does not sign what this process has digested, or not with a PIN.
pub(super) fn check_use(public: &Public) -> Result<(), Tpm2Error> {
    let attributes = public.object_attributes();
    if !attributes.sign_encrypt() {
        return Err(Tpm2Error::NotForSigning);
    }
    if attributes.restricted() {
        return Err(Tpm2Error::Restricted);
    }
    if attributes.x509_sign() {
        return Err(Tpm2Error::CertificatesOnly);
    }
    if attributes.user_with_auth() { Ok(()) } else { Err(Tpm2Error::PolicyNeeded) }
}

/// The public half of a key, for the algorithm that is asked for, or that it is reserved for, or the usual one.
pub(super) fn of(public: &Public, asked_for: Option<Algorithm>) -> Result<PublicHalf, Tpm2Error> {
    let key = PublicKey::from_jwk(jwk(public)?.as_bytes())?;
    let reserved = reserved(public);
    let preferred = match (asked_for, &reserved) {
        (None, Reserved::For(algorithm)) => Some(*algorithm),
        (asked_for, _) => asked_for,
    };
    let algorithm = algorithm_for(&key, preferred)?;
    let unfit = |reason: &str| Tpm2Error::AlgorithmUnfit { algorithm, reason: reason.to_owned() };
    match reserved {
        Reserved::For(other) if other != algorithm => {
            return Err(unfit(&format!("the key is reserved for {other}")));
        }
        Reserved::Else => return Err(unfit("the key is reserved for a scheme that it is not made with")),
        Reserved::For(_) | Reserved::No => {}
    }
    let hash = HashScheme::new(hash(algorithm).ok_or_else(|| {
        unfit("TPMs choose the length of the salt themselves (TPM 2.0 part 1, annex B.7), or don't have it")
    })?);
    let (scheme, parameters) = match public {
        Public::Rsa { parameters, .. } => (
            SignatureScheme::RsaSsa { hash_scheme: hash },
            PublicParameters::Rsa(PublicRsaParameters::new(
                parameters.symmetric_definition_object(),
                RsaScheme::RsaSsa(hash),
                parameters.key_bits(),
                parameters.exponent(),
            )),
        ),
        Public::Ecc { parameters, .. } => (
            SignatureScheme::EcDsa { hash_scheme: hash },
            PublicParameters::Ecc(PublicEccParameters::new(
                parameters.symmetric_definition_object(),
                EccScheme::EcDsa(hash),
                parameters.ecc_curve(),
                parameters.key_derivation_function_scheme(),
            )),
        ),
        _ => return Err(Tpm2Error::KeyType),
    };
    Ok(PublicHalf { key, algorithm, scheme, parameters })
}

fn reserved(public: &Public) -> Reserved {
    let (scheme, algorithms) = match public {
        Public::Rsa { parameters, .. } => match parameters.rsa_scheme() {
            RsaScheme::Null => return Reserved::No,
            RsaScheme::RsaSsa(scheme) => (scheme, [Algorithm::RS256, Algorithm::RS384, Algorithm::RS512]),
            RsaScheme::RsaPss(scheme) => (scheme, [Algorithm::PS256, Algorithm::PS384, Algorithm::PS512]),
            _ => return Reserved::Else,
        },
        Public::Ecc { parameters, .. } => match parameters.ecc_scheme() {
            EccScheme::Null => return Reserved::No,
            EccScheme::EcDsa(scheme) => (scheme, [Algorithm::ES256, Algorithm::ES384, Algorithm::ES512]),
            _ => return Reserved::Else,
        },
        _ => return Reserved::Else,
    };
    let [sha256, sha384, sha512] = algorithms;
    match scheme.hashing_algorithm() {
        HashingAlgorithm::Sha256 => Reserved::For(sha256),
        HashingAlgorithm::Sha384 => Reserved::For(sha384),
        HashingAlgorithm::Sha512 => Reserved::For(sha512),
        _ => Reserved::Else,
    }
}

/// The digest of an algorithm that is served.
fn hash(algorithm: Algorithm) -> Option<HashingAlgorithm> {
    match algorithm {
        Algorithm::RS256 | Algorithm::ES256 => Some(HashingAlgorithm::Sha256),
        Algorithm::RS384 | Algorithm::ES384 => Some(HashingAlgorithm::Sha384),
        Algorithm::RS512 | Algorithm::ES512 => Some(HashingAlgorithm::Sha512),
        _ => None,
    }
}

/// The key as a JWK (RFC 7518 section 6); it is checked where it is read.
fn jwk(public: &Public) -> Result<String, Tpm2Error> {
    match public {
        Public::Rsa { parameters, unique, .. } => {
            // 0 is the usual exponent (TPM 2.0 part 2, section 12.2.3.5).
            let exponent = match parameters.exponent().value() {
                0 => 65537,
                other => other,
            };
            let (n, e) = (number(unique.value()), number(&exponent.to_be_bytes()));
            Ok(format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#))
        }
        Public::Ecc { parameters, unique, .. } => {
            let (kind, width) = match parameters.ecc_curve() {
                EccCurve::NistP256 => (KeyKind::P256, 32),
                EccCurve::NistP384 => (KeyKind::P384, 48),
                EccCurve::NistP521 => (KeyKind::P521, 66),
                _ => return Err(Tpm2Error::KeyType),
            };
            let coordinate = |bytes| padded(bytes, width).map(base64url::encode).ok_or(Tpm2Error::KeyType);
            let (x, y) = (coordinate(unique.x().value())?, coordinate(unique.y().value())?);
            Ok(format!(r#"{{"kty":"EC","crv":"{kind}","x":"{x}","y":"{y}"}}"#))
        }
        _ => Err(Tpm2Error::KeyType),
    }
}

/// A number in its shortest form.
fn number(bytes: &[u8]) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    base64url::encode(bytes.get(zeros..).unwrap_or_default())
}

/// A number in `width` bytes; some TPMs leave leading zeros out.
fn padded(bytes: &[u8], width: usize) -> Option<Vec<u8>> {
    let mut all = vec![0; width.checked_sub(bytes.len())?];
    all.extend_from_slice(bytes);
    Some(all)
}

/// The TPM's signature in the form of RFC 7518 sections 3.3 and 3.4.
pub(super) fn jws_signature(half: &PublicHalf, made: &Signature) -> Result<Vec<u8>, Tpm2Error> {
    let signature = match (made, half.key.kind()) {
        (Signature::RsaSsa(made), KeyKind::Rsa { bits }) => {
            padded(made.signature().value(), usize::from(bits).div_ceil(8))
        }
        (Signature::EcDsa(made), kind) => {
            let width = match kind {
                KeyKind::P256 => 32,
                KeyKind::P384 => 48,
                _ => 66,
            };
            let numbers =
                [made.signature_r(), made.signature_s()].map(|number| padded(number.value(), width));
            numbers.into_iter().collect::<Option<Vec<_>>>().map(|numbers| numbers.concat())
        }
        _ => None,
    };
    signature.ok_or(Tpm2Error::HalvesDiffer)
}
