//! `…/roles` of clients (`/oauth2/v1/clients/{id}`), users and groups: the admin roles that an app acts in when it calls for
//! itself, and those that a user has, by themselves or as a member of a group.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Management;
use super::admission::Permit;
use super::body::JsonBody;
use super::error::ApiError;
use super::right::{ManageRoles, ReadRoles};
use super::{apps, groups, users};
use crate::background;
use crate::event::{Event, EventObject};
use crate::named::Named;
use crate::store::{AdminRole, AssignmentType, RoleAssignment, RoleHolder, UnknownAdminRole};
use crate::timestamp;
use crate::user::{User, UserStatus};

/// The roles of users and groups.
pub(super) fn routes() -> Router<Arc<Management>> {
    let of_users = routes_at("/users/{user}/roles", AssignmentType::User);
    of_users.merge(routes_at("/groups/{group}/roles", AssignmentType::Group))
}

/// The roles of clients.
pub(super) fn routes_of_clients() -> Router<Arc<Management>> {
    routes_at("/{client}/roles", AssignmentType::Client)
}

fn routes_at(path: &str, kind: AssignmentType) -> Router<Arc<Management>> {
    let list = move |permit, api, named| list(kind, permit, api, named);
    let assign = move |permit, api, named, body| assign(kind, permit, api, named, body);
    let read = move |permit, api, named| read(kind, permit, api, named);
    let unassign = move |permit, api, named| unassign(kind, permit, api, named);
    let targets = move |permit, api, named| targets(kind, permit, api, named);
    let one = format!("{path}/{{assignment}}");
    Router::new()
        .route(path, get(list).post(assign))
        .route(&one, get(read).delete(unassign))
        .route(&format!("{one}/targets/groups"), get(targets))
        .route(&format!("{one}/targets/catalog/apps"), get(targets))
}

/// What a client sends to assign a role.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RoleBody {
    r#type: String,
}

/// `GET …/roles`.
async fn list(
    kind: AssignmentType,
    _: Permit<ReadRoles>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let holder = api.role_holder(kind, &name)?;
        let roles = api.roles_of(kind, &holder.id)?;
        let roles: Vec<_> = roles.iter().map(|role| role_view(&holder, role)).collect();
        Ok(Json(roles).into_response())
    })
    .await?
}

/// `POST …/roles`.
async fn assign(
    kind: AssignmentType,
    permit: Permit<ManageRoles>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
    JsonBody(body): JsonBody<RoleBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let holder = api.role_holder(kind, &name)?;
        let assignment = api.assign_role(&permit, &holder, &body.r#type)?;
        Ok(Json(role_view(&holder, &assignment)).into_response())
    })
    .await?
}

/// `GET …/roles/{id}`.
async fn read(
    kind: AssignmentType,
    _: Permit<ReadRoles>,
    State(api): State<Arc<Management>>,
    Named((name, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let holder = api.role_holder(kind, &name)?;
        Ok(Json(role_view(&holder, &api.role_of(kind, &holder.id, &id)?)).into_response())
    })
    .await?
}

/// `DELETE …/roles/{id}`.
async fn unassign(
    kind: AssignmentType,
    permit: Permit<ManageRoles>,
    State(api): State<Arc<Management>>,
    Named((name, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.unassign_role(&permit, &api.role_holder(kind, &name)?, &id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `GET …/roles/{id}/targets/…`: no role is for some groups or apps alone, so the lists are empty.
async fn targets(
    kind: AssignmentType,
    _: Permit<ReadRoles>,
    State(api): State<Arc<Management>>,
    Named((name, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let holder = api.role_holder(kind, &name)?;
        api.role_of(kind, &holder.id, &id)?;
        Ok(Json(json!([])).into_response())
    })
    .await?
}

/// A role as it is shown where it is asked for.
fn role_view(holder: &Holder, assignment: &RoleAssignment) -> Value {
    let url = format!("{}/{}", holder.url, assignment.id);
    json!({
        "id": assignment.id,
        "label": assignment.role.label(),
        "type": assignment.role.name(),
        "status": "ACTIVE",
        "created": timestamp::text(assignment.created),
        "lastUpdated": timestamp::text(assignment.created),
        "assignmentType": assignment.assignment_type.name(),
        "_links": { "self": { "href": url } },
    })
}

/// Who has roles, as a path names it.
pub(crate) struct Holder {
    kind: AssignmentType,
    id: String,
    /// Where its roles are.
    url: String,
    target: EventObject,
    is_deactivated: bool,
}

impl Holder {
    fn in_store(&self) -> RoleHolder<'_> {
        RoleHolder::new(self.kind, &self.id)
    }
}

impl Management {
    /// Who is found by this name: a client id, the id of a group, the id or login of a user.
    pub(crate) fn role_holder(&self, kind: AssignmentType, name: &str) -> Result<Holder, ApiError> {
        let list = |list, id: &str| format!("{}/{id}/roles", self.list_url(list));
        Ok(match kind {
            AssignmentType::Client => {
                let app = self.app(name)?;
                let url = format!("{}{}/{}/roles", self.url.origin(), super::CLIENTS_PATH, app.client_id);
                Holder { kind, url, target: apps::target(&app), is_deactivated: false, id: app.client_id }
            }
            AssignmentType::Group => {
                let group = self.group(name)?;
                let url = list("groups", &group.id);
                Holder { kind, url, target: groups::target(&group), is_deactivated: false, id: group.id }
            }
            AssignmentType::User => {
                let user = self.user(name)?;
                let is_deactivated = user.status == UserStatus::Deprovisioned;
                let url = list("users", &user.id);
                Holder { kind, url, target: users::target(&user), is_deactivated, id: user.id }
            }
        })
    }

    /// Has somebody act in the admin role of this name.
    pub(crate) fn assign_role(
        &self,
        permit: &Permit<ManageRoles>,
        holder: &Holder,
        role: &str,
    ) -> Result<RoleAssignment, ApiError> {
        let unknown = |error: UnknownAdminRole| ApiError::invalid("type", [format!("type: {error}")]);
        let role: AdminRole = role.parse().map_err(unknown)?;
        if holder.is_deactivated {
            return Err(ApiError::user_is_deactivated());
        }
        let (now, random) = (self.clock.now(), self.random.as_ref());
        let assigned = self.store.assign_role(holder.in_store(), role, now, random)?;
        let assignment = assigned.ok_or_else(ApiError::role_is_assigned)?;
        let (event_type, message) = granted(holder.kind);
        self.log(&of_role(permit.event(event_type, message), holder.target.clone(), &assignment));
        Ok(assignment)
    }

    /// Takes the role of this assignment away.
    pub(crate) fn unassign_role(
        &self,
        permit: &Permit<ManageRoles>,
        holder: &Holder,
        id: &str,
    ) -> Result<(), ApiError> {
        let unassigned = self.store.unassign_role(holder.in_store(), id)?;
        let assignment = unassigned.ok_or_else(|| no_such_role(id))?;
        let (event_type, message) = revoked(holder.kind);
        self.log(&of_role(permit.event(event_type, message), holder.target.clone(), &assignment));
        Ok(())
    }

    /// The admin roles that somebody has, who is there; those of a user's groups among them.
    pub(crate) fn roles_of(&self, kind: AssignmentType, id: &str) -> Result<Vec<RoleAssignment>, ApiError> {
        Ok(self.store.role_assignments(RoleHolder::new(kind, id))?.unwrap_or_default())
    }

    fn role_of(&self, kind: AssignmentType, holder: &str, id: &str) -> Result<RoleAssignment, ApiError> {
        let roles = self.roles_of(kind, holder)?;
        roles.into_iter().find(|role| role.id == id).ok_or_else(|| no_such_role(id))
    }

    /// A user who has admin roles is changed by a super administrator alone, or by themselves: whoever sets their password
    /// could act as them.
    pub(super) fn demand_right_over<R>(&self, permit: &Permit<R>, user: &User) -> Result<(), ApiError> {
        if permit.is_super_administrators() || permit.user() == Some(&user.id) {
            return Ok(());
        }
        self.demand_none(
            AssignmentType::User,
            &user.id,
            "the user has admin roles; only a SUPER_ADMIN may change them",
        )
    }

    /// A group that has admin roles is changed by a super administrator alone: its members act in them.
    pub(super) fn demand_right_over_group<R>(&self, permit: &Permit<R>, group: &str) -> Result<(), ApiError> {
        if permit.is_super_administrators() {
            return Ok(());
        }
        let cause = "the group has admin roles; only a SUPER_ADMIN may change it and its members";
        self.demand_none(AssignmentType::Group, group, cause)
    }

    fn demand_none(&self, kind: AssignmentType, id: &str, cause: &str) -> Result<(), ApiError> {
        if self.roles_of(kind, id)?.is_empty() { Ok(()) } else { Err(ApiError::no_permission(cause)) }
    }
}

const fn granted(kind: AssignmentType) -> (&'static str, &'static str) {
    match kind {
        AssignmentType::Client => ("app.oauth2.client.privilege.grant", "Grant client privilege"),
        AssignmentType::Group => ("group.privilege.grant", "Grant group privilege"),
        AssignmentType::User => ("user.account.privilege.grant", "Grant user privilege"),
    }
}

const fn revoked(kind: AssignmentType) -> (&'static str, &'static str) {
    match kind {
        AssignmentType::Client => ("app.oauth2.client.privilege.revoke", "Revoke client privilege"),
        AssignmentType::Group => ("group.privilege.revoke", "Revoke group privilege"),
        AssignmentType::User => ("user.account.privilege.revoke", "Revoke user privilege"),
    }
}

fn of_role(event: Event, holder: EventObject, assignment: &RoleAssignment) -> Event {
    let role = assignment.role;
    let event = event.to(holder).to(EventObject::new("ROLE", &assignment.id, role.name()));
    event.debug("privilegeGranted", role.label())
}

fn no_such_role(id: &str) -> ApiError {
    ApiError::no_such("RoleAssignment", id)
}
