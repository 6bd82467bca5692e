//! An attacker who has recorded a request with a proof and sends it once more, as it was.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use serde_json::Value;

use super::Faults;
use super::fault_id::FaultId;
use super::list::ReplayAnswer;
use super::strike::MAX_BODY_BYTES;
use crate::event::Event;
use crate::management::ApiError;
use crate::origin;

/// Characters of the answer's reason that are kept, at most.
const REASON_CHARACTERS: usize = 300;

/// Answers a request, and then sees what the same request is answered a second time. The client learns nothing of that.
pub(super) async fn replay(faults: &Faults, id: FaultId, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return faults.finished(ApiError::body_too_large(MAX_BODY_BYTES), &head.method, head.uri.path());
    };
    let request = |head: Parts| Request::from_parts(head, Body::from(body.clone()));
    let answer = next.clone().run(request(head.clone())).await;
    let replayed = seen(next.run(request(head.clone())).await).await;
    let ReplayAnswer { status, reason } = &replayed;
    let reason = reason.as_deref().unwrap_or_default();
    tracing::info!(fault = %id, status, reason, "a replay was answered");
    let event =
        Event::new("keybound.fault.replay", "A request was replayed by an attacker who was asked for");
    let event = event.debug("fault", id.to_string()).debug("status", *status).debug("reason", reason);
    faults.log(event.from(origin::of(&head))).await;
    faults.list.keep_replay(id, replayed);
    answer
}

/// What can be told of an answer: of one of success nothing but that, since there may be a token in it.
async fn seen(answer: Response) -> ReplayAnswer {
    let status = answer.status();
    if status.is_success() {
        return ReplayAnswer { status: status.as_u16(), reason: None };
    }
    let body = to_bytes(answer.into_body(), MAX_BODY_BYTES).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
    let words = ["/errorCauses/0/errorSummary", "/errorSummary", "/error_description", "/error"];
    let reason = words.iter().find_map(|pointer| text(pointer)).unwrap_or_default();
    let reason = Some(reason.chars().take(REASON_CHARACTERS).collect());
    ReplayAnswer { status: status.as_u16(), reason }
}
