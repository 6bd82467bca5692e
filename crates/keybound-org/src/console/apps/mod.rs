//! Applications: the clients of the org.

mod app;
mod assignments;
mod general;
mod keys;
mod list;
mod new;
mod program;
mod roles;
mod scopes;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Value, json};

use super::Console;
use super::frame::Section;
use crate::form::Form;
use crate::management::{ApiError, AppBody, of_members};
use crate::store::ApplicationType;

pub(super) use roles::offered;

pub(super) const SECTION: Section = Section { name: "Applications", path: "/admin/apps" };

/// Where a new application is described. No client id is this word.
const NEW: &str = "/admin/apps/new";

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route(SECTION.path, get(list::page))
        .route(NEW, get(new::page).post(new::create))
        .route("/admin/apps/{app}", get(general::page).post(general::save))
        .route("/admin/apps/{app}/authentication", post(general::save_authentication))
        .route("/admin/apps/{app}/secret", post(general::make_secret))
        .route("/admin/apps/{app}/status", post(app::set_status))
        .route("/admin/apps/{app}/delete", post(app::delete))
        .route("/admin/apps/{app}/keys", post(keys::add))
        .route("/admin/apps/{app}/keys/generate", post(keys::generate))
        .route("/admin/apps/{app}/keys/{key}", post(keys::change))
        .route("/admin/apps/{app}/assignments", get(assignments::page))
        .route("/admin/apps/{app}/assignments/groups", post(assignments::assign_group))
        .route("/admin/apps/{app}/assignments/groups/{group}", post(assignments::unassign_group))
        .route("/admin/apps/{app}/assignments/users", post(assignments::assign_user))
        .route("/admin/apps/{app}/assignments/users/{user}", post(assignments::unassign_user))
        .route("/admin/apps/{app}/scopes", get(scopes::page).post(scopes::grant))
        .route("/admin/apps/{app}/scopes/{grant}", post(scopes::revoke))
        .route("/admin/apps/{app}/roles", get(roles::page).post(roles::assign))
        .route("/admin/apps/{app}/roles/{assignment}", post(roles::unassign))
        .route("/admin/apps/{app}/program", get(program::page))
}

/// What Okta's console calls a type of application.
const fn kind_name(kind: ApplicationType) -> &'static str {
    match kind {
        ApplicationType::Service => "API Services",
        ApplicationType::Web => "Web Application",
        ApplicationType::Native => "Native Application",
        ApplicationType::Browser => "Single-Page Application",
    }
}

/// The lines of a field, without those that are empty.
fn lines(form: &Form, name: &str) -> Vec<String> {
    let lines = form.get(name).unwrap_or_default().lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// The members of an application that are to be set, as the management API is told of them.
fn app_body(label: &str, credentials: &Value, oauth: &Value) -> Result<AppBody, ApiError> {
    let body = json!({
        "label": label,
        "credentials": { "oauthClient": credentials },
        "settings": { "oauthClient": oauth },
    });
    of_members(body).map_err(ApiError::unreadable_body)
}
