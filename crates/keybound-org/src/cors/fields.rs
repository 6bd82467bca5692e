//! The header fields of CORS (the Fetch standard section 3.3.3).

use axum::extract::Request;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

use super::{Sharing, Verdict};

/// What a page can read of an answer beside what it always can. Without `DPoP-Nonce` it could answer no challenge.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "DPoP-Nonce, WWW-Authenticate, Link, ETag, Date, Retry-After, X-Rate-Limit-Limit, X-Rate-Limit-Remaining, \
     X-Rate-Limit-Reset, X-Okta-Request-Id, X-Keybound-Fault",
);

/// Seconds for which a browser need not ask again whether it may ask.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

const YES: HeaderValue = HeaderValue::from_static("true");

/// Whether a browser asks if it may send another request.
pub(super) fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Tells caches what the answer depends on; where everybody may read it, on nothing.
pub(super) fn vary(answer: &mut HeaderMap, sharing: Sharing) {
    if sharing != Sharing::All {
        answer.append(VARY, HeaderValue::from_static("Origin"));
    }
}

/// Lets the page read the answer, if it may.
pub(super) fn share(answer: &mut HeaderMap, verdict: &Verdict) {
    if name_reader(answer, verdict) {
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

/// Lets the page send its request, if it may, with the header fields that it asks for.
pub(super) fn allow(answer: &mut HeaderMap, sharing: Sharing, verdict: &Verdict, asked: &HeaderMap) {
    vary(answer, sharing);
    answer.append(
        VARY,
        HeaderValue::from_static("Access-Control-Request-Method, Access-Control-Request-Headers"),
    );
    if !name_reader(answer, verdict) {
        return;
    }
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(sharing.methods()));
    for names in asked.get_all(ACCESS_CONTROL_REQUEST_HEADERS) {
        answer.append(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
    }
    answer.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
}

/// Names whose page may read the answer; `false` if none may.
fn name_reader(answer: &mut HeaderMap, verdict: &Verdict) -> bool {
    match verdict {
        Verdict::NotAsked | Verdict::Refused { .. } => return false,
        Verdict::Everyone => {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        Verdict::Page { origin, is_trusted } => {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if *is_trusted {
                answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, YES);
            }
        }
    }
    true
}
