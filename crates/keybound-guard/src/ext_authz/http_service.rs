//! `ext_authz` over HTTP: Envoy sends the client's request without its body, to its own path and by its own
//! method. 200 lets it through; the header fields of the answer that Envoy's configuration names go upstream
//! or to the client.

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};

use crate::guard::{Admission, Guard, IncomingRequest};
use crate::{answer, identity, peer};

/// The header fields that Envoy takes out of the request before it goes upstream, as a list.
pub const HEADERS_TO_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");

/// Answers Envoy about requests. Scheme and host come from `X-Forwarded-Proto` and `Host`, which Envoy sets;
/// the former counts if Envoy is among the policy's `trusted_proxies`, and both only where the policy names
/// several `resources` or none.
pub fn http_router(guard: Guard) -> Router {
    Router::new().fallback(move |request: Request<Body>| {
        let guard = guard.clone();
        async move { answer(&guard, &request.into_parts().0).await.map(Body::from) }
    })
}

async fn answer(guard: &Guard, parts: &Parts) -> Response<Bytes> {
    let request = IncomingRequest {
        method: &parts.method,
        uri: &parts.uri,
        headers: &parts.headers,
        peer: peer::of(&parts.extensions),
        secure: false,
    };
    match guard.admit(&request).await {
        Ok(admission) => admitted(&parts.headers, &admission),
        Err(refused) => answer::for_client_of(&request, refused.response),
    }
}

fn admitted(request: &HeaderMap, admission: &Admission) -> Response<Bytes> {
    let changes = identity::changes(request, admission);
    let removed: Vec<_> = changes.remove.iter().map(HeaderName::as_str).collect();
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.extend(changes.set);
    if let Ok(removed) = HeaderValue::try_from(removed.join(",")) {
        headers.insert(HEADERS_TO_REMOVE, removed);
    }
    answer::give_nonce(headers, admission.nonce.as_ref());
    response
}
