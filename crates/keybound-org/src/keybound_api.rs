//! The API that this org has and Okta's has not, under `/keybound/v1`: for the administrator's token alone, with errors
//! as the management API has them.

use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use keybound::Refusal;
use keybound::credentials::CredentialsRefusal;

use crate::admin_token::AdminTokenHash;
use crate::management::{ApiError, is_json};

/// The same endpoints, for whoever has the administrator's token.
pub(crate) fn admitting(endpoints: Router, admin_token: Arc<AdminTokenHash>) -> Router {
    endpoints.layer(middleware::from_fn_with_state(admin_token, admit))
}

async fn admit(State(admin_token): State<Arc<AdminTokenHash>>, request: Request, next: Next) -> Response {
    let mut answer = match admin_token.authorizes(request.headers()) {
        Some(true) => next.run(request).await,
        Some(false) => ApiError::unknown_admin_token().into_response(),
        None => ApiError::from(Refusal::from(CredentialsRefusal::Missing)).into_response(),
    };
    // What the administrator may see is for no cache to keep.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The body of a request that sends JSON, of at most so many bytes.
pub(crate) async fn json_body(request: Request, limit: usize) -> Result<Bytes, ApiError> {
    let (head, body) = request.into_parts();
    if !is_json(&head.headers) {
        return Err(ApiError::unreadable_body("The body must be sent as application/json."));
    }
    to_bytes(body, limit).await.map_err(|_| ApiError::body_too_large(limit))
}
