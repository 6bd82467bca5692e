//! One application.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{Redirect, Response};
use http::StatusCode;

use super::SECTION;
use crate::console::frame::{Done, Frame};
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::pages::Page;
use crate::store::{App, AppStatus};

#[derive(Template)]
#[template(path = "console/apps/app.html")]
struct Application {
    frame: Frame,
    app: App,
}

impl Page for Application {}

impl Application {
    /// Where the application's page is, and what its forms are sent to begins with.
    fn path(&self) -> String {
        path(&self.app.client_id)
    }
}

fn path(client_id: &str) -> String {
    format!("{}/{client_id}", SECTION.path)
}

/// `GET /admin/apps/{id}`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    run(move || {
        let app = console.management.app(&id)?;
        let page = Application { frame: console.frame(&administrator, SECTION), app };
        Ok(page.answer(StatusCode::OK, &[]))
    })
    .await
}

/// `POST /admin/apps/{id}/status`.
pub(super) async fn set_status(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Posted(form): Posted,
) -> Result<Redirect, Failure> {
    let (status, done) = match form.require("status")? {
        "ACTIVE" => (AppStatus::Active, Done::AppActivated),
        _ => (AppStatus::Inactive, Done::AppDeactivated),
    };
    run(move || {
        console.management.set_app_status(&administrator.permit(), &id, status)?;
        Ok(done.at(&path(&id)))
    })
    .await
}
