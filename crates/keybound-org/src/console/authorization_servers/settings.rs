//! The settings of an authorization server: what it is called, and what its tokens are for.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::server::{Head, Tab};
use super::{SECTION, TypedServer};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::named::Named;
use crate::pages::Page;
use crate::timestamp;

#[derive(Template)]
#[template(path = "console/authorization_servers/settings.html")]
struct Settings {
    frame: Frame,
    head: Head,
    problems: Problems,
    typed: TypedServer,
}

impl Page for Settings {}

impl Console {
    fn server_page(
        &self,
        administrator: &Administrator,
        id: &str,
        problems: Problems,
        typed: Option<TypedServer>,
    ) -> Result<Response, Failure> {
        let head = self.head_of_server(id, Tab::Settings)?;
        let typed = typed.unwrap_or_else(|| TypedServer {
            name: head.server.name.clone(),
            description: head.server.description.clone(),
            audience: head.server.audience.clone(),
        });
        let status = problems.status();
        let page = Settings { frame: self.frame(administrator, SECTION), head, problems, typed };
        Ok(page.answer(status, &[]))
    }
}

/// `GET /admin/authorization-servers/{id}`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    run(move || console.server_page(&administrator, &id, Problems::default(), None)).await
}

/// `POST /admin/authorization-servers/{id}`.
pub(super) async fn save(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let typed = TypedServer::of(&form);
        let permit = administrator.permit();
        match typed.body().and_then(|body| console.management.update_server(&permit, &id, body)) {
            Ok(_) => Ok(Done::ServerSaved.at(&Tab::Settings.path(&id)).into_response()),
            Err(error) => console.server_page(&administrator, &id, Problems::of(error)?, Some(typed)),
        }
    })
    .await
}
