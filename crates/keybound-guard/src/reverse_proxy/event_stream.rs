//! An answer that ends with the access token of its request.
//!
//! By default these are event streams: they have no end of their own, bring news to whoever would not be let in for
//! it any more, and their clients are made to come again. Any other answer was admitted as a whole; in the middle of
//! a download a client would be left with half of it, for asking shortly before its token expired.
//!
//! The end is none that a client could take for the answer's own: HTTP/1.1 closes the connection without the last
//! chunk, HTTP/2 resets the stream. Only gRPC has a word for it, and gets it in its trailers: `UNAUTHENTICATED`.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::metrics::counter;
use bytes::Bytes;
use http::Version;
use http::header::{CONTENT_TYPE, HeaderMap};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::token_life::TokenLife;
use crate::answer;
use crate::metrics;
use crate::policy::EndedAnswers;
use crate::server::BodyError;

/// Types of answers that last. Those of gRPC begin with the last of them.
const EVENT_STREAMS: [&str; 3] = ["text/event-stream", "multipart/x-mixed-replace", GRPC];

const GRPC: &str = "application/grpc";

/// The access token has expired.
#[derive(Debug, thiserror::Error)]
#[error("the access token of the request has expired")]
struct Expired;

/// Whether the policy has an answer with these header fields end.
pub(super) fn is_ended(rule: EndedAnswers, headers: &HeaderMap) -> bool {
    match rule {
        EndedAnswers::All => true,
        EndedAnswers::None => false,
        EndedAnswers::EventStreams => {
            let found = media_type(headers).unwrap_or_default();
            EVENT_STREAMS.iter().any(|kind| begins(found, kind))
        }
    }
}

/// How a client is told of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The answer breaks off.
    BreaksOff,
    /// Trailers tell why, as gRPC has it.
    GrpcStatus,
}

impl End {
    /// That of an answer with these header fields to a client that speaks this HTTP.
    pub(super) fn of(headers: &HeaderMap, client: Version) -> Self {
        let rest =
            media_type(headers).filter(|found| begins(found, GRPC)).and_then(|found| found.get(GRPC.len()..));
        let is_grpc = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';', ' ']));
        if is_grpc && client == Version::HTTP_2 { Self::GrpcStatus } else { Self::BreaksOff }
    }
}

/// A body that ends when the access token has expired.
pub(crate) struct UntilExpiry<B> {
    /// `None` when it has ended: what it comes from is let go at once.
    body: Option<B>,
    life: TokenLife,
    end: End,
    /// Since the body had nothing; one that always has something is looked at with every piece.
    look: Option<Pin<Box<Sleep>>>,
}

impl<B> UntilExpiry<B> {
    pub(super) const fn new(body: B, life: TokenLife, end: End) -> Self {
        Self { body: Some(body), life, end, look: None }
    }

    fn end_now(&mut self) -> Result<Frame<Bytes>, BodyError> {
        self.body = None;
        counter!(metrics::ENDED_AT_EXPIRY, "what" => "answer").increment(1);
        tracing::debug!("the access token of an answer that still came has expired");
        match self.end {
            End::BreaksOff => Err(Expired.into()),
            End::GrpcStatus => {
                Ok(Frame::trailers(answer::grpc_unauthenticated("the access token of the call has expired")))
            }
        }
    }
}

impl<B: Body<Data = Bytes, Error = BodyError> + Unpin> Body for UntilExpiry<B> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        if this.life.next_look().is_none() {
            return Poll::Ready(Some(this.end_now()));
        }
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        while let Some(wait) = this.life.next_look() {
            let look = this.look.get_or_insert_with(|| Box::pin(sleep(wait)));
            ready!(look.as_mut().poll(context));
            this.look = None;
        }
        Poll::Ready(Some(this.end_now()))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()
}

fn begins(text: &str, beginning: &str) -> bool {
    text.get(..beginning.len()).is_some_and(|found| found.eq_ignore_ascii_case(beginning))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::time::Duration;

    use http::HeaderValue;
    use http_body_util::{BodyExt as _, Full, StreamBody};
    use tokio::sync::mpsc::unbounded_channel;

    use super::super::token_life::tests::{Hands, life};
    use super::*;

    fn headers(content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))])
    }

    #[test]
    fn answers_of_types_that_last_are_ended_unless_the_policy_says_otherwise() {
        for (content_type, lasts) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("multipart/x-mixed-replace;boundary=a", true),
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc-web", true),
            ("application/json", false),
            ("application/octet-stream", false),
            ("text/event", false),
            ("text/plain; a=text/event-stream", false),
            ("", false),
        ] {
            let headers = headers(content_type);
            assert_eq!(is_ended(EndedAnswers::EventStreams, &headers), lasts, "{content_type}");
            assert!(is_ended(EndedAnswers::All, &headers), "{content_type}");
            assert!(!is_ended(EndedAnswers::None, &headers), "{content_type}");
        }
        assert!(!is_ended(EndedAnswers::EventStreams, &HeaderMap::new()));
    }

    #[test]
    fn grpc_alone_is_told_why_and_over_http2_alone() {
        for (content_type, version, end) in [
            ("application/grpc", Version::HTTP_2, End::GrpcStatus),
            ("application/grpc+proto", Version::HTTP_2, End::GrpcStatus),
            ("application/grpc;a=b", Version::HTTP_2, End::GrpcStatus),
            ("application/grpc", Version::HTTP_11, End::BreaksOff),
            // It has its trailers in the body.
            ("application/grpc-web", Version::HTTP_2, End::BreaksOff),
            ("text/event-stream", Version::HTTP_2, End::BreaksOff),
        ] {
            assert_eq!(End::of(&headers(content_type), version), end, "{content_type} {version:?}");
        }
    }

    /// A body of one piece a second, and how many pieces of it come before its end; and that end.
    async fn pieces(until: u64, end: End, all_at_once: bool) -> (usize, Option<Result<HeaderMap, String>>) {
        let clock = Hands::at(0);
        let (sender, mut receiver) = unbounded_channel();
        let stream = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context));
        let body = StreamBody::new(stream).map_err(|never: Infallible| match never {});
        let mut body = UntilExpiry::new(Box::pin(body), life(until, &clock), end);
        let source = tokio::spawn(async move {
            // After the tenth nothing comes, and the stream stays open.
            for _ in 0..10 {
                if !all_at_once {
                    sleep(Duration::from_millis(900)).await;
                }
                sender.send(Ok(Frame::data(Bytes::from_static(b"piece")))).unwrap();
            }
            std::future::pending::<()>().await;
        });
        let mut came = 0;
        let ended = loop {
            match body.frame().await {
                Some(Ok(frame)) if frame.is_data() => came += 1,
                Some(Ok(frame)) => break Some(Ok(frame.into_trailers().unwrap())),
                Some(Err(reason)) => break Some(Err(reason.to_string())),
                None => break None,
            }
        };
        assert!(body.frame().await.is_none(), "nothing comes after its end");
        source.abort();
        (came, ended)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_ends_when_the_token_has_expired_whether_or_not_more_of_it_comes() {
        let expired = || Some(Err(Expired.to_string()));
        assert_eq!(pieces(0, End::BreaksOff, true).await, (0, expired()), "it has expired before the first");
        assert_eq!(pieces(5, End::BreaksOff, false).await, (5, expired()), "pieces come still");
        assert_eq!(pieces(600, End::BreaksOff, true).await, (10, expired()), "none has come for long");
        let (came, ended) = pieces(600, End::GrpcStatus, true).await;
        let trailers = ended.unwrap().unwrap();
        assert_eq!((came, &trailers["grpc-status"]), (10, &HeaderValue::from_static("16")));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_comes_to_its_end_before_stays_as_it_is() {
        let clock = Hands::at(0);
        let whole = Full::new(Bytes::from_static(b"whole")).map_err(Into::into);
        let body = UntilExpiry::new(whole, life(1, &clock), End::BreaksOff);
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "whole");
    }
}
