//! Groups: all of them, one of them with its members, and a new one.

mod group;
mod list;
mod new;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use serde_json::Value;

use super::Console;
use super::frame::Section;
use crate::group::Group;

pub(super) const SECTION: Section = Section { name: "Groups", path: "/admin/groups" };

/// Where a new group is described. No id is this word.
const NEW: &str = "/admin/groups/new";

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route(SECTION.path, get(list::page))
        .route(NEW, get(new::page).post(new::create))
        .route("/admin/groups/{group}", get(group::page))
        .route("/admin/groups/{group}/members", post(group::add))
        .route("/admin/groups/{group}/members/{user}", post(group::remove))
        .route("/admin/groups/{group}/delete", post(group::delete))
}

/// Where the page of a group is.
fn path(id: &str) -> String {
    format!("{}/{id}", SECTION.path)
}

fn description(group: &Group) -> &str {
    group.profile.members().get("description").and_then(Value::as_str).unwrap_or_default()
}
