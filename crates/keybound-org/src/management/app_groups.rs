//! `/api/v1/apps/{id}/groups`: the groups whose members may sign in to an app; and the apps of a group.

use std::collections::HashMap;
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
use super::apps;
use super::body::OptionalJsonBody;
use super::error::ApiError;
use super::groups;
use super::page::{ListKind, ListRequest};
use super::right::{ManageApps, ReadApps, ReadAppsOfGroup};
use super::users::has;
use crate::background;
use crate::group::Group;
use crate::named::Named;
use crate::store::{App, AppGroup, AppGroupChange, Condition, Page, Store};
use crate::timestamp;

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/apps/{app}/groups", get(list))
        .route("/apps/{app}/groups/{group}", get(read).put(assign).delete(unassign))
        .route("/groups/{group}/apps", get(apps_of_group))
}

pub(crate) const APP_GROUPS: ListKind =
    ListKind { default_limit: 20, largest_limit: 200, filter: None, search: None };

/// The largest priority, as Okta has it.
const MAX_PRIORITY: i64 = 100;

/// What a client sends to assign a group.
#[derive(Default, Deserialize)]
#[serde(default)]
struct AppGroupBody {
    priority: Option<i64>,
    profile: Option<Map<String, Value>>,
}

/// `GET …/groups`.
async fn list(
    _: Permit<ReadApps>,
    State(api): State<Arc<Management>>,
    Named(app): Named<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let expands = has(query.as_deref(), "expand", "group");
    let request = ListRequest::read(&query.unwrap_or_default(), &APP_GROUPS)?;
    background::run(move || {
        let app = api.app(&app)?;
        let page = api.app_groups(&app, &request)?;
        let embedded = if expands { api.groups_assigned(&page.items)? } else { HashMap::new() };
        let view = |one: &AppGroup| api.app_group_view(&app, one, embedded.get(&one.group_id));
        let groups: Vec<_> = page.items.iter().map(view).collect();
        Ok(request.answer(&groups, &format!("{}/groups", api.app_url(&app.client_id)), page.next()))
    })
    .await?
}

/// `GET …/groups/{id}`.
async fn read(
    _: Permit<ReadApps>,
    State(api): State<Arc<Management>>,
    Named((app, group)): Named<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let expands = has(query.as_deref(), "expand", "group");
    background::run(move || {
        let app = api.app(&app)?;
        let found = api.store.app_group(&app.client_id, &group)?;
        let found = found.ok_or_else(|| no_such_app_group(&group))?;
        let embedded = if expands { Some(api.group(&group)?) } else { None };
        Ok(Json(api.app_group_view(&app, &found, embedded.as_ref())).into_response())
    })
    .await?
}

/// `PUT …/groups/{id}`: assigns the group, or changes what the body has of the assignment.
async fn assign(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    Named((app, group)): Named<(String, String)>,
    OptionalJsonBody(body): OptionalJsonBody<AppGroupBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        if body.priority.is_some_and(|priority| !(0..=MAX_PRIORITY).contains(&priority)) {
            let cause = format!("priority: must be a number from 0 to {MAX_PRIORITY}");
            return Err(ApiError::invalid("priority", [cause]));
        }
        let (app, group) = (api.app(&app)?, api.group(&group)?);
        let change = AppGroupChange { priority: body.priority, profile: body.profile };
        let assigned = api.assign_group(&permit, &app, &group, &change)?;
        Ok(Json(api.app_group_view(&app, &assigned, None)).into_response())
    })
    .await?
}

/// `DELETE …/groups/{id}`.
async fn unassign(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    Named((app, group)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.unassign_group(&permit, &api.app(&app)?, &group)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `GET /api/v1/groups/{id}/apps`.
async fn apps_of_group(
    _: Permit<ReadAppsOfGroup>,
    State(api): State<Arc<Management>>,
    Named(group): Named<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let request = ListRequest::read(&query.unwrap_or_default(), &APP_GROUPS)?;
    background::run(move || {
        let group = api.group(&group)?;
        let page = api.store.apps(&request.listing(Store::apps_of_group(&group.id)))?;
        let apps = page.items.iter().map(|app| api.app_view(app, None)).collect::<Result<Vec<_>, _>>()?;
        let path = format!("{}/{}/apps", api.list_url("groups"), group.id);
        Ok(request.answer(&apps, &path, page.next()))
    })
    .await?
}

impl Management {
    /// The page of an app's groups that is asked for.
    pub(crate) fn app_groups(&self, app: &App, request: &ListRequest) -> Result<Page<AppGroup>, ApiError> {
        let listing = request.listing(Condition::always());
        Ok(self.store.app_groups(&app.client_id, request.q.as_deref(), &listing)?)
    }

    /// The groups of assignments, by id, in one query.
    pub(crate) fn groups_assigned(&self, assigned: &[AppGroup]) -> Result<HashMap<String, Group>, ApiError> {
        Ok(self.store.groups_of_ids(assigned.iter().map(|one| one.group_id.as_str()))?)
    }

    /// Lets the members of a group sign in to an app, or changes what the app is told of them.
    pub(crate) fn assign_group(
        &self,
        permit: &Permit<ManageApps>,
        app: &App,
        group: &Group,
        change: &AppGroupChange,
    ) -> Result<AppGroup, ApiError> {
        let (assigned, is_new) =
            self.store.assign_group(&app.client_id, &group.id, change, self.clock.now())?;
        let event = if is_new {
            permit.event("group.application_assignment.add", "Add assigned application to group")
        } else {
            permit.event("group.application_assignment.update", "Update assigned application of group")
        };
        self.log(&event.to(apps::target(app)).to(groups::target(group)));
        Ok(assigned)
    }

    /// Ends the assignment of the group of this id.
    pub(crate) fn unassign_group(
        &self,
        permit: &Permit<ManageApps>,
        app: &App,
        group: &str,
    ) -> Result<(), ApiError> {
        let group = self.group(group)?;
        if !self.store.unassign_group(&app.client_id, &group.id)? {
            return Err(no_such_app_group(&group.id));
        }
        let event =
            permit.event("group.application_assignment.remove", "Remove assigned application from group");
        self.log(&event.to(apps::target(app)).to(groups::target(&group)));
        Ok(())
    }

    fn app_group_view(&self, app: &App, assigned: &AppGroup, embedded: Option<&Group>) -> Value {
        let app_url = self.app_url(&app.client_id);
        let id = &assigned.group_id;
        let mut view = json!({
            "id": id,
            "lastUpdated": timestamp::text(assigned.last_updated),
            "priority": assigned.priority,
            "profile": assigned.profile,
            "_links": {
                "app": { "href": app_url },
                "group": { "href": format!("{}/{id}", self.list_url("groups")) },
                "self": { "href": format!("{app_url}/groups/{id}") },
            },
        });
        if let (Some(group), Some(members)) = (embedded, view.as_object_mut()) {
            members.insert("_embedded".to_owned(), json!({ "group": self.group_view(group) }));
        }
        view
    }
}

fn no_such_app_group(id: &str) -> ApiError {
    ApiError::no_such("ApplicationGroupAssignment", id)
}
