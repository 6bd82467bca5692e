//! The guard as a service that a proxy asks before it passes a request on: `auth_request` of nginx,
//! `ForwardAuth` of Traefik, `forward_auth` of Caddy.
//!
//! The proxy sends the header fields of the client's request, and says in others what that request was: its
//! method in `X-Original-Method` and its URI in `X-Original-URI` or `X-Original-URL` (nginx, ingress-nginx), or
//! in `X-Forwarded-Method` and `X-Forwarded-Uri` (Traefik, Caddy). They are believed only from the policy's
//! `trusted_proxies`; anyone else is answered with 403. Both kinds may be there and must agree then, so that
//! what a client sends of the kind that its proxy does not set can only make its own request fail.
//!
//! The answer is 200 with the identity in header fields ([`identity`]) and the next nonce, or
//! the refusal, with the same status, challenges and body as at every other face. A request that says nothing
//! of another one may ask for the resource's metadata (RFC 9728).

mod nginx;
mod original;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Request, Response, StatusCode};

use crate::guard::{Admission, Guard, IncomingRequest};
use crate::{answer, audit, identity, metrics, peer};
use original::OriginalRequest;

pub use nginx::{BODY, CHALLENGE, STATUS};

/// Answers a proxy that asks about its clients' requests.
#[derive(Clone, Debug)]
pub struct ForwardAuth {
    guard: Guard,
    for_nginx: bool,
}

impl ForwardAuth {
    /// For Traefik, Caddy and every proxy that passes a refusal on as it is.
    pub fn new(guard: Guard) -> Self {
        Self { guard, for_nginx: false }
    }

    /// For nginx, which understands 401 and 403 alone and makes 500 of every other refusal: each of them
    /// becomes 403 here, with the real status in [`STATUS`], the body in [`BODY`], and challenges that nginx
    /// would not pass on by itself in [`CHALLENGE`].
    #[must_use]
    pub fn for_nginx(mut self) -> Self {
        self.for_nginx = true;
        self
    }

    /// The service. It needs the address of the proxy: axum's `ConnectInfo<SocketAddr>` or a
    /// [`PeerAddress`](crate::PeerAddress).
    pub fn into_router(self) -> Router {
        let face = Arc::new(self);
        Router::new().fallback(move |request: Request<Body>| {
            let face = Arc::clone(&face);
            async move { face.answer(&request.into_parts().0).await.map(Body::from) }
        })
    }

    async fn answer(&self, parts: &Parts) -> Response<Bytes> {
        let asking = IncomingRequest {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            peer: peer::of(&parts.extensions),
            secure: false,
        };
        if !original::is_told(&parts.headers)
            && let Some(metadata) = self.guard.metadata(&asking)
        {
            return metadata;
        }
        if !self.guard.trusts(asking.peer) {
            return untrusted(&asking);
        }
        match self.judge(&asking).await {
            Ok(admission) => admitted(&admission),
            Err(refusal) if self.for_nginx => nginx::compatible(refusal),
            Err(refusal) => refusal,
        }
    }

    async fn judge(&self, asking: &IncomingRequest<'_>) -> Result<Admission, Response<Bytes>> {
        let original = OriginalRequest::told_in(asking.headers)
            .map_err(|refusal| self.guard.refuse(asking, None, refusal).response)
            .map_err(|response| answer::for_client_of(asking, response))?;
        let request = IncomingRequest {
            method: &original.method,
            uri: &original.uri,
            secure: original.secure,
            ..*asking
        };
        self.guard.admit(&request).await.map_err(|refused| answer::for_client_of(&request, refused.response))
    }
}

/// The answer that lets a request through.
fn admitted(admission: &Admission) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // What is not known is said too: a proxy that copies these fields then overwrites what a client forged.
    headers.extend(identity::FIELDS.map(|name| (name, HeaderValue::from_static(""))));
    for (name, value) in identity::fields(admission) {
        headers.insert(name, value);
    }
    answer::give_nonce(headers, admission.nonce.as_ref());
    response
}

/// Whoever asks is no proxy that this guard was told of: its words about a request are worth nothing.
fn untrusted(asking: &IncomingRequest<'_>) -> Response<Bytes> {
    const BODY: &[u8] =
        br#"{"error":"access_denied","error_description":"only a trusted proxy may ask here"}"#;
    tracing::warn!(
        target: audit::TARGET,
        peer = asking.peer.map(tracing::field::display),
        "refused to answer one who is not in the policy's trusted_proxies: if it is the proxy, name its network there"
    );
    metrics::not_a_proxy();
    let mut response = Response::new(Bytes::from_static(BODY));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
