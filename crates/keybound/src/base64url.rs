//! Base64url without padding, strictly (RFC 7515 section 2, RFC 4648 section 5).
//!
//! One byte string has exactly one encoding here: padding, other alphabets, white space and
//! non-zero trailing bits are refused, so a signed text cannot be changed and stay equal.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The text is not strict base64url.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not base64url without padding (RFC 7515 section 2)")]
#[non_exhaustive]
pub struct NotBase64Url;

/// Encodes `bytes`; the result has ⌈4n/3⌉ characters of `A-Z a-z 0-9 - _`.
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends the encoding of `bytes` to `text`.
pub fn encode_to(text: &mut String, bytes: impl AsRef<[u8]>) {
    URL_SAFE_NO_PAD.encode_string(bytes, text);
}

/// Decodes `text`, refusing everything that [`encode`] would not have written.
pub fn decode(text: impl AsRef<[u8]>) -> Result<Vec<u8>, NotBase64Url> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| NotBase64Url)
}

/// Appends what `text` decodes to to `bytes`, as [`decode`]; after an error they are not to be used.
pub(crate) fn decode_to(bytes: &mut Vec<u8>, text: &str) -> Result<(), NotBase64Url> {
    URL_SAFE_NO_PAD.decode_vec(text, bytes).map_err(|_| NotBase64Url)
}

/// Decodes `text` into exactly `N` bytes.
pub fn decode_array<const N: usize>(text: impl AsRef<[u8]>) -> Result<[u8; N], NotBase64Url> {
    let mut bytes = [0; N];
    match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(length) if length == N => Ok(bytes),
        _ => Err(NotBase64Url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_the_one_canonical_text_is_accepted() {
        for (text, why) in [
            ("QQ==", "padding"),
            ("QR", "trailing bits are not zero"),
            ("+w", "the alphabet of plain base64"),
            ("Q Q", "white space"),
            ("Q", "a length that no byte string has"),
        ] {
            assert_eq!(decode(text), Err(NotBase64Url), "{why}");
        }
        assert_eq!(decode("QQ"), Ok(b"A".to_vec()));
        assert_eq!(decode_array::<2>("QQ"), Err(NotBase64Url), "a length that is not asked for");
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself(bytes: Vec<u8>) {
            prop_assert_eq!(decode(encode(&bytes)), Ok(bytes));
        }

        #[test]
        fn what_decodes_encodes_to_itself(text in "[A-Za-z0-9_-]{0,64}") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(encode(bytes), text);
            }
        }
    }
}
