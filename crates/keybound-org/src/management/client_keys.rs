//! `/api/v1/apps/{id}/credentials/jwks`: the keys of an app's client.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use keybound::PublicKey;
use serde_json::{Map, Value};

use super::Management;
use super::admission::Permit;
use super::app_body::public_key;
use super::apps::{no_such_app, target};
use super::body::JsonBody;
use super::error::ApiError;
use super::right::{ManageApps, ReadApps};
use crate::background;
use crate::event::EventObject;
use crate::named::Named;
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
        let status = if is_active { KeyStatus::Active } else { KeyStatus::Inactive };
        let key = api.add_key(&permit, &app, &key, status)?;
        Ok((StatusCode::CREATED, Json(api.client_key_view(&app, &key))).into_response())
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
        api.delete_key(&permit, &app, &id)?;
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
    let status = match step.as_str() {
        "activate" => KeyStatus::Active,
        "deactivate" => KeyStatus::Inactive,
        _ => return Err(ApiError::no_such_path()),
    };
    background::run(move || {
        let key = api.set_key_status(&permit, &app, &id, status)?;
        Ok(Json(api.client_key_view(&app, &key)).into_response())
    })
    .await?
}

impl Management {
    /// Registers a public key of an app.
    pub(crate) fn add_key(
        &self,
        permit: &Permit<ManageApps>,
        app: &str,
        key: &PublicKey,
        status: KeyStatus,
    ) -> Result<ClientKey, ApiError> {
        let app = self.app(app)?;
        permit.to_change(&app)?;
        let mut key = self.store.register_key(&app.client_id, key, self.clock.now())?;
        if status == KeyStatus::Inactive {
            let changed = self.store.set_key_status(&app.client_id, &key.id, status, self.clock.now())?;
            key = changed.unwrap_or(key);
        }
        let event = permit.event("app.oauth2.client.lifecycle.key.create", "Add public key to client");
        self.log(&event.to(target(&app)).to(key_target(&key)));
        Ok(key)
    }

    /// Deletes a key of this id or `kid` that was deactivated.
    pub(crate) fn delete_key(
        &self,
        permit: &Permit<ManageApps>,
        app: &str,
        id: &str,
    ) -> Result<(), ApiError> {
        let app = self.app(app)?;
        permit.to_change(&app)?;
        let key = self.store.delete_key(&app.client_id, id, |key| match key.status {
            KeyStatus::Active => Err(ApiError::key_is_active()),
            KeyStatus::Inactive => Ok(()),
        })?;
        let key = key.ok_or_else(|| no_such_key(id))?;
        let event = permit.event("app.oauth2.client.lifecycle.key.delete", "Delete public key of client");
        self.log(&event.to(target(&app)).to(key_target(&key)));
        Ok(())
    }

    /// Says whether assertions may be signed with the key of this id or `kid`; gives it as it then is.
    pub(crate) fn set_key_status(
        &self,
        permit: &Permit<ManageApps>,
        app: &str,
        id: &str,
        status: KeyStatus,
    ) -> Result<ClientKey, ApiError> {
        let app = self.app(app)?;
        permit.to_change(&app)?;
        let changed = self.store.set_key_status(&app.client_id, id, status, self.clock.now())?;
        let key = changed.ok_or_else(|| no_such_key(id))?;
        let event_type = match status {
            KeyStatus::Active => "app.oauth2.client.lifecycle.key.activate",
            KeyStatus::Inactive => "app.oauth2.client.lifecycle.key.deactivate",
        };
        let event = permit.event(event_type, "Change status of client's public key");
        self.log(&event.to(target(&app)).to(key_target(&key)));
        Ok(key)
    }

    /// All keys of an app.
    pub(crate) fn keys_of(&self, app: &str) -> Result<Vec<ClientKey>, ApiError> {
        self.store.keys_of(app)?.ok_or_else(|| no_such_app(app))
    }
}

fn key_target(key: &ClientKey) -> EventObject {
    EventObject::new("JsonWebKey", &key.id, key.key.key_id().unwrap_or_default())
}

fn no_such_key(id: &str) -> ApiError {
    ApiError::no_such("OAuth2ClientJsonWebKey", id)
}
