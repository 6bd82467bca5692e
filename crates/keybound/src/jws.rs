//! JWS in compact serialisation (RFC 7515 section 7.1), the strict part of it that tokens need.
//!
//! Reading: three parts of strict base64url, header and payload strict JSON objects, sizes bounded.
//! Nothing here trusts the text; the signature is verified by whoever knows which key must have made it.
//! Writing: [`UnsignedJws`] hands out what is to be signed and takes the signature back, so the key can
//! be anywhere.

use crate::algorithm::{Algorithm, UnsupportedAlgorithm};
use crate::base64url;
use crate::excerpt::{NAME, excerpt};
use crate::json::{NotStrictJson, Object};
use crate::signer::{SignError, Signature, Signer};

/// Why a text is not a compact JWS that can be considered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwsError {
    /// Longer than its kind may be.
    #[error("it has {found} bytes, more than the {limit} that are read")]
    TooLarge {
        /// Bytes of the text.
        found: usize,
        /// Bytes it may have.
        limit: usize,
    },
    /// Not `header.payload.signature`.
    #[error("it is not three parts joined by two dots (RFC 7515 section 7.1)")]
    NotThreeParts,
    /// A part is not strict base64url.
    #[error("its {part} is not base64url without padding (RFC 7515 section 2)")]
    NotBase64Url {
        /// `header`, `payload` or `signature`.
        part: &'static str,
    },
    /// A part is not a strict JSON object.
    #[error("its {part} is {error}")]
    NotStrictJson {
        /// `header` or `payload`.
        part: &'static str,
        /// What the parser found.
        error: NotStrictJson,
    },
}

/// Why the algorithm that a header names cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderAlgorithmError {
    /// `alg` is missing or not a string.
    #[error("the header has no `alg` that is a string")]
    Missing,
    /// `none`: no signature at all.
    #[error("`alg` is `none`: anybody can make such a token")]
    Unsigned,
    /// An HMAC algorithm: a shared secret proves nothing about who holds a key.
    #[error("`alg` is `{0}`, which is symmetric")]
    Symmetric(String),
    /// Not a signature algorithm that this crate knows.
    #[error(transparent)]
    Unsupported(UnsupportedAlgorithm),
}

/// A compact JWS whose parts are decoded but whose signature is not verified.
pub struct UnverifiedJws<'t> {
    signing_input: &'t str,
    /// The header, the payload and the signature, one behind the other.
    decoded: Vec<u8>,
    header_end: usize,
    payload_end: usize,
}

impl<'t> UnverifiedJws<'t> {
    /// Splits and decodes `text`, which may have `limit` bytes.
    pub fn decode(text: &'t str, limit: usize) -> Result<Self, JwsError> {
        if text.len() > limit {
            return Err(JwsError::TooLarge { found: text.len(), limit });
        }
        let (signing_input, signature) = text.rsplit_once('.').ok_or(JwsError::NotThreeParts)?;
        let (header, payload) = signing_input.split_once('.').ok_or(JwsError::NotThreeParts)?;
        if payload.contains('.') {
            return Err(JwsError::NotThreeParts);
        }
        let mut decoded = Vec::with_capacity(text.len());
        let mut decode = |part, text| {
            base64url::decode_to(&mut decoded, text).map_err(|_| JwsError::NotBase64Url { part })?;
            Ok(decoded.len())
        };
        let header_end = decode("header", header)?;
        let payload_end = decode("payload", payload)?;
        decode("signature", signature)?;
        Ok(Self { signing_input, decoded, header_end, payload_end })
    }

    /// The JOSE header.
    pub fn header(&self) -> Result<Object<'_>, JwsError> {
        let header = self.decoded.get(..self.header_end).unwrap_or_default();
        Object::parse(header).map_err(|error| JwsError::NotStrictJson { part: "header", error })
    }

    /// The JWT claims.
    pub fn claims(&self) -> Result<Object<'_>, JwsError> {
        let payload = self.decoded.get(self.header_end..self.payload_end).unwrap_or_default();
        Object::parse(payload).map_err(|error| JwsError::NotStrictJson { part: "payload", error })
    }

    /// What the signature is made over: the first two parts with their dot, in ASCII.
    pub fn signing_input(&self) -> &'t [u8] {
        self.signing_input.as_bytes()
    }

    /// The signature in the form of RFC 7518.
    pub fn signature(&self) -> &[u8] {
        self.decoded.get(self.payload_end..).unwrap_or_default()
    }
}

/// The algorithm that `header` names; asymmetric, or an error (RFC 8725 section 3.2).
pub fn header_algorithm(header: &Object<'_>) -> Result<Algorithm, HeaderAlgorithmError> {
    let name = header.string("alg").map_err(|_| HeaderAlgorithmError::Missing)?;
    match name.parse() {
        Ok(algorithm) => Ok(algorithm),
        Err(_) if name.eq_ignore_ascii_case("none") => Err(HeaderAlgorithmError::Unsigned),
        Err(_) if name.starts_with("HS") => Err(HeaderAlgorithmError::Symmetric(excerpt(name, NAME))),
        Err(error) => Err(HeaderAlgorithmError::Unsupported(error)),
    }
}

/// Whether `header` demands that extensions be understood; none is here (RFC 7515 section 4.1.11).
pub fn has_critical_extensions(header: &Object<'_>) -> bool {
    header.contains("crit")
}

/// Whether `typ` is the media type `expected`, compared without case and with or without the
/// `application/` prefix (RFC 7515 section 4.1.9).
pub fn is_media_type(typ: &str, expected: &str) -> bool {
    const PREFIX: &str = "application/";
    let bare = match typ.get(..PREFIX.len()) {
        Some(prefix) if prefix.eq_ignore_ascii_case(PREFIX) => typ.get(PREFIX.len()..).unwrap_or_default(),
        _ => typ,
    };
    bare.eq_ignore_ascii_case(expected)
}

/// A JWS that waits for its signature.
///
/// ```
/// use keybound::{Algorithm, SigningKey, Signer, UnsignedJws};
///
/// let key = SigningKey::generate(Algorithm::ES256)?;
/// let unsigned = UnsignedJws::new(br#"{"alg":"ES256"}"#, br#"{"sub":"me"}"#);
/// let signature = key.sign(unsigned.signing_input())?; // or ask an HSM or a KMS for it
/// let token = unsigned.attach(&signature);
/// assert_eq!(token.split('.').count(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct UnsignedJws {
    signing_input: String,
}

impl UnsignedJws {
    /// A JWS of this header and this payload, both JSON texts; the header's `alg` must be the signer's.
    pub fn new(header: &[u8], payload: &[u8]) -> Self {
        Self::with_encoded_header(&base64url::encode(header), payload)
    }

    /// As [`UnsignedJws::new`], with a header that was encoded before: proofs of one key share it.
    pub(crate) fn with_encoded_header(encoded_header: &str, payload: &[u8]) -> Self {
        // Room for the payload, the signature of an elliptic curve key, and the dots.
        let capacity = encoded_header.len() + payload.len().div_ceil(3) * 4 + 180;
        let mut signing_input = String::with_capacity(capacity);
        signing_input.push_str(encoded_header);
        signing_input.push('.');
        base64url::encode_to(&mut signing_input, payload);
        Self { signing_input }
    }

    /// What is to be signed.
    pub fn signing_input(&self) -> &[u8] {
        self.signing_input.as_bytes()
    }

    /// The finished JWS, with a signature over [`UnsignedJws::signing_input`].
    pub fn attach(self, signature: &Signature) -> String {
        let mut text = self.signing_input;
        text.push('.');
        base64url::encode_to(&mut text, signature.as_bytes());
        text
    }

    /// The finished JWS, signed by `signer`.
    pub fn sign(self, signer: &dyn Signer) -> Result<String, SignError> {
        let signature = signer.sign(self.signing_input())?;
        Ok(self.attach(&signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_strict_parts_are_a_compact_jws() {
        for (text, error) in [
            ("", JwsError::NotThreeParts),
            ("e30.e30", JwsError::NotThreeParts),
            ("e30.e30.AA.AA", JwsError::NotThreeParts),
            ("e30=.e30.AA", JwsError::NotBase64Url { part: "header" }),
            ("e30.e3 0.AA", JwsError::NotBase64Url { part: "payload" }),
            ("e30.e30.AB", JwsError::NotBase64Url { part: "signature" }),
        ] {
            assert_eq!(UnverifiedJws::decode(text, 64).err(), Some(error), "{text}");
        }
        assert_eq!(
            UnverifiedJws::decode("e30.e30.AA", 9).err(),
            Some(JwsError::TooLarge { found: 10, limit: 9 })
        );
    }

    #[test]
    fn header_and_payload_are_json_objects() {
        let jws = UnverifiedJws::decode("W10.bnVsbA.AA", 64).unwrap();
        assert!(matches!(jws.header(), Err(JwsError::NotStrictJson { part: "header", .. })));
        assert!(matches!(jws.claims(), Err(JwsError::NotStrictJson { part: "payload", .. })));
    }

    #[test]
    fn unsigned_and_symmetric_algorithms_are_named_in_the_refusal() {
        for (header, error) in [
            (r"{}", HeaderAlgorithmError::Missing),
            (r#"{"alg":1}"#, HeaderAlgorithmError::Missing),
            (r#"{"alg":"none"}"#, HeaderAlgorithmError::Unsigned),
            (r#"{"alg":"nOnE"}"#, HeaderAlgorithmError::Unsigned),
            (r#"{"alg":"HS256"}"#, HeaderAlgorithmError::Symmetric("HS256".to_owned())),
        ] {
            assert_eq!(header_algorithm(&Object::parse(header.as_bytes()).unwrap()), Err(error), "{header}");
        }
        for header in [r#"{"alg":"es256"}"#, r#"{"alg":"RS1"}"#, r#"{"alg":""}"#] {
            let object = Object::parse(header.as_bytes()).unwrap();
            assert!(
                matches!(header_algorithm(&object), Err(HeaderAlgorithmError::Unsupported(_))),
                "{header}"
            );
        }
    }

    #[test]
    fn media_types_compare_without_case_and_prefix() {
        for (typ, equal) in [
            ("dpop+jwt", true),
            ("DPoP+JWT", true),
            ("application/dpop+jwt", true),
            ("Application/DPOP+jwt", true),
            ("dpop", false),
            ("JWT", false),
            ("application/", false),
            ("text/dpop+jwt", false),
            ("application/application/dpop+jwt", false),
        ] {
            assert_eq!(is_media_type(typ, "dpop+jwt"), equal, "{typ}");
        }
    }
}
