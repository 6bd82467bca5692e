//! Listening and serving: HTTP/1.1 and HTTP/2, in the clear or with TLS.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Handle, Server as HttpServer};
use http::header::HOST;
use http::{StatusCode, Version};
use rustls::ServerConfig;
use tokio::task::JoinHandle;
use tower_http::timeout::TimeoutLayer;

use crate::faults::CuttingAcceptor;

/// How long a client may take for the header fields of a request: longer is one that holds a place.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request may take in all; each is done in milliseconds.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of all header fields of a request, at most: an access token of 16 KiB, a proof of 8, and room.
const MAX_HEADER_BYTES: u32 = 64 * 1024;

/// How long requests that are under way may take to end when the org stops.
const GRACE: Duration = Duration::from_secs(5);

/// A server that runs until it is stopped or dropped.
pub(crate) struct Server {
    handle: Handle<SocketAddr>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    /// Serves `routes` on `listener`.
    pub(crate) fn start(
        listener: TcpListener,
        tls: Option<ServerConfig>,
        routes: Router,
    ) -> io::Result<Self> {
        let routes = routes
            .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
            .layer(middleware::from_fn(refuse_without_one_host));
        let handle = Handle::new();
        let server = axum_server::from_tcp(listener)?.handle(handle.clone());
        let task = match tls {
            None => {
                let server = bounded(server.acceptor(CuttingAcceptor(NoDelayAcceptor::new())));
                tokio::spawn(server.serve(routes.into_make_service_with_connect_info::<SocketAddr>()))
            }
            Some(config) => {
                let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(Arc::new(config)));
                let acceptor = acceptor.handshake_timeout(HEADER_TIMEOUT).acceptor(NoDelayAcceptor::new());
                tokio::spawn(
                    bounded(server.acceptor(CuttingAcceptor(acceptor)))
                        .serve(routes.into_make_service_with_connect_info::<SocketAddr>()),
                )
            }
        };
        Ok(Self { handle, task })
    }

    /// Takes no more connections and lets requests that are under way end, for a while.
    pub(crate) async fn stop(mut self) {
        self.handle.graceful_shutdown(Some(GRACE));
        if let Err(error) = (&mut self.task).await {
            tracing::error!(%error, "the server did not end by itself");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.handle.shutdown();
    }
}

/// RFC 9112 section 3.2: a request of HTTP/1.1 has one `Host` field, and one of HTTP/1.0 no second.
async fn refuse_without_one_host(request: Request, next: Next) -> Response {
    let fields = request.headers().get_all(HOST).iter().count();
    if fields > 1 || (fields == 0 && request.version() == Version::HTTP_11) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    next.run(request).await
}

/// Bounds what one connection can take of the server.
fn bounded<A>(mut server: HttpServer<SocketAddr, A>) -> HttpServer<SocketAddr, A> {
    let builder = server.http_builder();
    builder.http1().header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEADER_BYTES as usize);
    builder.http2().max_header_list_size(MAX_HEADER_BYTES);
    server.first_request_timeout(HEADER_TIMEOUT)
}
