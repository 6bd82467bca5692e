//! The JSON body of a request.

use axum::body::HttpBody as _;
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Deserializer};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::error::ApiError;
use crate::user::MAX_PROFILE_BYTES;

/// Bytes of a body, at most: a profile of the largest size. One with every member of Okta's base profile
/// has three kilobytes.
const MAX_BODY_BYTES: usize = MAX_PROFILE_BYTES;

/// A body that was read as a JSON object.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (head, body) = request.into_parts();
        if !is_json(&head.headers) {
            return Err(ApiError::unreadable_body("The body must be sent as application/json."));
        }
        let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await;
        let body = body.map_err(|_| ApiError::body_too_large(MAX_BODY_BYTES))?;
        read(&body).map(Self).map_err(ApiError::unreadable_body)
    }
}

/// The same where there may be no body, which is read as one without members.
pub(super) struct OptionalJsonBody<T>(pub(super) T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalJsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if request.body().is_end_stream() {
            return Ok(Self(T::default()));
        }
        JsonBody::from_request(request, state).await.map(|JsonBody(body)| Self(body))
    }
}

/// A member that is a secret.
pub(super) fn secret<'de, D: Deserializer<'de>>(member: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::<String>::deserialize(member)?.map(Zeroizing::new))
}

/// Whether the body is said to be JSON.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let field = headers.get(CONTENT_TYPE).and_then(|field| field.to_str().ok()).unwrap_or_default();
    let media_type = field.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

/// The error says where the body is not as it must be, and never what stands there: it may be a password.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let object: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
        format!("There is no JSON object, as seen at line {} column {}.", error.line(), error.column())
    })?;
    of_members(Value::Object(object))
}

/// What these members say.
pub(crate) fn of_members<T: DeserializeOwned>(members: Value) -> Result<T, String> {
    serde_json::from_value(members).map_err(|_| "A member has the wrong type.".to_owned())
}
