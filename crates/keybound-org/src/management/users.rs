//! `/api/v1/users`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, StatusCode};
use keybound::NumericDate;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::Management;
use super::admission::{ME, Permit};
use super::body::JsonBody;
use super::credentials::{Credentials, Password};
use super::error::ApiError;
use super::page::{ListKind, ListRequest};
use super::right::{ManageUsers, ReadUser, ReadUsers};
use super::version::{Version, answer_with};
use crate::background;
use crate::event::EventObject;
use crate::named::Named;
use crate::okta_id::{self, IdKind};
use crate::store::{NewPassword, Page, Store, UserChangeError, user_filter_property, user_property};
use crate::user::{InvalidMember, LifecycleStep, Profile, User, UserStatus};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/users", get(list).post(create))
        .route("/users/{user}", get(read).post(update).put(replace).delete(delete))
}

pub(crate) const USERS: ListKind = ListKind {
    default_limit: 200,
    largest_limit: 200,
    filter: Some(user_filter_property),
    search: Some(user_property),
};

/// Users of a page where `q` is given and no `limit`, as Okta has it.
const PAGE_OF_MATCHES: usize = 10;

/// What a client sends of a user.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UserBody {
    profile: Option<Map<String, Value>>,
    credentials: Credentials,
    group_ids: Vec<String>,
}

impl UserBody {
    /// A user with this profile and, if there is one, this password.
    pub(crate) fn new(profile: Map<String, Value>, password: Option<Zeroizing<String>>) -> Self {
        let credentials = Credentials { password: Password::of(password) };
        Self { profile: Some(profile), credentials, ..Self::default() }
    }
}

/// Whether a query has a parameter of this value.
pub(super) fn has(query: Option<&str>, name: &str, value: &str) -> bool {
    let parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    parameters.into_iter().any(|(known, given)| known == name && given == value)
}

/// `GET /api/v1/users`.
async fn list(
    _: Permit<ReadUsers>,
    State(api): State<Arc<Management>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let mut request = ListRequest::read(&query.unwrap_or_default(), &USERS)?;
    if request.q.is_some() {
        request = request.with_default_limit(PAGE_OF_MATCHES);
    }
    background::run(move || {
        let page = api.users(&request)?;
        let users: Vec<_> = page.items.iter().map(|user| api.view(user)).collect();
        Ok(request.answer(&users, &api.list_url("users"), page.next()))
    })
    .await?
}

/// `POST /api/v1/users`: creates a user, and activates unless `activate=false`.
async fn create(
    permit: Permit<ManageUsers>,
    State(api): State<Arc<Management>>,
    RawQuery(query): RawQuery,
    JsonBody(body): JsonBody<UserBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let first = match query.as_deref() {
            query if has(query, "activate", "false") => FirstSteps::None,
            query if has(query, "nextLogin", "changePassword") => FirstSteps::ActivateAndExpirePassword,
            _ => FirstSteps::Activate,
        };
        let user = api.create_user(&permit, body, first)?;
        Ok(answer_with(&api.view(&user)))
    })
    .await?
}

/// What is done at once with a user who was created.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstSteps {
    /// Nothing: the user is staged.
    None,
    /// The user is activated.
    Activate,
    /// The same, and has to change the password, if there is one, at the first sign-in.
    ActivateAndExpirePassword,
}

/// `GET /api/v1/users/{id, login or me}`: `me` is the user in whose name the app calls, or the administrator, who is in
/// no list of users; Terraform's provider asks for it to see whether its API token is good.
async fn read(
    permit: Permit<ReadUser>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    background::run(move || {
        let user = match name.as_str() {
            ME if permit.is_administrators() => administrator()?,
            name => api.user(permit.whom(name))?,
        };
        let view = api.view(&user);
        if Version::of(&view).is_known_to(&headers) {
            return Ok(StatusCode::NOT_MODIFIED.into_response());
        }
        Ok(answer_with(&view))
    })
    .await?
}

/// The administrator as a user, who was there from the beginning.
fn administrator() -> Result<User, ApiError> {
    const LOGIN: &str = "administrator@keybound.example";
    let members = [("firstName", "Local"), ("lastName", "Administrator"), ("email", LOGIN), ("login", LOGIN)];
    let members = members.into_iter().map(|(name, text)| (name.to_owned(), text.into()));
    let profile = Profile::new(members.collect())?;
    let mut user =
        User::staged("00uKeyboundAdmin0001".to_owned(), profile, true, NumericDate::from_seconds(0));
    user.take(LifecycleStep::Activate, user.created)?;
    Ok(user)
}

/// `POST /api/v1/users/{id or login}`: changes what is there, leaves the rest.
async fn update(
    permit: Permit<ManageUsers>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<UserBody>,
) -> Result<Response, ApiError> {
    let change =
        Change { permit, name, headers, body, profile: |user, members| user.profile.merged(members) };
    background::run(move || change.answer(&api)).await?
}

/// `PUT /api/v1/users/{id or login}`: the profile is then what the body says, and nothing else. Without one it stays, as
/// it does where Okta's SDK for Go sets a password.
async fn replace(
    permit: Permit<ManageUsers>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<UserBody>,
) -> Result<Response, ApiError> {
    let change = Change { permit, name, headers, body, profile: |_, members| Profile::new(members) };
    background::run(move || change.answer(&api)).await?
}

/// What a user's profile becomes with the members that a client sent.
type NewProfile = fn(&User, Map<String, Value>) -> Result<Profile, Vec<InvalidMember>>;

/// A change of a user's profile or password.
struct Change {
    permit: Permit<ManageUsers>,
    name: String,
    headers: HeaderMap,
    body: UserBody,
    profile: NewProfile,
}

impl Change {
    fn answer(self, api: &Management) -> Result<Response, ApiError> {
        Ok(answer_with(&api.view(&self.make(api)?)))
    }

    /// Makes the change; gives the user as it then is.
    fn make(self, api: &Management) -> Result<User, ApiError> {
        let Self { permit, name, headers, body, profile } = self;
        api.demand_right_over(&permit, &api.user(&name)?)?;
        let has_password = body.credentials.has_password();
        let password = body.credentials.hash(api)?;
        let new_password = match &password {
            Some(hash) => NewPassword::Hash(hash),
            None if has_password => NewPassword::OfNoUse,
            None => NewPassword::None,
        };
        let now = api.clock.now();
        let changed = api.store.change_user(&name, new_password, |user| {
            if Version::of(&api.view(user)).is_stale_to(&headers) {
                return Err(UserChangeError::Changed);
            }
            let new = body.profile.map(|members| profile(user, members)).transpose()?;
            user.update(new.unwrap_or_else(|| user.profile.clone()), has_password, now);
            Ok(())
        });
        let user = changed.map_err(|error| ApiError::not_changed(&name, error))?;
        let message = "Update user profile for Okta";
        api.log(&permit.event("user.account.update_profile", message).to(target(&user)));
        if has_password {
            let message = "Set user password for Okta";
            api.log(&permit.event("user.account.update_password", message).to(target(&user)));
        }
        Ok(user)
    }
}

/// `DELETE /api/v1/users/{id or login}`: the first call deactivates, the second deletes.
async fn delete(
    permit: Permit<ManageUsers>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.delete_user(&permit, &name)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

impl Management {
    /// The page of users that is asked for.
    pub(crate) fn users(&self, request: &ListRequest) -> Result<Page<User>, ApiError> {
        let condition = request.looked_for(Store::beginning_with, Store::not_deprovisioned);
        Ok(self.store.users(&request.listing(condition))?)
    }

    /// The user of this id or login.
    pub(crate) fn user(&self, id_or_login: &str) -> Result<User, ApiError> {
        self.store.user(id_or_login)?.ok_or_else(|| ApiError::no_such_user(id_or_login))
    }

    /// Creates a user.
    pub(crate) fn create_user(
        &self,
        permit: &Permit<ManageUsers>,
        body: UserBody,
        first: FirstSteps,
    ) -> Result<User, ApiError> {
        for group in &body.group_ids {
            self.demand_right_over_group(permit, group)?;
        }
        let has_password = body.credentials.has_password();
        let profile = Profile::new(body.profile.unwrap_or_default())?;
        let password = body.credentials.hash(self)?;
        let now = self.clock.now();
        let id = okta_id::generate(IdKind::User, self.random.as_ref())?;
        let mut user = User::staged(id, profile, has_password, now);
        if first != FirstSteps::None {
            user.take(LifecycleStep::Activate, now)?;
        }
        if first == FirstSteps::ActivateAndExpirePassword && has_password {
            user.take(LifecycleStep::ExpirePassword, now)?;
        }
        let inserted = self.store.insert_user(&user, password.as_ref(), &body.group_ids, now);
        inserted.map_err(|error| ApiError::not_changed(&user.id, error))?;
        self.log(&permit.event("user.lifecycle.create", "Create Okta user").to(target(&user)));
        if user.status != UserStatus::Staged {
            self.log(&permit.event("user.lifecycle.activate", "Activate Okta user").to(target(&user)));
        }
        Ok(user)
    }

    /// Changes what the body has of a user, and leaves the rest; gives the user as it then is.
    pub(crate) fn update_user(
        &self,
        permit: Permit<ManageUsers>,
        name: &str,
        body: UserBody,
    ) -> Result<User, ApiError> {
        let (name, headers) = (name.to_owned(), HeaderMap::new());
        let change =
            Change { permit, name, headers, body, profile: |user, members| user.profile.merged(members) };
        change.make(self)
    }

    /// Deactivates a user or, if that was done before, deletes the user; gives the user as before.
    pub(crate) fn delete_user(&self, permit: &Permit<ManageUsers>, name: &str) -> Result<User, ApiError> {
        self.demand_right_over(permit, &self.user(name)?)?;
        let deleted = self.store.delete_user(name, self.clock.now());
        let user = deleted.map_err(|error| ApiError::not_changed(name, error))?;
        let event = match user.status {
            UserStatus::Deprovisioned => permit.event("user.lifecycle.delete.initiated", "Delete Okta user"),
            _ => permit.event("user.lifecycle.deactivate", "Deactivate Okta user"),
        };
        self.log(&event.to(target(&user)));
        Ok(user)
    }
}

/// A user as a target of an event.
pub(super) fn target(user: &User) -> EventObject {
    let text = |name| user.profile.members().get(name).and_then(Value::as_str).unwrap_or_default();
    let name = format!("{} {}", text("firstName"), text("lastName"));
    EventObject::new("User", &user.id, name).also_called(text("login"))
}
