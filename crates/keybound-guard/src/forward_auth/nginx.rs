//! Refusals in the form in which nginx can pass them on.
//!
//! `auth_request` takes 401 and 403 for refusals and makes an error of its own (500) of all else; of the
//! answer's header fields it passes on the first `WWW-Authenticate` of a 401 alone. So the rest goes in header
//! fields that nginx's configuration reads into variables (`docs/nginx.md`).

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

/// The status that the client is to get.
pub const STATUS: HeaderName = HeaderName::from_static("x-keybound-status");
/// The body that the client is to get: JSON in one line of printable ASCII.
pub const BODY: HeaderName = HeaderName::from_static("x-keybound-body");
/// The challenges of an answer that is not 401, as one `WWW-Authenticate` field.
pub const CHALLENGE: HeaderName = HeaderName::from_static("x-keybound-challenge");

pub(super) fn compatible(mut refusal: Response<Bytes>) -> Response<Bytes> {
    let status = refusal.status();
    let body = std::mem::take(refusal.body_mut());
    let headers = refusal.headers_mut();
    headers.remove(CONTENT_LENGTH);
    headers.insert(STATUS, HeaderValue::from(status.as_u16()));
    if let Ok(body) = HeaderValue::from_maybe_shared(body) {
        headers.insert(BODY, body);
    }
    // Several challenges may share a field (RFC 9110 section 11.6.1).
    let challenges: Vec<_> = headers.get_all(WWW_AUTHENTICATE).iter().map(HeaderValue::as_bytes).collect();
    let joined = HeaderValue::from_bytes(&challenges.join(&b", "[..])).ok();
    headers.remove(WWW_AUTHENTICATE);
    if let Some(joined) = joined.filter(|joined| !joined.is_empty()) {
        let name = if status == StatusCode::UNAUTHORIZED { WWW_AUTHENTICATE } else { CHALLENGE };
        headers.insert(name, joined);
    }
    if status != StatusCode::UNAUTHORIZED {
        *refusal.status_mut() = StatusCode::FORBIDDEN;
    }
    refusal
}
