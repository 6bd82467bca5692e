//! Users: all of them, one of them, and a new one.

mod list;
mod new;
mod roles;
mod user;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use serde_json::{Map, Value};

use super::Console;
use super::frame::Section;
use crate::form::Form;
use crate::user::User;

pub(super) const SECTION: Section = Section { name: "Users", path: "/admin/users" };

/// Where a new user is described. No id is this word.
const NEW: &str = "/admin/users/new";

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route(SECTION.path, get(list::page))
        .route(NEW, get(new::page).post(new::create))
        .route("/admin/users/{user}", get(user::page).post(user::save))
        .route("/admin/users/{user}/lifecycle", post(user::take_step))
        .route("/admin/users/{user}/delete", post(user::delete))
        .route("/admin/users/{user}/groups", post(user::join))
        .route("/admin/users/{user}/groups/{group}", post(user::leave))
        .route("/admin/users/{user}/roles", post(roles::assign))
        .route("/admin/users/{user}/roles/{assignment}", post(roles::unassign))
}

/// Where the page of a user is.
fn path(id: &str) -> String {
    format!("{}/{id}", SECTION.path)
}

/// The members of a profile that every user has, as forms have them.
const MEMBERS: [(&str, &str); 4] =
    [("firstName", "First name"), ("lastName", "Last name"), ("email", "Email"), ("login", "Username")];

/// A field of a user's profile.
pub(super) struct Field {
    name: &'static str,
    label: &'static str,
    value: String,
}

impl Field {
    /// The fields with what was typed into them.
    fn typed(form: &Form) -> Vec<Self> {
        Self::all(|name| form.get(name).unwrap_or_default().trim().to_owned())
    }

    /// The fields with what a user has.
    fn of(user: &User) -> Vec<Self> {
        Self::all(|name| text(user, name).to_owned())
    }

    fn all(value: impl Fn(&str) -> String) -> Vec<Self> {
        MEMBERS.iter().map(|&(name, label)| Self { name, label, value: value(name) }).collect()
    }

    fn kind(&self) -> &'static str {
        if self.name == "email" { "email" } else { "text" }
    }

    /// The profile that fields make.
    fn profile(fields: &[Self]) -> Map<String, Value> {
        fields.iter().map(|field| (field.name.to_owned(), field.value.as_str().into())).collect()
    }
}

/// A member of a user's profile that is a text.
fn text<'a>(user: &'a User, name: &str) -> &'a str {
    user.profile.members().get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What people call a user.
pub(super) fn name(user: &User) -> String {
    format!("{} {}", text(user, "firstName"), text(user, "lastName"))
}
