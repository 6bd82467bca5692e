//! Who may sign in to an application: groups, and users by themselves.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use keybound::NumericDate;

use super::SECTION;
use super::app::{Head, Tab};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::group::Group;
use crate::management::{APP_GROUPS, APP_USERS, GROUPS, ListRequest};
use crate::named::Named;
use crate::pages::Page;
use crate::store::{AppGroupChange, AppUser, AppUserChange, ApplicationType, AssignmentScope};
use crate::timestamp;

#[derive(Template)]
#[template(path = "console/apps/assignments.html")]
struct Assignments {
    frame: Frame,
    head: Head,
    problems: Problems,
    groups: Vec<AssignedGroup>,
    /// The groups that can be.
    others: Vec<Group>,
    users: Vec<AppUser>,
    /// The query of the next page of users, if there is one.
    next: Option<String>,
    typed: String,
}

impl Page for Assignments {}

/// A group that is assigned, and since when.
struct AssignedGroup {
    group: Group,
    since: NumericDate,
}

/// Users of a page.
const PER_PAGE: usize = 25;

impl Assignments {
    fn path(&self) -> String {
        Tab::Assignments.path(&self.head.app.client_id)
    }

    fn has_users(&self) -> bool {
        self.head.app.client.application_type != ApplicationType::Service
    }
}

impl Console {
    fn assignments_page(
        &self,
        administrator: &Administrator,
        id: &str,
        query: &str,
        problems: Problems,
        typed: &str,
    ) -> Result<Response, Failure> {
        let api = &self.management;
        let app = api.app(id)?;
        let request = ListRequest::read(query, &APP_USERS)?.with_default_limit(PER_PAGE);
        let users = api.app_users(&app, &request)?;
        let assigned = api.app_groups(&app, &ListRequest::read("limit=200", &APP_GROUPS)?)?.items;
        let others = api.groups(&ListRequest::read("limit=200", &GROUPS)?)?.items;
        let is_assigned = |group: &Group| assigned.iter().any(|one| one.group_id == group.id);
        let others = others.into_iter().filter(|group| !is_assigned(group)).collect();
        let mut known = api.groups_assigned(&assigned)?;
        let groups = assigned.iter().filter_map(|one| {
            known.remove(&one.group_id).map(|group| AssignedGroup { group, since: one.last_updated })
        });
        let status = problems.status();
        let page = Assignments {
            frame: self.frame(administrator, SECTION),
            groups: groups.collect(),
            others,
            next: users.next().map(|place| request.query(Some(place))),
            users: users.items,
            head: Head::new(app, Tab::Assignments),
            problems,
            typed: typed.to_owned(),
        };
        Ok(page.answer(status, &[]))
    }
}

/// `GET /admin/apps/{id}/assignments`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = query.unwrap_or_default();
    run(move || console.assignments_page(&administrator, &id, &query, Problems::default(), "")).await
}

/// `POST /admin/apps/{id}/assignments/groups`.
pub(super) async fn assign_group(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Redirect, Failure> {
    run(move || {
        let api = &console.management;
        let (app, group) = (api.app(&id)?, api.group(form.require("group")?)?);
        api.assign_group(&administrator.permit(), &app, &group, &AppGroupChange::default())?;
        Ok(Done::GroupAssigned.at(&Tab::Assignments.path(&id)))
    })
    .await
}

/// `POST /admin/apps/{id}/assignments/groups/{id}`: ends the assignment.
pub(super) async fn unassign_group(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((id, group)): Named<(String, String)>,
) -> Result<Redirect, Failure> {
    run(move || {
        let api = &console.management;
        api.unassign_group(&administrator.permit(), &api.app(&id)?, &group)?;
        Ok(Done::GroupUnassigned.at(&Tab::Assignments.path(&id)))
    })
    .await
}

/// `POST /admin/apps/{id}/assignments/users`: assigns the user of this login or id.
pub(super) async fn assign_user(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let api = &console.management;
        let typed = form.get("user").unwrap_or_default().trim();
        let Some(user) = api.store.user(typed)? else {
            let problems = Problems::no_such_user();
            return console.assignments_page(&administrator, &id, "", problems, typed);
        };
        let change = AppUserChange::default();
        match api.assign_user(&administrator.permit(), &api.app(&id)?, &user, &change) {
            Ok(_) => Ok(Done::UserAssigned.at(&Tab::Assignments.path(&id)).into_response()),
            Err(error) => console.assignments_page(&administrator, &id, "", Problems::of(error)?, typed),
        }
    })
    .await
}

/// `POST /admin/apps/{id}/assignments/users/{id}`: ends the assignment.
pub(super) async fn unassign_user(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((id, user)): Named<(String, String)>,
) -> Result<Redirect, Failure> {
    run(move || {
        let api = &console.management;
        api.unassign_user(&administrator.permit(), &api.app(&id)?, &user)?;
        Ok(Done::UserUnassigned.at(&Tab::Assignments.path(&id)))
    })
    .await
}
