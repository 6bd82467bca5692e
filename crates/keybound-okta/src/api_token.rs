//! An administrator's API token, which Okta's console makes (Security → API → Tokens): the one credential for the
//! management API that comes before any app is there.

use std::fmt;

use http::HeaderValue;
use zeroize::Zeroizing;

/// Bytes of a token, at most; Okta's have 42.
pub const MAX_API_TOKEN_BYTES: usize = 256;

/// The scheme of Okta's own under which the token is sent.
const SCHEME: &str = "SSWS";

/// An API token. It is bound to nothing: whoever has it can do all that the administrator may who made it, so it is
/// sent to the org and shown nowhere.
#[derive(Clone)]
pub struct ApiToken(Zeroizing<String>);

/// Why a text is no API token. The text itself is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiTokenError {
    /// Nothing, or blanks.
    #[error("it is empty")]
    Empty,
    /// Longer than [`MAX_API_TOKEN_BYTES`].
    #[error("it is longer than {MAX_API_TOKEN_BYTES} bytes")]
    TooLong,
    /// Something that no token has: a blank, a control character, a letter outside ASCII.
    #[error("it has characters that no token has; there must be nothing beside the token")]
    NotAToken,
}

impl ApiToken {
    /// Takes a token as people keep it: with a line end after it, or `SSWS` before it.
    pub fn parse(text: &str) -> Result<Self, ApiTokenError> {
        let text = text.trim();
        let token = match text.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(SCHEME) => token.trim_start(),
            _ => text,
        };
        if token.is_empty() {
            return Err(ApiTokenError::Empty);
        }
        if token.len() > MAX_API_TOKEN_BYTES {
            return Err(ApiTokenError::TooLong);
        }
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ApiTokenError::NotAToken);
        }
        Ok(Self(Zeroizing::new(token.to_owned())))
    }

    /// The value of `Authorization`, kept out of `Debug` output and out of the compression tables of HTTP/2.
    pub(crate) fn authorization(&self) -> Result<HeaderValue, ApiTokenError> {
        let value = Zeroizing::new(format!("{SCHEME} {}", *self.0));
        let mut value = HeaderValue::from_str(&value).map_err(|_| ApiTokenError::NotAToken)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_taken_as_people_keep_it_and_nothing_else_is() {
        let (longest, longer) = ("a".repeat(MAX_API_TOKEN_BYTES), "a".repeat(MAX_API_TOKEN_BYTES + 1));
        for (text, expected, why) in [
            ("00aB-_x", Ok("SSWS 00aB-_x"), "as it is"),
            (" 00aB\r\n", Ok("SSWS 00aB"), "a line of a file"),
            ("ssws  00aB", Ok("SSWS 00aB"), "as it stands in a header field"),
            (longest.as_str(), Ok(""), "the longest"),
            (longer.as_str(), Err(ApiTokenError::TooLong), "a byte more"),
            (" \n", Err(ApiTokenError::Empty), "blanks"),
            ("SSWS ", Ok("SSWS SSWS"), "no scheme, since nothing comes after it"),
            ("00a 00b", Err(ApiTokenError::NotAToken), "two words"),
            ("00a\n00b", Err(ApiTokenError::NotAToken), "two lines"),
            ("00ä", Err(ApiTokenError::NotAToken), "not ASCII"),
        ] {
            let token = ApiToken::parse(text).and_then(|token| token.authorization());
            match expected {
                Ok("") => assert!(token.is_ok(), "{why}"),
                Ok(value) => {
                    let token = token.unwrap();
                    assert!(token.is_sensitive() && token.as_bytes() == value.as_bytes(), "{why}");
                }
                Err(error) => assert_eq!(token.unwrap_err(), error, "{why}"),
            }
        }
    }
}
