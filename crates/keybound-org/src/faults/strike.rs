//! A request, from the question whether a fault strikes it to the answer.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method};
use keybound::credentials::Credentials;
use keybound::exchange::DPOP;
use serde_json::Value;

use super::connection::{self, Connection};
use super::fault::{Effect, Fault};
use super::fault_id::FaultId;
use super::list::Asked;
use super::{Faults, answers, replay};
use crate::answer;
use crate::authorization_server::{claims_of, client_of_request};
use crate::background;
use crate::event::Event;
use crate::management::ApiError;
use crate::origin;
use crate::paths::{self, is_under};

/// Names the fault that an answer is due to, for whoever wonders.
pub(crate) const FAULT: HeaderName = HeaderName::from_static("x-keybound-fault");

/// Bytes of a body that is read to see whose it is or to be sent again, at most.
pub(super) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Characters of a path that the log repeats, at most.
const SHOWN_CHARACTERS: usize = 500;

/// Lets the request through, or lets the fault happen that strikes it.
pub(crate) async fn strike(State(faults): State<Faults>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // Whoever asks for faults must be able to end them.
    if faults.list.is_empty() || paths::is_own(path) {
        return next.run(request).await;
    }
    let (request, client_id) = match faults.with_client(request).await {
        Ok(known) => known,
        Err(refused) => return refused,
    };
    let asked = Asked {
        method: request.method(),
        path: request.uri().path(),
        client_id: client_id.as_deref(),
        has_proof: request.headers().contains_key(DPOP),
        has_token: Credentials::of_request(request.headers(), None).is_ok(),
    };
    let mut answer = match faults.list.striking(&asked) {
        None => next.run(request).await,
        Some((id, fault)) => {
            let mut answer = faults.happens(id, &fault, request, next).await;
            name_fault(&mut answer, id, &fault);
            answer
        }
    };
    if let Some(fault) = faults.list.count_skewed() {
        tracing::info!(%fault, "answered by a clock that a fault has set");
        answers::date(&mut answer, faults.levers.clock.now());
    }
    answer
}

impl Faults {
    async fn happens(&self, id: FaultId, fault: &Fault, request: Request, next: Next) -> Response {
        self.log(told(id, fault, &request)).await;
        if !fault.delay.is_zero() {
            tokio::time::sleep(fault.delay).await;
        }
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        match &fault.kind {
            Effect::Slow | Effect::ClockSkew { .. } => next.run(request).await,
            Effect::RateLimited { reset_after } => {
                self.finished(answers::rate_limited(*reset_after, self.levers.clock.now()), &method, &path)
            }
            Effect::ServerError { status, body } => {
                self.finished(answers::server_error(*status, *body), &method, &path)
            }
            Effect::CutConnection(cut) => {
                let connection = request.extensions().get::<Connection>().cloned();
                connection::cut(*cut, connection, next.run(request).await).await
            }
            Effect::Replay => replay::replay(self, id, request, next).await,
            act => match self.levers.act(act, Some(request.headers())).await {
                Ok(()) => next.run(request).await,
                Err(error) => self.finished(ApiError::internal(&error), &method, &path),
            },
        }
    }

    /// Writes an event into the system log. A log that cannot be written changes no answer.
    pub(super) async fn log(&self, event: Event) {
        let levers = Arc::clone(&self.levers);
        let logged =
            background::run(move || levers.store.log(&event, levers.clock.now(), levers.random.as_ref()));
        if !logged.await.is_ok_and(|logged| logged.is_ok()) {
            tracing::error!("the system log cannot be written");
        }
    }

    /// An answer that does not come from the org's endpoints has what all have.
    pub(super) fn finished(&self, answer: impl IntoResponse, method: &Method, path: &str) -> Response {
        answer::completed(answer.into_response(), method, path, self.levers.random.as_ref())
    }

    /// The request, and the client that it says it is of. A form is read for that only if a fault looks at clients.
    async fn with_client(&self, request: Request) -> Result<(Request, Option<String>), Response> {
        if !self.list.looks_at_clients() {
            return Ok((request, None));
        }
        if let Ok(credentials) = Credentials::of_request(request.headers(), None) {
            let client_id =
                claims_of(credentials.access_token).get("cid").and_then(Value::as_str).map(str::to_owned);
            return Ok((request, client_id));
        }
        if request.method() != Method::POST || !is_under(request.uri().path(), "/oauth2") {
            return Ok((request, None));
        }
        let (head, body) = request.into_parts();
        let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
            let refused = ApiError::body_too_large(MAX_BODY_BYTES);
            return Err(self.finished(refused, &head.method, head.uri.path()));
        };
        let client_id = client_of_request(&head, &body);
        Ok((Request::from_parts(head, Body::from(body)), client_id))
    }
}

/// Says in the answer by which fault it is what it is.
fn name_fault(answer: &mut Response, id: FaultId, fault: &Fault) {
    if let Ok(name) = HeaderValue::from_str(&format!("{id} {}", fault.kind().name())) {
        answer.headers_mut().insert(FAULT, name);
    }
}

/// Says in the log that a fault strikes; gives what the system log is to say.
fn told(id: FaultId, fault: &Fault, request: &Request) -> Event {
    let (method, path, kind) = (request.method(), shown(request.uri().path()), fault.kind().name());
    tracing::info!(fault = %id, kind, %method, path, "a fault that was asked for strikes");
    Event::new("keybound.fault.strike", "A fault that was asked for strikes a request")
        .from(origin::of_fields(request.headers(), request.extensions()))
        .debug("fault", id.to_string())
        .debug("kind", kind)
        .debug("method", method.as_str())
        .debug("path", path)
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARACTERS).collect()
}
