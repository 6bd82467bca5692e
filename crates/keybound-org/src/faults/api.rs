//! `/keybound/v1/faults`: faults over HTTP, for the administrator's token alone.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::Value;

use super::limits::FaultError;
use super::list::ArmedFault;
use super::{Faults, json};
use crate::admin_token::AdminTokenHash;
use crate::keybound_api::{self, json_body};
use crate::management::ApiError;
use crate::named::Named;

/// Bytes of a fault in JSON, at most; with an access token in it.
const MAX_BODY_BYTES: usize = 32 * 1024;

/// The endpoints.
pub(crate) fn routes(faults: Faults, admin_token: Arc<AdminTokenHash>) -> Router {
    let routes = Router::new()
        .route("/keybound/v1/faults", get(list).post(add).delete(clear))
        .route("/keybound/v1/faults/{id}", get(read).delete(remove))
        .with_state(faults);
    keybound_api::admitting(routes, admin_token)
}

async fn list(State(faults): State<Faults>) -> Json<Value> {
    Json(faults.list().iter().map(ArmedFault::json).collect())
}

async fn add(State(faults): State<Faults>, request: Request) -> Result<Response, ApiError> {
    let body = json_body(request, MAX_BODY_BYTES).await?;
    let fault = json::read(&body).map_err(|cause| ApiError::invalid("fault", [cause]))?;
    let id = faults.add(fault).await?;
    let armed = faults.get(id).ok_or_else(|| ApiError::no_such("Fault", &id.to_string()))?;
    Ok((StatusCode::CREATED, Json(armed.json())).into_response())
}

async fn read(State(faults): State<Faults>, Named(id): Named<String>) -> Result<Json<Value>, ApiError> {
    let armed = id.parse().ok().and_then(|id| faults.get(id));
    armed.map(|armed| Json(armed.json())).ok_or_else(|| ApiError::no_such("Fault", &id))
}

async fn remove(State(faults): State<Faults>, Named(id): Named<String>) -> Result<StatusCode, ApiError> {
    let removed = id.parse().is_ok_and(|id| faults.remove(id));
    if removed { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::no_such("Fault", &id)) }
}

async fn clear(State(faults): State<Faults>) -> StatusCode {
    faults.clear();
    StatusCode::NO_CONTENT
}

impl From<FaultError> for ApiError {
    fn from(error: FaultError) -> Self {
        if error.is_failure() {
            return Self::internal(&error);
        }
        Self::invalid("fault", [error.to_string()])
    }
}
