//! What is answered in place of what was asked for.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, DATE};
use http::{HeaderValue, StatusCode};
use keybound::NumericDate;

use super::fault::ErrorBody;
use crate::management::{Allowance, ApiError};
use crate::timestamp;

/// 429, with a limit that ends after `reset_after`. The `Date` is by the org's clock, as the end of the limit is.
pub(super) fn rate_limited(reset_after: Duration, now: NumericDate) -> Response {
    let mut answer = ApiError::rate_limited().into_response();
    Allowance::exhausted(now.after(reset_after)).write(answer.headers_mut());
    date(&mut answer, now);
    uncached(answer)
}

/// A 5xx of the server, or of a proxy before it.
pub(super) fn server_error(status: u16, body: ErrorBody) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    uncached(match body {
        ErrorBody::Okta => ApiError::server_error(status).into_response(),
        ErrorBody::None => status.into_response(),
        ErrorBody::Html => {
            let fields = [(CONTENT_TYPE, "text/html; charset=utf-8")];
            (status, fields, Body::from(html(status))).into_response()
        }
    })
}

/// Puts the org's time into an answer.
pub(super) fn date(answer: &mut Response, now: NumericDate) {
    if let Ok(date) = HeaderValue::from_str(&timestamp::http_date(now)) {
        answer.headers_mut().insert(DATE, date);
    }
}

fn html(status: StatusCode) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head><title>{status}</title></head>\n\
         <body><h1>{status}</h1><hr><p>The server behind this proxy did not answer.</p></body>\n</html>\n"
    )
}

fn uncached(mut answer: Response) -> Response {
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
