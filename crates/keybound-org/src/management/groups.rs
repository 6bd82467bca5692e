//! `/api/v1/groups`, and the groups of a user.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, put};
use axum::{Json, Router};
use http::StatusCode;
use keybound::NumericDate;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Management;
use super::admission::Permit;
use super::body::JsonBody;
use super::error::ApiError;
use super::page::{ListKind, ListRequest};
use super::right::{ManageGroups, ManageMemberships, ReadGroups, ReadUser};
use super::users;
use crate::background;
use crate::event::{Event, EventObject};
use crate::group::{Group, GroupKind, GroupProfile};
use crate::named::Named;
use crate::okta_id::{self, IdKind};
use crate::store::{Condition, Page, Store, StoreError, group_property};
use crate::timestamp;
use crate::user::User;

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/groups", get(list).post(create))
        // Rules are no group, and not here.
        .route("/groups/rules", any(super::not_served))
        .route("/groups/{group}", get(read).put(replace).delete(delete))
        .route("/groups/{group}/users", get(members))
        .route("/groups/{group}/users/{user}", put(add_member).delete(remove_member))
        .route("/users/{user}/groups", get(groups_of_user))
}

pub(crate) const GROUPS: ListKind = ListKind {
    default_limit: 10_000,
    largest_limit: 10_000,
    filter: Some(group_property),
    search: Some(group_property),
};

pub(crate) const MEMBERS: ListKind =
    ListKind { default_limit: 1_000, largest_limit: 1_000, filter: None, search: None };

/// What a client sends of a group.
#[derive(Default, Deserialize)]
#[serde(default)]
struct GroupBody {
    profile: Map<String, Value>,
}

/// `GET /api/v1/groups`.
async fn list(
    _: Permit<ReadGroups>,
    State(api): State<Arc<Management>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let request = ListRequest::read(&query.unwrap_or_default(), &GROUPS)?;
    background::run(move || {
        let page = api.groups(&request)?;
        let groups: Vec<_> = page.items.iter().map(|group| api.group_view(group)).collect();
        Ok(request.answer(&groups, &api.list_url("groups"), page.next()))
    })
    .await?
}

/// `POST /api/v1/groups`.
async fn create(
    permit: Permit<ManageGroups>,
    State(api): State<Arc<Management>>,
    JsonBody(body): JsonBody<GroupBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let group = api.create_group(&permit, body.profile)?;
        Ok(Json(api.group_view(&group)).into_response())
    })
    .await?
}

/// `GET /api/v1/groups/{id}`.
async fn read(
    _: Permit<ReadGroups>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || Ok(Json(api.group_view(&api.group(&id)?)).into_response())).await?
}

/// `PUT /api/v1/groups/{id}`.
async fn replace(
    permit: Permit<ManageGroups>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
    JsonBody(body): JsonBody<GroupBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.demand_right_over_group(&permit, &id)?;
        let profile = GroupProfile::new(body.profile)?;
        let replaced = api.store.replace_group(&id, profile, api.clock.now())?;
        let group = replaced.ok_or_else(|| no_such_group(&id))?;
        if group.kind == GroupKind::BuiltIn {
            return Err(ApiError::group_is_built_in("change"));
        }
        api.log(&permit.event("group.profile.update", "Update Okta group").to(target(&group)));
        Ok(Json(api.group_view(&group)).into_response())
    })
    .await?
}

/// `DELETE /api/v1/groups/{id}`: its members stay.
async fn delete(
    permit: Permit<ManageGroups>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.delete_group(&permit, &id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `GET /api/v1/groups/{id}/users`.
async fn members(
    _: Permit<ReadGroups>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let request = ListRequest::read(&query.unwrap_or_default(), &MEMBERS)?;
    background::run(move || {
        let page = api.members(&api.group(&id)?, &request)?;
        let users: Vec<_> = page.items.iter().map(|user| api.view(user)).collect();
        let path = format!("{}/{id}/users", api.list_url("groups"));
        Ok(request.answer(&users, &path, page.next()))
    })
    .await?
}

/// `PUT /api/v1/groups/{id}/users/{id}`.
async fn add_member(
    permit: Permit<ManageMemberships>,
    State(api): State<Arc<Management>>,
    Named((group, user)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.add_member(&permit, &group, &user)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `DELETE /api/v1/groups/{id}/users/{id}`.
async fn remove_member(
    permit: Permit<ManageMemberships>,
    State(api): State<Arc<Management>>,
    Named((group, user)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.remove_member(&permit, &group, &user)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `GET /api/v1/users/{id or login}/groups`.
async fn groups_of_user(
    permit: Permit<ReadUser>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let groups = api.store.groups_of(&api.user(permit.whom(&name))?.id)?;
        let groups: Vec<_> = groups.iter().map(|group| api.group_view(group)).collect();
        Ok(Json(groups).into_response())
    })
    .await?
}

impl Management {
    /// The page of groups that is asked for.
    pub(crate) fn groups(&self, request: &ListRequest) -> Result<Page<Group>, ApiError> {
        let condition = request.looked_for(Store::groups_beginning_with, Condition::always);
        Ok(self.store.groups(&request.listing(condition))?)
    }

    /// The page of a group's members that is asked for.
    pub(crate) fn members(&self, group: &Group, request: &ListRequest) -> Result<Page<User>, ApiError> {
        Ok(self.store.members(group, &request.listing(Condition::always()))?)
    }

    /// The group of this id.
    pub(crate) fn group(&self, id: &str) -> Result<Group, ApiError> {
        self.store.group(id)?.ok_or_else(|| no_such_group(id))
    }

    /// Creates a group with this profile.
    pub(crate) fn create_group(
        &self,
        permit: &Permit<ManageGroups>,
        profile: Map<String, Value>,
    ) -> Result<Group, ApiError> {
        let now = self.clock.now();
        let group = Group {
            id: okta_id::generate(IdKind::Group, self.random.as_ref())?,
            kind: GroupKind::Okta,
            created: now,
            last_updated: now,
            last_membership_updated: now,
            profile: GroupProfile::new(profile)?,
        };
        self.store.insert_group(&group)?;
        self.log(&permit.event("group.lifecycle.create", "Create Okta group").to(target(&group)));
        Ok(group)
    }

    /// Deletes a group that is not built in.
    pub(crate) fn delete_group(&self, permit: &Permit<ManageGroups>, id: &str) -> Result<(), ApiError> {
        self.demand_right_over_group(permit, id)?;
        let group = self.store.delete_group(id)?.ok_or_else(|| no_such_group(id))?;
        if group.kind == GroupKind::BuiltIn {
            return Err(ApiError::group_is_built_in("delete"));
        }
        self.log(&permit.event("group.lifecycle.delete", "Delete Okta group").to(target(&group)));
        Ok(())
    }

    /// Puts the user of this id or login into a group.
    pub(crate) fn add_member(
        &self,
        permit: &Permit<ManageMemberships>,
        group: &str,
        user: &str,
    ) -> Result<(), ApiError> {
        self.demand_right_over_group(permit, group)?;
        let event = permit.event("group.user_membership.add", "Add user to group membership");
        self.change_membership(group, user, event, Store::add_member)
    }

    /// Takes the user of this id or login out of a group.
    pub(crate) fn remove_member(
        &self,
        permit: &Permit<ManageMemberships>,
        group: &str,
        user: &str,
    ) -> Result<(), ApiError> {
        self.demand_right_over_group(permit, group)?;
        let event = permit.event("group.user_membership.remove", "Remove user from group membership");
        self.change_membership(group, user, event, Store::remove_member)
    }

    /// Changes whether a user is in a group, if its members can be changed.
    fn change_membership(
        &self,
        group: &str,
        user: &str,
        event: Event,
        change: fn(&Store, &str, &str, NumericDate) -> Result<(), StoreError>,
    ) -> Result<(), ApiError> {
        let group = self.group(group)?;
        if group.kind == GroupKind::BuiltIn {
            return Err(ApiError::group_is_built_in("change the members of"));
        }
        let user = self.user(user)?;
        change(&self.store, &group.id, &user.id, self.clock.now())?;
        self.log(&event.to(users::target(&user)).to(target(&group)));
        Ok(())
    }

    pub(super) fn group_view(&self, group: &Group) -> Value {
        let url = format!("{}/{}", self.list_url("groups"), group.id);
        json!({
            "id": group.id,
            "created": timestamp::text(group.created),
            "lastUpdated": timestamp::text(group.last_updated),
            "lastMembershipUpdated": timestamp::text(group.last_membership_updated),
            "objectClass": ["okta:user_group"],
            "type": group.kind.name(),
            "profile": group.profile.members(),
            "_links": {
                "self": { "href": url },
                "users": { "href": format!("{url}/users") },
                "apps": { "href": format!("{url}/apps") },
            },
        })
    }
}

/// A group as a target of an event.
pub(super) fn target(group: &Group) -> EventObject {
    EventObject::new("UserGroup", &group.id, group.profile.name())
}

fn no_such_group(id: &str) -> ApiError {
    ApiError::no_such("UserGroup", id)
}
