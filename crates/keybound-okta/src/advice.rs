//! What to do about what the management API answers: one row for each error that people meet.

use http::StatusCode;

use crate::api_error::OktaError;

const NO_OPERATION: &str = "Check method and path: Okta's description of the management API has no operation with them \
     (`keybound operations WORD` finds one by its name or path).";

/// What to do about a refusal of the management API.
pub(crate) fn on_api_error(error: &OktaError) -> Option<String> {
    if error.lacks_scope() {
        return Some(on_scope(&error.missing_scopes));
    }
    if error.is_no_operation && error.status == StatusCode::NOT_FOUND {
        return Some(NO_OPERATION.to_owned());
    }
    if error.is_by_api_token
        && let Some(advice) = on_api_token(error.status)
    {
        return Some(advice.to_owned());
    }
    let by_code = error.code.as_deref().and_then(on_code);
    by_code.or_else(|| on_status(error.status)).map(str::to_owned)
}

/// Where an administrator's API token was sent.
fn on_api_token(status: StatusCode) -> Option<&'static str> {
    Some(match status {
        StatusCode::UNAUTHORIZED => {
            "The org does not take the API token: check that it is one of this org's and whole, and that it was not \
             revoked, nor left unused for 30 days. A new one: admin console → Security → API → Tokens → Create token."
        }
        StatusCode::FORBIDDEN => {
            "The API token may do what the administrator may who made it, and that is not enough: take one of a Super \
             Administrator. The token may also be kept to a network zone that this machine is not in."
        }
        _ => return None,
    })
}

fn on_scope(missing: &[String]) -> String {
    let scope =
        if missing.is_empty() { "the scope that the call needs".to_owned() } else { missing.join(" and ") };
    format!(
        "Ask for {scope} (OKTA_SCOPES; where none are set, each call asks for what it needs) and grant it to \
         the app: admin console → Applications → the app → Okta API Scopes."
    )
}

/// By Okta's code, or by the error of OAuth.
pub(crate) fn on_code(code: &str) -> Option<&'static str> {
    Some(match code {
        "E0000001" => "Correct the fields that the causes name.",
        "E0000003" => "Send a body that is valid JSON, with `Content-Type: application/json`.",
        "E0000004" | "E0000011" | "invalid_token" => {
            "The org does not take the access token. If the app requires DPoP, don't switch it off here \
             (KEYBOUND_DPOP=off sends Bearer); if tokens were revoked or the app was changed, try again \
             with a new token."
        }
        "E0000006" => {
            "The token is good, but the app may not do this: give it an admin role that may (admin \
             console → Applications → the app → Admin roles; Read-only Administrator is enough for \
             reading), and check that the scope for the call is granted (Okta API Scopes)."
        }
        "E0000007" => "Check the identifier in the path; or the app's admin role doesn't cover it.",
        "E0000009" => "The fault is Okta's: try again later; if it stays, tell Okta the request's id.",
        "E0000015" => "The org's edition doesn't have this feature, or it is not switched on.",
        "E0000016" => "The user is active already; nothing is left to do.",
        "E0000022" => "Check the method against the path.",
        "E0000031" => "Check the search or filter expression: property, operator and quotes.",
        "E0000038" => "The object's present state does not allow it; look at its status first.",
        "E0000047" => "Wait until the rate limit is reset (X-Rate-Limit-Reset), or ask for less.",
        "invalid_dpop_proof" => {
            "The org does not accept the proof. Check the algorithm of the DPoP key (Okta takes RS256, RS384, \
             RS512, ES256, ES384 and ES512), the clock of this machine (date -u), and that nothing between \
             here and the org changes the address of the request."
        }
        "use_dpop_nonce" => {
            "The org goes on asking for another nonce than the one that it gave: check that nothing between here \
             and there takes the header field DPoP-Nonce out."
        }
        _ => return None,
    })
}

/// Where the answer has no code that is known.
pub(crate) fn on_status(status: StatusCode) -> Option<&'static str> {
    Some(match status {
        StatusCode::UNAUTHORIZED => {
            "The org does not take the access token: check that the app requires DPoP if it is on here \
             (KEYBOUND_DPOP), and the other way round."
        }
        StatusCode::FORBIDDEN => {
            "Check the app's admin role and its scopes: admin console → Applications → the app → Admin roles, \
             Okta API Scopes. A network zone of the org may refuse this machine's address, too."
        }
        StatusCode::NOT_FOUND => "Check the path: there is no such thing at this org.",
        StatusCode::TOO_MANY_REQUESTS => {
            "Wait until the rate limit is reset (X-Rate-Limit-Reset), or ask for less."
        }
        status if status.is_server_error() => {
            "The org, or something before it, can't answer just now: try again later (status.okta.com)."
        }
        _ => return None,
    })
}

/// Whether the status says nothing of what was asked for: the same may be answered another time.
pub(crate) fn is_temporary(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::Response;

    use super::*;

    #[test]
    fn every_refusal_of_the_api_that_people_meet_has_its_advice() {
        for (status, code, challenge, words, why) in [
            (400, "E0000001", "", "the causes name", "a field is wrong"),
            (400, "E0000003", "", "valid JSON", "the body can't be read"),
            (401, "E0000004", "", "does not take the access token", "not authenticated"),
            (403, "E0000006", "", "Admin roles", "the admin role is too small"),
            (404, "E0000007", "", "identifier in the path", "no such object"),
            (500, "E0000009", "", "the fault is Okta's", "Okta failed"),
            (401, "E0000011", "", "KEYBOUND_DPOP", "a bound token as Bearer"),
            (403, "E0000011", "", "KEYBOUND_DPOP", "the same with another status"),
            (403, "E0000015", "", "edition", "a feature that the org lacks"),
            (403, "E0000016", "", "active already", "activated twice"),
            (405, "E0000022", "", "method", "a method that the path lacks"),
            (400, "E0000031", "", "filter expression", "a filter that is none"),
            (403, "E0000038", "", "status first", "not in this state"),
            (429, "E0000047", "", "rate limit", "too many requests"),
            (429, "", "", "rate limit", "too many requests, without a body"),
            (401, "", r#"DPoP error="invalid_token""#, "does not take the access token", "by the challenge"),
            (403, "", r#"DPoP error="insufficient_scope""#, "Okta API Scopes", "a scope is missing"),
            (400, "", r#"DPoP error="invalid_dpop_proof""#, "algorithm of the DPoP key", "the proof"),
            (401, "", r#"DPoP error="use_dpop_nonce""#, "DPoP-Nonce", "nonces without an end"),
            (401, "", "", "KEYBOUND_DPOP", "401 without a word"),
            (403, "", "", "network zone", "403 without a word"),
            (404, "", "", "path", "404 without a word"),
            (502, "", "", "status.okta.com", "a gateway"),
            (403, "E9999999", "", "Admin roles", "a code that is not known"),
        ] {
            let mut response = Response::builder().status(status);
            if !challenge.is_empty() {
                response = response.header("www-authenticate", challenge);
            }
            let body = if code.is_empty() { String::new() } else { format!(r#"{{"errorCode":"{code}"}}"#) };
            let error = OktaError::new(response.body(Bytes::from(body)).unwrap(), None);
            let advice = error.advice().unwrap_or_default();
            let found = advice.to_lowercase().contains(&words.to_lowercase());
            assert!(found, "{why} ({status} {code}{challenge}): {advice}");
        }
        let teapot = OktaError::new(Response::builder().status(418).body(Bytes::new()).unwrap(), None);
        assert_eq!(teapot.advice(), None, "nothing is made up");
    }

    #[test]
    fn where_nothing_is_found_by_a_path_that_no_operation_has_the_path_is_to_be_checked() {
        let answer = |status: u16| {
            let body = Bytes::from_static(br#"{"errorCode":"E0000007"}"#);
            OktaError::new(Response::builder().status(status).body(body).unwrap(), None).of_no_operation()
        };
        assert!(answer(404).advice().unwrap().contains("keybound operations"));
        assert!(answer(403).advice().unwrap().contains("identifier"), "what is there but not described");
    }
}
