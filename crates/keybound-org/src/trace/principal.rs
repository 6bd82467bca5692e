//! Who sent a request, as far as it says so. Nothing here is believed: it is to tell which requests belong together.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use keybound::DecodedJwt;
use keybound::excerpt::{NAME, excerpt};
use url::form_urlencoded;

use super::recording::Recording;

/// The parameters in the body of a request, and those in its query.
pub(super) fn parameters(recording: &Recording, headers: &HeaderMap) -> Vec<(String, String)> {
    let body = if is_form(headers) { recording.body.bytes.as_slice() } else { &[] };
    let query = recording.target.query().unwrap_or_default();
    let in_body = form_urlencoded::parse(body).into_owned();
    in_body.chain(form_urlencoded::parse(query.as_bytes()).into_owned()).collect()
}

pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let field = headers.get("content-type").and_then(|field| field.to_str().ok()).unwrap_or_default();
    field.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
}

pub(super) fn parameter<'p>(parameters: &'p [(String, String)], name: &str) -> Option<&'p str> {
    parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Who a request says that it is of.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Principal {
    /// Whoever has an administrator's API token, or says so: a kind of its own, since a client may have any name.
    Administrator,
    /// The client of this id.
    Client(String),
    /// The user name of `Basic`, which is a client id if all is well.
    BasicUser(String),
}

impl Principal {
    /// The client id that may be shown, given which client ids there are.
    pub(super) fn shown_client_id(self, is_client: impl FnOnce(&str) -> bool) -> Option<String> {
        match self {
            Self::Client(id) => Some(id),
            Self::BasicUser(user) => is_client(&user).then_some(user),
            Self::Administrator => None,
        }
    }

    /// The client that it is known by, in whatever way it says so.
    pub(super) fn without_way(self) -> Self {
        match self {
            Self::BasicUser(user) => Self::Client(user),
            other => other,
        }
    }
}

/// Who a request names, in whatever way.
pub(super) fn principal(headers: &HeaderMap, parameters: &[(String, String)]) -> Option<Principal> {
    let parameter = |name| parameter(parameters, name);
    let of_assertion =
        || DecodedJwt::decode(parameter("client_assertion")?).text_claim("sub").map(str::to_owned);
    // The pages carry the authorization request along.
    let of_pages = || {
        let (_, client_id) =
            form_urlencoded::parse(parameter("request")?.as_bytes()).find(|(name, _)| name == "client_id")?;
        Some(client_id.into_owned())
    };
    let of_parameters = || parameter("client_id").map(str::to_owned).or_else(of_assertion).or_else(of_pages);
    of_credentials(headers).or_else(|| Some(Principal::Client(excerpt(&of_parameters()?, NAME))))
}

/// Who the `Authorization` field names.
fn of_credentials(headers: &HeaderMap) -> Option<Principal> {
    let field = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = field.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => {
            let decoded = zeroize::Zeroizing::new(STANDARD.decode(credentials.trim()).ok()?);
            let decoded = std::str::from_utf8(&decoded).ok()?;
            let user = decoded.split_once(':').map_or(decoded, |(user, _)| user);
            let (user, _) = form_urlencoded::parse(user.as_bytes()).next()?;
            Some(Principal::BasicUser(excerpt(&user, NAME)))
        }
        "dpop" | "bearer" => {
            let token = DecodedJwt::decode(credentials);
            let client_id = token.text_claim("client_id").or(token.text_claim("cid"))?;
            Some(Principal::Client(excerpt(client_id, NAME)))
        }
        "ssws" => Some(Principal::Administrator),
        _ => None,
    }
}

/// The thumbprint of the key by which a request proves itself.
pub(super) fn thumbprint(headers: &HeaderMap) -> Option<String> {
    DecodedJwt::decode(headers.get("dpop")?.to_str().ok()?).thumbprint()
}
