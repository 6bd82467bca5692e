//! The scopes of Okta's API that are granted to an application.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};

use super::SECTION;
use super::app::{Head, Tab};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::named::Named;
use crate::pages::Page;
use crate::store::ScopeGrant;
use crate::timestamp;

/// The scopes that something of the org asks for, to choose from; any other scope of Okta's API can be granted too.
const SERVED: [&str; 13] = [
    "okta.users.read",
    "okta.users.manage",
    "okta.groups.read",
    "okta.groups.manage",
    "okta.apps.read",
    "okta.apps.manage",
    "okta.appGrants.read",
    "okta.appGrants.manage",
    "okta.roles.read",
    "okta.roles.manage",
    "okta.authorizationServers.read",
    "okta.authorizationServers.manage",
    "okta.logs.read",
];

#[derive(Template)]
#[template(path = "console/apps/scopes.html")]
struct Scopes {
    frame: Frame,
    head: Head,
    grants: Vec<ScopeGrant>,
    problems: Problems,
    typed: String,
}

impl Page for Scopes {}

impl Scopes {
    /// The scopes to choose from that are not granted yet.
    fn offered(&self) -> impl Iterator<Item = &'static str> {
        SERVED.into_iter().filter(|scope| !self.grants.iter().any(|grant| grant.scope == *scope))
    }
}

impl Console {
    fn scopes_page(
        &self,
        administrator: &Administrator,
        id: &str,
        problems: Problems,
        typed: &str,
    ) -> Result<Response, Failure> {
        let status = problems.status();
        let page = Scopes {
            frame: self.frame(administrator, SECTION),
            head: Head::new(self.management.app(id)?, Tab::Scopes),
            grants: self.management.grants_of(id)?,
            problems,
            typed: typed.to_owned(),
        };
        Ok(page.answer(status, &[]))
    }
}

/// `GET /admin/apps/{id}/scopes`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    run(move || console.scopes_page(&administrator, &id, Problems::default(), "")).await
}

/// `POST /admin/apps/{id}/scopes`.
pub(super) async fn grant(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let scope = form.get("scopeId").unwrap_or_default().trim();
        match console.management.grant_scope(&administrator.permit(), &id, scope) {
            Ok(_) => Ok(Done::ScopeGranted.at(&Tab::Scopes.path(&id)).into_response()),
            Err(error) => console.scopes_page(&administrator, &id, Problems::of(error)?, scope),
        }
    })
    .await
}

/// `POST /admin/apps/{id}/scopes/{id}`: takes a grant back.
pub(super) async fn revoke(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((id, grant)): Named<(String, String)>,
) -> Result<Redirect, Failure> {
    run(move || {
        console.management.revoke_scope(&administrator.permit(), &id, &grant)?;
        Ok(Done::ScopeRevoked.at(&Tab::Scopes.path(&id)))
    })
    .await
}
