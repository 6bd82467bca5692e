//! A new authorization server.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;

use super::server::Tab;
use super::{NEW, SECTION, TypedServer};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::pages::Page;

#[derive(Template)]
#[template(path = "console/authorization_servers/new.html")]
struct NewServer {
    frame: Frame,
    problems: Problems,
    typed: TypedServer,
}

impl Page for NewServer {}

/// `GET /admin/authorization-servers/new`.
pub(super) async fn page(administrator: Administrator, State(console): State<Arc<Console>>) -> Response {
    let typed =
        TypedServer { name: String::new(), description: String::new(), audience: "api://".to_owned() };
    let frame = console.frame(&administrator, SECTION);
    NewServer { frame, problems: Problems::default(), typed }.answer(StatusCode::OK, &[])
}

/// `POST /admin/authorization-servers/new`.
pub(super) async fn create(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let typed = TypedServer::of(&form);
        let made =
            typed.body().and_then(|body| console.management.create_server(&administrator.permit(), body));
        match made {
            Ok(server) => Ok(Done::ServerCreated.at(&Tab::Settings.path(&server.id)).into_response()),
            Err(error) => {
                let frame = console.frame(&administrator, SECTION);
                let page = NewServer { frame, problems: Problems::of(error)?, typed };
                Ok(page.answer(StatusCode::BAD_REQUEST, &[]))
            }
        }
    })
    .await
}
