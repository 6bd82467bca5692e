//! Another protocol on the same connection (RFC 9110 section 7.8), WebSocket above all: asked for with an
//! admitted request, agreed to by the upstream, then bytes in both directions, for as long as the access token of
//! that request is good.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use ::metrics::{counter, gauge};
use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};

use super::failure::Unanswered;
use super::token_life::TokenLife;
use super::{hop_by_hop, list};
use crate::metrics::{self, Counted};
use crate::server::Connection;

const CONNECTION_UPGRADE: HeaderValue = HeaderValue::from_static("upgrade");

/// How long a tunnel may last.
pub(super) struct Limits {
    /// How long nothing may move in it.
    pub(super) idle: Duration,
    /// That of the access token that it was opened with.
    pub(super) life: TokenLife,
}

/// A client's wish for another protocol.
pub(super) struct Upgrade {
    protocol: HeaderValue,
    client: OnUpgrade,
}

impl Upgrade {
    /// The wish of `request`, if it has one that may be passed on. An upgrade to HTTP/2 may not: requests
    /// would go past the guard.
    pub(super) fn wanted<B>(request: &mut Request<B>) -> Option<Self> {
        if request.version() != Version::HTTP_11 || !request.headers().contains_key(UPGRADE) {
            return None;
        }
        let asked = list(request.headers(), &CONNECTION).any(|option| option == "upgrade");
        let mut fields = request.headers().get_all(UPGRADE).iter();
        let (protocol, further) = (fields.next().cloned()?, fields.next());
        let name = protocol.to_str().ok()?.trim().to_ascii_lowercase();
        let is_http = name.starts_with("h2") || name.starts_with("http") || name.starts_with("tls");
        if !asked || further.is_some() || name.contains(',') || is_http {
            return None;
        }
        Some(Self { protocol, client: hyper::upgrade::on(request) })
    }

    /// Passes the wish on.
    pub(super) fn ask(&self, headers: &mut HeaderMap) {
        headers.insert(CONNECTION, CONNECTION_UPGRADE);
        headers.insert(UPGRADE, self.protocol.clone());
    }

    /// The answer to a client whose wish is granted; bytes flow once it has gone out.
    pub(super) fn accept(
        self,
        mut answer: Response<Incoming>,
        connection: &Arc<Connection>,
        limits: Limits,
    ) -> Result<Response<()>, Unanswered> {
        let granted = answer.headers().get(UPGRADE);
        let same = |granted: &HeaderValue| {
            granted.as_bytes().trim_ascii().eq_ignore_ascii_case(self.protocol.as_bytes().trim_ascii())
        };
        if !granted.is_some_and(same) {
            return Err(Unanswered::Switched);
        }
        let upstream = hyper::upgrade::on(&mut answer);
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        hop_by_hop::remove(response.headers_mut());
        self.ask(response.headers_mut());
        tokio::spawn(connect(self.client, upstream, Arc::clone(connection), limits));
        Ok(response)
    }
}

/// Passes bytes on in both directions until both have ended, nothing comes for too long, the access token has
/// expired, or the server ends.
async fn connect(client: OnUpgrade, upstream: OnUpgrade, connection: Arc<Connection>, limits: Limits) {
    let _counted = Counted::one_more(gauge!(metrics::TUNNELS));
    let mut lifeline = connection.lifeline.clone();
    let passed_on = async {
        let (client, upstream) = match tokio::try_join!(client, upstream) {
            Ok(both) => both,
            Err(error) => return tracing::debug!(%error, "a protocol was not switched"),
        };
        let moved = Arc::new(AtomicBool::new(false));
        let mut client = TokioIo::new(client);
        let mut upstream = Watched { stream: TokioIo::new(upstream), moved: Arc::clone(&moved) };
        tokio::select! {
            outcome = copy_bidirectional(&mut client, &mut upstream) => {
                if let Err(error) = outcome {
                    tracing::debug!(%error, "a tunnel broke");
                }
            }
            () = still(&moved, limits.idle) => tracing::debug!("a tunnel was idle for too long"),
        }
    };
    tokio::select! {
        () = passed_on => {}
        () = limits.life.over() => {
            counter!(metrics::ENDED_AT_EXPIRY, "what" => "tunnel").increment(1);
            tracing::debug!("the access token of a tunnel has expired");
        }
        () = lifeline.ended() => {}
    }
}

/// When nothing has moved for `limit`; at most twice as long after the last that has.
async fn still(moved: &AtomicBool, limit: Duration) {
    loop {
        tokio::time::sleep(limit).await;
        if !moved.swap(false, Ordering::Relaxed) {
            return;
        }
    }
}

/// A stream that notes that bytes move. All of a tunnel's bytes go through its upstream side.
struct Watched<S> {
    stream: S,
    moved: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        if outcome.is_ready() {
            self.moved.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        if outcome.is_ready() {
            self.moved.store(true, Ordering::Relaxed);
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
