//! `/api/v1/sessions/me`: the session of the browser that asks, by its cookie. A page asks by script whether its user is
//! still signed in at the org, keeps the session alive, and ends it. By an access token administrators do the same with
//! `/api/v1/sessions/{id}`, and end all sessions of a user with `/api/v1/users/{id}/sessions`.
//!
//! The cookie is that of the authorization servers' pages. Of a page of another origin it only comes here if that is a
//! Trusted Origin for CORS ([`crate::cors`]).

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::request::Parts;
use keybound::Secret;
use serde_json::{Value, json};

use super::Management;
use super::admission::Permit;
use super::error::ApiError;
use super::rate_limit::Turn;
use super::right::{HelpUsers, ManageSessions, ReadSessions};
use super::users::{self, has};
use crate::background;
use crate::cookie::Cookie;
use crate::event::{Event, EventClient};
use crate::named::Named;
use crate::origin;
use crate::store::{Session, SessionName, TokensOfSession};
use crate::timestamp;
use crate::user::{User, UserStatus};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/sessions/me", get(read).delete(close))
        .route("/sessions/me/lifecycle/refresh", post(refresh))
        .route("/sessions/{session}", get(read_named).delete(close_named))
        .route("/sessions/{session}/lifecycle/refresh", post(refresh_named))
        .route("/users/{user}/sessions", delete(close_all))
}

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
            let found = api.session_of_active_user(SessionName::Cookie(secret.expose()))?;
            let (session, user) = found.ok_or_else(no_session)?;
            turn.as_ref().map_or(Ok(()), Turn::take)?;
            Ok(Self { secret, session, user, client })
        })
        .await?
    }
}

/// `GET …/me`.
async fn read(signed_in: SignedIn, State(api): State<Arc<Management>>) -> Response {
    Json(api.own_session_view(&signed_in)).into_response()
}

/// `POST …/me/lifecycle/refresh`: the session lasts as long as if it began now.
async fn refresh(signed_in: SignedIn, State(api): State<Arc<Management>>) -> Result<Response, ApiError> {
    background::run(move || {
        let name = SessionName::Cookie(signed_in.secret.expose());
        let session = api.store.refresh_session(name, api.clock.now())?.ok_or_else(no_session)?;
        Ok(Json(api.own_session_view(&SignedIn { session, ..signed_in })).into_response())
    })
    .await?
}

/// `DELETE …/me`.
async fn close(signed_in: SignedIn, State(api): State<Arc<Management>>) -> Result<Response, ApiError> {
    background::run(move || {
        api.store.end_session(SessionName::Cookie(signed_in.secret.expose()))?;
        let user = users::target(&signed_in.user);
        let (event_type, message) = ENDED;
        let event =
            Event::new(event_type, message).by(user.clone()).to(user).in_session(signed_in.session.id);
        api.log(&event.from(signed_in.client));
        let mut answer = StatusCode::NO_CONTENT.into_response();
        Cookie::of_users(api.url.origin()).clear(&mut answer);
        Ok(answer)
    })
    .await?
}

/// `GET …/{id}`.
async fn read_named(
    _: Permit<ReadSessions>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let (session, user) = api.session_named(&id)?;
        Ok(Json(api.named_session_view(&session, &user)).into_response())
    })
    .await?
}

/// `POST …/{id}/lifecycle/refresh`: the session lasts as long as if it began now.
async fn refresh_named(
    permit: Permit<ManageSessions>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let (_, user) = api.session_named(&id)?;
        api.demand_right_over(&permit, &user)?;
        let refreshed = api.store.refresh_session(SessionName::Id(&id), api.clock.now())?;
        let session = refreshed.ok_or_else(|| no_session_named(&id))?;
        Ok(Json(api.named_session_view(&session, &user)).into_response())
    })
    .await?
}

/// `DELETE …/{id}`: in this browser alone.
async fn close_named(
    permit: Permit<ManageSessions>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let (_, user) = api.session_named(&id)?;
        api.demand_right_over(&permit, &user)?;
        api.store.end_session(SessionName::Id(&id))?;
        let (event_type, message) = ENDED;
        api.log(&permit.event(event_type, message).to(users::target(&user)).in_session(id));
        Ok(StatusCode::NO_CONTENT.into_response())
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
    /// A session with its user, if that one may still sign in.
    fn session_of_active_user(&self, name: SessionName<'_>) -> Result<Option<(Session, User)>, ApiError> {
        let Some(session) = self.store.session(name, self.clock.now())? else { return Ok(None) };
        let user = self.store.user(&session.user_id)?.filter(|user| user.status == UserStatus::Active);
        Ok(user.map(|user| (session, user)))
    }

    fn session_named(&self, id: &str) -> Result<(Session, User), ApiError> {
        self.session_of_active_user(SessionName::Id(id))?.ok_or_else(|| no_session_named(id))
    }

    /// As the user's browser sees it.
    fn own_session_view(&self, SignedIn { session, user, .. }: &SignedIn) -> Value {
        Self::session_view(session, user, &self.list_url("sessions/me"), &self.list_url("users/me"))
    }

    /// As an administrator sees it.
    fn named_session_view(&self, session: &Session, user: &User) -> Value {
        let user_url = format!("{}/{}", self.list_url("users"), user.id);
        Self::session_view(session, user, &format!("{}/{}", self.list_url("sessions"), session.id), &user_url)
    }

    fn session_view(session: &Session, user: &User, url: &str, user_url: &str) -> Value {
        let link = |path: &str, methods: &[&str]| json!({ "href": path, "hints": { "allow": methods } });
        json!({
            "id": session.id,
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
                "self": link(url, &["GET", "DELETE"]),
                "refresh": link(&format!("{url}/lifecycle/refresh"), &["POST"]),
                "user": link(user_url, &["GET"]),
            },
        })
    }
}

/// What the system log says where a session ends, in Okta's words.
const ENDED: (&str, &str) = ("user.session.end", "User logout from Okta");

fn no_session() -> ApiError {
    no_session_named("me")
}

fn no_session_named(id: &str) -> ApiError {
    ApiError::no_such("Session", id)
}
