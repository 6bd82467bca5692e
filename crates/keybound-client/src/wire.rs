//! What one attempt of a call needs: a way to send it, and a body to send.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use keybound::TargetUri;

use crate::body::{AttemptBody, ResponseBody};
use crate::call_metrics::Sort;
use crate::client::CallError;
use crate::transport::Transport;

/// Whether what came to nothing may be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// It is certain that no server acted on the request.
    Unsent,
    /// The server may have acted on it.
    IfIdempotent,
    /// It would come to nothing again.
    No,
}

/// Why an attempt has no answer.
#[derive(Debug)]
pub(crate) struct Fault<E> {
    pub(crate) error: E,
    pub(crate) repeat: Repeat,
}

impl<E> Fault<E> {
    /// A fault that another attempt won't help.
    pub(crate) fn last(error: E) -> Self {
        Self { error, repeat: Repeat::No }
    }

    pub(crate) fn into<F: From<E>>(self) -> Fault<F> {
        Fault { error: self.error.into(), repeat: self.repeat }
    }
}

/// The way that the attempts of a call take; each is sent once.
pub(crate) trait Wire: Send {
    /// The body of an attempt.
    type Body: Send;
    /// The body of an answer.
    type Answer: Send;
    /// Why a call comes to nothing.
    type Error: From<CallError> + Sort + Send;

    /// Sends one attempt.
    fn send(
        &mut self,
        target: &TargetUri,
        request: Request<Self::Body>,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Fault<Self::Error>>> + Send;

    /// Is done with an answer that nobody is to see, so that its connection can serve the next attempt.
    fn discard(answer: Self::Answer) -> impl Future<Output = ()> + Send;
}

/// What a call sends: a body for each attempt.
pub(crate) trait Content: Send {
    /// The body of an attempt.
    type Body;

    /// The body of the next attempt; `None` if there was one alone and it was sent.
    fn body(&self) -> Option<Self::Body>;

    /// Whether there was one alone, and it was sent, or part of it.
    fn is_spent(&self) -> bool;

    /// Leaves the body out from here on, as a redirect with 303 asks for.
    fn clear(&mut self);
}

/// Answers are read whole.
pub(crate) struct Whole<'a>(pub(crate) &'a Transport);

impl Wire for Whole<'_> {
    type Body = Bytes;
    type Answer = Bytes;
    type Error = CallError;

    async fn send(
        &mut self,
        target: &TargetUri,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Fault<CallError>> {
        self.0.exchange(target, request).await.map_err(Fault::into)
    }

    async fn discard(_answer: Bytes) {}
}

/// Answers are streamed.
pub(crate) struct Streamed<'a>(pub(crate) &'a Transport);

/// Of an answer that is thrown away, so much is read for the sake of its connection: refusals are short.
const DISCARDED_BYTES: usize = 64 * 1024;

/// The time for it; a new connection takes about as long.
const DISCARDED_WITHIN: Duration = Duration::from_secs(1);

impl Wire for Streamed<'_> {
    type Body = AttemptBody;
    type Answer = ResponseBody;
    type Error = CallError;

    async fn send(
        &mut self,
        target: &TargetUri,
        request: Request<AttemptBody>,
    ) -> Result<Response<ResponseBody>, Fault<CallError>> {
        self.0.open(target, request).await.map_err(Fault::into)
    }

    async fn discard(answer: ResponseBody) {
        // One that is longer, or slower, costs its connection.
        let _ = tokio::time::timeout(DISCARDED_WITHIN, answer.read_whole(DISCARDED_BYTES)).await;
    }
}

impl Content for Bytes {
    type Body = Bytes;

    fn body(&self) -> Option<Bytes> {
        Some(self.clone())
    }

    fn is_spent(&self) -> bool {
        false
    }

    fn clear(&mut self) {
        *self = Bytes::new();
    }
}
