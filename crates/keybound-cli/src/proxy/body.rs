//! The body of a program's request. A short one is kept, so that it can be sent again after a nonce challenge; a long one
//! goes through as it comes, once.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use keybound_client::RequestBody;
use tokio::time::timeout;

use super::refusal::NotRelayed;

/// A body of no more than so many bytes is kept: more than almost every call of an API has, and little beside what a
/// connection takes.
const KEPT_BYTES: usize = 64 * 1024;

/// How long a program may pause within what is kept.
const PAUSE: Duration = Duration::from_secs(30);

/// The body as it is to be sent on: whole if it ends soon enough, else what came of it and the rest.
pub(super) async fn read_ahead(mut body: Incoming) -> Result<RequestBody, NotRelayed> {
    let mut begun = BytesMut::new();
    while !body.is_end_stream() {
        let piece = timeout(PAUSE, body.frame()).await.map_err(|_| NotRelayed::BodyPaused)?;
        let Some(frame) = piece.transpose().map_err(|_| NotRelayed::BodyBroke)? else { break };
        // Trailers are dropped: no API that this serves takes any.
        if let Ok(data) = frame.into_data() {
            begun.extend_from_slice(&data);
        }
        if begun.len() > KEPT_BYTES {
            return Ok(RequestBody::once(Begun { begun: Some(begun.freeze()), rest: body }));
        }
    }
    Ok(begun.freeze().into())
}

/// A body of which the beginning has been read.
struct Begun {
    begun: Option<Bytes>,
    rest: Incoming,
}

impl Body for Begun {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match self.begun.take() {
            Some(begun) => Poll::Ready(Some(Ok(Frame::data(begun)))),
            None => Pin::new(&mut self.rest).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.begun.is_none() && self.rest.is_end_stream()
    }

    /// As long as the program said, so that the origin is told the same.
    fn size_hint(&self) -> SizeHint {
        let begun = self.begun.as_ref().map_or(0, |begun| begun.len() as u64);
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(begun.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(begun.saturating_add(upper));
        }
        hint
    }
}
