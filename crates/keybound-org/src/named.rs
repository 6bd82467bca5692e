//! What a path names.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;

use super::Management;
use super::error::ApiError;

/// What a path names. One that is not UTF-8 names nothing.
pub(super) struct Named<T>(pub(super) T);

impl<T: serde::de::DeserializeOwned + Send> FromRequestParts<Arc<Management>> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, api: &Arc<Management>) -> Result<Self, ApiError> {
        let named = Path::from_request_parts(head, api).await;
        named.map(|Path(name)| Self(name)).map_err(|_| ApiError::no_such_path())
    }
}
