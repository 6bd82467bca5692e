//! All users but the deactivated ones, a page at a time.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;

use super::{NEW, SECTION};
use crate::console::frame::Frame;
use crate::console::problems::Problems;
use crate::console::query::Query;
use crate::console::{Administrator, Console, Failure, run};
use crate::management::{ListRequest, USERS};
use crate::pages::Page;
use crate::user::{User, UserStatus};

#[derive(Template)]
#[template(path = "console/users/list.html")]
struct UserList {
    frame: Frame,
    problems: Problems,
    users: Vec<User>,
    q: String,
    search: String,
    /// The query of the next page, if there is one.
    next: Option<String>,
}

impl Page for UserList {}

/// Users of a page.
const PER_PAGE: usize = 25;

/// `GET /admin/users`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    query: RawQuery,
) -> Result<Response, Failure> {
    run(move || {
        let query = Query::read(query);
        let mut page = UserList {
            frame: console.frame(&administrator, SECTION),
            problems: Problems::default(),
            users: Vec::new(),
            q: query.typed("q"),
            search: query.typed("search"),
            next: None,
        };
        let found = ListRequest::read(query.as_str(), &USERS)
            .map(|request| request.with_default_limit(PER_PAGE))
            .and_then(|request| Ok((console.management.users(&request)?, request)));
        match found {
            Ok((found, request)) => {
                page.next = found.next().map(|place| request.query(Some(place)));
                page.users = found.items;
                Ok(page.answer(StatusCode::OK, &[]))
            }
            Err(error) => {
                page.problems = Problems::of(error)?;
                Ok(page.answer(StatusCode::BAD_REQUEST, &[]))
            }
        }
    })
    .await
}
