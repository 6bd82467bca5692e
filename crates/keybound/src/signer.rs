//! The seam between what is signed and where the key is: in this process, in an HSM, in a KMS.

use pkcs8::der::asn1::UintRef;
use pkcs8::der::{Decode as _, Header, Reader, SliceReader, Tag};

use crate::algorithm::Algorithm;
use crate::key::{Curve, KeyKind, PublicKey};

/// Something that signs with one key and one algorithm (RFC 8725 section 3.1: a key is used with one).
///
/// A signer that waits for a device or for a network blocks in [`Signer::sign`]. Where that is not
/// wanted, take what is to be signed from an [`UnsignedJws`](crate::UnsignedJws) and give it the
/// signature when it has come.
pub trait Signer: Send + Sync {
    /// The algorithm of its signatures.
    fn algorithm(&self) -> Algorithm;

    /// The public half of its key.
    fn public_key(&self) -> &PublicKey;

    /// The signature over `signing_input`, in the form of RFC 7518.
    fn sign(&self, signing_input: &[u8]) -> Result<Signature, SignError>;
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
    /// The bytes are not a DER signature of that algorithm.
    #[error("the signer's answer is not a strict DER signature for {algorithm} (RFC 3279 section 2.2.3)")]
    NotAnEcdsaSignature {
        /// The algorithm that it should be of.
        algorithm: Algorithm,
    },
}
