//! How a client says who it is to an authorization server (RFC 6749 section 2.3, RFC 7521 section 4.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use zeroize::Zeroizing;

use super::ASSERTION_LIFETIME;
use crate::algorithm::Algorithm;
use crate::assertion::ClientAssertion;
use crate::jws::UnsignedJws;
use crate::numeric_date::NumericDate;
use crate::random::{Random, RandomUnavailable};
use crate::secret::Secret;

/// A client as an authorization server knows it.
#[derive(Clone, Debug)]
pub struct ClientIdentity {
    /// The client's id (RFC 6749 section 2.2).
    pub id: String,
    /// How it authenticates.
    pub authentication: ClientAuthentication,
}

/// A method of client authentication, by its name in the registry of RFC 7591 section 2.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// `private_key_jwt`: an assertion signed with the client's key (RFC 7523 section 2.2).
    PrivateKeyJwt {
        /// The algorithm of the client's key.
        algorithm: Algorithm,
        /// `aud` of the assertion: the server's issuer (RFC 7523bis) or, as Okta wants it, its token
        /// endpoint.
        audience: String,
        /// The id under which the client's key is registered.
        key_id: Option<String>,
    },
    /// `client_secret_basic`: the secret in `Authorization` (RFC 6749 section 2.3.1).
    SecretBasic(Secret),
    /// `client_secret_post`: the secret in the form (RFC 6749 section 2.3.1).
    SecretPost(Secret),
    /// `none`: a public client, which can keep no secret (RFC 6749 section 2.1).
    None,
}

impl ClientIdentity {
    /// A public client, as programs on a user's machine are (RFC 8252 section 8.4).
    pub fn public(id: impl Into<String>) -> Self {
        Self { id: id.into(), authentication: ClientAuthentication::None }
    }

    /// Whether it has no authentication, so that its refresh tokens are bound to its DPoP key instead
    /// (RFC 9449 section 5).
    pub fn is_public(&self) -> bool {
        matches!(self.authentication, ClientAuthentication::None)
    }

    /// What a request to an endpoint carries of it; an assertion is yet to be signed.
    pub(super) fn prepare(
        &self,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<Credentials, RandomUnavailable> {
        Ok(match &self.authentication {
            ClientAuthentication::PrivateKeyJwt { algorithm, audience, key_id } => {
                let assertion = ClientAssertion {
                    client_id: &self.id,
                    audience,
                    lifetime: ASSERTION_LIFETIME,
                    key_id: key_id.as_deref(),
                };
                Credentials::Assertion(*algorithm, assertion.prepare(*algorithm, now, random)?)
            }
            ClientAuthentication::SecretBasic(secret) => Credentials::Basic(basic(&self.id, secret)),
            ClientAuthentication::SecretPost(secret) => Credentials::Post(self.id.clone(), secret.clone()),
            ClientAuthentication::None => Credentials::Named(self.id.clone()),
        })
    }
}

impl ClientAuthentication {
    /// The value of `Authorization` that the client `id` sends, where that is how it authenticates
    /// (`client_secret_basic`). It is marked as sensitive.
    pub fn authorization(&self, id: &str) -> Option<HeaderValue> {
        match self {
            Self::SecretBasic(secret) => Some(basic(id, secret)),
            _ => None,
        }
    }

    /// Its name in `token_endpoint_auth_methods_supported` (RFC 8414 section 2).
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PrivateKeyJwt { .. } => "private_key_jwt",
            Self::SecretBasic(_) => "client_secret_basic",
            Self::SecretPost(_) => "client_secret_post",
            Self::None => "none",
        }
    }
}

/// What one request carries of the client.
pub(super) enum Credentials {
    /// An assertion for the client's key of this algorithm.
    Assertion(Algorithm, UnsignedJws),
    /// The value of `Authorization`.
    Basic(HeaderValue),
    /// `client_id` and `client_secret`.
    Post(String, Secret),
    /// `client_id` alone (RFC 6749 section 3.2.1).
    Named(String),
}

/// Id and secret, each in the encoding of forms, joined by a colon, in base64 (RFC 6749 section 2.3.1).
#[expect(clippy::expect_used, reason = "base64 is legal in a header field")]
fn basic(id: &str, secret: &Secret) -> HeaderValue {
    let encoded =
        |text: &str| Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
    let pair = Zeroizing::new(format!("{}:{}", *encoded(id), *encoded(secret.expose())));
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    let mut value = HeaderValue::from_str(&text).expect("base64 is a legal field value");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_form_encoded_before_it_is_base64() {
        for (id, secret, encoded, why) in [
            (
                "s6BhdRkqt3",
                "7Fjfp0ZBr1KtDRbnfVdmIw",
                "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3",
                "the example of RFC 6749 section 2.3.1",
            ),
            ("a:b", "c", "Basic YSUzQWI6Yw==", "a colon in the id (`a%3Ab:c`): RFC 6749 section 2.3.1"),
            ("a", "b +é", "Basic YTpiKyUyQiVDMyVBOQ==", "space, plus and UTF-8 (`a:b+%2B%C3%A9`)"),
        ] {
            let field = basic(id, &Secret::new(secret));
            assert_eq!(field.to_str().unwrap(), encoded, "{why}");
            assert!(field.is_sensitive(), "{why}");
        }
    }
}
