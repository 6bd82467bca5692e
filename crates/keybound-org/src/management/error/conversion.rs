//! What went wrong elsewhere in the org, as the management API says it.

use http::StatusCode;
use keybound::random::RandomUnavailable;
use keybound::{Refusal, description};

use super::{ApiError, NO_PERMISSION, shown};
use crate::background::Unfinished;
use crate::protected_resource::refusal_fields;
use crate::store::{StoreError, UserChangeError};
use crate::user::InvalidMember;

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

impl From<Unfinished> for ApiError {
    fn from(error: Unfinished) -> Self {
        Self::internal(&error)
    }
}

impl ApiError {
    /// Why the user that a request names was not changed.
    pub(in crate::management) fn not_changed(id_or_login: &str, error: UserChangeError) -> Self {
        match error {
            UserChangeError::NotFound => Self::no_such_user(id_or_login),
            UserChangeError::Invalid(invalid) => invalid.into(),
            UserChangeError::StepNotAllowed(refusal) => refusal.into(),
            UserChangeError::Changed => Self::changed_since(),
            UserChangeError::NoSuchGroup(group) => {
                let cause = format!("groupIds: there is no group {} to be a member of", shown(&group));
                Self::invalid("groupIds", [cause])
            }
            UserChangeError::Store(error) => error.into(),
        }
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
}
