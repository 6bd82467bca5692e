//! The recorder: sees each request and its answer as the client does, copies them, and changes nothing. Only where a
//! fault cuts the connection the client sees less: that happens below HTTP, and the recorded answer names the fault.
//!
//! Bodies are copied as they pass, so neither waits for the recording; what is recorded is there before the client has
//! the end of the answer.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use http_body::{Frame, SizeHint};
use keybound::{Nonces, NumericDate};

use super::Traces;
use super::recording::{Fields, RecordedBody, Recording};
use crate::answer::RefusedBy;
use crate::paths;

/// A request that is sent again, and by whom nobody knows.
#[derive(Clone, Copy)]
pub(super) struct ReplayOf(pub(super) u64);

/// Records a request and its answer.
pub(crate) async fn record(State(traces): State<Arc<Traces>>, request: Request, next: Next) -> Response {
    if paths::is_own(request.uri().path()) {
        return next.run(request).await;
    }
    let (request, underway) = Underway::begin(traces, request);
    let answer = next.run(request).await;
    underway.answered(answer)
}

/// An exchange that has not ended. When it is dropped, it has: recorded is what there is.
pub(super) struct Underway {
    traces: Arc<Traces>,
    id: u64,
    at: NumericDate,
    began: Instant,
    client: Option<SocketAddr>,
    method: Method,
    target: Uri,
    fields: Fields,
    body: Arc<Mutex<RecordedBody>>,
    replay_of: Option<u64>,
    nonces: Arc<Nonces>,
    answer: Option<AnswerHead>,
    answer_body: RecordedBody,
}

struct AnswerHead {
    status: StatusCode,
    fields: Fields,
    refused: Option<RefusedBy>,
}

impl Underway {
    /// Begins to record `request`, which is to be handled as it is given back.
    pub(super) fn begin(traces: Arc<Traces>, request: Request) -> (Request, Self) {
        let connection = request.extensions().get::<ConnectInfo<SocketAddr>>();
        let body = Arc::new(Mutex::new(RecordedBody::empty()));
        let underway = Self {
            id: traces.next_id(),
            at: traces.now(),
            began: Instant::now(),
            client: connection.map(|ConnectInfo(address)| *address),
            method: request.method().clone(),
            target: request.uri().clone(),
            fields: Fields::of(request.headers()),
            body: Arc::clone(&body),
            replay_of: request.extensions().get::<ReplayOf>().map(|ReplayOf(id)| *id),
            nonces: traces.nonces(),
            answer: None,
            answer_body: RecordedBody::default(),
            traces,
        };
        if request.body().is_end_stream() {
            return (request, underway);
        }
        body.lock().unwrap_or_else(PoisonError::into_inner).is_complete = false;
        let request = request.map(|inner| Body::new(CopiedRequest { inner, copy: body }));
        (request, underway)
    }

    pub(super) const fn id(&self) -> u64 {
        self.id
    }

    /// Goes on with the answer's body.
    pub(super) fn answered(mut self, mut answer: Response) -> Response {
        self.answer = Some(AnswerHead {
            status: answer.status(),
            fields: Fields::of(answer.headers()),
            refused: answer.extensions_mut().remove::<RefusedBy>(),
        });
        if answer.body().is_end_stream() {
            self.answer_body.is_complete = true;
            drop(self);
            return answer;
        }
        answer.map(|inner| Body::new(CopiedAnswer { inner, underway: Some(self) }))
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let body = std::mem::take(&mut *self.body.lock().unwrap_or_else(PoisonError::into_inner));
        let (status, answer_fields, refused) = match self.answer.take() {
            Some(answer) => (Some(answer.status), answer.fields, answer.refused),
            None => (None, Fields::default(), None),
        };
        self.traces.add(Recording {
            id: self.id,
            at: self.at,
            duration: self.began.elapsed(),
            client: self.client,
            method: std::mem::take(&mut self.method),
            target: std::mem::take(&mut self.target),
            fields: std::mem::take(&mut self.fields),
            body,
            status,
            answer_fields,
            answer_body: std::mem::take(&mut self.answer_body),
            refused,
            nonces: Arc::clone(&self.nonces),
            replay_of: self.replay_of,
            conversation: std::sync::OnceLock::new(),
        });
    }
}

/// What came of a poll of a body.
type Polled = Poll<Option<Result<Frame<Bytes>, axum::Error>>>;

/// Copies a piece of a body; whether the body is at its end by that.
fn copy(polled: &Polled, inner: &Body, copy: &mut RecordedBody) -> bool {
    match polled {
        Poll::Pending => return false,
        Poll::Ready(Some(Ok(frame))) => {
            if let Some(data) = frame.data_ref() {
                copy.push(data);
            }
            copy.is_complete = inner.is_end_stream();
        }
        Poll::Ready(None) => copy.is_complete = true,
        Poll::Ready(Some(Err(_))) => return true,
    }
    copy.is_complete
}

/// The body of a request, copied as it is read.
struct CopiedRequest {
    inner: Body,
    copy: Arc<Mutex<RecordedBody>>,
}

impl HttpBody for CopiedRequest {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        copy(&polled, &self.inner, &mut self.copy.lock().unwrap_or_else(PoisonError::into_inner));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The body of an answer, copied as it is sent. With its end the exchange is recorded.
struct CopiedAnswer {
    inner: Body,
    underway: Option<Underway>,
}

impl HttpBody for CopiedAnswer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let Self { inner, underway } = &mut *self;
        let polled = Pin::new(&mut *inner).poll_frame(context);
        let ended = underway.as_mut().is_some_and(|underway| copy(&polled, inner, &mut underway.answer_body));
        if ended {
            *underway = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use crate::{LocalOrg, OrgSettings, Scheme};

    /// Whoever wants a fast org, and looks at no traces, pays nothing for them.
    #[tokio::test]
    async fn nothing_is_even_begun_where_nothing_is_remembered() {
        for (traces_remembered, begun) in [(0, 0), (1, 2)] {
            let settings = OrgSettings { scheme: Scheme::Http, traces_remembered, ..OrgSettings::default() };
            let org = LocalOrg::start(settings).await.unwrap();
            let http = reqwest::Client::new();
            for body in ["", "grant_type=client_credentials"] {
                let url = format!("{}/oauth2/v1/token", org.url());
                http.post(url).body(body).send().await.unwrap().bytes().await.unwrap();
            }
            let numbers = org.traces().last_id.load(Ordering::Relaxed);
            assert_eq!(numbers, begun, "{traces_remembered} are remembered");
        }
    }
}
