//! Scopes that an API asks for itself, beside those of the policy's routes (RFC 6750 section 3.1).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body_util::{Either, Full};
use tower_layer::Layer;
use tower_service::Service;

use crate::judged::Judged;
use crate::layer::GuardedBody;

/// Lets a request through if its access token has one of some scopes; else the answer is 403 with the scope
/// to ask for, as the guard gives it. It stands behind a [`GuardLayer`](crate::layer::GuardLayer):
///
/// ```
/// use axum::{Router, routing::post};
/// use keybound_guard::RequireScope;
///
/// let orders: Router = Router::new()
///     .route("/orders", post(|| async { "ordered" }))
///     .route_layer(RequireScope::any_of(["orders.write"]));
/// # let _ = orders;
/// ```
#[derive(Clone, Debug)]
pub struct RequireScope {
    any_of: Arc<[String]>,
}

impl RequireScope {
    /// Asks for one of these; the first is the one that the refusal names. None opens to nobody.
    pub fn any_of<T: Into<String>>(scopes: impl IntoIterator<Item = T>) -> Self {
        Self { any_of: scopes.into_iter().map(Into::into).collect() }
    }
}

impl<S> Layer<S> for RequireScope {
    type Service = RequireScopeService<S>;

    fn layer(&self, inner: S) -> RequireScopeService<S> {
        RequireScopeService { inner, scopes: self.clone() }
    }
}

/// A service that asks for a scope.
#[derive(Clone, Debug)]
pub struct RequireScopeService<S> {
    inner: S,
    scopes: RequireScope,
}

impl<S, B, R> Service<Request<B>> for RequireScopeService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<GuardedBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let any_of: Vec<_> = self.scopes.any_of.iter().map(String::as_str).collect();
        match Judged::of(request.extensions()).and_then(|judged| judged.require_scope(&any_of)) {
            Ok(()) => {
                let answered = self.inner.call(request);
                Box::pin(async move { Ok(answered.await?.map(Either::Left)) })
            }
            Err(answer) => {
                let answer = answer.map(|body| Either::Right(Full::new(body)));
                Box::pin(std::future::ready(Ok(answer)))
            }
        }
    }
}
