//! `/api/v1/authorizationServers/{id}/policies`: for which clients which rules decide.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::members::Members;
use super::{
    ApiError, JsonBody, LifecycleStatus, Management, Named, Permit, background, dates, link, link_lifecycle,
    status_after, target,
};
use super::{ManageAuthorizationServers, ReadAuthorizationServers};
use crate::event::EventObject;
use crate::store::{PolicySettings, Ranked};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/policies", get(list).post(create))
        .route("/policies/{policy}", get(read).put(replace).delete(delete))
        .route("/policies/{policy}/lifecycle/{step}", post(lifecycle))
}

/// What a client sends of a policy.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct PolicyBody {
    r#type: Option<String>,
    name: String,
    description: String,
    priority: Option<u32>,
    conditions: Conditions,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conditions {
    clients: Clients,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Clients {
    include: Vec<String>,
}

const TYPE: &str = "OAUTH_AUTHORIZATION_POLICY";

/// What stands for every client.
pub(crate) const ALL_CLIENTS: &str = "ALL_CLIENTS";

/// Clients of a policy, at most.
const MAX_CLIENTS: usize = 1_000;

impl PolicyBody {
    /// The policy and its place, if everything is as it must be.
    fn read(self) -> Result<(PolicySettings, Option<u32>), ApiError> {
        let mut members = Members::default();
        let name = members.name(&self.name);
        let description = members.text("description", &self.description);
        members.only("type", self.r#type.as_deref(), &[TYPE]);
        let include = self.conditions.clients.include;
        if include.is_empty() || include.len() > MAX_CLIENTS {
            let problem = format!("must name ALL_CLIENTS, or one client id to {MAX_CLIENTS}");
            members.refuse("conditions.clients.include", problem);
        }
        let is_for_all = include.iter().any(|client| client == ALL_CLIENTS);
        let clients = (!is_for_all).then_some(include);
        members.all_good((PolicySettings { name, description, clients }, self.priority))
    }
}

/// `GET …/policies`, the first to be asked first.
async fn list(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named(server): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let policies = api.policies_of_server(&server)?;
        let policies: Vec<_> = policies.iter().map(|policy| api.policy_view(&server, policy)).collect();
        Ok(Json(policies).into_response())
    })
    .await?
}

/// `POST …/policies`.
async fn create(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named(server): Named<String>,
    JsonBody(body): JsonBody<PolicyBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let policy = api.create_policy(&permit, &server, body)?;
        Ok((StatusCode::CREATED, Json(api.policy_view(&server, &policy))).into_response())
    })
    .await?
}

/// `GET …/policies/{id}`.
async fn read(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let policy = api.policy_of_server(&server, &id)?;
        Ok(Json(api.policy_view(&server, &policy)).into_response())
    })
    .await?
}

/// `PUT …/policies/{id}`: a place that the body does not name stays.
async fn replace(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, id)): Named<(String, String)>,
    JsonBody(body): JsonBody<PolicyBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let server = api.custom_server(&server)?;
        let (settings, priority) = body.read()?;
        let policy = api.store.replace_policy(&server.id, &id, &settings, priority, api.clock.now())?;
        let policy = policy.ok_or_else(|| no_such_policy(&id))?;
        let event = permit.event("policy.lifecycle.update", "Update policy");
        api.log(&event.to(target(&server)).to(policy_target(&policy)));
        Ok(Json(api.policy_view(&server.id, &policy)).into_response())
    })
    .await?
}

/// `DELETE …/policies/{id}`, with its rules.
async fn delete(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.delete_policy(&permit, &server, &id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `POST …/policies/{id}/lifecycle/{activate|deactivate}`.
async fn lifecycle(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, id, step)): Named<(String, String, String)>,
) -> Result<Response, ApiError> {
    let status = status_after(&step)?;
    background::run(move || {
        api.set_policy_status(&permit, &server, &id, status)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

impl Management {
    /// The policies of a server in their order, also those that are not active.
    pub(crate) fn policies_of_server(&self, server: &str) -> Result<Vec<Ranked<PolicySettings>>, ApiError> {
        Ok(self.store.policies(&self.custom_server(server)?.id)?)
    }

    /// Makes a policy, which grants nothing before it has a rule.
    pub(crate) fn create_policy(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        server: &str,
        body: PolicyBody,
    ) -> Result<Ranked<PolicySettings>, ApiError> {
        let server = self.custom_server(server)?;
        let (settings, priority) = body.read()?;
        let (now, random) = (self.clock.now(), self.random.as_ref());
        let policy = self.store.create_policy(&server.id, &settings, priority, now, random)?;
        let event = permit.event("policy.lifecycle.create", "Create policy");
        self.log(&event.to(target(&server)).to(policy_target(&policy)));
        Ok(policy)
    }

    /// Lets a policy count, or not.
    pub(crate) fn set_policy_status(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        server: &str,
        id: &str,
        status: LifecycleStatus,
    ) -> Result<(), ApiError> {
        let (event_type, message) = match status {
            LifecycleStatus::Active => ("policy.lifecycle.activate", "Activate policy"),
            LifecycleStatus::Inactive => ("policy.lifecycle.deactivate", "Deactivate policy"),
        };
        let server = self.custom_server(server)?;
        let policy = self.store.set_policy_status(&server.id, id, status, self.clock.now())?;
        let policy = policy.ok_or_else(|| no_such_policy(id))?;
        self.log(&permit.event(event_type, message).to(target(&server)).to(policy_target(&policy)));
        Ok(())
    }

    /// Deletes a policy with its rules.
    pub(crate) fn delete_policy(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        server: &str,
        id: &str,
    ) -> Result<(), ApiError> {
        let server = self.custom_server(server)?;
        let policy = self.store.delete_policy(&server.id, id)?.ok_or_else(|| no_such_policy(id))?;
        let event = permit.event("policy.lifecycle.delete", "Delete policy");
        self.log(&event.to(target(&server)).to(policy_target(&policy)));
        Ok(())
    }

    /// The policy of this id, if a server has it.
    pub(crate) fn policy_of_server(
        &self,
        server: &str,
        id: &str,
    ) -> Result<Ranked<PolicySettings>, ApiError> {
        let server = self.custom_server(server)?;
        self.store.policy(&server.id, id)?.ok_or_else(|| no_such_policy(id))
    }

    pub(super) fn policy_url(&self, server: &str, id: &str) -> String {
        format!("{}/policies/{id}", self.server_url(server))
    }

    fn policy_view(&self, server: &str, policy: &Ranked<PolicySettings>) -> Value {
        let url = self.policy_url(server, &policy.id);
        let [created, last_updated] = dates(policy.created, policy.last_updated);
        let clients =
            policy.value.clients.as_ref().map_or_else(|| json!([ALL_CLIENTS]), |clients| json!(clients));
        // Okta has no policy without a description, and its SDK for Python reads none.
        let PolicySettings { name, description, .. } = &policy.value;
        let description = if description.is_empty() { name } else { description };
        let mut view = json!({
            "type": TYPE,
            "id": policy.id,
            "status": policy.status.name(),
            "name": name,
            "description": description,
            "priority": policy.priority,
            "system": false,
            "conditions": { "clients": { "include": clients } },
            "created": created,
            "lastUpdated": last_updated,
            "_links": {
                "self": link(&url, &["GET", "PUT", "DELETE"]),
                "rules": link(&format!("{url}/rules"), &["GET"]),
            },
        });
        link_lifecycle(&mut view, &url, policy.status);
        view
    }
}

/// A policy as a target of an event.
pub(super) fn policy_target(policy: &Ranked<PolicySettings>) -> EventObject {
    EventObject::new("PolicyEntity", &policy.id, &policy.value.name)
}

fn no_such_policy(id: &str) -> ApiError {
    ApiError::no_such("AuthorizationServerPolicy", id)
}
