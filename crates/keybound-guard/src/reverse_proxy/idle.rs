//! Bodies in transit: passed on frame by frame, trailers too, and given up when nothing comes for too long.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use keybound::exchange::DPOP;
use tokio::sync::oneshot;
use tokio::time::Sleep;

use super::forwarded;
use crate::identity;
use crate::server::BodyError;

/// Why a body in transit did not come to its end.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum BodyFailed {
    /// Nothing came for so long.
    #[error("nothing came for {} s", .0.as_secs_f64())]
    Idle(Duration),
    /// Its sender went away, or broke the protocol.
    #[error("{0}")]
    Broken(Arc<hyper::Error>),
}

/// A body that must not pause for longer than a limit while it is asked for more.
#[derive(Debug)]
pub(crate) struct IdleBounded<B> {
    body: B,
    limit: Duration,
    /// Since it was asked and had nothing; most bodies are there at once and never need one.
    pause: Option<Pin<Box<Sleep>>>,
}

impl<B> IdleBounded<B> {
    pub(crate) const fn new(body: B, limit: Duration) -> Self {
        Self { body, limit, pause: None }
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> IdleBounded<B> {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.pause = None;
            return Poll::Ready(
                frame.map(|frame| frame.map_err(|error| BodyFailed::Broken(Arc::new(error)))),
            );
        }
        let limit = self.limit;
        let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(pause.as_mut().poll(context));
        Poll::Ready(Some(Err(BodyFailed::Idle(limit))))
    }
}

impl<B: Body<Data = Bytes, Error = hyper::Error> + Unpin> Body for IdleBounded<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.poll_next(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of a request on its way to the upstream.
#[derive(Debug)]
pub(crate) struct UploadedBody {
    body: IdleBounded<UploadSource>,
    /// Dropped when the body has been sent or given up, which tells so.
    sent: Option<oneshot::Sender<Infallible>>,
}

#[derive(Debug)]
enum UploadSource {
    Client(Incoming),
    /// Of a request that is sent again: it had none.
    Empty,
}

/// Tells when a body has been sent.
pub(crate) type Sent = oneshot::Receiver<Infallible>;

impl UploadedBody {
    pub(crate) const fn new(body: Incoming, limit: Duration) -> Self {
        Self { body: IdleBounded::new(UploadSource::Client(body), limit), sent: None }
    }

    pub(crate) const fn empty() -> Self {
        Self { body: IdleBounded::new(UploadSource::Empty, Duration::ZERO), sent: None }
    }

    /// To be told when it has been sent to its end.
    pub(crate) fn tell_when_sent(&mut self) -> Sent {
        let (teller, told) = oneshot::channel();
        self.sent = Some(teller);
        told
    }
}

impl Body for UploadSource {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.get_mut() {
            Self::Client(body) => Pin::new(body).poll_frame(context),
            Self::Empty => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Client(body) => body.is_end_stream(),
            Self::Empty => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Client(body) => body.size_hint(),
            Self::Empty => SizeHint::with_exact(0),
        }
    }
}

impl Body for UploadedBody {
    type Data = Bytes;
    type Error = BodyFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyFailed>>> {
        let mut frame = ready!(self.body.poll_next(context));
        match &mut frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    remove_claims(trailers);
                }
            }
            Some(Err(_)) => {}
            None => drop(self.sent.take()),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Some servers merge trailers into the header fields: what a client may not say there, it may not say here.
fn remove_claims(trailers: &mut HeaderMap) {
    identity::remove_forged(trailers);
    forwarded::take_out(trailers);
    trailers.remove(AUTHORIZATION);
    trailers.remove(DPOP);
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn trailers_say_nothing_that_only_the_guard_may_say() {
        let mut trailers = HeaderMap::new();
        for name in ["x-keybound-subject", "x_forwarded_for", "authorization", "dpop", "grpc-status", "x-sum"]
        {
            trailers.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        remove_claims(&mut trailers);
        let mut left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-status", "x-sum"]);
    }
}
