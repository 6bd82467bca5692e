//! Bodies: what a request sends, which says how often it can, and what an answer streams.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

use crate::transport::TransportError;
use crate::wire::Content;

/// Any error.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Stream = UnsyncBoxBody<Bytes, BoxError>;

/// The body of a request.
///
/// A request may have to be sent again: for a nonce, for a new token, after a failure. So a body says how
/// often it can be sent: as often as needed ([`from`](Self::from) bytes, or [`made_by`](Self::made_by) a
/// function), or [`once`](Self::once).
pub struct RequestBody(Source);

enum Source {
    Whole(Bytes),
    Made(Box<dyn Fn() -> Stream + Send>),
    Once { stream: Slot, size: SizeHint },
}

/// A body that is there until the first piece of it is asked for.
type Slot = Arc<Mutex<Option<Stream>>>;

impl RequestBody {
    /// No body.
    pub fn empty() -> Self {
        Self(Source::Whole(Bytes::new()))
    }

    /// A body that `make` makes anew for each attempt: of a file that is opened again, say.
    pub fn made_by<B>(make: impl Fn() -> B + Send + 'static) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        Self(Source::Made(Box::new(move || boxed(make()))))
    }

    /// A body that can be sent once. Wrap a stream into `http_body_util::StreamBody`.
    ///
    /// Before it is sent, the client makes sure that it has a token and a nonce of the server: if it has not
    /// talked to that server, it first asks with `HEAD`, which has no body and no effect (RFC 9110
    /// section 9.3.2), for the same target. What that is answered beside a challenge, 404 or 405 for example,
    /// doesn't matter. If the server wants another nonce or token after all once the body is on its way, the
    /// call ends with [`CallError::BodySpent`](crate::CallError::BodySpent).
    pub fn once<B>(body: B) -> Self
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let size = body.size_hint();
        Self(Source::Once { stream: Arc::new(Mutex::new(Some(boxed(body)))), size })
    }

    pub(crate) fn is_for_once(&self) -> bool {
        matches!(self.0, Source::Once { .. })
    }
}

fn boxed<B>(body: B) -> Stream
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    body.map_err(Into::into).boxed_unsync()
}

impl<T: Into<Bytes>> From<T> for RequestBody {
    fn from(bytes: T) -> Self {
        Self(Source::Whole(bytes.into()))
    }
}

impl Default for RequestBody {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match &self.0 {
            Source::Whole(_) => "RequestBody(bytes)",
            Source::Made(_) => "RequestBody(made for each attempt)",
            Source::Once { .. } => "RequestBody(once)",
        })
    }
}

impl Content for RequestBody {
    type Body = AttemptBody;

    fn body(&self) -> Option<AttemptBody> {
        match &self.0 {
            Source::Whole(bytes) => Some(AttemptBody::Whole(bytes.clone())),
            Source::Made(make) => {
                let stream = make();
                let size = stream.size_hint();
                let slot = Arc::new(Mutex::new(Some(stream)));
                Some(AttemptBody::Streamed(StreamedBody::new(slot, size)))
            }
            Source::Once { stream, size } if !self.is_spent() => {
                Some(AttemptBody::Streamed(StreamedBody::new(Arc::clone(stream), *size)))
            }
            Source::Once { .. } => None,
        }
    }

    fn is_spent(&self) -> bool {
        match &self.0 {
            Source::Once { stream, .. } => lock(stream).is_none(),
            Source::Whole(_) | Source::Made(_) => false,
        }
    }

    fn clear(&mut self) {
        *self = Self::empty();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The body of one attempt.
pub(crate) enum AttemptBody {
    Whole(Bytes),
    Streamed(StreamedBody),
}

impl Body for AttemptBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(bytes) => {
                let bytes = mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Streamed(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(body) => body.size_hint(),
        }
    }
}

/// A body on its way. It leaves its slot with the first piece, and not before: an attempt that found no
/// connection has not spent it.
pub(crate) struct StreamedBody {
    slot: Slot,
    size: SizeHint,
    taken: Option<Stream>,
    pub(crate) progress: Progress,
}

impl StreamedBody {
    fn new(slot: Slot, size: SizeHint) -> Self {
        Self { slot, size, taken: None, progress: Progress::begin() }
    }
}

impl Body for StreamedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if this.taken.is_none() {
            this.taken = lock(&this.slot).take();
        }
        let Some(stream) = &mut this.taken else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(stream).poll_frame(context));
        this.progress.made();
        Poll::Ready(frame.map(|frame| frame.map_err(|error| Box::new(NoMoreBody(error)) as BoxError)))
    }

    fn size_hint(&self) -> SizeHint {
        self.size
    }
}

/// The caller's own error, told apart from those of the network.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NoMoreBody(BoxError);

/// When something last moved.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    pub(crate) fn begin() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn made(&self) {
        *lock(&self.0) = Instant::now();
    }

    /// Ends once nothing has moved for `limit`.
    pub(crate) async fn stalls_for(&self, limit: Duration) {
        loop {
            let deadline = *lock(&self.0) + limit;
            if deadline <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(deadline).await;
        }
    }
}

/// The body of an answer as it comes: an [`http_body::Body`] that ends with an error if the server pauses for
/// longer than [`TransportOptions::idle_timeout`](crate::TransportOptions::idle_timeout).
///
/// It may be endless; [`read_whole`](Self::read_whole) and [`limited`](Self::limited) bound it.
pub struct ResponseBody {
    inner: Incoming,
    origin: Arc<str>,
    idle_timeout: Duration,
    /// Set while a piece is waited for.
    pause: Option<Pin<Box<Sleep>>>,
    limit: Option<usize>,
    /// Bytes that came.
    read: usize,
    ended: bool,
}

impl ResponseBody {
    pub(crate) fn new(inner: Incoming, origin: &str, idle_timeout: Duration) -> Self {
        Self { inner, origin: origin.into(), idle_timeout, pause: None, limit: None, read: 0, ended: false }
    }

    /// The same body, that ends with an error after `limit` bytes.
    #[must_use]
    pub fn limited(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The whole body, of `limit` bytes at most.
    pub async fn read_whole(self, limit: usize) -> Result<Bytes, TransportError> {
        let mut body = self.limited(limit);
        let mut whole = BytesMut::new();
        while let Some(chunk) = body.chunk().await? {
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// As much of the body as comes, of `limit` bytes at most.
    pub(crate) async fn start(mut self, limit: usize) -> Bytes {
        let mut start = BytesMut::new();
        while start.len() < limit
            && let Ok(Some(chunk)) = self.chunk().await
        {
            start.extend_from_slice(&chunk);
        }
        start.truncate(limit);
        start.freeze()
    }

    /// The next piece, if there is one.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, TransportError> {
        while let Some(frame) = self.frame().await {
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }

    fn poll_pause(&mut self, context: &mut Context<'_>) -> Poll<TransportError> {
        let (origin, limit) = (&self.origin, self.idle_timeout);
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        pause.as_mut().poll(context).map(|()| TransportError::Idle { origin: origin.to_string(), limit })
    }

    fn count(&mut self, bytes: usize) -> Result<(), TransportError> {
        self.read = self.read.saturating_add(bytes);
        match self.limit {
            Some(limit) if self.read > limit => {
                Err(TransportError::TooLong { origin: self.origin.to_string(), limit })
            }
            _ => Ok(()),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = TransportError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransportError>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        let outcome = match Pin::new(&mut this.inner).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                this.pause = None;
                this.count(frame.data_ref().map_or(0, Bytes::len)).map(|()| Some(frame))
            }
            Poll::Ready(Some(Err(error))) => Err(TransportError::broken(&error, &this.origin)),
            Poll::Ready(None) => Ok(None),
            Poll::Pending => Err(ready!(this.poll_pause(context))),
        };
        this.ended = !matches!(outcome, Ok(Some(_)));
        Poll::Ready(outcome.transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, read, ended, .. } = self;
        formatter
            .debug_struct("ResponseBody")
            .field("origin", origin)
            .field("read", read)
            .field("ended", ended)
            .finish_non_exhaustive()
    }
}
