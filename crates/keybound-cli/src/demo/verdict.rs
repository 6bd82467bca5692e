//! Whether a step went as told: status, error code, and what a token is bound to.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use keybound::{Rule, Thumbprint};
use serde_json::Value;

use super::redaction::decoded;
use super::stage::{Exchange, Scene};
use super::story::Expected;

/// `Err` says in a few words what is otherwise than told.
pub(super) fn judge(expected: &Expected, scene: &Scene, app_key: Thumbprint) -> Result<(), String> {
    match (expected, scene) {
        (Expected::Done, Scene::Settled(_)) => Ok(()),
        (Expected::Token { token_type }, Scene::Exchanged(exchange)) => token(token_type, exchange, app_key),
        (Expected::Users, Scene::Exchanged(exchange)) => users(exchange),
        (Expected::Refused { status, error, rule }, Scene::Exchanged(exchange)) => {
            refused(*status, error, *rule, exchange)
        }
        _ => Err("this act cannot lead to what was told".to_owned()),
    }
}

fn token(token_type: &str, exchange: &Exchange, app_key: Thumbprint) -> Result<(), String> {
    has_status(StatusCode::OK, exchange)?;
    let body = json_body(&exchange.response).ok_or("the answer is not JSON")?;
    let found = body.get("token_type").and_then(Value::as_str);
    equal("token_type", found, Some(token_type))?;
    let claims = body.get("access_token").and_then(Value::as_str).and_then(decoded).map(|(_, claims)| claims);
    let bound_to = claims.as_ref().and_then(|claims| claims.pointer("/cnf/jkt")?.as_str());
    let app_key = app_key.to_string();
    equal("cnf.jkt", bound_to, (token_type == "DPoP").then_some(app_key.as_str()))
}

fn users(exchange: &Exchange) -> Result<(), String> {
    has_status(StatusCode::OK, exchange)?;
    match json_body(&exchange.response) {
        Some(Value::Array(users)) if !users.is_empty() => Ok(()),
        Some(Value::Object(user)) if user.contains_key("profile") => Ok(()),
        _ => Err("the answer holds no users".to_owned()),
    }
}

fn refused(status: u16, error: &str, rule: Rule, exchange: &Exchange) -> Result<(), String> {
    let found = exchange.response.status().as_u16();
    equal("status", Some(found.to_string().as_str()), Some(status.to_string().as_str()))?;
    let headers = exchange.response.headers();
    let Some(found) = challenge(headers, "error") else {
        // A token endpoint says it in its body, in Okta's words, which name no rule.
        let body = json_body(&exchange.response);
        return equal("error", body.as_ref().and_then(|body| body.get("error")?.as_str()), Some(error));
    };
    equal("error", Some(found), Some(error))?;
    let description = challenge(headers, "error_description").unwrap_or_default();
    if description.contains(&format!("[{}]", rule.source())) {
        Ok(())
    } else {
        Err(format!("the rule is not {}: {description}", rule.source()))
    }
}

fn has_status(expected: StatusCode, exchange: &Exchange) -> Result<(), String> {
    equal("status", Some(exchange.response.status().as_str()), Some(expected.as_str()))
}

fn equal(what: &str, found: Option<&str>, expected: Option<&str>) -> Result<(), String> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (found.unwrap_or("nothing"), expected.unwrap_or("nothing"));
    Err(format!("{what} is {found}, and should be {expected}"))
}

/// A parameter of the first challenge that has it (RFC 9110 section 11.6.1).
pub(super) fn challenge<'a>(headers: &'a HeaderMap, parameter: &str) -> Option<&'a str> {
    let start = format!("{parameter}=\"");
    headers.get_all(header::WWW_AUTHENTICATE).iter().find_map(|challenge| {
        let (_, rest) = challenge.to_str().ok()?.split_once(&start)?;
        rest.split('"').next()
    })
}

pub(super) fn json_body(response: &Response<Bytes>) -> Option<Value> {
    serde_json::from_slice(response.body()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn scene(status: u16, challenge: &str, body: &'static str) -> Scene {
        let response = Response::builder()
            .status(status)
            .header(header::WWW_AUTHENTICATE, challenge)
            .body(Bytes::from_static(body.as_bytes()))
            .unwrap();
        Scene::Exchanged(Box::new(Exchange { request: Request::new(Bytes::new()), response }))
    }

    #[test]
    fn only_what_was_told_is_as_told() {
        let app_key: Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse().unwrap();
        let refused = Expected::Refused { status: 401, error: "invalid_dpop_proof", rule: Rule::Replay };
        let challenge = r#"DPoP error="invalid_dpop_proof", error_description="x [RFC 9449 section 11.1]""#;
        let other_rule = challenge.replace("11.1", "4.3, check 9");
        for (expected, scene, as_told, why) in [
            (Expected::Users, scene(200, "", r#"[{"id":"00u1"}]"#), true, "users"),
            (Expected::Users, scene(200, "", "[]"), false, "no users"),
            (Expected::Users, scene(401, "", r#"[{"id":"00u1"}]"#), false, "refused"),
            (refused, scene(401, challenge, ""), true, "refused by the challenge"),
            (refused, scene(401, "", r#"{"error":"invalid_dpop_proof"}"#), true, "refused by the body"),
            (refused, scene(401, r#"DPoP error="invalid_token""#, ""), false, "another error"),
            (refused, scene(401, &other_rule, ""), false, "another rule"),
            (refused, scene(400, challenge, ""), false, "another status"),
            (refused, scene(200, "", r#"[{"id":"00u1"}]"#), false, "the thief got in"),
            (
                Expected::Token { token_type: "DPoP" },
                scene(200, "", r#"{"token_type":"Bearer"}"#),
                false,
                "downgraded",
            ),
            (
                Expected::Token { token_type: "DPoP" },
                scene(200, "", r#"{"token_type":"DPoP","access_token":"e30.e30.x"}"#),
                false,
                "bound to nothing",
            ),
        ] {
            assert_eq!(judge(&expected, &scene, app_key).is_ok(), as_told, "{why}");
        }
    }
}
