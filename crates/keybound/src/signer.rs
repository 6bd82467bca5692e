//! The seam between what is signed and where the key is: in this process, in an HSM, in a KMS.

use pkcs8::der::asn1::UintRef;
use pkcs8::der::{Decode as _, Header, Reader, SliceReader, Tag};

use crate::algorithm::Algorithm;
use crate::key::{Curve, KeyKind, PublicKey};

/// Something that signs with one key and one algorithm (RFC 8725 section 3.1: a key is used with one).
///
/// A signer that waits for a device or for a network blocks in [`Signer::sign`] and says so by
/// [`Signer::waits`]. Where that is not wanted, take what is to be signed from an
/// [`UnsignedJws`](crate::UnsignedJws) and give it the signature when it has come.
pub trait Signer: Send + Sync {
    /// The algorithm of its signatures.
    fn algorithm(&self) -> Algorithm;

    /// The public half of its key.
    fn public_key(&self) -> &PublicKey;

    /// The signature over `signing_input`, in the form of RFC 7518.
    fn sign(&self, signing_input: &[u8]) -> Result<Signature, SignError>;

    /// Whether signing waits for a device or for a network: async callers then do it on a thread that may
    /// block.
    fn waits(&self) -> bool {
        false
    }
}

/// A signature in the form that a JWS has: for ECDSA the two numbers in fixed length, one after the
/// other (RFC 7518 section 3.4), else what the algorithm gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature(Vec<u8>);

impl Signature {
    /// A signature that already has the form of RFC 7518.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// An ECDSA signature in DER (`Ecdsa-Sig-Value`, RFC 3279 section 2.2.3), as most HSMs and KMSs
    /// give it, brought into the fixed length of `algorithm`. The DER must be strict.
    ///
    /// ```
    /// use keybound::{Algorithm, Signature};
    ///
    /// let signature = Signature::from_ecdsa_der(Algorithm::ES256, &[0x30, 6, 2, 1, 1, 2, 1, 2])?;
    /// assert_eq!(signature.as_bytes().len(), 64);
    /// # Ok::<(), keybound::SignError>(())
    /// ```
    pub fn from_ecdsa_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, SignError> {
        let malformed = SignError::NotAnEcdsaSignature { algorithm };
        let Some(curve) = Curve::of_kind(KeyKind::for_algorithm(algorithm)) else { return Err(malformed) };
        let Ok((r, s)) = ecdsa_integers(der) else { return Err(malformed) };

        let length = curve.coordinate_bytes();
        let mut bytes = Vec::with_capacity(2 * length);
        for integer in [r.as_bytes(), s.as_bytes()] {
            let padding = length.checked_sub(integer.len()).ok_or_else(|| malformed.clone())?;
            if integer == [0] {
                return Err(malformed);
            }
            bytes.resize(bytes.len() + padding, 0);
            bytes.extend_from_slice(integer);
        }
        Ok(Self(bytes))
    }

    /// The bytes, before base64url.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// `SEQUENCE { r INTEGER, s INTEGER }` and nothing after it; `der` refuses what is not minimal.
fn ecdsa_integers(der: &[u8]) -> Result<(UintRef<'_>, UintRef<'_>), pkcs8::der::Error> {
    let mut reader = SliceReader::new(der)?;
    let header = Header::decode(&mut reader)?;
    header.tag().assert_eq(Tag::Sequence)?;
    let integers = reader.read_nested(header.length(), |nested| {
        Ok::<_, pkcs8::der::Error>((UintRef::decode(nested)?, UintRef::decode(nested)?))
    })?;
    reader.finish()?;
    Ok(integers)
}

/// Why there is no signature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The cryptographic library refused to sign.
    #[error("the cryptographic library made no signature; the key may be damaged: make another")]
    Failed,
    /// The device or the service behind a signer gave none.
    #[error("the signer gave no signature: {reason}")]
    Unavailable {
        /// What it said; without secrets.
        reason: String,
    },
    /// The key signs with another algorithm than the one in the header of what it was to sign.
    #[error("the key signs with {found}, and what it was to sign says {expected}")]
    WrongAlgorithm {
        /// The algorithm in the header.
        expected: Algorithm,
        /// The key's algorithm.
        found: Algorithm,
    },
    /// There is a proof to be signed, and no key or no signature for it.
    #[error(
        "the token request has a DPoP proof that nobody signed; without it the token would be bound to no key \
         (RFC 9449 section 5)"
    )]
    ProofNotSigned,
    /// The bytes are not a DER signature of that algorithm.
    #[error("the signer's answer is not a strict DER signature for {algorithm} (RFC 3279 section 2.2.3)")]
    NotAnEcdsaSignature {
        /// The algorithm that it should be of.
        algorithm: Algorithm,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_der_signature_gets_the_fixed_length_of_its_algorithm() {
        for (algorithm, length) in [(Algorithm::ES256, 64), (Algorithm::ES384, 96), (Algorithm::ES512, 132)] {
            let signature = Signature::from_ecdsa_der(algorithm, &[0x30, 7, 2, 2, 0, 0x80, 2, 1, 7]).unwrap();
            let (r, s) = signature.as_bytes().split_at(length / 2);
            assert_eq!((r.len(), s.len()), (length / 2, length / 2));
            assert_eq!((r[length / 2 - 1], s[length / 2 - 1]), (0x80, 7));
            assert_eq!(signature.as_bytes().iter().filter(|byte| **byte != 0).count(), 2);
        }
    }

    #[test]
    fn a_der_signature_that_is_not_strict_is_refused() {
        let beyond = [&[0x30, 0x26, 2, 0x21, 1][..], &[0; 32], &[2, 1, 1]].concat();
        for (der, why) in [
            (&[][..], "empty"),
            (&[0x30, 6, 2, 1, 1, 2, 1][..], "cut short"),
            (&[0x30, 6, 2, 1, 1, 2, 1, 2, 0], "a byte after it"),
            (&[0x30, 9, 2, 1, 1, 2, 1, 2, 2, 1, 3], "a third number"),
            (&[0x30, 3, 2, 1, 1], "one number"),
            (&[0x30, 0x81, 6, 2, 1, 1, 2, 1, 2], "a length that is not in its shortest form"),
            (&[0x30, 0x80, 2, 1, 1, 2, 1, 2, 0, 0], "an indefinite length"),
            (&[0x31, 6, 2, 1, 1, 2, 1, 2], "a set"),
            (&[0x30, 7, 2, 2, 0, 1, 2, 1, 2], "a number that is not in its shortest form"),
            (&[0x30, 6, 2, 1, 0x80, 2, 1, 2], "a negative number"),
            (&[0x30, 6, 2, 1, 0, 2, 1, 2], "r = 0"),
            (&[0x30, 6, 2, 1, 1, 2, 1, 0], "s = 0"),
            (&[0x30, 5, 2, 0, 2, 1, 1], "an empty number"),
            (&beyond, "a number longer than the curve's"),
        ] {
            let refused = Err(SignError::NotAnEcdsaSignature { algorithm: Algorithm::ES256 });
            assert_eq!(Signature::from_ecdsa_der(Algorithm::ES256, der), refused, "{why}");
        }
        for algorithm in [Algorithm::RS256, Algorithm::EdDSA] {
            let refused = Err(SignError::NotAnEcdsaSignature { algorithm });
            assert_eq!(Signature::from_ecdsa_der(algorithm, &[0x30, 6, 2, 1, 1, 2, 1, 2]), refused);
        }
    }
}
