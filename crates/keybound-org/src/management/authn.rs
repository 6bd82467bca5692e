//! `POST /api/v1/authn`: a page of an app that asks for the password itself, and gets a session token for it. With that
//! one session begins: at the authorization endpoint (`sessionToken`) or at `/login/sessionCookieRedirect`.
//!
//! It is for whoever calls, as at Okta: who knows the password is the user. Wrong ones count and lock the user out as at
//! the sign-in page.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::Management;
use super::body::{self, JsonBody};
use super::error::ApiError;
use super::rate_limit::Turn;
use crate::authorization_server::{MAX_CREDENTIAL_BYTES, sign_in_events};
use crate::background;
use crate::event::EventClient;
use crate::store::PasswordCheck;
use crate::timestamp;
use crate::unguessable;
use crate::user::{User, UserStatus};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new().route("/authn", post(authenticate))
}

/// Random bytes of a session token.
const TOKEN_BYTES: usize = 32;

const EXPIRED: &str = "the password has expired; an administrator can give the user a new one";

/// What a client sends. Of the rest (`options`, `context`, `audience`) nothing means anything here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    username: String,
    #[serde(deserialize_with = "body::secret")]
    password: Option<Zeroizing<String>>,
}

async fn authenticate(
    State(api): State<Arc<Management>>,
    Extension(turn): Extension<Turn>,
    client: EventClient,
    JsonBody(body): JsonBody<Body>,
) -> Result<Response, ApiError> {
    background::run(move || {
        // Before the password is looked at: each look costs.
        turn.take_as_stranger()?;
        let user = api.user_of_password(&body, &client)?;
        let token = unguessable::text::<TOKEN_BYTES>(api.random.as_ref())?;
        let expires = api.store.keep_session_token(&token, &user.id, api.clock.now())?;
        Ok(Json(json!({
            "expiresAt": timestamp::text(expires),
            "status": "SUCCESS",
            "sessionToken": *token,
            "_embedded": { "user": embedded(&user) },
        }))
        .into_response())
    })
    .await?
}

impl Management {
    fn user_of_password(&self, body: &Body, client: &EventClient) -> Result<User, ApiError> {
        let username = body.username.as_str();
        let fits = |text: &str| (1..=MAX_CREDENTIAL_BYTES).contains(&text.len());
        let password = body.password.as_ref().filter(|password| fits(password) && fits(username));
        let password = password.ok_or_else(|| ApiError::authentication_failed(None))?;
        let check = self.store.check_password(username, password, self.clock.now())?;
        for event in sign_in_events(&self.store, username, &check, client)? {
            self.log(&event);
        }
        let user_id = match check {
            PasswordCheck::Right { user_id } => user_id,
            PasswordCheck::Expired { .. } => return Err(ApiError::authentication_failed(Some(EXPIRED))),
            PasswordCheck::TooMany => return Err(ApiError::rate_limited()),
            _ => return Err(ApiError::authentication_failed(None)),
        };
        let user = self.store.user(&user_id)?.filter(|user| user.status == UserStatus::Active);
        user.ok_or_else(|| ApiError::authentication_failed(None))
    }
}

/// What the page is told of the user.
fn embedded(user: &User) -> Value {
    let members = user.profile.members();
    let member = |name: &str| members.get(name).cloned().unwrap_or_default();
    json!({
        "id": user.id,
        "passwordChanged": user.password_changed.map(timestamp::text),
        "profile": {
            "login": member("login"),
            "firstName": member("firstName"),
            "lastName": member("lastName"),
            "locale": member("locale"),
            "timeZone": member("timezone"),
        },
    })
}
