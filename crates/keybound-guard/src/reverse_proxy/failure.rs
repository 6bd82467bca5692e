//! Why a request has no answer of the upstream, and what the client is told. Where the upstream is and what
//! exactly is wrong with it stands in the log, not in the answer.

use std::error::Error;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use super::idle::BodyFailed;
use crate::metrics::UPSTREAM_FAILURES;

/// Why a request has no answer of the upstream.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unanswered {
    #[error("the request is refused with {}", .0.status())]
    Refused(Box<Response<Bytes>>),
    #[error("the request can be read in more than one way, or in none: {0}")]
    Form(&'static str),
    #[error("the method is not passed on")]
    Method(StatusCode),
    #[error("the client did not send its request to the end: {0}")]
    Upload(BodyFailed),
    #[error("no connection: {reason}")]
    Connect { reason: String, in_time: bool },
    #[error("no answer within {} s of the request's end", .0.as_secs_f64())]
    Late(Duration),
    #[error("the exchange broke: {reason}")]
    Broken { reason: String, again: bool },
    #[error("it switched protocols without being asked, or to another one")]
    Switched,
}

impl Unanswered {
    pub(super) const fn form(reason: &'static str) -> Self {
        Self::Form(reason)
    }

    pub(super) const fn method(status: StatusCode) -> Self {
        Self::Method(status)
    }

    /// What the HTTP client says.
    pub(super) fn of_client(error: &hyper_util::client::legacy::Error) -> Self {
        let is_connect = error.is_connect();
        let mut cause: &(dyn Error + 'static) = error;
        let (mut timed_out, mut again) = (false, false);
        loop {
            if let Some(failed) = cause.downcast_ref::<BodyFailed>() {
                return Self::Upload(failed.clone());
            }
            timed_out |= cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
            again |= cause.downcast_ref::<hyper::Error>().is_some_and(|error| {
                error.is_incomplete_message() || error.is_canceled() || error.is_closed()
            });
            match cause.source() {
                Some(deeper) => cause = deeper,
                None => break,
            }
        }
        let reason = cause.to_string();
        if is_connect {
            Self::Connect { reason, in_time: !timed_out }
        } else {
            Self::Broken { reason, again }
        }
    }

    /// Whether the connection ended before anything of an answer came, as it does when the upstream closes
    /// an idle connection at the moment a request goes out on it.
    pub(super) const fn is_closed_connection(&self) -> bool {
        matches!(self, Self::Broken { again: true, .. })
    }

    /// Counts and logs what the upstream did wrong.
    pub(super) fn count(&self) {
        let reason = match self {
            Self::Connect { in_time: true, .. } => "connect",
            Self::Connect { in_time: false, .. } | Self::Late(_) => "timeout",
            Self::Broken { .. } | Self::Switched => "broken",
            Self::Refused(_) | Self::Form(_) | Self::Method(_) | Self::Upload(_) => return,
        };
        ::metrics::counter!(UPSTREAM_FAILURES, "reason" => reason).increment(1);
        tracing::error!(reason, error = %self, "the upstream did not answer");
    }

    pub(super) fn into_response(self) -> Response<Bytes> {
        let told = self.to_string();
        let (status, error, description) = match self {
            Self::Refused(response) => return *response,
            Self::Form(_) => (StatusCode::BAD_REQUEST, "invalid_request", told.as_str()),
            Self::Method(status) => (status, "invalid_request", told.as_str()),
            Self::Upload(BodyFailed::Idle(_)) => (
                StatusCode::REQUEST_TIMEOUT,
                "invalid_request",
                "the request did not come to its end in time",
            ),
            Self::Upload(_) => {
                (StatusCode::BAD_REQUEST, "invalid_request", "the request did not come to its end")
            }
            Self::Connect { in_time: true, .. } => (
                StatusCode::BAD_GATEWAY,
                "upstream_unreachable",
                "the API behind this guard can't be reached",
            ),
            Self::Connect { in_time: false, .. } | Self::Late(_) => (
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "the API behind this guard did not answer in time",
            ),
            Self::Broken { .. } | Self::Switched => (
                StatusCode::BAD_GATEWAY,
                "upstream_broken",
                "the API behind this guard gave no answer that can be used",
            ),
        };
        let body = json!({ "error": error, "error_description": description }).to_string();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
        }
        response
    }
}
