//! The guard as a layer of tower, for axum, tonic and every other service of HTTP requests.
//!
//! ```
//! use axum::{Router, routing::get};
//! use keybound_guard::extract::Caller;
//! use keybound_guard::layer::GuardLayer;
//! use keybound_guard::{Guard, policy::Policy};
//!
//! async fn whoami(caller: Caller) -> String {
//!     caller.subject().to_owned()
//! }
//!
//! # fn app(policy: Policy) -> Result<Router, keybound_guard::GuardError> {
//! let guard = Guard::new(policy)?;
//! let app = Router::new().route("/whoami", get(whoami)).layer(GuardLayer::new(guard).serving_metadata());
//! # Ok(app)
//! # }
//! ```
//!
//! What is let in goes on with an `Arc<`[`Admission`]`>` among its extensions, and without any header field that only
//! the guard may set ([`identity`]). Its credentials stay in it: the service is the resource
//! itself. The answer gets the client's next nonce, where the policy wants nonces.
//!
//! # gRPC
//!
//! A refused gRPC request gets the same answer as any other: its HTTP status, its challenges, its body.
//! `grpc-status` and `grpc-message` are added to it, which clients are to prefer to what they would infer from
//! the HTTP status, and with which tonic hands the other header fields to its caller as metadata: a client
//! that is sent a nonce needs them.
//!
//! # Pages of other origins (CORS)
//!
//! A preflight carries no credentials and would be refused, so what answers browsers stands outside of this layer, as
//! tower-http's does here. It answers every `OPTIONS` itself, preflight or not, so that none comes to the guard or to
//! the API. The policy's `[cors]` is for the reverse proxy alone.
//!
//! ```
//! use axum::{Router, routing::get};
//! use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
//! use http::{HeaderValue, Method};
//! use keybound_guard::Guard;
//! use keybound_guard::layer::GuardLayer;
//! use tower_http::cors::CorsLayer;
//!
//! fn app(guard: Guard) -> Router {
//!     let pages = CorsLayer::new()
//!         .allow_origin([HeaderValue::from_static("https://app.example.com")])
//!         .allow_methods([Method::GET, Method::POST, Method::DELETE])
//!         .allow_headers([AUTHORIZATION, HeaderName::from_static("dpop"), CONTENT_TYPE])
//!         // Without these a page can answer no challenge.
//!         .expose_headers([WWW_AUTHENTICATE, HeaderName::from_static("dpop-nonce")]);
//!     // The layer that is put there last is the outermost.
//!     Router::new().route("/orders", get(|| async { "[]" })).layer(GuardLayer::new(guard)).layer(pages)
//! }
//! ```
//!
//! # What stands around it
//!
//! The peer's address comes from axum's `ConnectInfo<SocketAddr>`, from tonic, or from a
//! [`PeerAddress`](crate::PeerAddress); without it no proxy is trusted. Inside a nested router of axum the
//! target is the URI that came to the outermost one. Where something changes URIs before axum sees them, put
//! this layer around that.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response, Uri};
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

use crate::guard::{Admission, Guard, IncomingRequest};
use crate::judged::Judged;
use crate::{answer, identity, peer};

/// Puts a guard in front of a service.
#[derive(Clone, Debug)]
pub struct GuardLayer {
    guard: Guard,
    secure: bool,
    serves_metadata: bool,
}

impl GuardLayer {
    /// A layer in front of a service that clients or proxies reach without TLS.
    pub fn new(guard: Guard) -> Self {
        Self { guard, secure: false, serves_metadata: false }
    }

    /// Says whether requests come over TLS to this server. It counts where the policy names several
    /// `resources` or none, and no trusted proxy says otherwise.
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// Answers requests for the resource's metadata (RFC 9728) before they reach the service, without asking
    /// for a token.
    #[must_use]
    pub fn serving_metadata(mut self) -> Self {
        self.serves_metadata = true;
        self
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> GuardService<S> {
        GuardService { inner, layer: self.clone() }
    }
}

/// A service with a guard in front of it.
#[derive(Clone, Debug)]
pub struct GuardService<S> {
    inner: S,
    layer: GuardLayer,
}

impl<S, B, R> Service<Request<B>> for GuardService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = Response<GuardedBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // What was made ready is this service and not its clone, so this one goes into the future.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let admission = match layer.admit(&parts).await {
                Ok(admission) => admission,
                Err(answer) => return Ok(answer.map(|body| Either::Right(Full::new(body)))),
            };
            let admission = Arc::new(admission);
            let judged = Judged::new(&layer.guard, &layer.incoming(&parts), Arc::clone(&admission));
            identity::remove_forged(&mut parts.headers);
            parts.extensions.insert(judged);
            parts.extensions.insert(Arc::clone(&admission));
            let mut response = inner.call(Request::from_parts(parts, body)).await?;
            answer::give_nonce(response.headers_mut(), admission.nonce.as_ref());
            Ok(response.map(Either::Left))
        })
    }
}

impl GuardLayer {
    /// The admission of a request, or the answer to it that does not come from the service.
    async fn admit(&self, parts: &Parts) -> Result<Admission, Response<Bytes>> {
        let request = self.incoming(parts);
        if self.serves_metadata
            && let Some(metadata) = self.guard.metadata(&request)
        {
            return Err(metadata);
        }
        self.guard.admit(&request).await.map_err(|refused| answer::for_client_of(&request, refused.response))
    }

    fn incoming<'r>(&self, parts: &'r Parts) -> IncomingRequest<'r> {
        IncomingRequest {
            method: &parts.method,
            uri: original_uri(parts),
            headers: &parts.headers,
            peer: peer::of(&parts.extensions),
            secure: self.secure,
        }
    }
}

/// The URI that the client asked for: nested routers of axum take the beginning of the path away.
fn original_uri(parts: &Parts) -> &Uri {
    #[cfg(feature = "axum")]
    if let Some(original) = parts.extensions.get::<axum::extract::OriginalUri>() {
        return &original.0;
    }
    &parts.uri
}

/// The body of an answer: the service's own, or that of a refusal.
pub type GuardedBody<R> = Either<R, Full<Bytes>>;
