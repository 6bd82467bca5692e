//! The body of an answer: made here, passed on from the upstream, or from a router; and given up when its client
//! takes nothing of it for too long.
//!
//! A body is asked for more when the client has room for more: in its socket (HTTP/1.1), or in the window that it
//! opens for the stream (HTTP/2). One that has more and is not asked is not taken. Its connection looks at its
//! bodies now and then; what was not taken since the look before is dropped, and with it the upstream's
//! connection. So a client that reads nothing is noticed after one to two of the times between two looks, and one
//! that reads slowly has to take in that time what the upstream's connection gave at once (256 KiB at most).

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use super::activity::InFlight;
use crate::reverse_proxy::{IdleBounded, UntilExpiry};

/// The body of an answer. The request counts as under way until it is sent, given up or dropped.
pub struct AnswerBody(State);

enum State {
    /// Not on its way yet, or with nothing to take.
    Alone {
        content: Content,
        _in_flight: Option<InFlight>,
    },
    OnItsWay(Arc<Mutex<OnItsWay>>),
}

enum Content {
    Made(Full<Bytes>),
    Upstream(IdleBounded<Incoming>),
    /// From the upstream too, for as long as the access token is good.
    UntilExpiry(Box<UntilExpiry<IdleBounded<Incoming>>>),
    Router(axum::body::Body),
}

struct OnItsWay {
    /// `None` when it was given up.
    content: Option<(Content, InFlight)>,
    progress: Progress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Something was taken since the last look.
    Taken,
    /// The client would take more, and there is none yet: that is the upstream's time.
    AwaitsMore,
    /// Nothing was taken since the last look.
    Untaken,
}

/// A body that is on its way, for its connection to look at.
pub(crate) struct Delivery(Weak<Mutex<OnItsWay>>);

/// Why a body ends before its end.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// The client took nothing for too long.
#[derive(Debug, thiserror::Error)]
#[error("the client took nothing of the answer for too long")]
struct NotTaken;

impl AnswerBody {
    pub(crate) fn upstream(body: IdleBounded<Incoming>) -> Self {
        Self::alone(Content::Upstream(body), None)
    }

    pub(crate) fn until_expiry(body: UntilExpiry<IdleBounded<Incoming>>) -> Self {
        Self::alone(Content::UntilExpiry(Box::new(body)), None)
    }

    pub(crate) fn router(body: axum::body::Body) -> Self {
        Self::alone(Content::Router(body), None)
    }

    const fn alone(content: Content, in_flight: Option<InFlight>) -> Self {
        Self(State::Alone { content, _in_flight: in_flight })
    }

    /// The same of a request that is under way until this body is sent, which the request's connection sees to.
    pub(crate) fn with(self, in_flight: InFlight) -> Self {
        let content = match self.0 {
            State::Alone { content, .. } if !content.is_end_stream() => content,
            State::Alone { content, .. } => return Self::alone(content, Some(in_flight)),
            State::OnItsWay(_) => return self,
        };
        let on_its_way = Arc::new(Mutex::new(OnItsWay { content: None, progress: Progress::Taken }));
        in_flight.delivers(Delivery(Arc::downgrade(&on_its_way)));
        locked(&on_its_way).content = Some((content, in_flight));
        Self(State::OnItsWay(on_its_way))
    }
}

impl Delivery {
    pub(crate) fn is_under_way(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Gives the body up if nothing was taken of it since this was called before. Whether it did.
    pub(crate) fn give_up_untaken(&self) -> bool {
        let Some(on_its_way) = self.0.upgrade() else { return false };
        let mut on_its_way = locked(&on_its_way);
        match on_its_way.progress {
            Progress::Taken => on_its_way.progress = Progress::Untaken,
            Progress::AwaitsMore => {}
            Progress::Untaken => return on_its_way.content.take().is_some(),
        }
        false
    }
}

impl From<Bytes> for AnswerBody {
    fn from(bytes: Bytes) -> Self {
        Self::alone(Content::Made(Full::new(bytes)), None)
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            State::Alone { content, .. } => content.poll_frame(context),
            State::OnItsWay(on_its_way) => locked(on_its_way).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Alone { content, .. } => content.is_end_stream(),
            State::OnItsWay(on_its_way) => {
                locked(on_its_way).content.as_ref().is_some_and(|(content, _)| content.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Alone { content, .. } => content.size_hint(),
            State::OnItsWay(on_its_way) => {
                let on_its_way = locked(on_its_way);
                on_its_way.content.as_ref().map_or_else(SizeHint::default, |(content, _)| content.size_hint())
            }
        }
    }
}

impl OnItsWay {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some((source, _)) = &mut self.content else { return Poll::Ready(Some(Err(NotTaken.into()))) };
        let polled = source.poll_frame(context);
        self.progress = if polled.is_ready() { Progress::Taken } else { Progress::AwaitsMore };
        polled
    }
}

impl Content {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Made(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Self::Upstream(body) => Pin::new(body).poll_frame(context),
            Self::UntilExpiry(body) => Pin::new(&mut **body).poll_frame(context),
            Self::Router(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Made(body) => body.is_end_stream(),
            Self::Upstream(body) => body.is_end_stream(),
            Self::UntilExpiry(body) => body.is_end_stream(),
            Self::Router(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Made(body) => body.size_hint(),
            Self::Upstream(body) => body.size_hint(),
            Self::UntilExpiry(body) => body.size_hint(),
            Self::Router(body) => body.size_hint(),
        }
    }
}

/// What panicked while it was polled is not polled again.
fn locked(on_its_way: &Mutex<OnItsWay>) -> MutexGuard<'_, OnItsWay> {
    on_its_way.lock().unwrap_or_else(PoisonError::into_inner)
}
