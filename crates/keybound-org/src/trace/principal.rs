//! Who sent a request, as far as it says so. Nothing here is believed: it is to tell which requests belong together.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use keybound::DecodedJwt;
use keybound::excerpt::{NAME, excerpt};
use url::form_urlencoded;

use super::recording::Recording;

/// The parameters in the body of a request, or else in its query.
pub(super) fn parameters(recording: &Recording, headers: &HeaderMap) -> Vec<(String, String)> {
    let query = recording.target.query().unwrap_or_default().as_bytes();
    let text = if is_form(headers) { recording.body.bytes.as_slice() } else { query };
    form_urlencoded::parse(text).into_owned().collect()
}

pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let field = headers.get("content-type").and_then(|field| field.to_str().ok()).unwrap_or_default();
    field.trim_start().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded")
}

pub(super) fn parameter<'p>(parameters: &'p [(String, String)], name: &str) -> Option<&'p str> {
    parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// The client id that a request names, in whatever way.
pub(super) fn client_id(headers: &HeaderMap, parameters: &[(String, String)]) -> Option<String> {
    let parameter = |name| parameter(parameters, name);
    let of_assertion =
        || DecodedJwt::decode(parameter("client_assertion")?).text_claim("sub").map(str::to_owned);
    // The pages carry the authorization request along.
    let of_pages = || {
        let (_, client_id) =
            form_urlencoded::parse(parameter("request")?.as_bytes()).find(|(name, _)| name == "client_id")?;
        Some(client_id.into_owned())
    };
    let found = of_credentials(headers)
        .or_else(|| parameter("client_id").map(str::to_owned))
        .or_else(of_assertion)
        .or_else(of_pages)?;
    Some(excerpt(&found, NAME))
}

/// The client id in the `Authorization` field.
fn of_credentials(headers: &HeaderMap) -> Option<String> {
    let field = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = field.split_once(' ')?;
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => {
            let decoded = zeroize::Zeroizing::new(STANDARD.decode(credentials.trim()).ok()?);
            let (user, _) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
            form_urlencoded::parse(user.as_bytes()).next().map(|(name, _)| name.into_owned())
        }
        "dpop" | "bearer" => {
            let token = DecodedJwt::decode(credentials);
            token.text_claim("client_id").or(token.text_claim("cid")).map(str::to_owned)
        }
        "ssws" => Some("administrator".to_owned()),
        _ => None,
    }
}

/// The thumbprint of the key by which a request proves itself.
pub(super) fn thumbprint(headers: &HeaderMap) -> Option<String> {
    DecodedJwt::decode(headers.get("dpop")?.to_str().ok()?).thumbprint()
}
