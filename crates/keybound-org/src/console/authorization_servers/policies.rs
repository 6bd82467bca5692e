//! The access policies of an authorization server: for which clients which rules decide.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::json;

use super::server::{Head, Tab};
use super::{Action, SECTION, body, typed, words};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::form::Form;
use crate::management::{ALL_CLIENTS, ApiError, PolicyBody};
use crate::named::Named;
use crate::pages::Page;
use crate::store::{LifecycleStatus, PolicySettings, Ranked};

#[derive(Template)]
#[template(path = "console/authorization_servers/policies.html")]
struct PoliciesPage {
    frame: Frame,
    head: Head,
    policies: Vec<Ranked<PolicySettings>>,
    problems: Problems,
    typed: TypedPolicy,
}

impl Page for PoliciesPage {}

/// A policy as it was typed.
#[derive(Default)]
struct TypedPolicy {
    name: String,
    description: String,
    /// None for all of them.
    clients: Vec<String>,
}

impl TypedPolicy {
    fn of(form: &Form) -> Self {
        Self {
            name: typed(form, "name"),
            description: typed(form, "description"),
            clients: words(form, "conditions.clients.include"),
        }
    }

    fn body(&self) -> Result<PolicyBody, ApiError> {
        let clients = if self.clients.is_empty() { json!([ALL_CLIENTS]) } else { json!(self.clients) };
        body(json!({
            "name": self.name,
            "description": self.description,
            "conditions": { "clients": { "include": clients } },
        }))
    }
}

impl Console {
    fn policies_page(
        &self,
        administrator: &Administrator,
        id: &str,
        problems: Problems,
        typed: TypedPolicy,
    ) -> Result<Response, Failure> {
        let status = problems.status();
        let page = PoliciesPage {
            frame: self.frame(administrator, SECTION),
            head: self.head_of_server(id, Tab::Policies)?,
            policies: self.management.policies_of_server(id)?,
            problems,
            typed,
        };
        Ok(page.answer(status, &[]))
    }
}

/// `GET /admin/authorization-servers/{id}/policies`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    let (problems, typed) = (Problems::default(), TypedPolicy::default());
    run(move || console.policies_page(&administrator, &id, problems, typed)).await
}

/// `POST /admin/authorization-servers/{id}/policies`.
pub(super) async fn add(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let typed = TypedPolicy::of(&form);
        let permit = administrator.permit();
        match typed.body().and_then(|body| console.management.create_policy(&permit, &id, body)) {
            Ok(policy) => Ok(Done::PolicyCreated.at(&path(&id, &policy.id)).into_response()),
            Err(error) => console.policies_page(&administrator, &id, Problems::of(error)?, typed),
        }
    })
    .await
}

/// `POST /admin/authorization-servers/{id}/policies/{id}`.
pub(super) async fn change(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((id, policy)): Named<(String, String)>,
    Posted(form): Posted,
) -> Result<Redirect, Failure> {
    let action = Action::of(&form)?;
    run(move || {
        let (management, permit) = (&console.management, administrator.permit());
        match action {
            Action::SetStatus(status) => management.set_policy_status(&permit, &id, &policy, status)?,
            Action::Delete => management.delete_policy(&permit, &id, &policy)?,
        }
        Ok(match action {
            Action::SetStatus(LifecycleStatus::Active) => Done::PolicyActivated,
            Action::SetStatus(LifecycleStatus::Inactive) => Done::PolicyDeactivated,
            Action::Delete => Done::PolicyDeleted,
        }
        .at(&Tab::Policies.path(&id)))
    })
    .await
}

/// Where the page of a policy is.
pub(super) fn path(server: &str, policy: &str) -> String {
    format!("{}/{policy}", Tab::Policies.path(server))
}
