//! What is shown of a secret: enough to recognise it, not enough to use it.

use keybound::base64url;
use serde_json::Value;

/// What stands in place of a private key.
const HIDDEN: &str = "[not shown]";

/// Characters of a JWS part that are shown: its beginning is the same in all of a kind.
const SHOWN_CHARACTERS: usize = 12;

/// Shows tokens, assertions and proofs whole, or cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Redaction {
    pub(super) show_secrets: bool,
}

impl Redaction {
    /// A compact JWS as `header….payload….[signature cut]`; another token as its first characters.
    pub(super) fn token(self, token: &str) -> String {
        if self.show_secrets {
            return token.to_owned();
        }
        let mut parts = token.split('.');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(header), Some(payload), Some(_)) => {
                format!("{}….{}….[signature cut]", beginning(header), beginning(payload))
            }
            _ => format!("{}…[cut]", token.chars().take(4).collect::<String>()),
        }
    }

    /// A private key whole, or not at all.
    pub(super) fn key(self, pem: &str) -> &str {
        if self.show_secrets { pem } else { HIDDEN }
    }
}

fn beginning(part: &str) -> String {
    part.chars().take(SHOWN_CHARACTERS).collect()
}

/// Header and claims of a compact JWS, decoded and not verified.
pub(super) fn decoded(jws: &str) -> Option<(Value, Value)> {
    let mut parts = jws.split('.').map(|part| {
        let json = base64url::decode(part).ok()?;
        serde_json::from_slice::<Value>(&json).ok()
    });
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWS: &str = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIwb2ExMjM0NTY3ODkwIn0.c2lnbmF0dXJlLW9mLXRoaXM";

    #[test]
    fn a_token_is_cut_unless_secrets_are_asked_for() {
        let cut = Redaction { show_secrets: false }.token(JWS);
        assert_eq!(cut, "eyJhbGciOiJF….eyJzdWIiOiIw….[signature cut]");
        assert_eq!(Redaction { show_secrets: true }.token(JWS), JWS);
        assert_eq!(Redaction { show_secrets: false }.token("opaque-token"), "opaq…[cut]");
    }

    #[test]
    fn header_and_claims_are_decoded() {
        let (header, claims) = decoded(JWS).unwrap();
        assert_eq!((header["alg"].as_str(), claims["sub"].as_str()), (Some("ES256"), Some("0oa1234567890")));
        assert!(decoded("a.b").is_none());
    }
}
