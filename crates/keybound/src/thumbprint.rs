//! The thumbprint of a key (RFC 7638), which names it whatever its `kid`: in `cnf.jkt`, in `dpop_jkt`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use subtle::ConstantTimeEq as _;

use crate::base64url;
use crate::cryptography::{SHA256_BYTES, sha256};

/// SHA-256 over the required members of a public JWK, in lexical order and without white space
/// (RFC 7638 section 3). Its text is base64url of 43 characters.
///
/// ```
/// use keybound::{PublicKey, Thumbprint};
///
/// let key = PublicKey::from_jwk(
///     br#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
/// )?;
/// let thumbprint: Thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".parse()?; // RFC 8037 A.3
/// assert_eq!(key.thumbprint(), thumbprint);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy)]
pub struct Thumbprint([u8; SHA256_BYTES]);

impl Thumbprint {
    /// The 32 bytes of the hash.
    pub const fn as_bytes(&self) -> &[u8; SHA256_BYTES] {
        &self.0
    }

    /// The hash over `canonical_jwk`, the text that RFC 7638 section 3 describes.
    pub(crate) fn of_canonical_jwk(canonical_jwk: &str) -> Self {
        Self(sha256(canonical_jwk.as_bytes()))
    }
}

impl PartialEq for Thumbprint {
    /// In a time that does not tell where they differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Thumbprint {}

impl Hash for Thumbprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&base64url::encode(self.0))
    }
}

impl fmt::Debug for Thumbprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Thumbprint({self})")
    }
}

impl FromStr for Thumbprint {
    type Err = NotAThumbprint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        base64url::decode_array(text).map(Self).map_err(|_| NotAThumbprint)
    }
}

/// The text is not the base64url of a SHA-256 hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JWK thumbprint: 43 characters of base64url, the SHA-256 of the key (RFC 7638)")]
#[non_exhaustive]
pub struct NotAThumbprint;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_43_characters_of_strict_base64url_are_a_thumbprint() {
        let text = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        assert_eq!(text.parse::<Thumbprint>().unwrap().to_string(), text);
        for (text, why) in [
            ("", "empty"),
            ("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I=", "padding"),
            ("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4J", "trailing bits"),
            ("0ZcOCORZNYy+DWpqq30jZyJGHTN0d2HglBV3uiguA4I", "the alphabet of plain base64"),
            ("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uigu", "too short"),
            ("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4IA", "too long"),
        ] {
            assert_eq!(text.parse::<Thumbprint>(), Err(NotAThumbprint), "{why}");
        }
    }
}
