//! The answer to a refused request, the same at every face (RFC 9449 sections 7.1 and 9, RFC 6750 section 3).

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use keybound::exchange::DPOP_NONCE;
use keybound::{ChallengeContext, Nonce, Refusal, description};
use serde::Serialize;

use crate::guard::IncomingRequest;

/// What a browser's script may read of an answer, which it needs to answer a challenge (RFC 9449 section 9).
pub(crate) const EXPOSED: HeaderValue = HeaderValue::from_static("DPoP-Nonce, WWW-Authenticate");

/// The same, each by itself.
#[cfg(feature = "server")]
pub(crate) const EXPOSED_FIELDS: [&str; 2] = ["DPoP-Nonce", "WWW-Authenticate"];

/// The body: the members of an OAuth error (RFC 6749 section 5.2), so that a person sees what a header field
/// hides.
#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: &'a str,
}

/// The answer that `refusal` becomes. `nonce` is asked for the server's current nonce if the answer is to
/// bring one. A request without credentials gets a challenge without an error, and an empty body.
pub fn refusal(
    refusal: &Refusal,
    context: &ChallengeContext<'_>,
    nonce: impl FnOnce() -> Option<Nonce>,
) -> Response<Bytes> {
    let answer = refusal.at_resource();
    let body = answer.code.map(|code| {
        let body = Body { error: code.as_str(), error_description: &description(refusal) };
        serde_json::to_vec(&body).unwrap_or_default()
    });
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    for challenge in refusal.challenges(context) {
        headers.append(WWW_AUTHENTICATE, challenge);
    }
    let nonce = answer.gives_nonce.then(nonce).flatten();
    if let Some(nonce) = nonce.as_ref().and_then(nonce_value) {
        headers.insert(DPOP_NONCE, nonce);
    }
    if let Some(after) = answer.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(after.as_secs()));
    }
    if let Some(body) = body {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = body.into();
    }
    response
}

/// Gives the client of an admitted request the nonce for its next proof (RFC 9449 section 8.2), and lets a
/// browser's script read it.
pub fn give_nonce(headers: &mut HeaderMap, nonce: Option<&Nonce>) {
    if let Some(value) = nonce.and_then(nonce_value) {
        headers.insert(DPOP_NONCE, value);
        headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("DPoP-Nonce"));
    }
}

fn nonce_value(nonce: &Nonce) -> Option<HeaderValue> {
    HeaderValue::from_str(nonce.as_str()).ok()
}

/// The outcome of a call (gRPC over HTTP/2, Responses).
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// The outcome in words, percent-encoded.
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// `refusal` as the client of `request` understands it: a gRPC client gets `grpc-status` and `grpc-message`
/// beside the HTTP status, all else stays as it is.
pub(crate) fn for_client_of(request: &IncomingRequest<'_>, mut refusal: Response<Bytes>) -> Response<Bytes> {
    let content_type = request.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content_type.is_some_and(|text| text.starts_with(b"application/grpc")) {
        let (code, message) = grpc_status(refusal.status());
        refusal.headers_mut().insert(GRPC_STATUS, HeaderValue::from(code));
        refusal.headers_mut().insert(GRPC_MESSAGE, HeaderValue::from_static(message));
    }
    refusal
}

/// The trailers of a gRPC call that goes on no longer for want of good credentials.
#[cfg(feature = "server")]
pub(crate) fn grpc_unauthenticated(message: &'static str) -> HeaderMap {
    let (code, _) = grpc_status(StatusCode::UNAUTHORIZED);
    HeaderMap::from_iter([
        (GRPC_STATUS, HeaderValue::from(code)),
        (GRPC_MESSAGE, HeaderValue::from_static(message)),
    ])
}

/// The codes that a gRPC client infers from an HTTP status where it is not told one, but for 400 and 404,
/// which would be INTERNAL and UNIMPLEMENTED and blame the service.
const fn grpc_status(status: StatusCode) -> (u16, &'static str) {
    match status {
        StatusCode::UNAUTHORIZED => (16, "unauthenticated: see www-authenticate"),
        StatusCode::FORBIDDEN => (7, "permission denied: see www-authenticate"),
        StatusCode::BAD_REQUEST => (3, "invalid request: see www-authenticate"),
        StatusCode::NOT_FOUND => (5, "no route covers the call"),
        _ => (14, "try again later"),
    }
}
