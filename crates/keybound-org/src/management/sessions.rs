//! `/api/v1/users/{id}/sessions`, by which an administrator ends the sessions of a user, and
//! `/api/v1/sessions/me`: the session of the browser that asks, by its cookie. A page asks by script whether its user is
//! still signed in at the org, keeps the session alive, and ends it.
//!
//! The cookie is that of the authorization servers' pages. Of a page of another origin it only comes here if that is a
//! Trusted Origin for CORS ([`crate::cors`]).

use std::sync::Arc;

use aws_lc_rs::digest;
use axum::extract::{FromRequestParts, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::request::Parts;
use keybound::{Secret, base64url};
use serde_json::{Value, json};

use super::Management;
use super::admission::Permit;
use super::error::ApiError;
use super::rate_limit::Turn;
use super::right::HelpUsers;
use super::users::{self, has};
use crate::background;
use crate::cookie::Cookie;
use crate::event::{Event, EventClient};
use crate::named::Named;
use crate::origin;
use crate::store::{Session, TokensOfSession};
use crate::timestamp;
use crate::user::{User, UserStatus};

const SESSION: &str = "/sessions/me";
const REFRESH: &str = "/sessions/me/lifecycle/refresh";

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route(SESSION, get(read).delete(close))
        .route(REFRESH, post(refresh))
        .route("/users/{user}/sessions", delete(close_all))
}

/// Characters of a session's id after its prefix, as Okta's have.
const ID_LENGTH: usize = 22;

/// A browser in which an active user is signed in.
struct SignedIn {
    /// The value of its cookie.
    secret: Secret,
    session: Session,
    user: User,
    client: EventClient,
}

impl FromRequestParts<Arc<Management>> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, api: &Arc<Management>) -> Result<Self, ApiError> {
        let cookie = Cookie::of_users(api.url.origin());
        let secret = cookie.of_request(&head.headers).ok_or_else(no_session)?;
        let (turn, client) = (head.extensions.get::<Turn>().cloned(), origin::of(head));
        let api = Arc::clone(api);
        background::run(move || {
            let session = api.store.session(secret.expose(), api.clock.now())?.ok_or_else(no_session)?;
            let user = api.store.user(&session.user_id)?.filter(|user| user.status == UserStatus::Active);
            let user = user.ok_or_else(no_session)?;
            turn.as_ref().map_or(Ok(()), Turn::take)?;
            Ok(Self { secret, session, user, client })
        })
        .await?
    }
}

/// `GET …/me`.
async fn read(signed_in: SignedIn, State(api): State<Arc<Management>>) -> Response {
    Json(api.session_view(&signed_in)).into_response()
}

/// `POST …/me/lifecycle/refresh`: the session lasts as long as if it began now.
async fn refresh(signed_in: SignedIn, State(api): State<Arc<Management>>) -> Result<Response, ApiError> {
    background::run(move || {
        let refreshed = api.store.refresh_session(signed_in.secret.expose(), api.clock.now())?;
        let session = refreshed.ok_or_else(no_session)?;
        Ok(Json(api.session_view(&SignedIn { session, ..signed_in })).into_response())
    })
    .await?
}

/// `DELETE …/me`.
async fn close(signed_in: SignedIn, State(api): State<Arc<Management>>) -> Result<Response, ApiError> {
    background::run(move || {
        api.store.end_session(signed_in.secret.expose())?;
        let user = users::target(&signed_in.user);
        let event = Event::new("user.session.end", "User logout from Okta").by(user.clone()).to(user);
        api.log(&event.from(signed_in.client));
        let mut answer = StatusCode::NO_CONTENT.into_response();
        Cookie::of_users(api.url.origin()).clear(&mut answer);
        Ok(answer)
    })
    .await?
}

/// `DELETE /api/v1/users/{id or login}/sessions`: in all browsers; with `oauthTokens=true` what apps were given ends too.
async fn close_all(
    permit: Permit<HelpUsers>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let ends_tokens = has(query.as_deref(), "oauthTokens", "true");
    let tokens = if ends_tokens { TokensOfSession::End } else { TokensOfSession::Stay };
    background::run(move || {
        let user = api.user(permit.whom(&name))?;
        api.demand_right_over(&permit, &user)?;
        api.store.end_sessions_of_user(&user.id, tokens, api.clock.now())?;
        api.log(&permit.event("user.session.clear", "Clear user session").to(users::target(&user)));
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

impl Management {
    fn session_view(&self, SignedIn { secret, session, user, .. }: &SignedIn) -> Value {
        let link = |path: &str, methods: &[&str]| json!({ "href": path, "hints": { "allow": methods } });
        let url = self.list_url("sessions/me");
        json!({
            "id": id(secret),
            "userId": user.id,
            "login": user.login(),
            "createdAt": timestamp::text(session.signed_in),
            "expiresAt": timestamp::text(session.expires),
            "status": "ACTIVE",
            "lastPasswordVerification": timestamp::text(session.signed_in),
            "lastFactorVerification": null,
            "amr": ["pwd"],
            "idp": { "id": null, "type": "OKTA" },
            "mfaActive": false,
            "_links": {
                "self": link(&url, &["GET", "DELETE"]),
                "refresh": link(&format!("{url}/lifecycle/refresh"), &["POST"]),
                "user": link(&self.list_url("users/me"), &["GET"]),
            },
        })
    }
}

/// What a session is called, by which nobody can have it: not the cookie, nor what it is kept under.
fn id(secret: &Secret) -> String {
    let named = digest::digest(&digest::SHA256, format!("session id\0{}", secret.expose()).as_bytes());
    let mut id = format!("102{}", base64url::encode(named));
    id.truncate("102".len().saturating_add(ID_LENGTH));
    id
}

fn no_session() -> ApiError {
    ApiError::no_such("Session", "me")
}
