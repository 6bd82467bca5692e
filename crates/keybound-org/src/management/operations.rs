//! Requests for which nothing is served: those that Okta has an operation for are told from those that nobody has.

use http::{Method, Uri};

use super::error::ApiError;

/// The answer to a request for which nothing is served.
pub(crate) async fn not_served(method: Method, uri: Uri) -> ApiError {
    refusal(&method, uri.path(), ApiError::no_such_path())
}

/// The answer to a request whose path is served for other methods.
pub(crate) async fn not_served_so(method: Method, uri: Uri) -> ApiError {
    refusal(&method, uri.path(), ApiError::no_such_method())
}

fn refusal(method: &Method, path: &str, otherwise: ApiError) -> ApiError {
    let Some(operation) = keybound_operations::of(method, path) else { return otherwise };
    let id = operation.id();
    tracing::warn!(%method, path, "exists in Okta's API, not served by the local org: {id}");
    ApiError::not_served(id)
}
