//! `/api/v1/authorizationServers/{id}/policies/{id}/rules`: which requests are granted, and for how long.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use super::policies::policy_target;
use super::rule_body::{EVERY_SCOPE, EVERYONE, RuleBody, TYPE};
use super::{
    ApiError, JsonBody, LifecycleStatus, Management, Named, Permit, background, dates, link, link_lifecycle,
    status_after,
};
use super::{ManageAuthorizationServers, ReadAuthorizationServers};
use crate::event::{Event, EventObject};
use crate::store::{AccessPolicyRule, GrantType, PolicySettings, Ranked};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/policies/{policy}/rules", get(list).post(create))
        .route("/policies/{policy}/rules/{rule}", get(read).put(replace).delete(delete))
        .route("/policies/{policy}/rules/{rule}/lifecycle/{step}", post(lifecycle))
}

/// `GET …/rules`, the first to be asked first.
async fn list(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, policy)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let rules = api.rules_of_policy(&server, &policy)?;
        let rules: Vec<_> = rules.iter().map(|rule| api.rule_view(&server, &policy, rule)).collect();
        Ok(Json(rules).into_response())
    })
    .await?
}

/// `POST …/rules`.
async fn create(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, policy)): Named<(String, String)>,
    JsonBody(body): JsonBody<RuleBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let rule = api.create_rule(&permit, (&server, &policy), body)?;
        Ok((StatusCode::CREATED, Json(api.rule_view(&server, &policy, &rule))).into_response())
    })
    .await?
}

/// `GET …/rules/{id}`.
async fn read(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, policy, id)): Named<(String, String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let policy = api.policy_of_server(&server, &policy)?;
        let rule = api.store.rule(&policy.id, &id)?.ok_or_else(|| no_such_rule(&id))?;
        Ok(Json(api.rule_view(&server, &policy.id, &rule)).into_response())
    })
    .await?
}

/// `PUT …/rules/{id}`: a place that the body does not name stays.
async fn replace(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, policy, id)): Named<(String, String, String)>,
    JsonBody(body): JsonBody<RuleBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let policy = api.policy_of_server(&server, &policy)?;
        let (rule, priority) = body.read()?;
        let rule = api.store.replace_rule(&policy.id, &id, &rule, priority, api.clock.now())?;
        let rule = rule.ok_or_else(|| no_such_rule(&id))?;
        api.log_rule(permit.event("policy.rule.update", "Update policy rule"), &policy, &rule);
        Ok(Json(api.rule_view(&server, &policy.id, &rule)).into_response())
    })
    .await?
}

/// `DELETE …/rules/{id}`.
async fn delete(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, policy, id)): Named<(String, String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.delete_rule(&permit, (&server, &policy), &id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `POST …/rules/{id}/lifecycle/{activate|deactivate}`.
async fn lifecycle(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, policy, id, step)): Named<(String, String, String, String)>,
) -> Result<Response, ApiError> {
    let status = status_after(&step)?;
    background::run(move || {
        api.set_rule_status(&permit, (&server, &policy), &id, status)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

impl Management {
    /// The rules of a server's policy in their order, also those that are not active.
    pub(crate) fn rules_of_policy(
        &self,
        server: &str,
        policy: &str,
    ) -> Result<Vec<Ranked<AccessPolicyRule>>, ApiError> {
        Ok(self.store.rules(&self.policy_of_server(server, policy)?.id)?)
    }

    /// Makes a rule of a server's policy.
    pub(crate) fn create_rule(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        (server, policy): (&str, &str),
        body: RuleBody,
    ) -> Result<Ranked<AccessPolicyRule>, ApiError> {
        let policy = self.policy_of_server(server, policy)?;
        let (rule, priority) = body.read()?;
        let (now, random) = (self.clock.now(), self.random.as_ref());
        let rule = self.store.create_rule(&policy.id, &rule, priority, now, random)?;
        self.log_rule(permit.event("policy.rule.add", "Add policy rule"), &policy, &rule);
        Ok(rule)
    }

    /// Lets a rule of a server's policy count, or not.
    pub(crate) fn set_rule_status(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        (server, policy): (&str, &str),
        id: &str,
        status: LifecycleStatus,
    ) -> Result<(), ApiError> {
        let (event_type, message) = match status {
            LifecycleStatus::Active => ("policy.rule.activate", "Activate policy rule"),
            LifecycleStatus::Inactive => ("policy.rule.deactivate", "Deactivate policy rule"),
        };
        let policy = self.policy_of_server(server, policy)?;
        let rule = self.store.set_rule_status(&policy.id, id, status, self.clock.now())?;
        let rule = rule.ok_or_else(|| no_such_rule(id))?;
        self.log_rule(permit.event(event_type, message), &policy, &rule);
        Ok(())
    }

    /// Deletes a rule of a server's policy.
    pub(crate) fn delete_rule(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        (server, policy): (&str, &str),
        id: &str,
    ) -> Result<(), ApiError> {
        let policy = self.policy_of_server(server, policy)?;
        let rule = self.store.delete_rule(&policy.id, id)?.ok_or_else(|| no_such_rule(id))?;
        self.log_rule(permit.event("policy.rule.delete", "Delete policy rule"), &policy, &rule);
        Ok(())
    }

    fn log_rule(&self, event: Event, policy: &Ranked<PolicySettings>, rule: &Ranked<AccessPolicyRule>) {
        let rule = EventObject::new("PolicyRule", &rule.id, &rule.value.name);
        self.log(&event.to(policy_target(policy)).to(rule));
    }

    fn rule_view(&self, server: &str, policy: &str, rule: &Ranked<AccessPolicyRule>) -> Value {
        let url = format!("{}/rules/{}", self.policy_url(server, policy), rule.id);
        let [created, last_updated] = dates(rule.created, rule.last_updated);
        let AccessPolicyRule { name, grant_types, scopes, lifetimes } = &rule.value;
        let grant_types = grant_types.iter().filter(|grant| **grant != GrantType::RefreshToken);
        let mut view = json!({
            "type": TYPE,
            "id": rule.id,
            "status": rule.status.name(),
            "name": name,
            "priority": rule.priority,
            "system": false,
            "conditions": {
                "people": {
                    "users": { "include": [], "exclude": [] },
                    "groups": { "include": [EVERYONE], "exclude": [] },
                },
                "grantTypes": { "include": grant_types.map(|grant| grant.name()).collect::<Vec<_>>() },
                "scopes": { "include": scopes.clone().unwrap_or_else(|| vec![EVERY_SCOPE.to_owned()]) },
            },
            "actions": {
                "token": {
                    "accessTokenLifetimeMinutes": minutes(lifetimes.access_token),
                    "refreshTokenLifetimeMinutes": lifetimes.refresh_token.map_or(0, minutes),
                    "refreshTokenWindowMinutes": minutes(lifetimes.refresh_token_idle),
                    "inlineHook": null,
                },
            },
            "created": created,
            "lastUpdated": last_updated,
            "_links": { "self": link(&url, &["GET", "PUT", "DELETE"]) },
        });
        link_lifecycle(&mut view, &url, rule.status);
        view
    }
}

fn minutes(duration: Duration) -> u64 {
    duration.as_secs() / 60
}

fn no_such_rule(id: &str) -> ApiError {
    ApiError::no_such("AuthorizationServerPolicyRule", id)
}
