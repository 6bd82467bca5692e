//! The client as a service of tower, and as a layer around any other HTTP client that is one.
//!
//! ```no_run
//! use bytes::Bytes;
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::Client as Hyper, rt::TokioExecutor};
//! use keybound_client::{Client, DpopLayer};
//! use tower::{Service, ServiceExt as _, ServiceBuilder};
//!
//! # async fn call(client: Client) -> Result<(), Box<dyn std::error::Error>> {
//! let hyper = Hyper::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
//! let mut service = ServiceBuilder::new().layer(DpopLayer::new(client)).service(hyper);
//!
//! let request = http::Request::get("http://127.0.0.1:8080/things").body(Full::default())?;
//! let answer = service.ready().await?.call(request).await?;
//! # Ok(())
//! # }
//! ```

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use keybound::TargetUri;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::{RequestBody, ResponseBody};
use crate::call_metrics::Sort;
use crate::client::{CallError, Client};
use crate::transport::refuse_insecure;
use crate::wire::{Content, Fault, Wire};

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Service<Request<RequestBody>> for Client {
    type Response = Response<ResponseBody>;
    type Error = CallError;
    type Future = BoxFuture<Result<Response<ResponseBody>, CallError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), CallError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let client = self.clone();
        Box::pin(async move { client.execute(request).await })
    }
}

/// Lends the token, the proofs and the patience of a [`Client`] to another HTTP client.
///
/// The same is done as in [`Client::send`], except where the inner service alone knows: its errors are
/// returned as they are and not tried again. A layer of retries around this one has every attempt signed anew.
/// An answer that refuses token or proof, after all was done about it, is an answer and no error.
///
/// A request may be sent again, so its body has to be one that can be cloned, and be left out: `Full<Bytes>`
/// for example. Token requests go over the client's own transport.
#[derive(Clone)]
pub struct DpopLayer {
    client: Client,
}

impl DpopLayer {
    /// A layer that calls with the tokens of `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

impl<S> Layer<S> for DpopLayer {
    type Service = DpopService<S>;

    fn layer(&self, inner: S) -> DpopService<S> {
        DpopService { inner, client: self.client.clone() }
    }
}

/// An HTTP client whose requests carry token and proof.
#[derive(Clone)]
pub struct DpopService<S> {
    inner: S,
    client: Client,
}

/// Why a request through a [`DpopService`] has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError<E> {
    /// No token, no proof, a redirect that is not followed, no time left.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The inner service.
    #[error("{0}")]
    Inner(E),
}

impl<E> Sort for LayerError<E> {
    fn sort(&self) -> &'static str {
        match self {
            Self::Call(error) => error.sort(),
            Self::Inner(_) => "inner",
        }
    }
}

impl<S, B, R> Service<Request<B>> for DpopService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Clone + Default + Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = LayerError<S::Error>;
    type Future = BoxFuture<Result<Response<R>, LayerError<S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(LayerError::Inner)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // What was made ready is this service and not its clone, so this one goes into the future.
        let clone = self.inner.clone();
        let inner = mem::replace(&mut self.inner, clone);
        let client = self.client.clone();
        Box::pin(async move {
            let (request, body) = request.into_parts();
            let wire = Inner { service: inner, is_ready: true, body: PhantomData };
            Ok(client.run(wire, request, Cloned(body)).await?.response)
        })
    }
}

/// The inner service as the way of a call.
struct Inner<S, B> {
    service: S,
    is_ready: bool,
    body: PhantomData<fn(B)>,
}

impl<S, B, R> Wire for Inner<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Send,
    S::Future: Send,
    S::Error: Send,
    B: Send,
    R: Send,
{
    type Body = B;
    type Answer = R;
    type Error = LayerError<S::Error>;

    async fn send(
        &mut self,
        target: &TargetUri,
        request: Request<B>,
    ) -> Result<Response<R>, Fault<LayerError<S::Error>>> {
        refuse_insecure(target).map_err(|error| Fault::last(CallError::from(error).into()))?;
        let failed = |error| Fault::last(LayerError::Inner(error));
        if !mem::take(&mut self.is_ready) {
            poll_fn(|context| self.service.poll_ready(context)).await.map_err(failed)?;
        }
        self.service.call(request).await.map_err(failed)
    }

    async fn discard(_answer: R) {}
}

/// A body that is cloned for each attempt.
struct Cloned<B>(B);

impl<B: Clone + Default + Send> Content for Cloned<B> {
    type Body = B;

    fn body(&self) -> Option<B> {
        Some(self.0.clone())
    }

    fn is_spent(&self) -> bool {
        false
    }

    fn clear(&mut self) {
        self.0 = B::default();
    }
}
