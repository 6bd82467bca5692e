//! `/api/v1/authorizationServers`: custom authorization servers, and below each its scopes, claims, policies and keys.

mod claims;
mod expression;
mod keys;
mod policies;
mod rule_body;
mod rules;
mod scopes;

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use keybound::NumericDate;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Management;
use super::admission::Permit;
use super::body::JsonBody;
use super::error::ApiError;
use super::lifecycle::{link, link_lifecycle, status_after};
use super::members::{self, Members};
use super::page::{ListKind, ListRequest};
use super::right::{ManageAuthorizationServers, ReadAuthorizationServers};
use crate::background;
use crate::event::EventObject;
use crate::named::Named;
use crate::store::{Condition, CustomServer, LifecycleStatus, NewAuthorizationServer, Page, ServerId, Store};
use crate::timestamp;
pub(crate) use claims::{ACCESS_TOKEN, ClaimBody, ID_TOKEN};
pub(crate) use expression::text as claim_expression;
pub(crate) use keys::key_status;
pub(crate) use policies::{ALL_CLIENTS, PolicyBody};
pub(crate) use rule_body::{EVERY_SCOPE, RuleBody};
pub(crate) use scopes::{NOT_PUBLISHED, PUBLISHED, ScopeBody, is_built_in};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/authorizationServers", get(list).post(create))
        .route("/authorizationServers/{server}", get(read).put(replace).delete(delete))
        .route("/authorizationServers/{server}/lifecycle/{step}", post(lifecycle))
        .nest(
            "/authorizationServers/{server}",
            scopes::routes()
                .merge(claims::routes())
                .merge(policies::routes())
                .merge(rules::routes())
                .merge(keys::routes()),
        )
}

pub(crate) const SERVERS: ListKind =
    ListKind { default_limit: 200, largest_limit: 200, filter: None, search: None };

/// What a client sends of an authorization server.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ServerBody {
    name: String,
    description: String,
    audiences: Vec<String>,
    issuer_mode: Option<String>,
    credentials: Credentials,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Credentials {
    signing: Signing,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Signing {
    rotation_mode: Option<String>,
}

impl ServerBody {
    /// The server, if everything is as it must be.
    fn read(self) -> Result<NewAuthorizationServer, ApiError> {
        let mut members = Members::default();
        let name = members.name(&self.name);
        let description = members.text("description", &self.description);
        let audience = if let [audience] = self.audiences.as_slice() {
            members.required_text("audiences", audience)
        } else {
            members.refuse("audiences", "must hold one audience, no more and no less");
            String::new()
        };
        members.only("issuerMode", self.issuer_mode.as_deref(), &["ORG_URL", "DYNAMIC"]);
        let rotation = self.credentials.signing.rotation_mode;
        members.only("credentials.signing.rotationMode", rotation.as_deref(), &["AUTO"]);
        members.all_good(NewAuthorizationServer { name, description, audience })
    }
}

/// `GET /api/v1/authorizationServers`.
async fn list(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let request = ListRequest::read(&query.unwrap_or_default(), &SERVERS)?;
    background::run(move || {
        let page = api.servers(&request)?;
        let servers = page.items.iter().map(|server| api.server_view(server));
        let servers = servers.collect::<Result<Vec<_>, _>>()?;
        Ok(request.answer(&servers, &api.list_url("authorizationServers"), page.next()))
    })
    .await?
}

/// `POST /api/v1/authorizationServers`.
async fn create(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    JsonBody(body): JsonBody<ServerBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let server = api.create_server(&permit, body)?;
        Ok((StatusCode::CREATED, Json(api.server_view(&server)?)).into_response())
    })
    .await?
}

/// `GET /api/v1/authorizationServers/{id}`.
async fn read(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || Ok(Json(api.server_view(&api.custom_server(&id)?)?).into_response())).await?
}

/// `PUT /api/v1/authorizationServers/{id}`.
async fn replace(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
    JsonBody(body): JsonBody<ServerBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let server = api.update_server(&permit, &id, body)?;
        Ok(Json(api.server_view(&server)?).into_response())
    })
    .await?
}

/// `DELETE /api/v1/authorizationServers/{id}`, of one that was deactivated. The default one stays, as Okta's does.
async fn delete(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.delete_server(&permit, &id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `POST /api/v1/authorizationServers/{id}/lifecycle/{activate|deactivate}`.
async fn lifecycle(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((id, step)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    let status = status_after(&step)?;
    background::run(move || {
        api.set_server_status(&permit, &id, status)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

impl Management {
    /// The page of authorization servers that is asked for.
    pub(crate) fn servers(&self, request: &ListRequest) -> Result<Page<CustomServer>, ApiError> {
        let condition = request.looked_for(Store::servers_beginning_with, Condition::always);
        Ok(self.store.authorization_servers(&request.listing(condition))?)
    }

    /// Makes an authorization server.
    pub(crate) fn create_server(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        body: ServerBody,
    ) -> Result<CustomServer, ApiError> {
        let (now, random) = (self.clock.now(), self.random.as_ref());
        let server = self.store.create_authorization_server(&body.read()?, now, random)?;
        let event = permit.event("oauth2.as.created", "Create OAuth authorization server");
        self.log(&event.to(target(&server)));
        Ok(server)
    }

    /// Gives an authorization server another name, description and audience.
    pub(crate) fn update_server(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        id: &str,
        body: ServerBody,
    ) -> Result<CustomServer, ApiError> {
        let NewAuthorizationServer { name, description, audience } = body.read()?;
        let server = self.store.change_authorization_server(id, self.clock.now(), |server| {
            (server.name, server.description, server.audience) = (name, description, audience);
            Ok::<_, ApiError>(())
        })?;
        let event = permit.event("oauth2.as.updated", "Update OAuth authorization server");
        self.log(&event.to(target(&server)));
        Ok(server)
    }

    /// Lets an authorization server answer, or not.
    pub(crate) fn set_server_status(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        id: &str,
        status: LifecycleStatus,
    ) -> Result<(), ApiError> {
        let (event_type, message) = match status {
            LifecycleStatus::Active => ("oauth2.as.activated", "Activate OAuth authorization server"),
            LifecycleStatus::Inactive => ("oauth2.as.deactivated", "Deactivate OAuth authorization server"),
        };
        let server = self.store.change_authorization_server(id, self.clock.now(), |server| {
            server.status = status;
            Ok::<_, ApiError>(())
        })?;
        self.log(&permit.event(event_type, message).to(target(&server)));
        Ok(())
    }

    /// Deletes an authorization server that was deactivated, with all that belongs to it.
    pub(crate) fn delete_server(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        id: &str,
    ) -> Result<(), ApiError> {
        let server = self.store.delete_authorization_server(id, |server| {
            if server.id == CustomServer::DEFAULT_ID {
                return Err(ApiError::default_server_stays());
            }
            if server.status == LifecycleStatus::Active {
                return Err(ApiError::server_is_active());
            }
            Ok(())
        })?;
        let event = permit.event("oauth2.as.deleted", "Delete OAuth authorization server");
        self.log(&event.to(target(&server)));
        Ok(())
    }

    /// What the tokens of the authorization server of this id have as their issuer.
    pub(crate) fn issuer_of_server(&self, id: &str) -> String {
        format!("{}/oauth2/{id}", self.url.origin())
    }

    /// The authorization server of this id, also one that is not active.
    pub(crate) fn custom_server(&self, id: &str) -> Result<CustomServer, ApiError> {
        self.store.authorization_server(id)?.ok_or_else(|| ApiError::no_such("AuthorizationServer", id))
    }

    fn server_url(&self, id: &str) -> String {
        format!("{}/{id}", self.list_url("authorizationServers"))
    }

    fn server_view(&self, server: &CustomServer) -> Result<Value, ApiError> {
        let url = self.server_url(&server.id);
        let issuer = self.issuer_of_server(&server.id);
        let mut signing = json!({ "rotationMode": "AUTO", "use": "sig" });
        let in_use = self.tokens.keys.in_use(&ServerId::Custom(server.id.clone()), self.clock.now())?;
        if let (Some(key), Some(signing)) = (in_use, signing.as_object_mut()) {
            signing.insert("kid".to_owned(), json!(key.key_id));
            signing.insert("lastRotated".to_owned(), json!(timestamp::text(key.since)));
            signing.insert("nextRotation".to_owned(), json!(timestamp::text(key.until)));
        }
        let metadata = |name: &str| {
            let href = format!("{issuer}/.well-known/{name}");
            json!({ "name": name, "href": href, "hints": { "allow": ["GET"] } })
        };
        let mut view = json!({
            "id": server.id,
            "name": server.name,
            "description": server.description,
            "audiences": [server.audience],
            "issuer": issuer,
            "issuerMode": "ORG_URL",
            "status": server.status.name(),
            "created": timestamp::text(server.created),
            "lastUpdated": timestamp::text(server.last_updated),
            "credentials": { "signing": signing },
            "default": server.id == CustomServer::DEFAULT_ID,
            "_links": {
                "rotateKey": link(&format!("{url}/credentials/lifecycle/keyRotate"), &["POST"]),
                "metadata": [metadata("oauth-authorization-server"), metadata("openid-configuration")],
                "keys": link(&format!("{url}/credentials/keys"), &["GET"]),
                "claims": link(&format!("{url}/claims"), &["GET", "POST"]),
                "policies": link(&format!("{url}/policies"), &["GET", "POST"]),
                "scopes": link(&format!("{url}/scopes"), &["GET", "POST"]),
                "self": link(&url, &["GET", "DELETE", "PUT"]),
            },
        });
        link_lifecycle(&mut view, &url, server.status);
        Ok(view)
    }
}

/// When something was made and when it last changed, as views show it.
fn dates(created: NumericDate, last_updated: NumericDate) -> [Value; 2] {
    [created, last_updated].map(|date| json!(timestamp::text(date)))
}

/// A server as a target of an event.
fn target(server: &CustomServer) -> EventObject {
    EventObject::new("AuthorizationServer", &server.id, &server.name)
}
