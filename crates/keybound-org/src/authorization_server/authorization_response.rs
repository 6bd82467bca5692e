//! The authorization response (RFC 6749 section 4.1.2): a code or an error, with the server's issuer (RFC 9207), by
//! redirect, in a form that the browser sends, or in a message to the page that opened this one or has it in a frame.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use url::form_urlencoded::Serializer;

use super::redirect_uri::RedirectUri;
use super::refusal::TokenRefusal;
use crate::pages::{FormPost, Page as _, PostMessage};
use crate::store::App;
use crate::web_origin::WebOrigin;

/// Where the response to a request goes, and in which way.
#[derive(Clone, Debug)]
pub(super) struct ResponseTarget {
    pub(super) redirect_uri: RedirectUri,
    pub(super) mode: ResponseMode,
    pub(super) state: Option<String>,
}

/// How a response is handed over (OAuth 2.0 Multiple Response Types section 2.1, Form Post Response Mode).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ResponseMode {
    Query,
    Fragment,
    FormPost,
    /// Okta's own: to a page of this origin, that of the redirect URI, and to none else.
    PostMessage(WebOrigin),
}

impl ResponseMode {
    /// The one of this name for a redirect URI of the app, or the usual one of a code; `None` if it is not known, or not
    /// for such a URI.
    pub(super) fn asked(name: Option<&str>, redirect_uri: &RedirectUri, app: &App) -> Option<Self> {
        match name {
            None | Some("query") => Some(Self::Query),
            Some("fragment") => Some(Self::Fragment),
            Some("form_post") => Some(Self::FormPost),
            Some("okta_post_message") => redirect_uri.pages_of(app).map(Self::PostMessage),
            Some(_) => None,
        }
    }
}

impl ResponseTarget {
    /// Hands over a code.
    pub(super) fn code(&self, code: &str, issuer: &str) -> Response {
        self.answer(&[("code", code)], issuer)
    }

    /// Hands over an error.
    pub(super) fn error(&self, refusal: &TokenRefusal, issuer: &str) -> Response {
        self.answer(&[("error", refusal.error()), ("error_description", &refusal.description())], issuer)
    }

    fn answer(&self, response: &[(&str, &str)], issuer: &str) -> Response {
        let state = self.state.as_deref().map(|state| ("state", state));
        let parameters: Vec<_> = response.iter().copied().chain(state).chain([("iss", issuer)]).collect();
        let encoded = || Serializer::new(String::new()).extend_pairs(&parameters).finish();
        match &self.mode {
            ResponseMode::Query => redirect(&self.redirect_uri.with_query(&encoded())),
            ResponseMode::Fragment => redirect(&self.redirect_uri.with_fragment(&encoded())),
            ResponseMode::FormPost => {
                FormPost { action: self.redirect_uri.as_str(), parameters: &parameters }
                    .answer(StatusCode::OK, &[self.redirect_uri.source()])
            }
            ResponseMode::PostMessage(origin) => {
                let response: BTreeMap<_, _> = parameters.into_iter().collect();
                PostMessage { origin: origin.as_str(), response: &json!(response).to_string() }
                    .answer_in_frame(StatusCode::OK, origin)
            }
        }
    }
}

/// 303: whatever brought the browser here, it goes on with GET (RFC 9700 section 4.12).
pub(super) fn redirect(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (
            StatusCode::SEE_OTHER,
            [
                (LOCATION, location),
                (CACHE_CONTROL, HeaderValue::from_static("no-store")),
                (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            ],
        )
            .into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}
