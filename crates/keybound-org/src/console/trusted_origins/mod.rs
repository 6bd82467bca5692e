//! Trusted Origins: all of them, one of them, and a new one.

mod list;
mod new;
mod one;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::Console;
use super::frame::Section;
use crate::form::Form;
use crate::management::TrustedOriginBody;
use crate::store::TrustedOriginScope;

pub(super) const SECTION: Section = Section { name: "Trusted Origins", path: "/admin/trusted-origins" };

/// Where a new one is described. No id is this word.
const NEW: &str = "/admin/trusted-origins/new";

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route(SECTION.path, get(list::page))
        .route(NEW, get(new::page).post(new::create))
        .route("/admin/trusted-origins/{origin}", get(one::page).post(one::save))
        .route("/admin/trusted-origins/{origin}/activate", post(one::activate))
        .route("/admin/trusted-origins/{origin}/deactivate", post(one::deactivate))
        .route("/admin/trusted-origins/{origin}/delete", post(one::delete))
}

/// Where the page of one is.
fn path(id: &str) -> String {
    format!("{}/{id}", SECTION.path)
}

/// What the form of a Trusted Origin holds.
struct Fields {
    name: String,
    origin: String,
    scopes: Vec<TrustedOriginScope>,
}

impl Fields {
    fn of_form(form: &Form) -> Self {
        let typed = |name| form.get(name).unwrap_or_default().to_owned();
        let is_checked = |scope: &TrustedOriginScope| form.get(field(*scope)).is_some();
        let scopes = TrustedOriginScope::ALL.iter().copied().filter(is_checked);
        Self { name: typed("name"), origin: typed("origin").trim().to_owned(), scopes: scopes.collect() }
    }

    fn body(&self) -> TrustedOriginBody {
        TrustedOriginBody::new(&self.name, &self.origin, &self.scopes)
    }

    /// The scopes that can be checked, each with its field, its name, what it is for, and whether it is checked.
    fn choices(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str, bool)> {
        TrustedOriginScope::ALL.iter().map(|scope| {
            let (name, what) = match scope {
                TrustedOriginScope::Cors => ("CORS", "Its pages may call the org and read the answers."),
                TrustedOriginScope::Redirect => {
                    ("Redirect", "Users may be sent there when they signed in or out without an application.")
                }
            };
            (field(*scope), name, what, self.scopes.contains(scope))
        })
    }
}

/// The name of a scope's box.
const fn field(scope: TrustedOriginScope) -> &'static str {
    match scope {
        TrustedOriginScope::Cors => "cors",
        TrustedOriginScope::Redirect => "redirect",
    }
}
