//! `/api/v1/users`.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::header::LINK;
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::Management;
use super::admission::{ManageUsers, Permit, ReadUsers};
use super::body::JsonBody;
use super::error::ApiError;
use super::page::PageRequest;
use crate::background;
use crate::okta_id::{self, IdKind};
use crate::user::{InvalidMember, LifecycleStep, Profile, User};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/users", get(list).post(create))
        .route("/users/{user}", get(read).post(update).put(replace).delete(delete))
        .route("/users/{user}/lifecycle/{step}", post(lifecycle))
}

/// What a client sends of a user.
#[derive(Default, Deserialize)]
struct UserBody {
    #[serde(default)]
    profile: Map<String, Value>,
    #[serde(default)]
    credentials: Credentials,
}

#[derive(Default, Deserialize)]
struct Credentials {
    #[serde(default)]
    password: Map<String, Value>,
}

/// Characters of a password, as Okta's default policy has them.
const PASSWORD_LENGTH: std::ops::RangeInclusive<usize> = 8..=72;

impl Credentials {
    /// Whether there is a password: in the clear, as a hash, or by a hook. It is looked at and not kept.
    fn has_password(&self) -> Result<bool, ApiError> {
        let is_good = |value: &Value| {
            value.as_str().is_some_and(|password| PASSWORD_LENGTH.contains(&password.chars().count()))
        };
        match self.password.get("value") {
            Some(value) if is_good(value) => Ok(true),
            Some(_) => {
                let problem = "Password requirements were not met. It must have 8 to 72 characters.";
                Err(vec![InvalidMember { name: "password", problem }].into())
            }
            None => Ok(!self.password.is_empty()),
        }
    }
}

/// `GET /api/v1/users`.
async fn list(
    _: Permit<ReadUsers>,
    State(api): State<Arc<Management>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let request = PageRequest::read(&query.unwrap_or_default())?;
    background::run(move || {
        let page = api.store.users(&request.selection, request.after, request.limit)?;
        let users: Vec<_> = page.users.iter().map(|user| api.view(user)).collect();
        let mut answer = Json(users).into_response();
        for link in request.links(&api.users_url(), page.next_after) {
            answer.headers_mut().append(LINK, link);
        }
        Ok(answer)
    })
    .await?
}

/// `POST /api/v1/users`: creates a user, and activates unless `activate=false`.
async fn create(
    _: Permit<ManageUsers>,
    State(api): State<Arc<Management>>,
    RawQuery(query): RawQuery,
    JsonBody(body): JsonBody<UserBody>,
) -> Result<Response, ApiError> {
    let query = query.unwrap_or_default();
    let is_activated =
        !form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "activate" && value == "false");
    background::run(move || {
        let has_password = body.credentials.has_password()?;
        let profile = Profile::new(body.profile)?;
        let now = api.clock.now();
        let id = okta_id::generate(IdKind::User, api.random.as_ref())
            .map_err(|error| ApiError::internal(&error))?;
        let mut user = User::staged(id, profile, has_password, now);
        if is_activated {
            user.take(LifecycleStep::Activate, now)?;
        }
        api.store.insert_user(&user)?;
        Ok(Json(api.view(&user)).into_response())
    })
    .await?
}

/// `GET /api/v1/users/{id or login}`.
async fn read(
    _: Permit<ReadUsers>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let user = api.store.user(&name)?.ok_or_else(|| ApiError::no_such_user(&name))?;
        Ok(Json(api.view(&user)).into_response())
    })
    .await?
}

/// `POST /api/v1/users/{id or login}`: changes what is there, leaves the rest.
async fn update(
    _: Permit<ManageUsers>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
    JsonBody(body): JsonBody<UserBody>,
) -> Result<Response, ApiError> {
    change(api, name, body, |user, members| user.profile.merged(members)).await
}

/// `PUT /api/v1/users/{id or login}`: the profile is then what the body says, and nothing else.
async fn replace(
    _: Permit<ManageUsers>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
    JsonBody(body): JsonBody<UserBody>,
) -> Result<Response, ApiError> {
    change(api, name, body, |_, members| Profile::new(members)).await
}

/// What a user's profile becomes with the members that a client sent.
type NewProfile = fn(&User, Map<String, Value>) -> Result<Profile, Vec<InvalidMember>>;

async fn change(
    api: Arc<Management>,
    name: String,
    body: UserBody,
    new_profile: NewProfile,
) -> Result<Response, ApiError> {
    background::run(move || {
        let has_password = body.credentials.has_password()?;
        let now = api.clock.now();
        let changed = api.store.change_user(&name, |user| {
            user.update(new_profile(user, body.profile)?, has_password, now);
            Ok(())
        });
        let user = changed.map_err(|error| ApiError::not_changed(&name, error))?;
        Ok(Json(api.view(&user)).into_response())
    })
    .await?
}

/// `DELETE /api/v1/users/{id or login}`: the first call deactivates, the second deletes.
async fn delete(
    _: Permit<ManageUsers>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let deleted = api.store.delete_user(&name, api.clock.now());
        deleted.map_err(|error| ApiError::not_changed(&name, error))?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `POST /api/v1/users/{id or login}/lifecycle/{step}`.
async fn lifecycle(
    _: Permit<ManageUsers>,
    State(api): State<Arc<Management>>,
    Named((name, step)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    let step = match step.as_str() {
        "activate" => LifecycleStep::Activate,
        "deactivate" => LifecycleStep::Deactivate,
        "suspend" => LifecycleStep::Suspend,
        "unsuspend" => LifecycleStep::Unsuspend,
        _ => return Err(ApiError::no_such_path()),
    };
    background::run(move || {
        let now = api.clock.now();
        let changed = api.store.change_user(&name, |user| Ok(user.take(step, now)?));
        changed.map_err(|error| ApiError::not_changed(&name, error))?;
        Ok(Json(json!({})).into_response())
    })
    .await?
}

/// What a path names. One that is not UTF-8 names nothing.
struct Named<T>(T);

impl<T: serde::de::DeserializeOwned + Send> FromRequestParts<Arc<Management>> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, api: &Arc<Management>) -> Result<Self, ApiError> {
        let named = Path::from_request_parts(head, api).await;
        named.map(|Path(name)| Self(name)).map_err(|_| ApiError::no_such_path())
    }
}
