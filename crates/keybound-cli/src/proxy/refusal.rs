//! Why a request was not passed on or has no answer, and what the program is told: a status, and JSON that says what
//! failed, why and what to do (RFC 9457). An origin's own answers never look like that.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use keybound_client::{CallError, TransportError};
use serde_json::json;

use super::admission::Stranger;
use super::allowed::NotAllowed;

/// What asks for the proxy's secret.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"keybound proxy\"");

/// After a failure on the way to a token: seconds until another try may go better.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("5");

#[derive(Debug)]
pub(super) enum NotRelayed {
    Stranger(Stranger),
    NotHttp,
    NoPath,
    NoOrigin,
    NotAllowed(NotAllowed),
    BodyPaused,
    BodyBroke,
    /// No scopes are set, and what is asked is no operation that tells which it needs.
    NoScopes,
    Call(Box<CallError>),
}

impl NotRelayed {
    /// The name of its sort in metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Stranger(_) => "stranger",
            Self::NoScopes => "no_token",
            Self::NotHttp | Self::NoPath | Self::BodyPaused | Self::BodyBroke => "malformed",
            Self::NoOrigin | Self::NotAllowed(_) => "not_allowed",
            Self::Call(error) => match **error {
                CallError::Token(_) => "no_token",
                _ => "no_answer",
            },
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Stranger(Stranger::WithoutSecret) => StatusCode::UNAUTHORIZED,
            Self::Stranger(Stranger::WebPage) | Self::NotAllowed(NotAllowed::NoRule) => StatusCode::FORBIDDEN,
            Self::NotHttp | Self::NoScopes => StatusCode::NOT_IMPLEMENTED,
            Self::NoOrigin => StatusCode::NOT_FOUND,
            Self::NoPath | Self::NotAllowed(NotAllowed::Ambiguous(_)) | Self::BodyBroke => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyPaused => StatusCode::REQUEST_TIMEOUT,
            Self::Call(error) => match **error {
                CallError::Token(_) => StatusCode::SERVICE_UNAVAILABLE,
                CallError::Transport(TransportError::Timeout { .. }) => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::BAD_GATEWAY,
            },
        }
    }

    /// What failed.
    fn title(&self) -> String {
        match self {
            Self::Stranger(Stranger::WithoutSecret) => "the proxy's secret is missing or wrong".to_owned(),
            Self::Stranger(Stranger::WebPage) => "web pages may not use this proxy".to_owned(),
            Self::NotHttp => "the proxy passes on plain HTTP requests only".to_owned(),
            Self::NoPath => "the request has no path that can be passed on".to_owned(),
            Self::NoOrigin => "no origin takes this path".to_owned(),
            Self::NotAllowed(NotAllowed::NoRule) => "no rule allows this method and path".to_owned(),
            Self::NotAllowed(NotAllowed::Ambiguous(why)) => {
                format!("the path has more than one meaning: {why}")
            }
            Self::BodyPaused => "the body of the request did not come in time".to_owned(),
            Self::BodyBroke => "the body of the request broke off".to_owned(),
            Self::NoScopes => {
                "no scopes are set, and this is no known operation of the org that tells which it needs"
                    .to_owned()
            }
            Self::Call(error) => error.to_string(),
        }
    }

    /// What to do.
    fn detail(&self) -> &'static str {
        match self {
            Self::Stranger(Stranger::WithoutSecret) => {
                "send `Authorization: Bearer SECRET` with the secret that `keybound proxy` told or was given"
            }
            Self::Stranger(Stranger::WebPage) => {
                "call it as localhost or 127.0.0.1, from a program; or start it with a secret"
            }
            Self::NotHttp => {
                "no CONNECT, no TRACE, no upgrade (WebSocket): call the origin's paths at this address"
            }
            Self::NoPath => "send a path that begins with a slash",
            Self::NoOrigin => "start `keybound proxy` with --to PREFIX=URL for it",
            Self::NotAllowed(NotAllowed::NoRule) => {
                "start `keybound proxy` with --allow 'METHOD PATH' for it; without, it reads only"
            }
            Self::NotAllowed(NotAllowed::Ambiguous(_)) => "send the path that is meant",
            Self::BodyPaused | Self::BodyBroke => "send it again",
            Self::NoScopes => "start `keybound proxy` with --scope (OKTA_SCOPES) for it",
            Self::Call(error) => match **error {
                CallError::Token(_) => "`keybound doctor` says what is wrong between here and the org",
                CallError::BodySpent(_) => "send it again: what the origin asked for is known now",
                _ => "see whether the origin is there",
            },
        }
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let status = self.status();
        let problem = json!({ "status": status.as_u16(), "title": self.title(), "detail": self.detail() });
        let mut response = Response::new(Full::new(Bytes::from(format!("{problem}\n"))));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match status {
            StatusCode::UNAUTHORIZED => headers.insert(WWW_AUTHENTICATE, CHALLENGE),
            StatusCode::SERVICE_UNAVAILABLE => headers.insert(RETRY_AFTER, RETRY_AFTER_SECONDS),
            _ => None,
        };
        response
    }
}
