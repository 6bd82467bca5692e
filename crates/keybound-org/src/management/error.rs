//! The errors of the management API, with Okta's codes and words.
//!
//! Where a rule was broken, `errorCauses` says which: more than Okta tells, and what a developer needs.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use keybound::credentials::CredentialsRefusal;
use keybound::random::RandomUnavailable;
use keybound::{Refusal, Rule, description};
use serde_json::json;

use crate::answer::RefusedBy;
use crate::background::Unfinished;
use crate::protected_resource::refusal_fields;
use crate::store::{StoreError, UserChangeError};
use crate::trace::MAX_LISTENERS;
use crate::user::{InvalidMember, LifecycleStep, StepNotAllowed};

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
        let shown: String = id.chars().take(SHOWN_CHARACTERS).collect();
        let summary = format!("Not found: Resource not found: {shown} ({kind})");
        Self::new(StatusCode::NOT_FOUND, "E0000007", summary)
    }

    /// What the request is about was there when it came, and is not any more.
    fn gone(error: &StoreError) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "E0000007",
            "Not found: Resource not found: what the request names (Resource)",
        )
        .because(error.to_string())
    }

    /// Okta's API has the operation, and this org does not serve it.
    pub(crate) fn not_served(operation: &str) -> Self {
        let cause = format!("exists in Okta's API, not served by the local org: {operation}");
        Self::no_such_path().because(cause)
    }

    /// An app is deleted while its clients are let in.
    pub(super) fn app_is_active() -> Self {
        Self::new(StatusCode::FORBIDDEN, "E0000056", "Delete application forbidden.")
            .because("the app is active; deactivate it first")
    }

    /// A key is deleted while it may be used.
    pub(super) fn key_is_active() -> Self {
        let summary = "This operation is not allowed in the current status.";
        Self::new(StatusCode::FORBIDDEN, "E0000038", summary)
            .because("the key is active; deactivate it first")
    }

    /// An authorization server is deleted while it answers.
    pub(super) fn server_is_active() -> Self {
        let summary = "This operation is not allowed in the current status.";
        Self::new(StatusCode::FORBIDDEN, "E0000038", summary)
            .because("the authorization server is active; deactivate it first")
    }

    /// The authorization server that every org has is deleted.
    pub(super) fn default_server_stays() -> Self {
        Self::no_permission("the default authorization server cannot be deleted; it can be deactivated")
    }

    /// The scope is one of OpenID Connect.
    pub(super) fn scope_is_built_in() -> Self {
        Self::no_permission(
            "the scope is one of OpenID Connect's, which every authorization server has as it is",
        )
    }

    /// The authorization server is there, and was deactivated: it answers as if it were not.
    pub(crate) fn server_is_inactive(id: &str) -> Self {
        Self::no_such("AuthorizationServer", id).because("the authorization server is not active")
    }

    /// The role is assigned already.
    pub(super) fn role_is_assigned() -> Self {
        let summary = "Duplicate role assignment exception.";
        Self::new(StatusCode::CONFLICT, "E0000090", summary).because("whoever it is has this role")
    }

    /// Something is given to a user who was deactivated.
    pub(super) fn user_is_deactivated() -> Self {
        let summary = "This operation is not allowed in the user's current status.";
        Self::new(StatusCode::FORBIDDEN, "E0000038", summary)
            .because("the user is deactivated; activate them first")
    }

    /// The user is taken from an app and is there by a group.
    pub(super) fn assigned_by_group() -> Self {
        let summary = "This operation is not allowed in the current status.";
        Self::new(StatusCode::FORBIDDEN, "E0000038", summary).because(
            "the user is assigned by a group; take the user out of the group, or end the assignment of the group",
        )
    }

    /// The password is not changed.
    pub(super) fn credentials_stay(cause: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "E0000014", "Update of credentials failed").because(cause)
    }

    /// The group is one that the org made.
    pub(super) fn group_is_built_in(can: &str) -> Self {
        let summary = "You do not have permission to modify this group";
        Self::new(StatusCode::FORBIDDEN, "E0000006", summary)
            .because(format!("the group is built in; nobody can {can} it"))
    }

    /// What the client saw is not what is there (RFC 9110 section 13.1.1).
    pub(super) fn changed_since() -> Self {
        let summary = "The resource was changed since it was read.";
        Self::new(StatusCode::PRECONDITION_FAILED, "E0000025", summary).because(
            "If-Match does not name the ETag of what is there; read it again (RFC 9110 section 13.1.1)",
        )
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

impl From<Refusal> for ApiError {
    /// With Okta's error body and the challenge of the RFCs.
    fn from(refusal: Refusal) -> Self {
        let answer = refusal.at_resource();
        let (code, summary) = match answer.status {
            StatusCode::FORBIDDEN => ("E0000006", NO_PERMISSION),
            StatusCode::SERVICE_UNAVAILABLE => ("E0000009", "Internal Server Error"),
            _ => ("E0000011", "Invalid token provided"),
        };
        let error = Self::new(answer.status, code, summary).because(description(&refusal));
        Self { rule: Some(refusal.rule()), fields: refusal_fields(&refusal).collect(), ..error }
    }
}

impl From<Vec<InvalidMember>> for ApiError {
    fn from(invalid: Vec<InvalidMember>) -> Self {
        let subject = invalid.first().map_or("profile", |member| member.name);
        Self::invalid(subject, invalid.iter().map(ToString::to_string))
    }
}

impl From<StepNotAllowed> for ApiError {
    fn from(StepNotAllowed(step): StepNotAllowed) -> Self {
        match step {
            LifecycleStep::Activate => {
                let summary = "Activation failed because the user is already active";
                Self::new(StatusCode::FORBIDDEN, "E0000016", summary)
            }
            LifecycleStep::Deactivate
            | LifecycleStep::ResetPassword
            | LifecycleStep::ExpirePassword
            | LifecycleStep::Reactivate => {
                let summary = "This operation is not allowed in the user's current status.";
                Self::new(StatusCode::FORBIDDEN, "E0000038", summary)
            }
            LifecycleStep::Suspend => {
                Self::invalid("suspendUser", ["Cannot suspend a user that is not active".to_owned()])
            }
            LifecycleStep::Unlock => {
                let summary = "The user is not locked out.";
                Self::new(StatusCode::FORBIDDEN, "E0000032", "Unlock is not allowed for this user.")
                    .because(summary)
            }
            LifecycleStep::Unsuspend => {
                Self::invalid("unsuspendUser", ["Cannot unsuspend a user that is not suspended".to_owned()])
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LoginTaken => {
                let cause = "login: An object with this field already exists in the current organization";
                Self::invalid("login", [cause.to_owned()])
            }
            error @ StoreError::Gone => Self::gone(&error),
            StoreError::UnknownApp { client_id } => Self::no_such("AppInstance", &client_id),
            error @ (StoreError::KeyTaken { .. }
            | StoreError::UnsupportedKey { .. }
            | StoreError::TooManyKeys
            | StoreError::NoKey) => Self::invalid("jwks", [error.to_string()]),
            error @ StoreError::InvalidScope { .. } => Self::invalid("scopeId", [error.to_string()]),
            error @ StoreError::AssignmentTooLarge { .. } => Self::invalid("profile", [error.to_string()]),
            StoreError::UnknownServer { id } => Self::no_such("AuthorizationServer", &id),
            StoreError::GroupNameTaken
            | StoreError::TrustedOriginNameTaken
            | StoreError::ServerNameTaken { .. }
            | StoreError::ScopeTaken { .. }
            | StoreError::ClaimTaken { .. } => {
                let cause = "name: An object with this field already exists in the current organization";
                Self::invalid("name", [cause.to_owned()])
            }
            StoreError::UnknownTrustedOrigin { id } => Self::no_such("TrustedOrigin", &id),
            StoreError::TrustedOriginTaken => {
                let cause = "origin: An object with this field already exists in the current organization";
                Self::invalid("origin", [cause.to_owned()])
            }
            error @ StoreError::TokenLife => Self::invalid("actions.token", [error.to_string()]),
            error @ StoreError::TooManyOfServer { .. } => Self::invalid("name", [error.to_string()]),
            error => Self::internal(&error),
        }
    }
}

impl From<RandomUnavailable> for ApiError {
    fn from(error: RandomUnavailable) -> Self {
        Self::internal(&error)
    }
}

impl ApiError {
    /// Why the user that a request names was not changed.
    pub(super) fn not_changed(id_or_login: &str, error: UserChangeError) -> Self {
        match error {
            UserChangeError::NotFound => Self::no_such_user(id_or_login),
            UserChangeError::Invalid(invalid) => invalid.into(),
            UserChangeError::StepNotAllowed(refusal) => refusal.into(),
            UserChangeError::Changed => Self::changed_since(),
            UserChangeError::NoSuchGroup(group) => {
                let shown: String = group.chars().take(SHOWN_CHARACTERS).collect();
                Self::invalid("groupIds", [format!("groupIds: there is no group {shown} to be a member of")])
            }
            UserChangeError::Store(error) => error.into(),
        }
    }
}

impl From<Unfinished> for ApiError {
    fn from(error: Unfinished) -> Self {
        Self::internal(&error)
    }
}
