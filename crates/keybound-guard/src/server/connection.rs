//! One connection from a client: TLS, HTTP/1.1 or HTTP/2, within limits, until it or the server ends.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ::metrics::gauge;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::ServerLimits;
use super::activity::Activity;
use super::drain::Lifeline;
use super::face::Face;
use super::listen::Accepted;
use super::places::Place;
use super::tls::Tls;
use crate::metrics::{self, Counted};

/// Pings on an HTTP/2 connection: a client that is gone without a word is noticed.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Requests on an HTTP/2 connection that their client took back before they were looked at, at most (CVE-2023-44487):
/// more than that is a flood, which ends the connection.
const MAX_RESET_BEFORE_ACCEPTED: usize = 20;

/// Requests on an HTTP/2 connection that were reset for breaking the protocol, at most (CVE-2025-8671).
const MAX_RESET_FOR_ERRORS: usize = 100;

/// What all connections of a listener share.
pub(crate) struct Endpoint {
    pub(crate) face: Face,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) limits: ServerLimits,
    pub(crate) http: auto::Builder<TokioExecutor>,
}

/// A client's connection, as far as requests on it and what becomes of them need to know. Its place among
/// the connections is free when the last of them has let go of it: an upgraded one too.
pub(crate) struct Connection {
    /// Who is at the other end; `None` on a Unix socket.
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) secure: bool,
    pub(crate) activity: Activity,
    pub(crate) lifeline: Lifeline,
    /// How long a pause a body may have that is read here and not passed on.
    pub(crate) body_timeout: Duration,
    _place: Place,
    _counted: Counted,
}

impl Endpoint {
    pub(crate) fn new(face: Face, tls: Option<Arc<Tls>>, limits: ServerLimits) -> Self {
        let http = http(&limits);
        Self { face, tls, limits, http }
    }

    /// Serves a connection until it ends.
    pub(crate) async fn serve(self: Arc<Self>, accepted: Accepted, place: Place, lifeline: Lifeline) {
        let peer = match &accepted {
            Accepted::Tcp(_, peer) => Some(*peer),
            #[cfg(unix)]
            Accepted::Unix(_) => None,
        };
        let connection = Arc::new(Connection {
            peer,
            secure: self.tls.is_some(),
            activity: Activity::default(),
            lifeline,
            body_timeout: self.limits.header_timeout,
            _place: place,
            _counted: Counted::one_more(gauge!(metrics::CONNECTIONS)),
        });
        match accepted {
            Accepted::Tcp(stream, _) => self.secured(stream, connection).await,
            #[cfg(unix)]
            Accepted::Unix(stream) => self.secured(stream, connection).await,
        }
    }

    async fn secured<S>(self: Arc<Self>, stream: S, connection: Arc<Connection>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Some(tls) = &self.tls else { return self.http(stream, connection).await };
        let handshake = TlsAcceptor::from(tls.config()).accept(stream);
        let mut lifeline = connection.lifeline.clone();
        let outcome = tokio::select! {
            outcome = timeout(self.limits.header_timeout, handshake) => outcome,
            () = lifeline.draining() => return,
        };
        match outcome {
            Ok(Ok(stream)) => self.http(stream, connection).await,
            failed => {
                ::metrics::counter!(metrics::HANDSHAKE_FAILURES).increment(1);
                let reason = failed.map_or_else(
                    |late| late.to_string(),
                    |failed| failed.err().map(|error| error.to_string()).unwrap_or_default(),
                );
                tracing::debug!(peer = ?connection.peer, %reason, "no TLS");
            }
        }
    }

    async fn http<S>(self: Arc<Self>, stream: S, connection: Arc<Connection>)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let mut lifeline = connection.lifeline.clone();
        let (peer, activity) = (connection.peer, connection.activity.clone());
        let endpoint = Arc::clone(&self);
        let service = service_fn(move |request| {
            let (endpoint, connection) = (Arc::clone(&endpoint), Arc::clone(&connection));
            async move { Ok::<_, Infallible>(endpoint.face.answer(request, &connection).await) }
        });
        let mut http = pin!(self.http.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let mut closing = false;
        let mut next_look = Instant::now() + self.limits.header_timeout;
        loop {
            tokio::select! {
                // The others are rarely ready, and asking them costs.
                biased;
                outcome = http.as_mut() => {
                    if let Err(error) = outcome {
                        tracing::debug!(?peer, %error, "a connection broke");
                    }
                    return;
                }
                () = lifeline.told(closing) => {
                    if closing {
                        return;
                    }
                    closing = true;
                    http.as_mut().graceful_shutdown();
                }
                () = sleep_until(next_look) => {
                    match (activity.was_idle(), closing) {
                        (false, _) => next_look = Instant::now() + self.limits.idle_timeout,
                        (true, false) => {
                            closing = true;
                            http.as_mut().graceful_shutdown();
                            next_look = Instant::now() + self.limits.header_timeout;
                        }
                        (true, true) => return,
                    }
                }
            }
        }
    }
}

/// HTTP within limits.
fn http(limits: &ServerLimits) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(limits.header_bytes as usize);
    http.http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits.header_bytes)
        .max_concurrent_streams(limits.requests_per_connection)
        .max_pending_accept_reset_streams(MAX_RESET_BEFORE_ACCEPTED)
        .max_local_error_reset_streams(MAX_RESET_FOR_ERRORS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    http
}
