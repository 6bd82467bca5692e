//! ECDSA on the curves of the NIST.

use getrandom::SysRng;
use p256::ecdsa::signature::{SignatureEncoding, Signer, Verifier};
use p256::elliptic_curve::Generate as _;
use sec1::EcPrivateKey;
use zeroize::Zeroizing;

use super::Failed;
use crate::key::Curve;

/// A point that is on its curve.
pub(crate) enum PublicKey {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
}

impl PublicKey {
    /// The point in these octets, which may be compressed.
    pub(super) fn new(curve: Curve, point: &[u8]) -> Result<Self, Failed> {
        match curve {
            Curve::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map(Self::P256),
            Curve::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map(Self::P384),
            Curve::P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).map(Self::P521),
        }
        .map_err(|_| Failed)
    }

    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Failed> {
        match self {
            Self::P256(key) => verify::<p256::ecdsa::Signature>(key, message, signature),
            Self::P384(key) => verify::<p384::ecdsa::Signature>(key, message, signature),
            Self::P521(key) => verify::<p521::ecdsa::Signature>(key, message, signature),
        }
    }

    /// The point, uncompressed.
    fn octets(&self) -> Vec<u8> {
        match self {
            Self::P256(key) => key.to_sec1_point(false).as_bytes().to_vec(),
            Self::P384(key) => key.to_sec1_point(false).as_bytes().to_vec(),
            Self::P521(key) => key.to_sec1_point(false).as_bytes().to_vec(),
        }
    }
}

pub(crate) enum EllipticKeyPair {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
}

impl EllipticKeyPair {
    pub(crate) fn generate(curve: Curve) -> Result<Self, Failed> {
        match curve {
            Curve::P256 => p256::ecdsa::SigningKey::try_generate_from_rng(&mut SysRng).map(Self::P256),
            Curve::P384 => p384::ecdsa::SigningKey::try_generate_from_rng(&mut SysRng).map(Self::P384),
            Curve::P521 => p521::ecdsa::SigningKey::try_generate_from_rng(&mut SysRng).map(Self::P521),
        }
        .map_err(|_| Failed)
    }

    /// The key of these halves, if they belong together. `private` has the length of the curve; `point` is
    /// uncompressed.
    pub(crate) fn new(curve: Curve, private: &[u8], point: &[u8]) -> Result<Self, Failed> {
        let pair = Self::of_private(curve, private)?;
        if pair.point() == point { Ok(pair) } else { Err(Failed) }
    }

    /// The key in an `ECPrivateKey` (RFC 5915 section 3), if what it says is of one key of this curve.
    pub(crate) fn from_sec1(curve: Curve, der: &[u8]) -> Result<Self, Failed> {
        let key = EcPrivateKey::try_from(der).map_err(|_| Failed)?;
        let names_another = |parameters: sec1::EcParameters| {
            parameters.named_curve().is_some_and(|named| named != curve.object_identifier())
        };
        if key.parameters.is_some_and(names_another) {
            return Err(Failed);
        }
        let pair = Self::of_private(curve, &padded(curve, key.private_key)?)?;
        match key.public_key {
            Some(octets) if PublicKey::new(curve, octets)?.octets() != pair.point() => Err(Failed),
            _ => Ok(pair),
        }
    }

    fn of_private(curve: Curve, private: &[u8]) -> Result<Self, Failed> {
        match curve {
            Curve::P256 => p256::ecdsa::SigningKey::from_slice(private).map(Self::P256),
            Curve::P384 => p384::ecdsa::SigningKey::from_slice(private).map(Self::P384),
            Curve::P521 => p521::ecdsa::SigningKey::from_slice(private).map(Self::P521),
        }
        .map_err(|_| Failed)
    }

    /// The public half, uncompressed.
    pub(crate) fn point(&self) -> Vec<u8> {
        match self {
            Self::P256(pair) => PublicKey::P256(*pair.verifying_key()),
            Self::P384(pair) => PublicKey::P384(*pair.verifying_key()),
            Self::P521(pair) => PublicKey::P521(*pair.verifying_key()),
        }
        .octets()
    }

    /// The private half in the length of the curve.
    #[expect(clippy::unnecessary_wraps, reason = "aws-lc can fail here")]
    pub(crate) fn private(&self) -> Result<Zeroizing<Vec<u8>>, Failed> {
        let octets = match self {
            Self::P256(pair) => Zeroizing::new(pair.to_bytes()).to_vec(),
            Self::P384(pair) => Zeroizing::new(pair.to_bytes()).to_vec(),
            Self::P521(pair) => Zeroizing::new(pair.to_bytes()).to_vec(),
        };
        Ok(Zeroizing::new(octets))
    }

    /// Both numbers in the length of the curve, one after the other.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Failed> {
        match self {
            Self::P256(pair) => sign::<p256::ecdsa::Signature>(pair, message),
            Self::P384(pair) => sign::<p384::ecdsa::Signature>(pair, message),
            Self::P521(pair) => sign::<p521::ecdsa::Signature>(pair, message),
        }
    }
}

/// A private key in the length of its curve: some software leaves leading zeros out, or writes one more.
fn padded(curve: Curve, private: &[u8]) -> Result<Zeroizing<Vec<u8>>, Failed> {
    let begin = private.iter().position(|byte| *byte != 0).unwrap_or(private.len());
    let number = private.get(begin..).unwrap_or_default();
    let zeros = curve.coordinate_bytes().checked_sub(number.len()).ok_or(Failed)?;
    let mut octets = Zeroizing::new(Vec::with_capacity(curve.coordinate_bytes()));
    octets.resize(zeros, 0);
    octets.extend_from_slice(number);
    Ok(octets)
}

fn sign<S: SignatureEncoding>(pair: &impl Signer<S>, message: &[u8]) -> Result<Vec<u8>, Failed> {
    pair.try_sign(message).map(|signature| signature.to_vec()).map_err(|_| Failed)
}

fn verify<'s, S: TryFrom<&'s [u8]>>(
    key: &impl Verifier<S>,
    message: &[u8],
    signature: &'s [u8],
) -> Result<(), Failed> {
    let signature = S::try_from(signature).map_err(|_| Failed)?;
    key.verify(message, &signature).map_err(|_| Failed)
}
