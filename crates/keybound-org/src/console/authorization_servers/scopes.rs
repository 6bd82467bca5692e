//! The scopes of an authorization server.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::server::{Head, Tab};
use super::{SECTION, body, typed};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::form::Form;
use crate::management::{ApiError, NOT_PUBLISHED, PUBLISHED, ScopeBody, is_built_in};
use crate::named::Named;
use crate::pages::Page;
use crate::store::{CustomScope, Identified};

#[derive(Template)]
#[template(path = "console/authorization_servers/scopes.html")]
struct ScopesPage {
    frame: Frame,
    head: Head,
    scopes: Vec<Identified<CustomScope>>,
    problems: Problems,
    typed: TypedScope,
}

impl Page for ScopesPage {}

/// A scope as it was typed.
#[derive(Default)]
struct TypedScope {
    name: String,
    description: String,
    is_default: bool,
    is_published: bool,
}

impl TypedScope {
    fn of(form: &Form) -> Self {
        Self {
            name: typed(form, "name"),
            description: typed(form, "description"),
            is_default: form.get("default").is_some(),
            is_published: form.get("metadataPublish").is_some(),
        }
    }

    fn body(&self) -> Result<ScopeBody, ApiError> {
        body(json!({
            "name": self.name,
            "description": self.description,
            "default": self.is_default,
            "metadataPublish": if self.is_published { PUBLISHED } else { NOT_PUBLISHED },
        }))
    }
}

impl Console {
    fn scopes_of_server_page(
        &self,
        administrator: &Administrator,
        id: &str,
        problems: Problems,
        typed: TypedScope,
    ) -> Result<Response, Failure> {
        let status = problems.status();
        let page = ScopesPage {
            frame: self.frame(administrator, SECTION),
            head: self.head_of_server(id, Tab::Scopes)?,
            scopes: self.management.scopes_of_server(id)?,
            problems,
            typed,
        };
        Ok(page.answer(status, &[]))
    }
}

/// `GET /admin/authorization-servers/{id}/scopes`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    let (problems, typed) = (Problems::default(), TypedScope::default());
    run(move || console.scopes_of_server_page(&administrator, &id, problems, typed)).await
}

/// `POST /admin/authorization-servers/{id}/scopes`.
pub(super) async fn add(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let typed = TypedScope::of(&form);
        let permit = administrator.permit();
        match typed.body().and_then(|body| console.management.add_scope(&permit, &id, body)) {
            Ok(_) => Ok(Done::ServerScopeAdded.at(&Tab::Scopes.path(&id)).into_response()),
            Err(error) => console.scopes_of_server_page(&administrator, &id, Problems::of(error)?, typed),
        }
    })
    .await
}

/// `POST /admin/authorization-servers/{id}/scopes/{id}`: takes the scope away.
pub(super) async fn delete(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((id, scope)): Named<(String, String)>,
) -> Result<Redirect, Failure> {
    run(move || {
        console.management.delete_scope(&administrator.permit(), &id, &scope)?;
        Ok(Done::ServerScopeDeleted.at(&Tab::Scopes.path(&id)))
    })
    .await
}
