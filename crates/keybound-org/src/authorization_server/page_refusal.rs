//! Where an authorization request ends that is not answered by a code: back at the client, or on a page.

use axum::response::Response;
use http::StatusCode;

use super::AuthorizationServer;
use super::authorization_request::{NoTarget, NotAuthorized};
use super::refusal::TokenRefusal;
use crate::pages::{Notice, Page as _};

impl NotAuthorized {
    pub(super) fn answer(&self, server: &AuthorizationServer) -> Response {
        match self {
            Self::There(target, refusal) => {
                tracing::info!(error = refusal.error(), "authorization refused");
                log_failure(refusal);
                target.error(refusal, &server.issuer)
            }
            Self::Here(reason) => reason.answer(),
        }
    }
}

impl NoTarget {
    pub(super) fn answer(&self) -> Response {
        tracing::info!(reason = %self, "authorization refused, nobody is sent anywhere");
        match self {
            Self::Failed(refusal) if refusal.is_failure() => {
                log_failure(refusal);
                let text = "The org failed; its log tells more.";
                Notice { title: "Something went wrong", text }.answer(StatusCode::INTERNAL_SERVER_ERROR, &[])
            }
            reason => {
                let page = Notice { title: "This request cannot be answered", text: &reason.to_string() };
                page.answer(StatusCode::BAD_REQUEST, &[])
            }
        }
    }
}

fn log_failure(refusal: &TokenRefusal) {
    if refusal.is_failure() {
        tracing::error!(error = %refusal, "the authorization endpoint failed");
    }
}
