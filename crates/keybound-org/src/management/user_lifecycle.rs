//! `/api/v1/users/{id or login}/lifecycle`: the steps of a user's life.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use keybound::random::jwt_id;
use serde_json::json;

use super::Management;
use super::admission::Permit;
use super::error::ApiError;
use super::right::{HelpUsers, ManageUsers};
use super::users::{has, target};
use super::version::answer_with;
use crate::background;
use crate::named::Named;
use crate::store::{NewPassword, PasswordHash};
use crate::unguessable;
use crate::user::{LifecycleStep, User, UserStatus};

/// Random bytes of a temporary password, which then has 16 characters.
const TEMPORARY_PASSWORD_BYTES: usize = 12;

pub(super) fn routes() -> Router<Arc<Management>> {
    let manage = |step| move |permit, api, named, query| manage(step, permit, api, named, query);
    let help = |step| move |permit, api, named, query| help(step, permit, api, named, query);
    Router::new()
        .route("/users/{user}/lifecycle/activate", post(manage(LifecycleStep::Activate)))
        .route("/users/{user}/lifecycle/deactivate", post(manage(LifecycleStep::Deactivate)))
        .route("/users/{user}/lifecycle/suspend", post(manage(LifecycleStep::Suspend)))
        .route("/users/{user}/lifecycle/unsuspend", post(manage(LifecycleStep::Unsuspend)))
        .route("/users/{user}/lifecycle/reactivate", post(manage(LifecycleStep::Reactivate)))
        .route("/users/{user}/lifecycle/unlock", post(help(LifecycleStep::Unlock)))
        .route("/users/{user}/lifecycle/reset_password", post(help(LifecycleStep::ResetPassword)))
        .route("/users/{user}/lifecycle/expire_password", post(help(LifecycleStep::ExpirePassword)))
        .route("/users/{user}/lifecycle/expire_password_with_temp_password", post(give_temporary_password))
}

/// `POST /api/v1/users/{id or login}/lifecycle/…`, where an administrator of users is needed.
async fn manage(
    step: LifecycleStep,
    permit: Permit<ManageUsers>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    background::run(move || api.answer_step(step, &permit, &name, query.as_deref())).await?
}

/// The same where the help desk will do.
async fn help(
    step: LifecycleStep,
    permit: Permit<HelpUsers>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    background::run(move || api.answer_step(step, &permit, &name, query.as_deref())).await?
}

/// `POST …/lifecycle/expire_password_with_temp_password`: the user has the password that is answered, and has to change
/// it at the next sign-in. As with every new password, what the user was signed in to ends.
async fn give_temporary_password(
    permit: Permit<HelpUsers>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let password = unguessable::text::<TEMPORARY_PASSWORD_BYTES>(api.random.as_ref())?;
        api.expire_with(&password, &permit, &name)?;
        Ok(Json(json!({ "tempPassword": password.as_str() })).into_response())
    })
    .await?
}

impl Management {
    /// Sets a password that has expired.
    fn expire_with<R>(&self, password: &str, permit: &Permit<R>, name: &str) -> Result<(), ApiError> {
        self.demand_right_over(permit, &self.user(name)?)?;
        let hash = PasswordHash::of(password, self.random.as_ref())?;
        let now = self.clock.now();
        let changed = self.store.change_user(name, NewPassword::Hash(&hash), |user| {
            user.take(LifecycleStep::ExpirePassword, now)?;
            user.password_changed = Some(now);
            Ok(())
        });
        let user = changed.map_err(|error| ApiError::not_changed(name, error))?;
        let (event_type, message) = event_of(LifecycleStep::ExpirePassword);
        self.log(&permit.event(event_type, message).to(target(&user)));
        let message = "Set user password for Okta";
        self.log(&permit.event("user.account.update_password", message).to(target(&user)));
        Ok(())
    }

    /// Takes a step of a user's lifecycle; gives the user as it then is.
    pub(crate) fn take_step<R>(
        &self,
        step: LifecycleStep,
        permit: &Permit<R>,
        name: &str,
    ) -> Result<User, ApiError> {
        self.demand_right_over(permit, &self.user(name)?)?;
        let now = self.clock.now();
        let changed = self.store.change_user(name, NewPassword::None, |user| Ok(user.take(step, now)?));
        let user = changed.map_err(|error| ApiError::not_changed(name, error))?;
        let (event_type, message) = event_of(step);
        self.log(&permit.event(event_type, message).to(target(&user)));
        Ok(user)
    }

    fn answer_step<R>(
        &self,
        step: LifecycleStep,
        permit: &Permit<R>,
        name: &str,
        query: Option<&str>,
    ) -> Result<Response, ApiError> {
        let user = self.take_step(step, permit, name)?;
        if step == LifecycleStep::ExpirePassword {
            return Ok(answer_with(&self.view(&user)));
        }
        // A mail is said to be sent unless the caller will bring the link to the user.
        if !has(query, "sendEmail", "false") {
            return Ok(Json(json!({})).into_response());
        }
        let token = jwt_id(self.random.as_ref())?;
        let origin = self.url.origin();
        let body = match (step, user.status) {
            (LifecycleStep::ResetPassword, _) => {
                json!({ "resetPasswordUrl": format!("{origin}/signin/reset-password/{token}") })
            }
            (LifecycleStep::Activate | LifecycleStep::Reactivate, UserStatus::Provisioned) => json!({
                "activationUrl": format!("{origin}/welcome/{token}"),
                "activationToken": token,
            }),
            _ => json!({}),
        };
        Ok(Json(body).into_response())
    }
}

const fn event_of(step: LifecycleStep) -> (&'static str, &'static str) {
    match step {
        LifecycleStep::Activate => ("user.lifecycle.activate", "Activate Okta user"),
        LifecycleStep::Deactivate => ("user.lifecycle.deactivate", "Deactivate Okta user"),
        LifecycleStep::Suspend => ("user.lifecycle.suspend", "Suspend Okta user"),
        LifecycleStep::Unsuspend => ("user.lifecycle.unsuspend", "Unsuspend Okta user"),
        LifecycleStep::Reactivate => ("user.lifecycle.reactivate", "Reactivate Okta user"),
        LifecycleStep::Unlock => ("user.account.unlock", "Unlock user account for Okta"),
        LifecycleStep::ResetPassword => ("user.account.reset_password", "Reset user password for Okta"),
        LifecycleStep::ExpirePassword => ("user.account.expire_password", "Expire user password for Okta"),
    }
}
