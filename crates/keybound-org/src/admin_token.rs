//! The administrator's API token: what `Authorization: SSWS …` carries.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use keybound::random::{Random, RandomUnavailable};
use zeroize::Zeroizing;

use crate::store::Digest;
use crate::unguessable;

/// Bytes of randomness in a token. Okta's have 42 characters; so have these with their two zeros.
const TOKEN_BYTES: usize = 30;

/// A new token: `00` and forty characters.
pub(crate) fn generate(random: &dyn Random) -> Result<Zeroizing<String>, RandomUnavailable> {
    Ok(Zeroizing::new(["00", &unguessable::text::<TOKEN_BYTES>(random)?].concat()))
}

/// What the server keeps of the token.
pub(crate) struct AdminTokenHash(Digest);

impl AdminTokenHash {
    pub(crate) fn of(token: &str) -> Self {
        Self(Digest::of(token))
    }

    /// Whether a request carries the token, and nothing else, in its one `Authorization` field. `None` if
    /// it carries something of another scheme, or nothing.
    pub(crate) fn authorizes(&self, headers: &HeaderMap) -> Option<bool> {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return None };
        ssws_token(field.to_str().ok()?).map(|token| self.is_of(token))
    }

    /// Whether this is the token; takes the same time whatever is wrong with it.
    pub(crate) fn is_of(&self, token: &str) -> bool {
        self.0.is_of(token)
    }
}

/// The token in an `Authorization` field of the scheme `SSWS`. Okta's SDK for Python, from 3.0 on, writes no space before
/// it, and Okta takes that.
pub(crate) fn ssws_token(field: &str) -> Option<&str> {
    let (scheme, token) = field.split_at_checked("SSWS".len())?;
    (scheme.eq_ignore_ascii_case("SSWS") && !token.is_empty()).then(|| token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use keybound::random::OperatingSystem;

    #[test]
    fn only_the_token_itself_authorizes() {
        let token = generate(&OperatingSystem).unwrap();
        assert_eq!(token.len(), 42);
        let hash = AdminTokenHash::of(&token);
        let good = format!("SSWS {}", token.as_str());
        for (fields, expected) in [
            (vec![good.clone()], Some(true)),
            (vec![good.replace("SSWS", "ssws")], Some(true)),
            (vec![good.replace(' ', "")], Some(true)),
            (vec![good.replace(' ', "  ")], Some(true)),
            (vec![format!("{good}x")], Some(false)),
            (vec![format!("SSWSx{}", token.as_str())], Some(false)),
            (vec![format!("SSW {}", token.as_str())], None),
            (vec!["SSWS ".to_owned()], Some(false)),
            (vec!["SSWS".to_owned()], None),
            (vec![good.replace("SSWS", "Bearer")], None),
            (vec![good.clone(), good], None),
            (vec![], None),
        ] {
            let mut headers = HeaderMap::new();
            for field in &fields {
                headers.append(AUTHORIZATION, HeaderValue::from_str(field).unwrap());
            }
            assert_eq!(hash.authorizes(&headers), expected, "{fields:?}");
        }
    }
}
