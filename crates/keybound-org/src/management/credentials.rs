//! What a client sends of a user's credentials, and `/api/v1/users/{id}/credentials/change_password`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::Management;
use super::admission::Permit;
use super::body::{self, JsonBody};
use super::error::ApiError;
use super::right::ChangePassword;
use super::users::target;
use crate::background;
use crate::named::Named;
use crate::store::{NewPassword, PasswordCheck, PasswordHash};
use crate::user::{InvalidMember, User};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new().route("/users/{user}/credentials/change_password", post(change_password))
}

/// The credentials of a user.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Credentials {
    pub(super) password: Password,
}

/// A password: in the clear, or as a hash or by a hook of Okta's, which are of no use here.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Password {
    #[serde(deserialize_with = "body::secret")]
    value: Option<Zeroizing<String>>,
    hash: Option<Value>,
    hook: Option<Value>,
}

/// Characters of a password, as Okta's default policy has them.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=72;

impl Credentials {
    pub(super) fn has_password(&self) -> bool {
        let Password { value, hash, hook } = &self.password;
        value.is_some() || hash.is_some() || hook.is_some()
    }

    /// The hash of a password that is given in the clear.
    pub(super) fn hash(&self, api: &Management) -> Result<Option<PasswordHash>, ApiError> {
        self.password.hash(api)
    }
}

impl Password {
    /// One that is given in the clear, if any is.
    pub(super) fn of(value: Option<Zeroizing<String>>) -> Self {
        Self { value, ..Self::default() }
    }

    fn hash(&self, api: &Management) -> Result<Option<PasswordHash>, ApiError> {
        let Some(password) = &self.value else { return Ok(None) };
        if !PASSWORD_LENGTH.contains(&password.chars().count()) {
            let problem = "Password requirements were not met. It must have 8 to 72 characters.";
            return Err(vec![InvalidMember { name: "password", problem }].into());
        }
        Ok(Some(PasswordHash::of(password, api.random.as_ref())?))
    }
}

/// What a client sends to change a password.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PasswordChange {
    old_password: Password,
    new_password: Password,
}

/// `POST /api/v1/users/{id or login}/credentials/change_password`: as the user would, who knows the old one.
async fn change_password(
    permit: Permit<ChangePassword>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
    JsonBody(body): JsonBody<PasswordChange>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let user = api.change_password(permit.whom(&name), &body)?;
        let message = "User update password for Okta";
        api.log(&permit.event("user.account.update_password", message).to(target(&user)));
        Ok(Json(api.view(&user).credentials).into_response())
    })
    .await?
}

impl Management {
    /// Changes a password for whoever knows the old one; gives the user as it then is.
    fn change_password(&self, name: &str, change: &PasswordChange) -> Result<User, ApiError> {
        let user = self.user(name)?;
        let blank = |name| vec![InvalidMember { name, problem: "The field cannot be left blank" }];
        let old = change.old_password.value.as_ref().ok_or_else(|| blank("oldPassword"))?;
        let new = change.new_password.hash(self)?.ok_or_else(|| blank("newPassword"))?;
        let now = self.clock.now();
        match self.store.check_old_password(user.login(), old, now)? {
            PasswordCheck::Right { .. } | PasswordCheck::Expired { .. } => {}
            PasswordCheck::TooMany => return Err(ApiError::rate_limited()),
            PasswordCheck::LockedOut { .. } => {
                return Err(ApiError::credentials_stay("the user is locked out"));
            }
            PasswordCheck::Wrong { .. } => {
                return Err(ApiError::credentials_stay("oldPassword: Old Password is not correct"));
            }
        }
        let changed = self.store.change_user(&user.id, NewPassword::Hash(&new), |user| {
            user.update(user.profile.clone(), true, now);
            Ok(())
        });
        changed.map_err(|error| ApiError::not_changed(name, error))
    }
}
