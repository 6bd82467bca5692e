//! The layer around all pages of the console: it lets administrators in and sends everybody else to the sign-in page,
//! and it lets only forms change anything that are of a page of the same session.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use url::form_urlencoded;

use super::frame::Done;
use super::{Console, Failure, sign_in, traces};
use crate::event::EventClient;
use crate::form::{Form, MAX_FORM_BYTES};
use crate::management::Permit;
use crate::origin;

/// What each form of a page carries.
const FORM_TOKEN: &str = "form_token";

/// An administrator who is signed in.
#[derive(Clone)]
pub(super) struct Administrator {
    /// What the forms of this session carry.
    pub(super) form_token: String,
    /// What a form has done that brought the browser here.
    pub(super) done: Option<Done>,
    client: EventClient,
}

impl Administrator {
    /// The right to do whatever the management API lets somebody do.
    pub(super) fn permit<R>(&self) -> Permit<R> {
        Permit::of_administrator(self.client.clone())
    }
}

/// A form that an administrator has sent.
#[derive(Clone)]
pub(super) struct Posted(pub(super) Form);

/// Lets requests of administrators through.
pub(super) async fn admit(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    match console.administered(request).await {
        Ok(request) => next.run(request).await,
        Err(answer) => answer,
    }
}

impl Console {
    /// The request with its administrator and its form; or the answer to it, if it does not go on.
    async fn administered(&self, request: Request) -> Result<Request, Response> {
        let (mut head, body) = request.into_parts();
        let cookie = self.cookie().of_request(&head.headers);
        let session = cookie.and_then(|cookie| self.sessions.of_cookie(cookie.expose(), self.now()));
        let session = session.ok_or_else(|| sign_in::first(&head))?;
        let body = if head.method.is_safe() {
            body
        } else {
            let form = read_form(&head.headers, body, form_limit(head.uri.path()))
                .await
                .map_err(IntoResponse::into_response)?;
            if !session.was_shown(form.get(FORM_TOKEN)) {
                return Err(Failure::stale_form().into_response());
            }
            head.extensions.insert(Posted(form));
            Body::empty()
        };
        let administrator = Administrator {
            form_token: session.form_token().to_owned(),
            done: done(&head),
            client: origin::of(&head),
        };
        head.extensions.insert(administrator);
        Ok(Request::from_parts(head, body))
    }
}

/// Bytes that the form of a page may have: one brings a file.
fn form_limit(path: &str) -> usize {
    if path == traces::OPEN_PATH { traces::MAX_OPENED_FORM_BYTES } else { MAX_FORM_BYTES }
}

/// The form in the body of a request.
pub(super) async fn read_form(headers: &HeaderMap, body: Body, limit: usize) -> Result<Form, Failure> {
    let body = axum::body::to_bytes(body, limit).await.map_err(|_| {
        let text = format!("It has more than the {limit} bytes that are read.");
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "This form is too large", text)
    })?;
    Ok(Form::read(headers, &body)?)
}

fn done(head: &Parts) -> Option<Done> {
    let query = head.uri.query().unwrap_or_default();
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let (_, value) = parameters.find(|(name, _)| name == Done::PARAMETER)?;
    Done::of_name(&value)
}

/// What the layer has found out; a page that is not behind it is shown to nobody.
fn found<T: Clone + Send + Sync + 'static>(head: &Parts) -> Result<T, Response> {
    head.extensions.get::<T>().cloned().ok_or_else(|| sign_in::first(head))
}

impl FromRequestParts<Arc<Console>> for Administrator {
    type Rejection = Response;

    async fn from_request_parts(head: &mut Parts, _: &Arc<Console>) -> Result<Self, Response> {
        found(head)
    }
}

impl FromRequestParts<Arc<Console>> for Posted {
    type Rejection = Response;

    async fn from_request_parts(head: &mut Parts, _: &Arc<Console>) -> Result<Self, Response> {
        found(head)
    }
}
