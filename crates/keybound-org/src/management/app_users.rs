//! `/api/v1/apps/{id}/users`: the users who are assigned to an app, by themselves or by a group; and the apps of a user.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Management;
use super::admission::Permit;
use super::apps::{self, APPS};
use super::body::JsonBody;
use super::error::ApiError;
use super::page::{ListKind, ListRequest};
use super::right::{ManageApps, ReadApps, ReadUser};
use super::users::{self, has};
use crate::background;
use crate::event::{Event, EventObject};
use crate::named::Named;
use crate::store::{App, AppUser, AppUserChange, AssignmentScope, Condition, Page, Store};
use crate::timestamp;
use crate::user::{User, UserStatus};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/apps/{app}/users", get(list).post(assign))
        .route("/apps/{app}/users/{user}", get(read).post(update).put(update).delete(unassign))
        .route("/users/{user}/appLinks", get(links))
}

pub(crate) const APP_USERS: ListKind =
    ListKind { default_limit: 50, largest_limit: 500, filter: None, search: None };

/// Apps of a user that are shown, at most.
const MAX_LINKS: usize = 1_000;

/// Characters of the name that an app has for a user, at most.
const MAX_USER_NAME_CHARACTERS: usize = 255;

/// What a client sends to assign a user. The password of a user at an app is for apps that have one, which no app here
/// has.
#[derive(Default, Deserialize)]
#[serde(default)]
struct AppUserBody {
    id: String,
    scope: Option<String>,
    credentials: AppUserCredentials,
    profile: Option<Map<String, Value>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AppUserCredentials {
    user_name: Option<String>,
}

impl AppUserBody {
    fn change(self) -> Result<AppUserChange, ApiError> {
        let is_own = |scope: &String| AssignmentScope::of_name(scope) == Some(AssignmentScope::User);
        if !self.scope.as_ref().is_none_or(is_own) {
            let cause = "scope: must be USER; who is assigned by a group is so as long as the group is";
            return Err(ApiError::invalid("scope", [cause.to_owned()]));
        }
        let user_name = self.credentials.user_name.filter(|name| !name.is_empty());
        if user_name.as_ref().is_some_and(|name| name.chars().count() > MAX_USER_NAME_CHARACTERS) {
            return Err(ApiError::invalid("userName", ["userName: The field is too long".to_owned()]));
        }
        Ok(AppUserChange { user_name, profile: self.profile.unwrap_or_default() })
    }
}

/// `GET …/users`.
async fn list(
    _: Permit<ReadApps>,
    State(api): State<Arc<Management>>,
    Named(app): Named<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let expands = has(query.as_deref(), "expand", "user");
    let request = ListRequest::read(&query.unwrap_or_default(), &APP_USERS)?;
    background::run(move || {
        let app = api.app(&app)?;
        let page = api.app_users(&app, &request)?;
        let users: Vec<_> = page.items.iter().map(|one| api.app_user_view(&app, one, expands)).collect();
        Ok(request.answer(&users, &format!("{}/users", api.app_url(&app.client_id)), page.next()))
    })
    .await?
}

/// `POST …/users`: the body names the user.
async fn assign(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    Named(app): Named<String>,
    JsonBody(body): JsonBody<AppUserBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        if body.id.is_empty() {
            return Err(ApiError::invalid("id", ["id: The field cannot be left blank".to_owned()]));
        }
        let (app, user) = (api.app(&app)?, api.user(&body.id)?);
        let assigned = api.assign_user(&permit, &app, &user, &body.change()?)?;
        Ok(Json(api.app_user_view(&app, &assigned, false)).into_response())
    })
    .await?
}

/// `GET …/users/{id}`.
async fn read(
    _: Permit<ReadApps>,
    State(api): State<Arc<Management>>,
    Named((app, user)): Named<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let expands = has(query.as_deref(), "expand", "user");
    background::run(move || {
        let app = api.app(&app)?;
        let found = api.store.app_user(&app.client_id, &user)?;
        let found = found.ok_or_else(|| no_such_app_user(&user))?;
        Ok(Json(api.app_user_view(&app, &found, expands)).into_response())
    })
    .await?
}

/// `POST` and `PUT …/users/{id}`: what the body has of the assignment; a user who is assigned by a group is then assigned
/// by themselves too.
async fn update(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    Named((app, user)): Named<(String, String)>,
    JsonBody(body): JsonBody<AppUserBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let (app, user) = (api.app(&app)?, api.user(&user)?);
        let assigned = api.assign_user(&permit, &app, &user, &body.change()?)?;
        Ok(Json(api.app_user_view(&app, &assigned, false)).into_response())
    })
    .await?
}

/// `DELETE …/users/{id}`.
async fn unassign(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    Named((app, user)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.unassign_user(&permit, &api.app(&app)?, &user)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `GET /api/v1/users/{id or login}/appLinks`: the apps that the user may sign in to.
async fn links(
    permit: Permit<ReadUser>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let user = api.user(permit.whom(&name))?;
        let query = format!("filter=status+eq+%22ACTIVE%22+and+user.id+eq+%22{}%22", user.id);
        let request = ListRequest::read(&query, &APPS)?.with_default_limit(MAX_LINKS);
        let links: Vec<_> = api.apps(&request)?.items.iter().map(|app| api.link_view(app, &user)).collect();
        Ok(Json(links).into_response())
    })
    .await?
}

impl Management {
    /// The page of an app's users that is asked for.
    pub(crate) fn app_users(&self, app: &App, request: &ListRequest) -> Result<Page<AppUser>, ApiError> {
        let condition = request.looked_for(Store::beginning_with, Condition::always);
        Ok(self.store.app_users(&app.client_id, &request.listing(condition))?)
    }

    /// Lets a user sign in to an app, or changes what the app is told of them.
    pub(crate) fn assign_user(
        &self,
        permit: &Permit<ManageApps>,
        app: &App,
        user: &User,
        change: &AppUserChange,
    ) -> Result<AppUser, ApiError> {
        if user.status == UserStatus::Deprovisioned {
            return Err(ApiError::user_is_deactivated());
        }
        let (assigned, is_new) = self.store.assign_user(&app.client_id, user, change, self.clock.now())?;
        let event = if is_new {
            permit.event("application.user_membership.add", "Add user to application membership")
        } else {
            permit.event("application.user_membership.update", "Update user's application membership")
        };
        self.log(&of_membership(event, app, user));
        Ok(assigned)
    }

    /// Ends the assignment of the user of this id by themselves.
    pub(crate) fn unassign_user(
        &self,
        permit: &Permit<ManageApps>,
        app: &App,
        user_id: &str,
    ) -> Result<(), ApiError> {
        let assigned = self.store.app_user(&app.client_id, user_id)?;
        let assigned = assigned.ok_or_else(|| no_such_app_user(user_id))?;
        if !self.store.unassign_user(&app.client_id, user_id)? {
            return Err(ApiError::assigned_by_group());
        }
        let message = "Remove user's application membership";
        let event = permit.event("application.user_membership.remove", message);
        self.log(&of_membership(event, app, &assigned.user));
        Ok(())
    }

    fn app_user_view(&self, app: &App, assigned: &AppUser, expands: bool) -> Value {
        let user = &assigned.user;
        let user_url = format!("{}/{}", self.list_url("users"), user.id);
        let mut view = json!({
            "id": user.id,
            "externalId": null,
            "created": timestamp::text(assigned.created),
            "lastUpdated": timestamp::text(assigned.last_updated),
            "scope": assigned.scope.name(),
            "status": "ACTIVE",
            "statusChanged": timestamp::text(assigned.created),
            "passwordChanged": null,
            "syncState": "DISABLED",
            "credentials": { "userName": assigned.user_name },
            "profile": assigned.profile,
            "_links": { "app": { "href": self.app_url(&app.client_id) }, "user": { "href": user_url } },
        });
        if let (true, Some(members)) = (expands, view.as_object_mut()) {
            members.insert("_embedded".to_owned(), json!({ "user": self.view(user) }));
        }
        view
    }

    fn link_view(&self, app: &App, user: &User) -> Value {
        json!({
            "id": app.client_id,
            "label": app.label,
            "linkUrl": format!("{}/home/oidc_client/{}", self.url.origin(), app.client_id),
            "logoUrl": null,
            "appName": "oidc_client",
            "appInstanceId": app.client_id,
            "appAssignmentId": user.id,
            "credentialsSetup": false,
            "hidden": false,
            "sortOrder": 0,
        })
    }
}

fn of_membership(event: Event, app: &App, user: &User) -> Event {
    let app_user = EventObject::new("AppUser", &user.id, user.login()).also_called(user.login());
    event.to(app_user).to(apps::target(app)).to(users::target(user))
}

fn no_such_app_user(id: &str) -> ApiError {
    ApiError::no_such("AppUser", id)
}
