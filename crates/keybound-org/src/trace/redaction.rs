//! What may be shown of header fields, targets and bodies: by lists of what is known to be harmless. Everything else is
//! left out, so that what nobody thought of is left out too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Uri};
use keybound::excerpt::{NAME, excerpt};
use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::exchange::{Body, Content, Message, REMOVED};
use super::principal::is_form;
use super::recording::RecordedBody;
use crate::admin_token::ssws_token;

/// Header fields whose values are shown.
const SHOWN_FIELDS: [&str; 43] = [
    "accept",
    "accept-encoding",
    "accept-language",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "access-control-request-headers",
    "access-control-request-method",
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "dpop-nonce",
    "etag",
    "host",
    "if-match",
    "if-none-match",
    "origin",
    "pragma",
    "referrer-policy",
    "retry-after",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "transfer-encoding",
    "user-agent",
    "vary",
    "www-authenticate",
    "x-content-type-options",
    "x-frame-options",
    "x-keybound-fault",
    "x-okta-request-id",
    "x-okta-user-agent-extended",
    "x-rate-limit-limit",
    "x-rate-limit-remaining",
    "x-rate-limit-reset",
];

/// Parameters of forms and queries whose values are shown.
const SHOWN_PARAMETERS: [&str; 20] = [
    "client_assertion_type",
    "client_id",
    "code_challenge",
    "code_challenge_method",
    "decision",
    "dpop_jkt",
    "error",
    "error_description",
    "grant_type",
    "iss",
    "limit",
    "max_age",
    "prompt",
    "requested_token_use",
    "response_mode",
    "response_type",
    "scope",
    "sortBy",
    "sortOrder",
    "token_type_hint",
];

/// Members of a JSON answer whose values are shown, if they are no objects.
const SHOWN_MEMBERS: [&str; 21] = [
    "active",
    "aud",
    "client_id",
    "error",
    "error_description",
    "errorCode",
    "errorId",
    "errorLink",
    "errorSummary",
    "exp",
    "expires_in",
    "grant_types_supported",
    "iat",
    "interval",
    "iss",
    "issuer",
    "jwks_uri",
    "scope",
    "token_endpoint",
    "token_type",
    "verification_uri",
];

/// Whether an app has this client id. The user name of `Basic` may be anything else, also a secret.
pub(super) type IsClient<'a> = &'a dyn Fn(&str) -> bool;

/// Header fields and a body as they are shown.
pub(super) fn message(headers: &HeaderMap, body: &RecordedBody, is_client: IsClient<'_>) -> Message {
    let fields = headers.iter().map(|(name, value)| {
        let text = value.to_str().unwrap_or(REMOVED);
        (name.as_str().to_owned(), field(name.as_str(), text, is_client))
    });
    Message { fields: fields.collect(), body: (body.length > 0).then(|| shown_body(headers, body)) }
}

/// The path and the query.
pub(super) fn target(uri: &Uri) -> String {
    match uri.query() {
        None => uri.path().to_owned(),
        Some(query) => format!("{}?{}", uri.path(), shown_query(query)),
    }
}

fn shown_query(query: &str) -> String {
    let shown = shown_parameters(query.as_bytes());
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in shown {
        query.append_pair(&name, &value);
    }
    // What was left out is to be read easily.
    query.finish().replace("%5Bremoved%5D", REMOVED)
}

fn field(name: &str, text: &str, is_client: IsClient<'_>) -> String {
    match name {
        "authorization" => credentials(text, is_client),
        // Decoded, each stands among the tokens.
        "dpop" => jwt(text),
        "location" => location(text),
        _ if SHOWN_FIELDS.contains(&name) => text.to_owned(),
        _ => REMOVED.to_owned(),
    }
}

/// The scheme, and of what follows no more than who it is.
fn credentials(text: &str, is_client: IsClient<'_>) -> String {
    if ssws_token(text).is_some() {
        return format!("SSWS {REMOVED}");
    }
    let Some((scheme, rest)) = text.split_once(' ') else { return REMOVED.to_owned() };
    match scheme.to_ascii_lowercase().as_str() {
        "dpop" | "bearer" => format!("{scheme} {}", jwt(rest)),
        "basic" => {
            let decoded = STANDARD.decode(rest.trim()).map(Zeroizing::new).unwrap_or_default();
            match std::str::from_utf8(&decoded).unwrap_or_default() {
                user if is_client(user) => format!("{scheme} {user}"),
                pair => match pair.split_once(':') {
                    Some((user, _)) if is_client(user) => format!("{scheme} {user}:{REMOVED}"),
                    _ => format!("{scheme} {REMOVED}"),
                },
            }
        }
        _ => REMOVED.to_owned(),
    }
}

/// Where a redirect leads, with what is known to be harmless of its query. A fragment may carry a code.
fn location(text: &str) -> String {
    let (text, fragment) = text.split_once('#').map_or((text, None), |(text, rest)| (text, Some(rest)));
    let shown = match text.split_once('?') {
        None => without_user(text),
        Some((path, query)) => format!("{}?{}", without_user(path), shown_query(query)),
    };
    fragment.map_or_else(|| shown.clone(), |fragment| format!("{shown}#{}", shown_query(fragment)))
}

/// The URI without the user name and password that may stand before its host.
fn without_user(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("//") else { return uri.to_owned() };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}//{REMOVED}@{host}{path}"),
        None => uri.to_owned(),
    }
}

/// A JWT is shown decoded, apart; here stands how long it is.
fn jwt(text: &str) -> String {
    let is_jwt = text.split('.').count() == 3;
    let what = if is_jwt { "a JWT" } else { "a text" };
    format!("[removed: {what} of {} bytes]", text.len())
}

fn shown_body(headers: &HeaderMap, body: &RecordedBody) -> Body {
    let is_json = |headers: &HeaderMap| {
        let field = headers.get("content-type").and_then(|field| field.to_str().ok()).unwrap_or_default();
        field.starts_with("application/json") || field.contains("+json")
    };
    let content = if !body.is_whole() {
        Content::Removed("it was not recorded whole".to_owned())
    } else if is_form(headers) {
        Content::Form(shown_parameters(&body.bytes))
    } else if is_json(headers) {
        match serde_json::from_slice(&body.bytes) {
            Ok(json) => Content::Json(shown_json(json)),
            Err(_) => Content::Removed("it cannot be read as JSON".to_owned()),
        }
    } else {
        Content::Removed("it is neither a form nor JSON".to_owned())
    };
    Body { bytes: body.length, is_cut: !body.is_whole(), content }
}

fn shown_parameters(text: &[u8]) -> Vec<(String, String)> {
    let shown = |name: &str, value: &str| match name {
        _ if value.is_empty() => String::new(),
        "client_assertion" | "id_token_hint" => jwt(value),
        "redirect_uri" | "post_logout_redirect_uri" => location(value),
        _ if SHOWN_PARAMETERS.contains(&name) => value.to_owned(),
        _ => REMOVED.to_owned(),
    };
    // A single word is no form: what came in the place of one may be a secret.
    if !text.is_empty() && !text.contains(&b'=') {
        return vec![(REMOVED.to_owned(), String::new())];
    }
    form_urlencoded::parse(text).map(|(name, value)| (shown_name(&name), shown(&name, &value))).collect()
}

/// The name of a parameter: a secret may stand in its place.
fn shown_name(name: &str) -> String {
    let is_name = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    if name.len() <= 32 && name.bytes().all(is_name) { name.to_owned() } else { REMOVED.to_owned() }
}

/// Of an object its harmless members; of a list how long it is.
fn shown_json(json: Value) -> Value {
    match json {
        Value::Object(members) => Value::Object(members.into_iter().map(shown_member).collect::<Map<_, _>>()),
        Value::Array(items) => Value::String(format!("[removed: a list of {}]", items.len())),
        _ => Value::String(REMOVED.to_owned()),
    }
}

fn shown_member((name, value): (String, Value)) -> (String, Value) {
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    let shown = match (name.as_str(), value) {
        ("access_token" | "id_token", Value::String(token)) => Value::String(jwt(&token)),
        ("errorCauses", Value::Array(causes)) => {
            let summary = |cause: &Value| cause.get("errorSummary").filter(|text| text.is_string()).cloned();
            Value::Array(causes.iter().filter_map(summary).collect())
        }
        (known, value) if SHOWN_MEMBERS.contains(&known) && is_plain(&value) => value,
        (_, Value::Array(items)) => Value::String(format!("[removed: a list of {}]", items.len())),
        _ => Value::String(REMOVED.to_owned()),
    };
    (excerpt(&name, NAME), shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_field_is_shown_what_is_known_to_be_harmless() {
        for (name, text, expected) in [
            ("accept", "*/*", "*/*"),
            ("x-api-key", "s", REMOVED),
            ("cookie", "session=s", REMOVED),
            ("authorization", "DPoP e30.e30.s", "DPoP [removed: a JWT of 9 bytes]"),
            ("authorization", "Bearer s", "Bearer [removed: a text of 1 bytes]"),
            ("authorization", "Basic MG9hMTpz", "Basic 0oa1:[removed]"),
            ("authorization", "Basic MG9hMQ==", "Basic 0oa1"),
            ("authorization", "Basic MG9hOTpz", "Basic [removed]"),
            ("authorization", "Basic s", "Basic [removed]"),
            ("authorization", "SSWS s", "SSWS [removed]"),
            ("authorization", "SSWSs", "SSWS [removed]"),
            ("authorization", "SSWSs e30.e30.s", "SSWS [removed]"),
            ("authorization", "s", REMOVED),
            ("authorization", "Digest s", REMOVED),
            ("dpop", "s", "[removed: a text of 1 bytes]"),
            ("location", "https://a.example/x?code=s&iss=b", "https://a.example/x?code=[removed]&iss=b"),
            ("location", "com.example:/x#code=s", "com.example:/x#code=[removed]"),
            ("location", "/x", "/x"),
            ("location", "https://u:p@a.example/x?iss=@", "https://[removed]@a.example/x?iss=%40"),
        ] {
            assert_eq!(field(name, text, &|client_id| client_id == "0oa1"), expected, "{name}: {text}");
        }
    }

    #[test]
    fn of_a_target_the_path_and_harmless_parameters_are_shown() {
        for (uri, expected) in [
            ("/api/v1/users", "/api/v1/users"),
            ("/api/v1/users?q=s&limit=2&after=s", "/api/v1/users?q=[removed]&limit=2&after=[removed]"),
            ("/x?a%20secret=1", "/x?[removed]=[removed]"),
            ("/x?scope=a+b&state=", "/x?scope=a+b&state="),
            ("/x?asecret", "/x?[removed]="),
        ] {
            assert_eq!(target(&Uri::from_static(uri)), expected);
        }
    }

    #[test]
    fn of_a_form_harmless_parameters_are_shown_and_of_where_it_leads_no_secret() {
        for (form, name, value) in [
            (
                "redirect_uri=https%3A%2F%2Fa.example%2Fb%3Ftoken%3Ds",
                "redirect_uri",
                "https://a.example/b?token=[removed]",
            ),
            ("redirect_uri=https%3A%2F%2Fu%3As%40a.example", "redirect_uri", "https://[removed]@a.example"),
            (
                "post_logout_redirect_uri=a%3A%2Fb%23code%3Ds",
                "post_logout_redirect_uri",
                "a:/b#code=[removed]",
            ),
            ("asecret", REMOVED, ""),
            ("code=", "code", ""),
        ] {
            assert_eq!(shown_parameters(form.as_bytes()), [(name.to_owned(), value.to_owned())], "{form}");
        }
    }

    #[test]
    fn of_an_answer_in_json_the_members_are_shown_that_are_known_to_be_harmless() {
        let error = serde_json::json!({"errorSummary": "x"});
        for (json, expected) in [
            (serde_json::json!([1, 2]), serde_json::json!("[removed: a list of 2]")),
            (serde_json::json!("s"), serde_json::json!(REMOVED)),
            (
                serde_json::json!({"token_type": "DPoP", "refresh_token": "s", "scope": {"s": 1}, "items": [1]}),
                serde_json::json!({
                    "token_type": "DPoP", "refresh_token": REMOVED, "scope": REMOVED, "items": "[removed: a list of 1]",
                }),
            ),
            (
                serde_json::json!({"errorCode": "E1", "errorCauses": [error, {"s": 1}]}),
                serde_json::json!({"errorCode": "E1", "errorCauses": ["x"]}),
            ),
            (serde_json::json!({"x".repeat(1000): 1}), serde_json::json!({"x".repeat(NAME): REMOVED})),
        ] {
            assert_eq!(shown_json(json), expected);
        }
    }
}
