//! What every answer of the org has, whichever part it comes from: identifiers, a line in the log, and the
//! body of its error.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderName, HeaderValue, Method};
use keybound::Rule;
use keybound::random::{Random, jwt_id};

use crate::management::ApiError;
use crate::okta_id::{self, IdKind};

/// What Okta's support would ask for.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-okta-request-id");

/// Why a request was refused, beside its answer, for whoever records answers in this process.
#[derive(Clone, Debug)]
pub(crate) struct RefusedBy {
    /// The rule for tokens and proofs that was broken, if it was one of those.
    pub(crate) rule: Option<Rule>,
    /// The same as the client is told, or what it would be told if it had a body to read it in.
    pub(crate) reason: String,
}

/// Finishes the answer to a request.
pub(crate) async fn finish(State(random): State<Arc<dyn Random>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    completed(next.run(request).await, &method, &path, random.as_ref())
}

/// The answer as it is sent.
pub(crate) fn completed(mut answer: Response, method: &Method, path: &str, random: &dyn Random) -> Response {
    // Without randomness an answer has no identifiers; it is an answer still.
    let request_id = jwt_id(random).unwrap_or_default();
    let mut rule = None;
    if let Some(error) = answer.extensions_mut().remove::<ApiError>() {
        rule = error.rule;
        let refused = error.refused_by();
        let error_id = okta_id::generate(IdKind::ErrorReport, random).unwrap_or_default();
        answer = error.complete(answer, &error_id);
        answer.extensions_mut().insert(refused);
    }
    let status = answer.status().as_u16();
    tracing::info!(%request_id, %method, path, status, rule = rule.map(Rule::source), "answered");
    if let Ok(request_id) = HeaderValue::from_str(&request_id) {
        answer.headers_mut().insert(REQUEST_ID, request_id);
    }
    answer
}
