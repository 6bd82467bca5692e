//! The admin roles of a user.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};

use super::path;
use crate::console::frame::Done;
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::named::Named;
use crate::store::AssignmentType;

/// `POST /admin/users/{id}/roles`.
pub(super) async fn assign(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let role = form.get("type").unwrap_or_default();
        let holder = console.management.role_holder(AssignmentType::User, &id)?;
        match console.management.assign_role(&administrator.permit(), &holder, role) {
            Ok(_) => Ok(Done::RoleAssigned.at(&path(&id)).into_response()),
            Err(error) => console.user_page(&administrator, &id, Problems::of(error)?, None),
        }
    })
    .await
}

/// `POST /admin/users/{id}/roles/{id}`: takes a role away.
pub(super) async fn unassign(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((id, assignment)): Named<(String, String)>,
) -> Result<Redirect, Failure> {
    run(move || {
        let holder = console.management.role_holder(AssignmentType::User, &id)?;
        console.management.unassign_role(&administrator.permit(), &holder, &assignment)?;
        Ok(Done::RoleUnassigned.at(&path(&id)))
    })
    .await
}
