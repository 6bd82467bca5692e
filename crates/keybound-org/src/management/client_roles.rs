//! `/oauth2/v1/clients/{id}/roles`: the admin roles that an app acts in. Those of a user can be listed, and are none.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::Management;
use super::admission::Permit;
use super::apps::{no_such_app, target};
use super::body::JsonBody;
use super::error::ApiError;
use super::right::{ManageRoles, ReadRoles};
use crate::background;
use crate::event::EventObject;
use crate::named::Named;
use crate::store::{AdminRole, RoleAssignment, UnknownAdminRole};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/{client}/roles", get(list).post(assign))
        .route("/{client}/roles/{assignment}", get(read).delete(unassign))
}

/// The admin roles of users, of which none has any here.
pub(super) fn routes_of_users() -> Router<Arc<Management>> {
    Router::new().route("/users/{user}/roles", get(list_of_user))
}

/// What a client sends to assign a role.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RoleBody {
    r#type: String,
}

/// `GET /api/v1/users/{id or login}/roles`: Terraform's provider and others list them; only clients have roles here.
async fn list_of_user(
    _: Permit<ReadRoles>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.user(&name)?;
        Ok(Json(json!([])).into_response())
    })
    .await?
}

/// `GET …/roles`.
async fn list(
    _: Permit<ReadRoles>,
    State(api): State<Arc<Management>>,
    Named(client): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let roles = api.roles_of(&client)?;
        let roles: Vec<_> = roles.iter().map(|role| api.role_view(&client, role)).collect();
        Ok(Json(roles).into_response())
    })
    .await?
}

/// `POST …/roles`.
async fn assign(
    permit: Permit<ManageRoles>,
    State(api): State<Arc<Management>>,
    Named(client): Named<String>,
    JsonBody(body): JsonBody<RoleBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let assignment = api.assign_role(&permit, &client, &body.r#type)?;
        Ok(Json(api.role_view(&client, &assignment)).into_response())
    })
    .await?
}

/// `GET …/roles/{id}`.
async fn read(
    _: Permit<ReadRoles>,
    State(api): State<Arc<Management>>,
    Named((client, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let roles = api.roles_of(&client)?;
        let role = roles.iter().find(|role| role.id == id).ok_or_else(|| no_such_role(&id))?;
        Ok(Json(api.role_view(&client, role)).into_response())
    })
    .await?
}

/// `DELETE …/roles/{id}`.
async fn unassign(
    permit: Permit<ManageRoles>,
    State(api): State<Arc<Management>>,
    Named((client, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.unassign_role(&permit, &client, &id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

impl Management {
    /// Has an app act in the admin role of this name.
    pub(crate) fn assign_role(
        &self,
        permit: &Permit<ManageRoles>,
        client: &str,
        role: &str,
    ) -> Result<RoleAssignment, ApiError> {
        let app = self.app(client)?;
        let unknown = |error: UnknownAdminRole| ApiError::invalid("type", [format!("type: {error}")]);
        let role: AdminRole = role.parse().map_err(unknown)?;
        let assigned = self.store.assign_role(client, role, self.clock.now(), self.random.as_ref())?;
        let assignment = assigned.ok_or_else(ApiError::role_is_assigned)?;
        let event = permit.event("app.oauth2.client.privilege.grant", "Grant client privilege");
        self.log(&event.to(target(&app)).to(role_target(&assignment)));
        Ok(assignment)
    }

    /// Takes the role of this assignment from an app.
    pub(crate) fn unassign_role(
        &self,
        permit: &Permit<ManageRoles>,
        client: &str,
        id: &str,
    ) -> Result<(), ApiError> {
        let app = self.app(client)?;
        let assignment = self.store.unassign_role(client, id)?.ok_or_else(|| no_such_role(id))?;
        let event = permit.event("app.oauth2.client.privilege.revoke", "Revoke client privilege");
        self.log(&event.to(target(&app)).to(role_target(&assignment)));
        Ok(())
    }

    /// The admin roles that an app acts in.
    pub(crate) fn roles_of(&self, client: &str) -> Result<Vec<RoleAssignment>, ApiError> {
        self.store.role_assignments(client)?.ok_or_else(|| no_such_app(client))
    }
}

fn role_target(assignment: &RoleAssignment) -> EventObject {
    EventObject::new("ROLE", &assignment.id, assignment.role.name())
}

fn no_such_role(id: &str) -> ApiError {
    ApiError::no_such("RoleAssignment", id)
}
