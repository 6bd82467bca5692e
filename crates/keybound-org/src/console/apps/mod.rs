//! Applications: the clients of the org.

mod app;
mod list;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::Console;
use super::frame::Section;

pub(super) const SECTION: Section = Section { name: "Applications", path: "/admin/apps" };

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route(SECTION.path, get(list::page))
        .route("/admin/apps/{app}", get(app::page))
        .route("/admin/apps/{app}/status", post(app::set_status))
}
