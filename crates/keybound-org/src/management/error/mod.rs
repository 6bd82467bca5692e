//! The errors of the management API, with Okta's codes and words.
//!
//! Where a rule was broken, `errorCauses` says which: more than Okta tells, and what a developer needs.

mod conversion;
mod state;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use keybound::credentials::CredentialsRefusal;
use keybound::{Refusal, Rule};
use serde_json::json;

use crate::answer::RefusedBy;
use crate::trace::MAX_LISTENERS;

/// What an error answer says. It becomes a response in two steps: here with its status and header fields,
/// and with its body where the request's identifiers are made ([`crate::answer`]).
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    summary: String,
    causes: Vec<String>,
    /// The rule that was broken, for the log.
    pub(crate) rule: Option<Rule>,
    fields: Vec<(HeaderName, HeaderValue)>,
}

const NO_PERMISSION: &str = "You do not have permission to perform the requested action";

/// Characters of an identifier that an error repeats, at most: a hostile one may have kilobytes.
const SHOWN_CHARACTERS: usize = 100;

/// So much of an identifier that came from outside.
fn shown(id: &str) -> String {
    id.chars().take(SHOWN_CHARACTERS).collect()
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, summary: impl Into<String>) -> Self {
        let summary = summary.into();
        Self { status, code, summary, causes: Vec::new(), rule: None, fields: Vec::new() }
    }

    fn because(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    /// What was sent breaks a rule for `subject`.
    pub(crate) fn invalid(subject: &str, causes: impl IntoIterator<Item = String>) -> Self {
        let error =
            Self::new(StatusCode::BAD_REQUEST, "E0000001", format!("Api validation failed: {subject}"));
        Self { causes: causes.into_iter().collect(), ..error }
    }

    /// The body is not the JSON that it should be.
    pub(crate) fn unreadable_body(cause: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "E0000003", "The request body was not well-formed.").because(cause)
    }

    /// The body is larger than is taken.
    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            ..Self::unreadable_body(format!("The body is larger than {limit} bytes."))
        }
    }

    /// Whoever asks may not do this.
    pub(crate) fn no_permission(cause: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "E0000006", NO_PERMISSION).because(cause)
    }

    /// The SSWS token is not this org's.
    pub(crate) fn unknown_admin_token() -> Self {
        let cause = "the SSWS token is not the one that this org was started with";
        let error = Self::from(Refusal::from(CredentialsRefusal::OtherScheme));
        Self { causes: vec![cause.to_owned()], ..error }
    }

    /// The name and the password are not those of a user who may sign in.
    pub(super) fn authentication_failed(cause: Option<&str>) -> Self {
        let error = Self::new(StatusCode::UNAUTHORIZED, "E0000004", "Authentication failed");
        Self { causes: cause.map(str::to_owned).into_iter().collect(), ..error }
    }

    /// There is no user of this id or login.
    pub(super) fn no_such_user(id_or_login: &str) -> Self {
        Self::no_such("User", id_or_login)
    }

    /// There is nothing of this kind that has this id.
    pub(crate) fn no_such(kind: &str, id: &str) -> Self {
        let summary = format!("Not found: Resource not found: {} ({kind})", shown(id));
        Self::new(StatusCode::NOT_FOUND, "E0000007", summary)
    }

    /// Okta's API has the operation, and this org does not serve it.
    pub(crate) fn not_served(operation: &str) -> Self {
        let cause = format!("exists in Okta's API, not served by the local org: {operation}");
        Self::no_such_path().because(cause)
    }

    /// There is nothing at this path.
    pub(crate) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "E0000007", "Not found: Resource not found: the path (Endpoint)")
    }

    /// There is something at this path, and not for this method.
    pub(crate) fn no_such_method() -> Self {
        let summary = "The endpoint does not support the provided HTTP method";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "E0000022", summary)
    }

    /// The filter, search or order is one that this org does not know.
    pub(super) fn invalid_search(cause: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "E0000031", "Invalid search criteria.").because(cause)
    }

    /// The minute's requests are used up.
    pub(crate) fn rate_limited() -> Self {
        let summary = "API call exceeded rate limit due to too many requests.";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "E0000047", summary)
    }

    /// As many listen to the trace as may.
    pub(crate) fn too_many_listeners() -> Self {
        let summary = "Too many listen to the trace already.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "E0000047", summary)
            .because(format!("{MAX_LISTENERS} can listen at once; end one of them, or ask for the list"))
    }

    /// The server failed, with this status.
    pub(crate) fn server_error(status: StatusCode) -> Self {
        Self::new(status, "E0000009", "Internal Server Error")
    }

    /// The fault is the org's.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "the org failed");
        Self::server_error(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What was refused, and why, for whoever records answers.
    pub(crate) fn refused_by(&self) -> RefusedBy {
        let reason = self.causes.first().unwrap_or(&self.summary).clone();
        RefusedBy { rule: self.rule, reason }
    }

    /// How the request ended.
    pub(crate) const fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong, for people.
    pub(crate) fn summary(&self) -> &str {
        &self.summary
    }

    /// Why, each with the member of the body that it is about in front of it, if it is about one.
    pub(crate) fn causes(&self) -> &[String] {
        &self.causes
    }

    /// The answer with its body; header fields that it got on its way stay.
    pub(crate) fn complete(self, mut answer: Response, error_id: &str) -> Response {
        let causes: Vec<_> = self.causes.iter().map(|cause| json!({ "errorSummary": cause })).collect();
        let body = json!({
            "errorCode": self.code,
            "errorSummary": self.summary,
            "errorLink": self.code,
            "errorId": error_id,
            "errorCauses": causes,
        });
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        answer.headers_mut().remove(CONTENT_LENGTH);
        *answer.body_mut() = Body::from(body.to_string());
        answer
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        for (name, value) in &self.fields {
            response.headers_mut().append(name, value.clone());
        }
        response.extensions_mut().insert(self);
        response
    }
}
