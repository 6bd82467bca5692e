//! `/api/v1/trustedOrigins`: whose pages may ask the org from a browser.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Management;
use super::admission::Permit;
use super::body::JsonBody;
use super::error::ApiError;
use super::lifecycle::{link, link_lifecycle, status_after};
use super::members::Members;
use super::page::{ListKind, ListRequest};
use super::right::{ManageTrustedOrigins, ReadTrustedOrigins};
use crate::background;
use crate::event::EventObject;
use crate::named::Named;
use crate::store::{
    Condition, LifecycleStatus, Page, Store, TrustedOrigin, TrustedOriginScope, TrustedOriginSettings,
    trusted_origin_property,
};
use crate::timestamp;
use crate::web_origin::WebOrigin;

/// The list's name in paths.
const LIST: &str = "trustedOrigins";

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/trustedOrigins", get(list).post(create))
        .route("/trustedOrigins/{origin}", get(read).put(replace).delete(delete))
        .route("/trustedOrigins/{origin}/lifecycle/{step}", post(lifecycle))
}

pub(crate) const TRUSTED_ORIGINS: ListKind =
    ListKind { default_limit: 20, largest_limit: 200, filter: Some(trusted_origin_property), search: None };

/// What a client sends of a Trusted Origin.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct TrustedOriginBody {
    name: String,
    origin: String,
    scopes: Vec<ScopeBody>,
    status: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ScopeBody {
    r#type: String,
}

impl TrustedOriginBody {
    /// What a form says of one.
    pub(crate) fn new(name: &str, origin: &str, scopes: &[TrustedOriginScope]) -> Self {
        let scopes = scopes.iter().map(|scope| ScopeBody { r#type: scope.name().to_owned() });
        Self { name: name.to_owned(), origin: origin.to_owned(), scopes: scopes.collect(), status: None }
    }

    /// The settings, if everything is as it must be; a status that is left out is `otherwise`.
    fn read(&self, otherwise: LifecycleStatus) -> Result<TrustedOriginSettings, ApiError> {
        let mut members = Members::default();
        let name = members.name(&self.name);
        let origin = self.origin.parse::<WebOrigin>();
        if let Err(error) = &origin {
            members.refuse("origin", "Origin value is not valid");
            members.refuse("origin", error.to_string());
        }
        let mut scopes = Vec::new();
        for ScopeBody { r#type } in &self.scopes {
            match TrustedOriginScope::of_name(r#type) {
                Some(scope) if scopes.contains(&scope) => members.refuse("scopes", "each can be there once"),
                Some(scope) => scopes.push(scope),
                None => members.refuse("scopes", "must be CORS or REDIRECT; the local org has nothing else"),
            }
        }
        if self.scopes.is_empty() {
            members.refuse("scopes", "The field cannot be left blank");
        }
        let status = match &self.status {
            None => otherwise,
            status => members.status(status.as_deref()),
        };
        let good = origin.ok().map(|origin| TrustedOriginSettings { name, origin, scopes, status });
        members.all_good(good)?.ok_or_else(|| ApiError::invalid("origin", []))
    }
}

/// `GET /api/v1/trustedOrigins`.
async fn list(
    _: Permit<ReadTrustedOrigins>,
    State(api): State<Arc<Management>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let request = ListRequest::read(&query.unwrap_or_default(), &TRUSTED_ORIGINS)?;
    background::run(move || {
        let page = api.trusted_origins(&request)?;
        let origins: Vec<_> = page.items.iter().map(|origin| api.trusted_origin_view(origin)).collect();
        Ok(request.answer(&origins, &api.list_url(LIST), page.next()))
    })
    .await?
}

/// `POST /api/v1/trustedOrigins`.
async fn create(
    permit: Permit<ManageTrustedOrigins>,
    State(api): State<Arc<Management>>,
    JsonBody(body): JsonBody<TrustedOriginBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let origin = api.create_trusted_origin(&permit, &body)?;
        Ok(Json(api.trusted_origin_view(&origin)).into_response())
    })
    .await?
}

/// `GET /api/v1/trustedOrigins/{id}`.
async fn read(
    _: Permit<ReadTrustedOrigins>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || Ok(Json(api.trusted_origin_view(&api.trusted_origin(&id)?)).into_response()))
        .await?
}

/// `PUT /api/v1/trustedOrigins/{id}`.
async fn replace(
    permit: Permit<ManageTrustedOrigins>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
    JsonBody(body): JsonBody<TrustedOriginBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let origin = api.replace_trusted_origin(&permit, &id, &body)?;
        Ok(Json(api.trusted_origin_view(&origin)).into_response())
    })
    .await?
}

/// `DELETE /api/v1/trustedOrigins/{id}`.
async fn delete(
    permit: Permit<ManageTrustedOrigins>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.delete_trusted_origin(&permit, &id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `POST /api/v1/trustedOrigins/{id}/lifecycle/{activate|deactivate}`.
async fn lifecycle(
    permit: Permit<ManageTrustedOrigins>,
    State(api): State<Arc<Management>>,
    Named((id, step)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    let status = status_after(&step)?;
    background::run(move || {
        let origin = api.set_trusted_origin_status(&permit, &id, status)?;
        Ok(Json(api.trusted_origin_view(&origin)).into_response())
    })
    .await?
}

impl Management {
    /// The page of Trusted Origins that is asked for.
    pub(crate) fn trusted_origins(&self, request: &ListRequest) -> Result<Page<TrustedOrigin>, ApiError> {
        let condition = request.looked_for(Store::trusted_origins_beginning_with, Condition::always);
        Ok(self.store.trusted_origins(&request.listing(condition))?)
    }

    /// The Trusted Origin of this id.
    pub(crate) fn trusted_origin(&self, id: &str) -> Result<TrustedOrigin, ApiError> {
        self.store.trusted_origin(id)?.ok_or_else(|| ApiError::no_such("TrustedOrigin", id))
    }

    /// Makes a Trusted Origin.
    pub(crate) fn create_trusted_origin(
        &self,
        permit: &Permit<ManageTrustedOrigins>,
        body: &TrustedOriginBody,
    ) -> Result<TrustedOrigin, ApiError> {
        let settings = body.read(LifecycleStatus::Active)?;
        let (now, random) = (self.clock.now(), self.random.as_ref());
        let origin = self.store.create_trusted_origin(settings, permit.actor_id(), now, random)?;
        let event = permit.event("security.trusted_origin.create", "Create trusted origin");
        self.log(&event.to(target(&origin)));
        Ok(origin)
    }

    /// Puts other settings in the place of a Trusted Origin's.
    pub(crate) fn replace_trusted_origin(
        &self,
        permit: &Permit<ManageTrustedOrigins>,
        id: &str,
        body: &TrustedOriginBody,
    ) -> Result<TrustedOrigin, ApiError> {
        let settings = body.read(self.trusted_origin(id)?.settings.status)?;
        let by = permit.actor_id();
        let origin = self.store.change_trusted_origin(id, by, self.clock.now(), |known| *known = settings)?;
        let event = permit.event("security.trusted_origin.update", "Update trusted origin");
        self.log(&event.to(target(&origin)));
        Ok(origin)
    }

    /// Makes a Trusted Origin count, or not.
    pub(crate) fn set_trusted_origin_status(
        &self,
        permit: &Permit<ManageTrustedOrigins>,
        id: &str,
        status: LifecycleStatus,
    ) -> Result<TrustedOrigin, ApiError> {
        let (event_type, message) = match status {
            LifecycleStatus::Active => ("security.trusted_origin.activate", "Activate trusted origin"),
            LifecycleStatus::Inactive => ("security.trusted_origin.deactivate", "Deactivate trusted origin"),
        };
        let by = permit.actor_id();
        let origin =
            self.store.change_trusted_origin(id, by, self.clock.now(), |known| known.status = status)?;
        self.log(&permit.event(event_type, message).to(target(&origin)));
        Ok(origin)
    }

    /// Deletes a Trusted Origin.
    pub(crate) fn delete_trusted_origin(
        &self,
        permit: &Permit<ManageTrustedOrigins>,
        id: &str,
    ) -> Result<(), ApiError> {
        let origin = self.store.delete_trusted_origin(id)?;
        let event = permit.event("security.trusted_origin.delete", "Delete trusted origin");
        self.log(&event.to(target(&origin)));
        Ok(())
    }

    fn trusted_origin_view(&self, origin: &TrustedOrigin) -> Value {
        let url = format!("{}/{}", self.list_url(LIST), origin.id);
        let settings = &origin.settings;
        let scopes = settings.scopes.iter().map(|scope| json!({ "type": scope.name() }));
        let mut view = json!({
            "id": origin.id,
            "name": settings.name,
            "origin": settings.origin.as_str(),
            "status": settings.status.name(),
            "scopes": scopes.collect::<Vec<_>>(),
            "created": timestamp::text(origin.created),
            "createdBy": origin.created_by,
            "lastUpdated": timestamp::text(origin.last_updated),
            "lastUpdatedBy": origin.last_updated_by,
            "_links": { "self": link(&url, &["GET", "PUT", "DELETE"]) },
        });
        link_lifecycle(&mut view, &url, settings.status);
        view
    }
}

/// A Trusted Origin as a target of an event.
fn target(origin: &TrustedOrigin) -> EventObject {
    EventObject::new("TrustedOrigin", &origin.id, &origin.settings.name)
}
