//! `/api/v1/apps/{id}/credentials/jwks`: the keys of an app's client.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Map, Value};

use super::Management;
use super::admission::Permit;
use super::app_body::public_key;
use super::apps::{no_such_app, target};
use super::body::JsonBody;
use super::error::ApiError;
use super::named::Named;
use super::right::{ManageApps, ReadApps};
use crate::background;
use crate::event::EventObject;
use crate::store::{ClientKey, KeyStatus};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/apps/{app}/credentials/jwks", get(list).post(add))
        .route("/apps/{app}/credentials/jwks/{key}", get(read).delete(delete))
        .route("/apps/{app}/credentials/jwks/{key}/lifecycle/{step}", post(lifecycle))
}

/// `GET …/jwks`: all of them, also those that are not active.
async fn list(
    _: Permit<ReadApps>,
    State(api): State<Arc<Management>>,
    Named(app): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let keys: Vec<_> = api.keys_of(&app)?.iter().map(|key| api.client_key_view(&app, key)).collect();
        Ok(Json(keys).into_response())
    })
    .await?
}

/// `POST …/jwks`.
async fn add(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    Named(app): Named<String>,
    JsonBody(jwk): JsonBody<Map<String, Value>>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let is_active = jwk.get("status").is_none_or(|status| status != KeyStatus::Inactive.name());
        let key = public_key(&jwk).map_err(|cause| ApiError::invalid("jwks", [cause]))?;
        if key.key_id().is_none_or(str::is_empty) {
            return Err(ApiError::invalid("kid", ["kid: The field cannot be left blank".to_owned()]));
        }
        let app = api.app(&app)?;
        permit.to_change(&app)?;
        let mut key = api.store.register_key(&app.client_id, &key, api.clock.now())?;
        if !is_active {
            let (inactive, now) = (KeyStatus::Inactive, api.clock.now());
            let changed = api.store.set_key_status(&app.client_id, &key.id, inactive, now)?;
            key = changed.unwrap_or(key);
        }
        let event = permit.event("app.oauth2.client.lifecycle.key.create", "Add public key to client");
        api.log(&event.to(target(&app)).to(key_target(&key)));
        Ok((StatusCode::CREATED, Json(api.client_key_view(&app.client_id, &key))).into_response())
    })
    .await?
}

/// `GET …/jwks/{id or kid}`.
async fn read(
    _: Permit<ReadApps>,
    State(api): State<Arc<Management>>,
    Named((app, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let keys = api.keys_of(&app)?;
        let key = keys.iter().find(|key| key.id == id || key.key.key_id() == Some(id.as_str()));
        let key = key.ok_or_else(|| no_such_key(&id))?;
        Ok(Json(api.client_key_view(&app, key)).into_response())
    })
    .await?
}

/// `DELETE …/jwks/{id or kid}`, of a key that was deactivated.
async fn delete(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    Named((app, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let app = api.app(&app)?;
        permit.to_change(&app)?;
        let key = api.store.delete_key(&app.client_id, &id)?.ok_or_else(|| no_such_key(&id))?;
        if key.status == KeyStatus::Active {
            return Err(ApiError::key_is_active());
        }
        let event = permit.event("app.oauth2.client.lifecycle.key.delete", "Delete public key of client");
        api.log(&event.to(target(&app)).to(key_target(&key)));
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `POST …/jwks/{id or kid}/lifecycle/{activate|deactivate}`.
async fn lifecycle(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    Named((app, id, step)): Named<(String, String, String)>,
) -> Result<Response, ApiError> {
    let (status, event_type) = match step.as_str() {
        "activate" => (KeyStatus::Active, "app.oauth2.client.lifecycle.key.activate"),
        "deactivate" => (KeyStatus::Inactive, "app.oauth2.client.lifecycle.key.deactivate"),
        _ => return Err(ApiError::no_such_path()),
    };
    background::run(move || {
        let app = api.app(&app)?;
        permit.to_change(&app)?;
        let changed = api.store.set_key_status(&app.client_id, &id, status, api.clock.now())?;
        let key = changed.ok_or_else(|| no_such_key(&id))?;
        let event = permit.event(event_type, "Change status of client's public key");
        api.log(&event.to(target(&app)).to(key_target(&key)));
        Ok(Json(api.client_key_view(&app.client_id, &key)).into_response())
    })
    .await?
}

impl Management {
    fn keys_of(&self, app: &str) -> Result<Vec<ClientKey>, ApiError> {
        self.store.keys_of(app)?.ok_or_else(|| no_such_app(app))
    }
}

fn key_target(key: &ClientKey) -> EventObject {
    EventObject::new("JsonWebKey", &key.id, key.key.key_id().unwrap_or_default())
}

fn no_such_key(id: &str) -> ApiError {
    ApiError::no_such("OAuth2ClientJsonWebKey", id)
}
