//! The body of an answer: made here, passed on from the upstream, or from a router.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use super::activity::InFlight;
use crate::reverse_proxy::IdleBounded;

/// The body of an answer. The request counts as under way until it is sent or dropped.
pub struct AnswerBody {
    content: Content,
    in_flight: Option<InFlight>,
}

enum Content {
    Made(Full<Bytes>),
    Upstream(IdleBounded<Incoming>),
    Router(axum::body::Body),
}

/// Why a body ends before its end.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

impl AnswerBody {
    pub(crate) fn upstream(body: IdleBounded<Incoming>) -> Self {
        Self { content: Content::Upstream(body), in_flight: None }
    }

    pub(crate) fn router(body: axum::body::Body) -> Self {
        Self { content: Content::Router(body), in_flight: None }
    }

    pub(crate) fn with(mut self, in_flight: InFlight) -> Self {
        self.in_flight = Some(in_flight);
        self
    }
}

impl From<Bytes> for AnswerBody {
    fn from(bytes: Bytes) -> Self {
        Self { content: Content::Made(Full::new(bytes)), in_flight: None }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.content {
            Content::Made(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
            Content::Upstream(body) => Pin::new(body).poll_frame(context),
            Content::Router(body) => Pin::new(body).poll_frame(context).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Made(body) => body.is_end_stream(),
            Content::Upstream(body) => body.is_end_stream(),
            Content::Router(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Made(body) => body.size_hint(),
            Content::Upstream(body) => body.size_hint(),
            Content::Router(body) => body.size_hint(),
        }
    }
}
