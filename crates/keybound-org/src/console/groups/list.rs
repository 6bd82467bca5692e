//! All groups, a page at a time.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use super::{NEW, SECTION};
use crate::console::frame::Frame;
use crate::console::{Administrator, Console, Failure, run};
use crate::group::{Group, GroupKind};
use crate::management::{GROUPS, ListRequest};
use crate::pages::Page;

#[derive(Template)]
#[template(path = "console/groups/list.html")]
struct GroupList {
    frame: Frame,
    groups: Vec<Group>,
    q: String,
    /// The query of the next page, if there is one.
    next: Option<String>,
}

impl Page for GroupList {}

/// Groups of a page.
const PER_PAGE: usize = 25;

/// `GET /admin/groups`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    run(move || {
        let request = ListRequest::read(&query.unwrap_or_default(), &GROUPS)?.with_default_limit(PER_PAGE);
        let found = console.management.groups(&request)?;
        let page = GroupList {
            frame: console.frame(&administrator, SECTION),
            next: found.next().map(|place| request.query(Some(place))),
            groups: found.items,
            q: request.q.unwrap_or_default(),
        };
        Ok(page.answer(StatusCode::OK, &[]))
    })
    .await
}
