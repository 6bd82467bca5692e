//! The admin roles that an application acts in when it calls for itself.

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
use crate::store::{AdminRole, AssignmentType, RoleAssignment};

#[derive(Template)]
#[template(path = "console/apps/roles.html")]
struct Roles {
    frame: Frame,
    head: Head,
    assignments: Vec<RoleAssignment>,
    problems: Problems,
}

impl Page for Roles {}

impl Roles {
    fn offered(&self) -> Vec<AdminRole> {
        offered(&self.assignments)
    }
}

/// The roles that whoever has these can be given besides, the one with the fewest rights first.
pub(in crate::console) fn offered(assignments: &[RoleAssignment]) -> Vec<AdminRole> {
    let is_own = |one: &&RoleAssignment| one.assignment_type != AssignmentType::Group;
    let is_assigned = |role: &AdminRole| assignments.iter().filter(is_own).any(|one| one.role == *role);
    AdminRole::ALL.iter().rev().copied().filter(|role| !is_assigned(role)).collect()
}

impl Console {
    fn roles_page(
        &self,
        administrator: &Administrator,
        id: &str,
        problems: Problems,
    ) -> Result<Response, Failure> {
        let status = problems.status();
        let app = self.management.app(id)?;
        let page = Roles {
            frame: self.frame(administrator, SECTION),
            assignments: self.management.roles_of(AssignmentType::Client, &app.client_id)?,
            head: Head::new(app, Tab::Roles),
            problems,
        };
        Ok(page.answer(status, &[]))
    }
}

/// `GET /admin/apps/{id}/roles`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    run(move || console.roles_page(&administrator, &id, Problems::default())).await
}

/// `POST /admin/apps/{id}/roles`.
pub(super) async fn assign(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let role = form.get("type").unwrap_or_default();
        let holder = console.management.role_holder(AssignmentType::Client, &id)?;
        match console.management.assign_role(&administrator.permit(), &holder, role) {
            Ok(_) => Ok(Done::RoleAssigned.at(&Tab::Roles.path(&id)).into_response()),
            Err(error) => console.roles_page(&administrator, &id, Problems::of(error)?),
        }
    })
    .await
}

/// `POST /admin/apps/{id}/roles/{id}`: takes a role away.
pub(super) async fn unassign(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((id, assignment)): Named<(String, String)>,
) -> Result<Redirect, Failure> {
    run(move || {
        let holder = console.management.role_holder(AssignmentType::Client, &id)?;
        console.management.unassign_role(&administrator.permit(), &holder, &assignment)?;
        Ok(Done::RoleUnassigned.at(&Tab::Roles.path(&id)))
    })
    .await
}
