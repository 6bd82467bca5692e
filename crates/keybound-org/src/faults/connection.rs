//! Connections that can be cut: before an answer, in the middle of its header fields, or in the middle of its body.
//!
//! The server's HTTP library ends what it has begun, so it is cut below it: every stream can be told to fail, and every
//! request knows the stream that it came by. With TLS the stream is the one inside it, which ends without a goodbye, as
//! a connection does that breaks.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use axum::Extension;
use axum::body::{Body, HttpBody, to_bytes};
use axum::middleware::AddExtension;
use axum::response::Response;
use axum_server::accept::Accept;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_layer::Layer as _;

use super::fault::Cut;

/// Bytes of the answer that arrive before a cut in its head: a status line, or the beginning of the first frame.
const BYTES_OF_HEAD: u64 = 16;

/// Bytes of a body that is cut, at most; the org has no larger one.
const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// The connection that a request came by.
#[derive(Clone, Default)]
pub(crate) struct Connection(Arc<Mutex<Line>>);

#[derive(Default)]
struct Line {
    plan: Plan,
    /// Bytes that were written in all.
    written: u64,
    /// Whoever waits for bytes to read.
    reader: Option<Waker>,
}

/// When the connection is to be cut.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Plan {
    #[default]
    Never,
    /// When so many bytes were written in all, and no more.
    AtByte(u64),
    /// When more than so many were, all that is under way with them.
    Beyond(u64),
    Done,
}

/// Cuts the connection as the answer is sent. An answer that cannot be cut there is cut before.
pub(super) async fn cut(cut: Cut, connection: Option<Connection>, answer: Response) -> Response {
    let Some(connection) = connection else { return answer.map(|_| Body::new(Half::broken())) };
    match cut {
        Cut::BeforeAnswer => connection.plan(Plan::Done),
        Cut::InHead => connection.plan_bytes(BYTES_OF_HEAD),
        Cut::InBody => {
            let (head, body) = answer.into_parts();
            let body = match to_bytes(body, MAX_BODY_BYTES).await {
                Ok(body) if body.len() > 1 => Body::new(Half::of(&body, connection)),
                _ => {
                    connection.plan(Plan::Done);
                    Body::empty()
                }
            };
            return Response::from_parts(head, body);
        }
    }
    answer
}

impl Connection {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self, plan: Plan) {
        let mut line = self.line();
        line.plan = plan;
        if let Some(reader) = line.reader.take() {
            reader.wake();
        }
    }

    fn plan_bytes(&self, more: u64) {
        let at = self.line().written.saturating_add(more);
        self.plan(Plan::AtByte(at));
    }
}

impl Line {
    /// Whether all is written that is to be.
    fn is_at_its_end(&self) -> bool {
        match self.plan {
            Plan::Never => false,
            Plan::AtByte(byte) => self.written >= byte,
            Plan::Beyond(byte) => self.written > byte,
            Plan::Done => true,
        }
    }

    /// How many bytes may be written at once.
    fn allowance(&self) -> usize {
        match self.plan {
            Plan::AtByte(byte) => usize::try_from(byte.saturating_sub(self.written)).unwrap_or(usize::MAX),
            _ => usize::MAX,
        }
    }
}

/// A stream that can be cut.
pub(crate) struct CuttableStream<S> {
    stream: S,
    connection: Connection,
}

impl<S: AsyncWrite + Unpin> CuttableStream<S> {
    /// Fails if the connection is cut, or is to be: then what was written goes out first.
    fn poll_whole(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let plan = {
            let line = self.connection.line();
            if !line.is_at_its_end() {
                return Poll::Ready(Ok(()));
            }
            line.plan
        };
        if plan != Plan::Done {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.connection.line().plan = Plan::Done;
        }
        Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut by a fault that was asked for")))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for CuttableStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Known before the plan is looked at, so that no change of it is missed.
        self.connection.line().reader = Some(context.waker().clone());
        ready!(self.poll_whole(context))?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for CuttableStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !matches!(self.connection.line().plan, Plan::Beyond(_)) {
            ready!(self.poll_whole(context))?;
        }
        let allowance = self.connection.line().allowance();
        let bytes = bytes.get(..allowance).unwrap_or(bytes);
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, bytes))?;
        let mut line = self.connection.line();
        line.written = line.written.saturating_add(written as u64);
        drop(line);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.connection.line().plan != Plan::Never {
            let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
            return self.poll_write(context, first);
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(context, slices))?;
        let mut line = self.connection.line();
        line.written = line.written.saturating_add(written as u64);
        drop(line);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.poll_whole(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_whole(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// The first half of a body, and then no more.
struct Half {
    bytes: Option<Bytes>,
    length: u64,
    connection: Option<Connection>,
    /// What the connection had written before the half was handed out.
    written_before: u64,
}

impl Half {
    fn of(body: &Bytes, connection: Connection) -> Self {
        let bytes = Some(body.slice(..body.len() / 2));
        Self { bytes, length: body.len() as u64, connection: Some(connection), written_before: 0 }
    }

    /// Of an answer whose connection is not known: nothing arrives of it.
    fn broken() -> Self {
        Self { bytes: None, length: 1, connection: None, written_before: 0 }
    }
}

impl HttpBody for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let Some(connection) = self.connection.clone() else {
            return Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())));
        };
        if let Some(bytes) = self.bytes.take() {
            self.written_before = connection.line().written;
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        connection.plan(Plan::Beyond(self.written_before));
        // Nobody is woken: the next that happens is the end of the connection.
        Poll::Pending
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

/// Makes each connection one that can be cut, and known to its requests.
#[derive(Clone)]
pub(crate) struct CuttingAcceptor<A>(pub(crate) A);

type Accepted<S, T> = Pin<Box<dyn Future<Output = io::Result<(S, T)>> + Send>>;

impl<A, I, S> Accept<I, S> for CuttingAcceptor<A>
where
    A: Accept<I, S, Future: Send + 'static>,
{
    type Stream = CuttableStream<A::Stream>;
    type Service = AddExtension<A::Service, Connection>;
    type Future = Accepted<Self::Stream, Self::Service>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let accepting = self.0.accept(stream, service);
        Box::pin(async {
            let (stream, service) = accepting.await?;
            let connection = Connection::default();
            let service = Extension(connection.clone()).layer(service);
            Ok((CuttableStream { stream, connection }, service))
        })
    }
}
