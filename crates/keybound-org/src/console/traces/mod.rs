//! The live trace: what the org is asked and answers, as it happens.

mod list;
mod one;
mod opened;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::Console;
use super::frame::Section;

pub(super) use opened::{MAX_OPENED_FORM_BYTES, OPEN_PATH};

pub(super) const SECTION: Section = Section { name: "Live trace", path: "/admin/traces" };

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route(SECTION.path, get(list::page))
        .route("/admin/traces/live", get(list::live))
        .route("/admin/traces/clear", post(list::clear))
        .route("/admin/traces/file", get(list::file))
        .route(OPEN_PATH, get(opened::form).post(opened::page))
        .route("/admin/traces/{id}", get(one::page))
        .route("/admin/traces/{id}/replay", post(one::replay))
        .route("/admin/traces/{id}/keep", post(one::keep))
        .route("/admin/traces/{id}/forget", post(one::forget))
}

/// The path of the page of an exchange.
fn path(id: u64) -> String {
    format!("{}/{id}", SECTION.path)
}
