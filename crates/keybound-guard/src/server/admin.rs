//! What operators ask, at an address of its own: is it alive, is it ready, what does it count.

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Json, Response};
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;

use super::drain::DrainObserver;
use super::recorder;

/// The media type of Prometheus's text format.
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/healthz` (the process serves), `/readyz` (send it requests), `/metrics` (Prometheus).
pub(crate) fn router(drain: DrainObserver) -> Router {
    Router::new()
        .route("/healthz", get(async || Json(json!({ "alive": true }))))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(drain)
}

/// A guard that is to end says so for as long as it was told to, and then takes no new connections: a load balancer
/// is to send requests elsewhere.
async fn ready(State(drain): State<DrainObserver>) -> Response {
    let draining = drain.is_leaving();
    let status = if draining { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, Json(json!({ "ready": !draining, "draining": draining }))).into_response()
}

async fn metrics() -> Response {
    match recorder::rendered() {
        Some(text) => ([(CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response(),
        None => (StatusCode::NOT_FOUND, "another recorder of metrics is in use\n").into_response(),
    }
}
