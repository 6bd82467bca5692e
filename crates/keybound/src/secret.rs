//! A secret text: wiped from memory when it is dropped, and in no `Debug` text.

use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::base64url;
use crate::random::{Random, RandomUnavailable};

/// Random bytes of a secret that this crate makes: 256 bits, as RFC 7636 section 4.1 recommends, 43
/// characters of base64url.
const SECRET_BYTES: usize = 32;

/// A client secret, a code, a refresh token, an ID token, or what else is worth stealing.
///
/// ```
/// use keybound::Secret;
///
/// let secret = Secret::new("not for the log");
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// assert_eq!(secret.expose(), "not for the log");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// A new one of 256 random bits: 43 characters that a URI and a form take unchanged.
    pub(crate) fn generate(random: &dyn Random) -> Result<Self, RandomUnavailable> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        random.fill(bytes.as_mut_slice())?;
        Ok(Self::new(base64url::encode(bytes.as_slice())))
    }

    /// The text itself, to send it or to store it where secrets are kept.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Secret {
    /// In a time that does not tell where they differ.
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret(..)")
    }
}
