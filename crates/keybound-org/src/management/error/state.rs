//! What is refused because of how things are in the org: something is active, built in, assigned already, or changed
//! since it was read.

use http::StatusCode;

use super::ApiError;
use crate::user::{LifecycleStep, StepNotAllowed};

impl ApiError {
    fn not_in_status(cause: &str) -> Self {
        let summary = "This operation is not allowed in the current status.";
        Self::new(StatusCode::FORBIDDEN, "E0000038", summary).because(cause)
    }

    fn not_in_status_of_user() -> Self {
        let summary = "This operation is not allowed in the user's current status.";
        Self::new(StatusCode::FORBIDDEN, "E0000038", summary)
    }

    /// An app is deleted while its clients are let in.
    pub(in crate::management) fn app_is_active() -> Self {
        Self::new(StatusCode::FORBIDDEN, "E0000056", "Delete application forbidden.")
            .because("the app is active; deactivate it first")
    }

    /// A key is deleted while it may be used.
    pub(in crate::management) fn key_is_active() -> Self {
        Self::not_in_status("the key is active; deactivate it first")
    }

    /// An authorization server is deleted while it answers.
    pub(in crate::management) fn server_is_active() -> Self {
        Self::not_in_status("the authorization server is active; deactivate it first")
    }

    /// The authorization server that every org has is deleted.
    pub(in crate::management) fn default_server_stays() -> Self {
        Self::no_permission("the default authorization server cannot be deleted; it can be deactivated")
    }

    /// The scope is one of OpenID Connect.
    pub(in crate::management) fn scope_is_built_in() -> Self {
        Self::no_permission(
            "the scope is one of OpenID Connect's, which every authorization server has as it is",
        )
    }

    /// The authorization server is there, and was deactivated: it answers as if it were not.
    pub(crate) fn server_is_inactive(id: &str) -> Self {
        Self::no_such("AuthorizationServer", id).because("the authorization server is not active")
    }

    /// The role is assigned already.
    pub(in crate::management) fn role_is_assigned() -> Self {
        let summary = "Duplicate role assignment exception.";
        Self::new(StatusCode::CONFLICT, "E0000090", summary).because("whoever it is has this role")
    }

    /// Something is given to a user who was deactivated.
    pub(in crate::management) fn user_is_deactivated() -> Self {
        Self::not_in_status_of_user().because("the user is deactivated; activate them first")
    }

    /// The user is taken from an app and is there by a group.
    pub(in crate::management) fn assigned_by_group() -> Self {
        Self::not_in_status(
            "the user is assigned by a group; take the user out of the group, or end the assignment of the group",
        )
    }

    /// The password is not changed.
    pub(in crate::management) fn credentials_stay(cause: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "E0000014", "Update of credentials failed").because(cause)
    }

    /// The group is one that the org made.
    pub(in crate::management) fn group_is_built_in(can: &str) -> Self {
        let summary = "You do not have permission to modify this group";
        Self::new(StatusCode::FORBIDDEN, "E0000006", summary)
            .because(format!("the group is built in; nobody can {can} it"))
    }

    /// What the client saw is not what is there (RFC 9110 section 13.1.1).
    pub(in crate::management) fn changed_since() -> Self {
        let summary = "The resource was changed since it was read.";
        Self::new(StatusCode::PRECONDITION_FAILED, "E0000025", summary).because(
            "If-Match does not name the ETag of what is there; read it again (RFC 9110 section 13.1.1)",
        )
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
            | LifecycleStep::Reactivate => Self::not_in_status_of_user(),
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
