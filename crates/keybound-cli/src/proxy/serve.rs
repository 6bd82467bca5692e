//! The proxy's listeners: connections within limits, until the program is told to end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use keybound_guard::server::ListenAddress;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
#[cfg(unix)]
use tokio::net::UnixListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Programs' connections, at most; further ones wait.
const MAX_CONNECTIONS: usize = 1_000;

/// How long the header fields of a request may take.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of all header fields of a request, at most.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// After a connection could not be taken (no file handles left): an instant for others to end.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(50);

/// Where programs come.
pub(super) enum Listener {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix {
        listener: UnixListener,
        _file: SocketFile,
    },
}

/// The file of a socket, removed when nobody listens any more.
#[cfg(unix)]
pub(super) struct SocketFile(PathBuf);

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        // Nothing can be done about a file that is gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    pub(super) async fn bind(address: &ListenAddress) -> io::Result<Self> {
        match address {
            ListenAddress::Tcp(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            #[cfg(unix)]
            ListenAddress::Unix(path) => {
                Ok(Self::Unix { listener: bind_for_owner(path)?, _file: SocketFile(path.clone()) })
            }
            #[cfg(not(unix))]
            ListenAddress::Unix(_) => {
                Err(io::Error::new(io::ErrorKind::Unsupported, "this system has no Unix sockets"))
            }
        }
    }

    /// The address that was taken; `None` for a socket.
    pub(super) fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            #[cfg(unix)]
            Self::Unix { .. } => None,
        }
    }

    /// Answers requests by `answer` until `told_to_end` ends, then lets what is under way end within `drain`. Whether
    /// all of it did.
    pub(super) async fn serve<A, F, B>(
        self,
        answer: A,
        told_to_end: impl Future<Output = ()>,
        drain: Duration,
    ) -> bool
    where
        A: Fn(Request<Incoming>) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send,
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let (http, graceful) = (http(), GracefulShutdown::new());
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut told_to_end = pin!(told_to_end);
        loop {
            let (stream, place) = tokio::select! {
                taken = self.next(&places) => taken,
                () = &mut told_to_end => break,
            };
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answer = answer.clone();
                async move { Ok::<_, Infallible>(answer(request).await) }
            });
            let connection = http.serve_connection(TokioIo::new(stream), service).into_owned();
            tokio::spawn(end(graceful.watch(connection), place));
        }
        drop(self);
        tokio::time::timeout(drain, graceful.shutdown()).await.is_ok()
    }

    /// The next connection, once there is a place for it.
    async fn next(&self, places: &Arc<Semaphore>) -> (Box<dyn Stream>, Option<OwnedSemaphorePermit>) {
        let place = Arc::clone(places).acquire_owned().await.ok();
        loop {
            match self.accept().await {
                Ok(stream) => return (stream, place),
                Err(_) => tokio::time::sleep(PAUSE_AFTER_FAILED_ACCEPT).await,
            }
        }
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            #[cfg(unix)]
            Self::Unix { listener, .. } => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Sees a connection to its end, and frees its place.
async fn end<E: std::fmt::Display>(
    connection: impl Future<Output = Result<(), E>>,
    place: Option<OwnedSemaphorePermit>,
) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection broke");
    }
    drop(place);
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEADER_BYTES);
    http
}

/// A socket that only its owner may open, from the first moment on: it is made in a folder that nobody else may enter,
/// and moved to its place. What is there already stays, unless it is a socket at which nobody listens.
#[cfg(unix)]
fn bind_for_owner(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};

    if let Ok(found) = std::fs::symlink_metadata(path) {
        let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        let is_stale = found.file_type().is_socket()
            && std::os::unix::net::UnixStream::connect(path).is_err_and(refused);
        if !is_stale {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, "something is there already"));
        }
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new().prefix(".keybound-").tempdir_in(parent)?;
    let made = folder.path().join("s");
    let listener = UnixListener::bind(&made)?;
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&made, path)?;
    Ok(listener)
}
