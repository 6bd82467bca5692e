//! All Trusted Origins, a page at a time.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use super::{NEW, SECTION};
use crate::console::frame::Frame;
use crate::console::{Administrator, Console, Failure, run};
use crate::management::{ListRequest, TRUSTED_ORIGINS};
use crate::pages::Page;
use crate::store::{LifecycleStatus, TrustedOrigin};

#[derive(Template)]
#[template(path = "console/trusted_origins/list.html")]
struct TrustedOriginList {
    frame: Frame,
    origins: Vec<TrustedOrigin>,
    /// The query of the next page, if there is one.
    next: Option<String>,
}

impl Page for TrustedOriginList {}

/// Trusted Origins of a page.
const PER_PAGE: usize = 25;

/// `GET /admin/trusted-origins`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    run(move || {
        let request = ListRequest::read(&query.unwrap_or_default(), &TRUSTED_ORIGINS)?;
        let request = request.with_default_limit(PER_PAGE);
        let found = console.management.trusted_origins(&request)?;
        let page = TrustedOriginList {
            frame: console.frame(&administrator, SECTION),
            next: found.next().map(|place| request.query(Some(place))),
            origins: found.items,
        };
        Ok(page.answer(StatusCode::OK, &[]))
    })
    .await
}
