//! Faults on demand: all that are armed, a few that one click arms, and a form for each kind.

mod fields;
mod list;
mod new;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::Console;
use super::frame::Section;

pub(super) const SECTION: Section = Section { name: "Faults", path: "/admin/faults" };

/// Where the forms of all kinds are.
const NEW: &str = "/admin/faults/new";

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route(SECTION.path, get(list::page))
        .route("/admin/faults/preset", post(list::arm))
        .route("/admin/faults/clear", post(list::clear))
        .route("/admin/faults/{fault}/remove", post(list::remove))
        .route("/admin/faults/new/{kind}", get(new::page).post(new::arm))
}
