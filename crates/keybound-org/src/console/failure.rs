//! A page that says why another one is not shown, or why what was asked for was not done.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use keybound::random::RandomUnavailable;

use crate::background::Unfinished;
use crate::form::FormRefusal;
use crate::management::ApiError;
use crate::pages::Page;
use crate::store::StoreError;

/// Why a request ends without the page that it is for.
#[derive(Debug, Template)]
#[template(path = "console/failure.html")]
pub(super) struct Failure {
    status: StatusCode,
    title: &'static str,
    text: String,
}

impl Page for Failure {}

const NOTHING_HERE: &str = "There is nothing here";
const UNREADABLE: &str = "This form cannot be read";

impl Failure {
    pub(super) fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        Self { status, title, text: text.into() }
    }

    /// The console has no page at this path.
    pub(super) fn nothing_here() -> Self {
        Self::new(StatusCode::NOT_FOUND, NOTHING_HERE, "The admin console has no page of this address.")
    }

    /// A form was sent from a page that is not of this session.
    pub(super) fn stale_form() -> Self {
        let text = "The page that it was sent from is of another session, or was not of this console. Nothing was \
                    changed. Open the page again and repeat what you did.";
        Self::new(StatusCode::FORBIDDEN, "This form was not current any more", text)
    }

    /// A form says something else than its page lets one choose.
    pub(super) fn unknown_value(field: &str) -> Self {
        let text = format!("The console knows no such value of {field}. Nothing was changed.");
        Self::new(StatusCode::BAD_REQUEST, UNREADABLE, text)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        self.answer(self.status, &[])
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let title = match error.status() {
            StatusCode::NOT_FOUND => NOTHING_HERE,
            StatusCode::INTERNAL_SERVER_ERROR => "Something went wrong",
            _ => "This was not done",
        };
        let text = match error.causes() {
            _ if error.status().is_server_error() => "The org failed; its log tells more.".to_owned(),
            [] => error.summary().to_owned(),
            causes => causes.join("; "),
        };
        Self::new(error.status(), title, text)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<Unfinished> for Failure {
    fn from(error: Unfinished) -> Self {
        ApiError::from(error).into()
    }
}

impl From<RandomUnavailable> for Failure {
    fn from(error: RandomUnavailable) -> Self {
        ApiError::from(error).into()
    }
}

impl From<FormRefusal> for Failure {
    fn from(refusal: FormRefusal) -> Self {
        let status = match refusal {
            FormRefusal::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, UNREADABLE, refusal.to_string())
    }
}
