//! All applications, a page at a time.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use super::{NEW, SECTION};
use crate::console::frame::Frame;
use crate::console::{Administrator, Console, Failure, run};
use crate::management::{APPS, ListRequest};
use crate::pages::Page;
use crate::store::{App, AppStatus};

#[derive(Template)]
#[template(path = "console/apps/list.html")]
struct Applications {
    frame: Frame,
    apps: Vec<App>,
    /// The beginning of the names that are looked for.
    q: String,
    /// The query of the next page, if there is one.
    next: Option<String>,
}

impl Page for Applications {}

/// `GET /admin/apps`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    run(move || {
        let request = ListRequest::read(&query.unwrap_or_default(), &APPS)?;
        let page = console.management.apps(&request)?;
        let next = page.next().map(|place| request.query(Some(place)));
        let frame = console.frame(&administrator, SECTION);
        let page = Applications { frame, apps: page.items, q: request.q.unwrap_or_default(), next };
        Ok(page.answer(StatusCode::OK, &[]))
    })
    .await
}
