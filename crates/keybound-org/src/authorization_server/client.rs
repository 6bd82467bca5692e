//! Who the client is (RFC 6749 section 2.3): a key, a secret or nothing, as its app demands, and nothing else.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, ORIGIN};
use http::request::Parts;
use keybound::assertion::{AssertionRefusal, CLIENT_ASSERTION_TYPE, UnverifiedAssertion, VerifiedAssertion};
use keybound::proof::VerifiedProof;
use keybound::{NumericDate, Secret};
use url::form_urlencoded;

use super::AuthorizationServer;
use super::endpoint::Asked;
use super::refusal::TokenRefusal;
use crate::form::Form;
use crate::store::{App, AppStatus, GrantType, Once, TokenEndpointAuthMethod};

/// Bytes of an `Authorization` field with a client id and a secret, at most.
const MAX_BASIC_BYTES: usize = 1024;

/// A client that has proven who it is, as far as its app demands.
pub(super) struct Client {
    pub(super) app: App,
    /// What it proved that with, to be used up.
    assertion: Option<VerifiedAssertion>,
}

/// What a request shows of its client.
enum Credentials<'f> {
    Assertion(&'f str),
    Basic { client_id: String, secret: Secret },
    Post { client_id: &'f str, secret: &'f str },
    None { client_id: Cow<'f, str> },
}

impl AuthorizationServer {
    /// The client of a request to an endpoint.
    pub(super) fn authenticated(
        &self,
        form: &Form,
        asked: &Asked,
        endpoint: &str,
        now: NumericDate,
    ) -> Result<Client, TokenRefusal> {
        let credentials = Credentials::of(form, &asked.head.headers)?;
        let (client_id, assertion) = match &credentials {
            Credentials::Assertion(assertion) => {
                let assertion = UnverifiedAssertion::parse(assertion)?;
                (assertion.client_id().to_owned(), Some(assertion))
            }
            Credentials::Basic { client_id, .. } => (client_id.clone(), None),
            Credentials::Post { client_id, .. } => ((*client_id).to_owned(), None),
            Credentials::None { client_id } => (client_id.clone().into_owned(), None),
        };
        if form.get("client_id").is_some_and(|named| named != client_id) {
            return Err(TokenRefusal::ClientId);
        }
        let app = self.org.store.app(&client_id)?.filter(|app| app.status == AppStatus::Active);
        let Some(app) = app else {
            return Err(match assertion {
                Some(_) => AssertionRefusal::UnknownClient.into(),
                None => TokenRefusal::UnknownClient,
            });
        };
        if !credentials.are_of(app.client.token_endpoint_auth_method) {
            return Err(TokenRefusal::AuthenticationMethod(app.client.token_endpoint_auth_method));
        }
        if !credentials.secret().is_none_or(|secret| is_secret_of(&app, secret)) {
            return Err(TokenRefusal::ClientSecret);
        }
        let verify =
            |assertion: UnverifiedAssertion<'_>| assertion.verify(&self.assertions(endpoint), &app.keys, now);
        let assertion = assertion.map(verify).transpose()?;
        Ok(Client { app, assertion })
    }

    /// Uses up the assertion and the proof: both or, if one was used before, neither.
    pub(super) fn use_up(
        &self,
        client: &Client,
        endpoint: &str,
        proof: Option<&VerifiedProof>,
        now: NumericDate,
    ) -> Result<(), TokenRefusal> {
        let both = self.once(client, endpoint, proof);
        if both.is_empty() { Ok(()) } else { Ok(self.org.store.record_once(&both, now)?) }
    }

    /// What a request to an endpoint uses up: the client's assertion and the proof.
    pub(super) fn once(&self, client: &Client, endpoint: &str, proof: Option<&VerifiedProof>) -> Vec<Once> {
        let leeway = self.assertions(endpoint).leeway;
        let assertion = client.assertion.as_ref().and_then(|assertion| Once::assertion(assertion, leeway));
        assertion.into_iter().chain(proof.map(Once::proof)).collect()
    }
}

impl Client {
    /// Refuses unless the app may get tokens in this way.
    pub(super) fn may_use(&self, grant_type: GrantType) -> Result<(), TokenRefusal> {
        if self.app.client.allows(grant_type) {
            return Ok(());
        }
        let names: Vec<_> = self.app.client.grant_types.iter().map(|allowed| allowed.name()).collect();
        Err(TokenRefusal::GrantNotAllowed { configured: names.join(", ") })
    }
}

/// Refuses a page that shows what can be taken from a page: a credential of the client, or a code that any client could
/// redeem. Only browsers say by whose page they are caused.
pub(super) fn demand_pkce_of_pages(
    headers: &HeaderMap,
    grant_type: GrantType,
    form: &Form,
) -> Result<(), TokenRefusal> {
    let is_refused = match grant_type {
        GrantType::ClientCredentials => true,
        GrantType::AuthorizationCode => form.get("code_verifier").is_none(),
        _ => false,
    };
    if is_refused && headers.contains_key(ORIGIN) { Err(TokenRefusal::PageWithoutPkce) } else { Ok(()) }
}

impl<'f> Credentials<'f> {
    /// The credentials of a request, which come in one way only.
    fn of(form: &'f Form, headers: &HeaderMap) -> Result<Self, TokenRefusal> {
        let assertion = form.get("client_assertion").or(form.get("client_assertion_type"));
        let basic = headers.contains_key(AUTHORIZATION);
        match (assertion, form.get("client_secret"), basic) {
            (Some(_), Some(_), _) | (Some(_), _, true) | (_, Some(_), true) => {
                Err(TokenRefusal::TwoAuthenticationMethods)
            }
            (Some(_), None, false) if form.get("client_assertion_type") == Some(CLIENT_ASSERTION_TYPE) => {
                Ok(Self::Assertion(form.require("client_assertion")?))
            }
            (Some(_), None, false) => {
                Err(TokenRefusal::AuthenticationMethod(TokenEndpointAuthMethod::PrivateKeyJwt))
            }
            (None, None, true) => basic_credentials(headers),
            (None, secret, false) => {
                let client_id = form.get("client_id").ok_or(TokenRefusal::NoClientId)?;
                Ok(match secret {
                    None => Self::None { client_id: client_id.into() },
                    Some(secret) => Self::Post { client_id, secret },
                })
            }
        }
    }

    /// Whether the app's method is shown, or a secret in the other one of its two places, as Okta takes it.
    fn are_of(&self, method: TokenEndpointAuthMethod) -> bool {
        self.method() == method || (self.method().uses_secret() && method.uses_secret())
    }

    const fn method(&self) -> TokenEndpointAuthMethod {
        match self {
            Self::Assertion(_) => TokenEndpointAuthMethod::PrivateKeyJwt,
            Self::Basic { .. } => TokenEndpointAuthMethod::ClientSecretBasic,
            Self::Post { .. } => TokenEndpointAuthMethod::ClientSecretPost,
            Self::None { .. } => TokenEndpointAuthMethod::None,
        }
    }

    fn secret(&self) -> Option<&str> {
        match self {
            Self::Basic { secret, .. } => Some(secret.expose()),
            Self::Post { secret, .. } => Some(secret),
            Self::Assertion(_) | Self::None { .. } => None,
        }
    }
}

/// The client that a request to an authorization server says it is of, by its header fields and its parameters.
pub(crate) fn client_of_request(head: &Parts, body: &[u8]) -> Option<String> {
    let form = Form::of_token_request(&head.headers, body, head.uri.query()).ok()?;
    match Credentials::of(&form, &head.headers).ok()? {
        Credentials::Assertion(assertion) => {
            Some(UnverifiedAssertion::parse(assertion).ok()?.client_id().to_owned())
        }
        Credentials::Basic { client_id, .. } => Some(client_id),
        Credentials::Post { client_id, .. } => Some(client_id.to_owned()),
        Credentials::None { client_id } => Some(client_id.into_owned()),
    }
}

/// In a time that does not tell where they differ.
fn is_secret_of(app: &App, secret: &str) -> bool {
    app.client_secret_hash.as_ref().is_some_and(|hash| hash.is_of(secret))
}

/// RFC 6749 section 2.3.1: both parts are form-encoded, and then go by RFC 7617. A client that has no secret may name
/// itself so too: Okta's own in browsers does when it revokes a token.
fn basic_credentials<'f>(headers: &HeaderMap) -> Result<Credentials<'f>, TokenRefusal> {
    let read = || {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let (Some(field), None) = (fields.next(), fields.next()) else { return None };
        let (scheme, encoded) = field.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Basic") || encoded.len() > MAX_BASIC_BYTES {
            return None;
        }
        let decoded = Secret::new(String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?);
        let (client_id, secret) = decoded.expose().split_once(':').unwrap_or((decoded.expose(), ""));
        let client_id = form_decoded(client_id)?;
        if secret.is_empty() {
            return Some(Credentials::None { client_id: client_id.into() });
        }
        Some(Credentials::Basic { client_id, secret: Secret::new(form_decoded(secret)?) })
    };
    read().ok_or(TokenRefusal::MalformedBasic)
}

fn form_decoded(text: &str) -> Option<String> {
    // A text without `=` and `&` is one name.
    if text.contains(['=', '&']) {
        return None;
    }
    form_urlencoded::parse(text.as_bytes()).next().map(|(name, _)| name.into_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn basic_credentials_are_form_encoded_within() {
        // RFC 6749 section 2.3.1.
        for (text, expected) in [
            ("0oa1:secret", Some(("0oa1", "secret"))),
            ("0oa1:p%3Aw+%2B%2525", Some(("0oa1", "p:w +%25"))),
            ("0oa1:a:b", Some(("0oa1", "a:b"))),
            ("0oa1", Some(("0oa1", ""))),
            ("0oa1:", Some(("0oa1", ""))),
            ("0oa1:a=b", None),
            (":", None),
            (":secret", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            let field = format!("basic {}", STANDARD.encode(text));
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&field).unwrap());
            let found = match basic_credentials(&headers) {
                Ok(Credentials::Basic { client_id, secret }) => Some((client_id, secret.expose().to_owned())),
                Ok(Credentials::None { client_id }) => Some((client_id.into_owned(), String::new())),
                _ => None,
            };
            let found = found.as_ref().map(|(client_id, secret)| (client_id.as_str(), secret.as_str()));
            assert_eq!(found, expected, "{text}");
        }
    }
}
