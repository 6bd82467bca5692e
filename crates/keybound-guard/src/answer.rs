//! The answer to a refused request, the same at every face (RFC 9449 sections 7.1 and 9, RFC 6750 section 3).

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderValue, Response};
use keybound::exchange::DPOP_NONCE;
use keybound::{ChallengeContext, Nonce, Refusal, description};
use serde::Serialize;

/// What a browser's script may read of an answer, which it needs to answer a challenge (RFC 9449 section 9).
const EXPOSED: HeaderValue = HeaderValue::from_static("DPoP-Nonce, WWW-Authenticate");

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
    if let Some(nonce) = nonce.and_then(|nonce| HeaderValue::from_str(nonce.as_str()).ok()) {
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
