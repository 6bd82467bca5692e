//! From a request over HTTP to a function that answers it: which server it is for, and its body within bounds. What
//! is done for it waits for the disk and signs, so it has a thread for that.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{Method, StatusCode};
use serde_json::Value;

use super::{AuthorizationServer, AuthorizationServers};
use crate::background;
use crate::form::{Form, FormRefusal, MAX_FORM_BYTES};
use crate::management::ApiError;

/// What answers a request to one server.
pub(super) type Work = fn(&AuthorizationServer, &Asked) -> Response;

/// The methods that an endpoint takes.
#[derive(Clone, Copy)]
pub(super) enum Methods {
    Get,
    Post,
    GetAndPost,
}

/// A request as it came.
pub(super) struct Asked {
    pub(super) head: Parts,
    /// The body, unless it is larger than a form may be.
    body: Option<Bytes>,
}

impl Asked {
    /// Whether the browser goes here, as far as it says (Fetch Metadata): a frame, a picture or a script of another site
    /// signs nobody in or out.
    pub(super) fn is_navigation(&self) -> bool {
        self.head.headers.get("sec-fetch-dest").is_none_or(|destination| destination == "document")
    }

    /// Whether the browser goes here or has this in a frame, as far as it says: in a frame apps renew their tokens.
    pub(super) fn is_page(&self) -> bool {
        self.is_navigation()
            || self.head.headers.get("sec-fetch-dest").is_some_and(|destination| destination == "iframe")
    }

    /// The form in the body.
    pub(super) fn form(&self) -> Result<Form, FormRefusal> {
        Form::read(&self.head.headers, self.body.as_ref().ok_or(FormRefusal::TooLarge)?)
    }

    /// The parameters of a token request.
    pub(super) fn token_form(&self) -> Result<Form, FormRefusal> {
        let body = self.body.as_ref().ok_or(FormRefusal::TooLarge)?;
        Form::of_token_request(&self.head.headers, body, self.head.uri.query())
    }

    /// The parameters of a request that may be sent in both ways: in the body of a POST, in the query else.
    pub(super) fn parameters(&self) -> Result<Form, FormRefusal> {
        if self.head.method == Method::POST {
            return self.form();
        }
        Form::of_query(self.head.uri.query().unwrap_or_default())
    }
}

/// Routes these methods to `work`.
pub(super) fn served(methods: Methods, work: Work) -> MethodRouter<Arc<AuthorizationServers>> {
    let handler = move |State(servers): State<Arc<AuthorizationServers>>,
                        server: Result<Option<Path<String>>, PathRejection>,
                        request: Request| async move {
        match server {
            Ok(server) => answer(servers, server, request, work).await,
            // A name that is not UTF-8 is that of no server.
            Err(_) => ApiError::no_such_path().into_response(),
        }
    };
    match methods {
        Methods::Get => get(handler),
        Methods::Post => post(handler),
        Methods::GetAndPost => get(handler).post(handler),
    }
}

/// An answer in JSON that no cache is to keep (RFC 6749 section 5.1).
pub(super) fn json_answer(status: StatusCode, body: &Value) -> Response {
    let fields = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")];
    (status, fields, body.to_string()).into_response()
}

async fn answer(
    servers: Arc<AuthorizationServers>,
    server: Option<Path<String>>,
    request: Request,
    work: Work,
) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_FORM_BYTES).await.ok();
    let answered = background::run(move || {
        let id = server.as_ref().map(|Path(id)| id.as_str());
        match servers.server(id) {
            Ok(server) => work(&server, &Asked { head, body }),
            Err(refused) => refused.into_response(),
        }
    });
    answered.await.unwrap_or_else(|unfinished| ApiError::internal(&unfinished).into_response())
}
