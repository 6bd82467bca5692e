//! A new group.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Map, Value};

use super::{NEW, SECTION, path};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::pages::Page;

#[derive(Template)]
#[template(path = "console/groups/new.html")]
struct NewGroup {
    frame: Frame,
    problems: Problems,
    name: String,
    description: String,
}

impl Page for NewGroup {}

/// `GET /admin/groups/new`.
pub(super) async fn page(administrator: Administrator, State(console): State<Arc<Console>>) -> Response {
    let frame = console.frame(&administrator, SECTION);
    let page =
        NewGroup { frame, problems: Problems::default(), name: String::new(), description: String::new() };
    page.answer(StatusCode::OK, &[])
}

/// `POST /admin/groups/new`.
pub(super) async fn create(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let typed = |name| form.get(name).unwrap_or_default().to_owned();
        let (name, description) = (typed("name"), typed("description"));
        let profile: Map<String, Value> = [("name", &name), ("description", &description)]
            .map(|(member, value)| (member.to_owned(), value.as_str().into()))
            .into_iter()
            .collect();
        match console.management.create_group(&administrator.permit(), profile) {
            Ok(group) => Ok(Done::GroupCreated.at(&path(&group.id)).into_response()),
            Err(error) => {
                let frame = console.frame(&administrator, SECTION);
                let page = NewGroup { frame, problems: Problems::of(error)?, name, description };
                Ok(page.answer(StatusCode::BAD_REQUEST, &[]))
            }
        }
    })
    .await
}
