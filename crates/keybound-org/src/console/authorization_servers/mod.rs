//! Authorization servers: all of them, a new one, and one with its settings, scopes, claims, access policies and keys.

mod claims;
mod keys;
mod list;
mod new;
mod policies;
mod policy;
mod scopes;
mod server;
mod settings;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Console, Failure};
use crate::console::frame::Section;
use crate::form::Form;
use crate::management::{ApiError, ServerBody, of_members};
use crate::store::LifecycleStatus;

pub(super) const SECTION: Section =
    Section { name: "Authorization servers", path: "/admin/authorization-servers" };

/// Where a new server is described. No id is this word.
const NEW: &str = "/admin/authorization-servers/new";

pub(super) fn routes() -> Router<Arc<Console>> {
    let of_server = Router::new()
        .route("/", get(settings::page).post(settings::save))
        .route("/status", post(server::set_status))
        .route("/delete", post(server::delete))
        .route("/scopes", get(scopes::page).post(scopes::add))
        .route("/scopes/{scope}", post(scopes::delete))
        .route("/claims", get(claims::page).post(claims::add))
        .route("/claims/{claim}", post(claims::delete))
        .route("/policies", get(policies::page).post(policies::add))
        .route("/policies/{policy}", get(policy::page).post(policies::change))
        .route("/policies/{policy}/rules", post(policy::add_rule))
        .route("/policies/{policy}/rules/{rule}", post(policy::change_rule))
        .route("/keys", get(keys::page))
        .route("/keys/rotate", post(keys::rotate));
    Router::new()
        .route(SECTION.path, get(list::page))
        .route(NEW, get(new::page).post(new::create))
        .nest("/admin/authorization-servers/{server}", of_server)
}

/// What can be done to something that an administrator puts into an order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    SetStatus(LifecycleStatus),
    Delete,
}

impl Action {
    /// What the button says that was pressed.
    fn of(form: &Form) -> Result<Self, Failure> {
        match form.require("action")? {
            "activate" => Ok(Self::SetStatus(LifecycleStatus::Active)),
            "deactivate" => Ok(Self::SetStatus(LifecycleStatus::Inactive)),
            "delete" => Ok(Self::Delete),
            _ => Err(Failure::unknown_value("action")),
        }
    }
}

/// What a form holds, as the management API is told of it.
fn body<T: DeserializeOwned>(members: Value) -> Result<T, ApiError> {
    of_members(members).map_err(ApiError::unreadable_body)
}

/// What was typed into a field.
fn typed(form: &Form, name: &str) -> String {
    form.get(name).unwrap_or_default().trim().to_owned()
}

/// The words of a field: scopes have no spaces in them, and neither have client ids.
fn words(form: &Form, name: &str) -> Vec<String> {
    form.get(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

/// Name, description and audience of a server, as they were typed.
struct TypedServer {
    name: String,
    description: String,
    audience: String,
}

impl TypedServer {
    fn of(form: &Form) -> Self {
        Self {
            name: typed(form, "name"),
            description: typed(form, "description"),
            audience: typed(form, "audiences"),
        }
    }

    fn body(&self) -> Result<ServerBody, ApiError> {
        let Self { name, description, audience } = self;
        body(json!({ "name": name, "description": description, "audiences": [audience] }))
    }
}
