//! What the management API says when it refuses a call: Okta's error body.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use keybound_client::{Challenge, ClockOffset, field};
use serde::Deserialize;

use crate::{advice, issuer_advice, null};

/// Okta's identifier of a request, for its support.
const REQUEST_ID: &str = "x-okta-request-id";

/// Causes that are kept of one error; a form with every field wrong has some dozens.
const MAX_CAUSES: usize = 50;

/// A call that the org, or another API that is called by its client, answered with an error.
#[derive(Debug)]
#[non_exhaustive]
pub struct OktaError {
    /// The HTTP status.
    pub status: StatusCode,
    /// Okta's code (`E0000006`), or the error of the `WWW-Authenticate` challenge if there is no body.
    pub code: Option<String>,
    /// Okta's own words.
    pub summary: Option<String>,
    /// What is wrong in particular, field by field.
    pub causes: Vec<String>,
    /// Okta's identifier of the error.
    pub error_id: Option<String>,
    /// Okta's identifier of the request.
    pub request_id: Option<String>,
    /// What the server demands of credentials, where it refused those that it got.
    pub challenge: Option<Challenge>,
    /// How far the local clock is off, if it is: a proof is refused for its time, too.
    pub clock_offset: Option<ClockOffset>,
    /// The scopes that the operation needs, and that were not asked for.
    pub missing_scopes: Vec<String>,
    /// The answer as it came.
    pub response: Response<Bytes>,
    /// Whether the call was authenticated by an administrator's API token.
    pub(crate) is_by_api_token: bool,
    /// Whether it is another API than an org's that answered.
    pub(crate) is_of_other_api: bool,
    /// Whether the management API is known to have no operation with the call's method and path.
    pub(crate) is_no_operation: bool,
}

/// The body, as Okta's API and its OAuth endpoints write it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    error_code: Option<String>,
    error_summary: Option<String>,
    error_id: Option<String>,
    #[serde(deserialize_with = "null::is_empty")]
    error_causes: Vec<Cause>,
    error: Option<String>,
    #[serde(rename = "error_description")]
    error_description: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cause {
    error_summary: String,
}

impl OktaError {
    /// The error that `response` tells; whatever its body is, its status says something.
    pub(crate) fn new(response: Response<Bytes>, clock_offset: Option<ClockOffset>) -> Self {
        let body: Body = serde_json::from_slice(response.body()).unwrap_or_default();
        let challenge = Challenge::refusal(response.headers());
        let told = challenge.clone().unwrap_or_default();
        let readable = |text: Option<String>| text.as_deref().map(field::readable);
        let causes = body.error_causes.into_iter().take(MAX_CAUSES);
        Self {
            status: response.status(),
            code: readable(body.error_code.or(body.error).or(told.error)),
            summary: readable(body.error_summary.or(body.error_description).or(told.error_description)),
            causes: causes.map(|cause| field::readable(&cause.error_summary)).collect(),
            error_id: readable(body.error_id),
            request_id: text(response.headers(), REQUEST_ID),
            challenge,
            clock_offset,
            missing_scopes: Vec::new(),
            response,
            is_by_api_token: false,
            is_of_other_api: false,
            is_no_operation: false,
        }
    }

    /// The same for a call that is no operation of the management API.
    pub(crate) fn of_no_operation(self) -> Self {
        Self { is_no_operation: true, ..self }
    }

    /// The same for a call that needs scopes which its token lacks.
    pub(crate) fn lacking(self, missing_scopes: Vec<String>) -> Self {
        Self { missing_scopes, ..self }
    }

    /// The same for a call by an administrator's API token.
    pub(crate) fn by_api_token(self) -> Self {
        Self { is_by_api_token: true, ..self }
    }

    /// The same of another API than an org's.
    pub(crate) fn of_other_api(self) -> Self {
        Self { is_of_other_api: true, ..self }
    }

    /// What to do about it, where that can be told from the code.
    pub fn advice(&self) -> Option<String> {
        if self.is_of_other_api { issuer_advice::on_api_error(self) } else { advice::on_api_error(self) }
    }

    /// Whether the access token lacks the scope for the call.
    pub fn lacks_scope(&self) -> bool {
        let is_told = self.challenge.as_ref().is_some_and(|challenge| challenge.is("insufficient_scope"));
        is_told || (self.status == StatusCode::FORBIDDEN && !self.missing_scopes.is_empty())
    }
}

impl fmt::Display for OktaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.is_of_other_api { "API" } else { "org" };
        write!(formatter, "the {who} answered {}", self.status)?;
        if let Some(code) = &self.code {
            write!(formatter, ", {code}")?;
        }
        if let Some(summary) = &self.summary {
            write!(formatter, ": {summary}")?;
        }
        if !self.causes.is_empty() {
            write!(formatter, " ({})", self.causes.join("; "))?;
        }
        match (&self.request_id, &self.error_id) {
            (Some(request), Some(error)) => write!(formatter, " [request {request}, error {error}]"),
            (Some(request), None) => write!(formatter, " [request {request}]"),
            (None, Some(error)) => write!(formatter, " [error {error}]"),
            (None, None) => Ok(()),
        }
    }
}

impl std::error::Error for OktaError {}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, challenge: Option<&str>, body: &str) -> OktaError {
        let mut response = Response::builder().status(status).header(REQUEST_ID, "Zx1");
        if let Some(challenge) = challenge {
            response = response.header("WWW-Authenticate", challenge);
        }
        OktaError::new(response.body(Bytes::from(body.to_owned())).unwrap(), None)
    }

    #[test]
    fn an_error_body_is_taken_apart() {
        let error = answer(
            400,
            None,
            r#"{"errorCode":"E0000001","errorSummary":"Api validation failed: login","errorLink":"E0000001",
               "errorId":"oae1","errorCauses":[{"errorSummary":"login: too short"},{"errorSummary":"b"}]}"#,
        );
        assert_eq!(
            error.to_string(),
            "the org answered 400 Bad Request, E0000001: Api validation failed: login \
             (login: too short; b) [request Zx1, error oae1]"
        );
        assert_eq!(error.error_id.as_deref(), Some("oae1"));
        assert!(error.advice().is_some());
    }

    #[test]
    fn whatever_comes_is_an_error_with_a_status() {
        let lacking = r#"DPoP error="insufficient_scope", error_description="not enough""#;
        for (status, challenge, body, code, summary) in [
            (401, None, r#"{"errorCode":"E0000011","errorSummary":"x"}"#, Some("E0000011"), Some("x")),
            (401, Some(r#"DPoP error="invalid_token""#), "", Some("invalid_token"), None),
            (403, Some(lacking), "<html>", Some("insufficient_scope"), Some("not enough")),
            (
                400,
                None,
                r#"{"error":"invalid_request","error_description":"y"}"#,
                Some("invalid_request"),
                Some("y"),
            ),
            (502, None, "<html><body>Bad Gateway</body></html>", None, None),
            (500, None, r#"{"errorCode":"E0000009","errorCauses":null}"#, Some("E0000009"), None),
            (500, None, r#"{"errorCode":7}"#, None, None),
            (500, None, "", None, None),
        ] {
            let error = answer(status, challenge, body);
            assert_eq!((error.code.as_deref(), error.summary.as_deref()), (code, summary), "{body}");
            assert_eq!(error.status.as_u16(), status);
            assert_eq!(error.lacks_scope(), challenge == Some(lacking));
        }
    }
}
