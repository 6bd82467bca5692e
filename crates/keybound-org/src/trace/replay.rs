//! A recorded request sent again, byte for byte: what somebody would do who had seen it pass.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tower_service::Service as _;

use super::Traces;
use super::exchange::Exchange;
use super::recorder::{ReplayOf, Underway};
use crate::background::{self, Unfinished};

/// A request and its replay, each with its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Replayed {
    /// As it came the first time.
    pub first: Exchange,
    /// As it was sent again.
    pub again: Exchange,
}

/// Why a request is not sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotReplayed {
    /// No exchange of this number is remembered.
    #[error("no exchange of this number is remembered")]
    Forgotten,
    /// Its body was too long to be recorded whole.
    #[error("the body of the request was not recorded whole, so it cannot be sent again byte for byte")]
    Cut,
    /// The work was interrupted.
    #[error(transparent)]
    Unfinished(#[from] Unfinished),
}

impl Traces {
    /// Sends a recorded request to the org again, as it came, and tells how both were answered. It does not go over the
    /// network; it is recorded as any other.
    pub async fn replay(self: &Arc<Self>, id: u64) -> Result<Replayed, NotReplayed> {
        let request = self.request_again(id)?;
        let (request, underway) = Underway::begin(Arc::clone(self), request);
        let again = underway.id();
        let mut protocol = self.protocol.clone();
        let answer = match protocol.call(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        read_to_its_end(underway.answered(answer)).await;
        let traces = Arc::clone(self);
        let both = background::run(move || Some((traces.exchange(id)?, traces.exchange(again)?))).await?;
        let (first, again) = both.ok_or(NotReplayed::Forgotten)?;
        Ok(Replayed { first, again })
    }

    fn request_again(&self, id: u64) -> Result<Request, NotReplayed> {
        let recording = self.remembered().get(id).ok_or(NotReplayed::Forgotten)?;
        if !recording.body.is_whole() {
            return Err(NotReplayed::Cut);
        }
        let mut request = Request::new(Body::from(recording.body.bytes.to_vec()));
        *request.method_mut() = recording.method.clone();
        *request.uri_mut() = recording.target.clone();
        *request.headers_mut() = recording.fields.read();
        request.extensions_mut().insert(ReplayOf(recording.id));
        Ok(request)
    }
}

/// The answers of the org's protocol are short and end by themselves.
async fn read_to_its_end(answer: Response) {
    let mut body = answer.into_body();
    while !body.is_end_stream() {
        let frame = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await;
        if !matches!(frame, Some(Ok(_))) {
            return;
        }
    }
}
