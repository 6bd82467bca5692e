//! What a server does with requests: it is a reverse proxy, or asks a router (forward-auth, `ext_authz`).

use std::sync::Arc;

use axum::extract::ConnectInfo;
use http::{Request, Response, Version};
use hyper::body::Incoming;
use tower_service::Service as _;
use tracing::Instrument as _;

use super::body::AnswerBody;
use super::connection::Connection;
use crate::reverse_proxy::{IdleBounded, ReverseProxy};

/// What a server does with requests.
#[derive(Clone, Debug)]
pub enum Face {
    /// Admits a request and passes it on.
    ReverseProxy(ReverseProxy),
    /// Asks a router. Its handlers find the peer as axum's `ConnectInfo<SocketAddr>`, on TCP.
    Router(axum::Router),
}

impl Face {
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        connection: &Arc<Connection>,
    ) -> Response<AnswerBody> {
        let in_flight = connection.activity.begin();
        // The query stays out: it may hold what is private.
        let span = tracing::debug_span!(
            "request",
            method = %request.method(),
            path = request.uri().path(),
            peer = connection.peer.map(tracing::field::display),
        );
        let one_request_at_a_time = request.version() < Version::HTTP_2;
        let mut response = match self {
            Self::ReverseProxy(proxy) => proxy.answer(request, connection).instrument(span).await,
            Self::Router(router) => ask(router, request, connection).instrument(span).await,
        };
        if connection.lifeline.is_leaving() && one_request_at_a_time {
            // hyper says so too, but only from the answer after this one.
            response.headers_mut().entry(http::header::CONNECTION).or_insert(CLOSE);
        }
        response.map(|body| body.with(in_flight))
    }
}

const CLOSE: http::HeaderValue = http::HeaderValue::from_static("close");

async fn ask(
    router: &axum::Router,
    mut request: Request<Incoming>,
    connection: &Connection,
) -> Response<AnswerBody> {
    if let Some(peer) = connection.peer {
        request.extensions_mut().insert(ConnectInfo(peer));
    }
    let bounded = |body| axum::body::Body::new(IdleBounded::new(body, connection.body_timeout));
    let Ok(response) = router.clone().call(request.map(bounded)).await;
    response.map(AnswerBody::router)
}
