//! What a path names.

use axum::extract::{FromRequestParts, Path};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::management::ApiError;

/// What a path names. One that is not UTF-8 names nothing.
pub(crate) struct Named<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let named = Path::from_request_parts(head, state).await;
        named.map(|Path(name)| Self(name)).map_err(|_| ApiError::no_such_path())
    }
}
