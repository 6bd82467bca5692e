//! What operators ask, at an address of its own: is it alive, what does it count.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};

use super::metrics;

/// The media type of Prometheus's text format.
const PROMETHEUS_TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// `/healthz` and `/readyz` (the process serves), `/metrics` (Prometheus).
pub(super) async fn answer<B>(request: Request<B>) -> Response<String> {
    let (status, media_type, text) = match request.uri().path() {
        "/healthz" => (StatusCode::OK, JSON, "{\"alive\":true}\n".to_owned()),
        "/readyz" => (StatusCode::OK, JSON, "{\"ready\":true}\n".to_owned()),
        "/metrics" => (StatusCode::OK, PROMETHEUS_TEXT, metrics::text()),
        _ => (StatusCode::NOT_FOUND, JSON, "{\"error\":\"there is nothing here\"}\n".to_owned()),
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
