//! One user: profile, status and what can be done about it, groups, and admin roles.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use keybound::NumericDate;

use super::{Field, SECTION, path};
use crate::console::apps::offered;
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::group::{Group, GroupKind};
use crate::management::{ApiError, GROUPS, ListRequest, UserBody};
use crate::named::Named;
use crate::pages::Page;
use crate::store::{AdminRole, AssignmentType, RoleAssignment};
use crate::timestamp;
use crate::user::{LifecycleStep, User, UserStatus};

#[derive(Template)]
#[template(path = "console/users/user.html")]
struct UserPage {
    frame: Frame,
    problems: Problems,
    user: User,
    fields: Vec<Field>,
    groups: Vec<Group>,
    /// The groups that the user can be put into.
    others: Vec<Group>,
    assignments: Vec<RoleAssignment>,
    now: NumericDate,
}

impl Page for UserPage {}

/// The steps of the lifecycle, each by its word in the form and its name.
const STEPS: [(LifecycleStep, &str, &str); 8] = [
    (LifecycleStep::Activate, "activate", "Activate"),
    (LifecycleStep::Reactivate, "reactivate", "Reactivate"),
    (LifecycleStep::Unlock, "unlock", "Unlock"),
    (LifecycleStep::Unsuspend, "unsuspend", "Unsuspend"),
    (LifecycleStep::Suspend, "suspend", "Suspend"),
    (LifecycleStep::ResetPassword, "reset_password", "Reset password"),
    (LifecycleStep::ExpirePassword, "expire_password", "Expire password"),
    (LifecycleStep::Deactivate, "deactivate", "Deactivate"),
];

impl UserPage {
    /// The steps that the user's status allows.
    fn steps(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let is_allowed = |step: LifecycleStep| self.user.clone().take(step, self.now).is_ok();
        STEPS.into_iter().filter(move |(step, ..)| is_allowed(*step)).map(|(_, word, name)| (word, name))
    }

    fn path(&self) -> String {
        path(&self.user.id)
    }

    fn offered(&self) -> Vec<AdminRole> {
        offered(&self.assignments)
    }

    /// When something happened, if it did.
    fn times(&self) -> Vec<(&'static str, String)> {
        let user = &self.user;
        let times = [
            ("Created", Some(user.created)),
            ("Activated", user.activated),
            ("Status changed", user.status_changed),
            ("Password changed", user.password_changed),
            ("Last sign-in", user.last_login),
        ];
        let shown = |(what, time): (_, Option<NumericDate>)| Some((what, timestamp::for_people(time?)));
        times.into_iter().filter_map(shown).collect()
    }
}

impl Console {
    /// The page of a user, with what was typed if a form of it was not as it must be.
    pub(super) fn user_page(
        &self,
        administrator: &Administrator,
        id: &str,
        problems: Problems,
        typed: Option<Vec<Field>>,
    ) -> Result<Response, Failure> {
        let user = self.management.user(id)?;
        let groups = self.management.store.groups_of(&user.id)?;
        let request = ListRequest::read("filter=type+eq+%22OKTA_GROUP%22&limit=200", &GROUPS)?;
        let others = self.management.groups(&request)?.items;
        let status = problems.status();
        let page = UserPage {
            frame: self.frame(administrator, SECTION),
            problems,
            fields: typed.unwrap_or_else(|| Field::of(&user)),
            others: others.into_iter().filter(|other| !groups.contains(other)).collect(),
            groups,
            assignments: self.management.roles_of(AssignmentType::User, &user.id)?,
            user,
            now: self.now(),
        };
        Ok(page.answer(status, &[]))
    }
}

/// `GET /admin/users/{id}`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Response, Failure> {
    run(move || console.user_page(&administrator, &id, Problems::default(), None)).await
}

/// `POST /admin/users/{id}`: the profile.
pub(super) async fn save(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let fields = Field::typed(&form);
        let body = UserBody::new(Field::profile(&fields), None);
        match console.management.update_user(administrator.permit(), &id, body) {
            Ok(_) => Ok(Done::UserSaved.at(&path(&id)).into_response()),
            Err(error) => console.user_page(&administrator, &id, Problems::of(error)?, Some(fields)),
        }
    })
    .await
}

/// `POST /admin/users/{id}/lifecycle`.
pub(super) async fn take_step(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let word = form.require("step")?;
        let step = STEPS.into_iter().find(|(_, known, _)| *known == word);
        let (step, ..) = step.ok_or_else(|| ApiError::no_such("step", word))?;
        let permit = administrator.permit::<()>();
        match console.management.take_step(step, &permit, &id) {
            Ok(_) => Ok(Done::UserChanged.at(&path(&id)).into_response()),
            Err(error) => console.user_page(&administrator, &id, Problems::of(error)?, None),
        }
    })
    .await
}

/// `POST /admin/users/{id}/delete`, of a user who was deactivated.
pub(super) async fn delete(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Redirect, Failure> {
    run(move || {
        let was = console.management.delete_user(&administrator.permit(), &id)?;
        Ok(match was.status {
            UserStatus::Deprovisioned => Done::UserDeleted.at(SECTION.path),
            _ => Done::UserChanged.at(&path(&id)),
        })
    })
    .await
}

/// `POST /admin/users/{id}/groups`: puts the user into a group.
pub(super) async fn join(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Redirect, Failure> {
    run(move || {
        console.management.add_member(&administrator.permit(), form.require("group")?, &id)?;
        Ok(Done::MemberAdded.at(&path(&id)))
    })
    .await
}

/// `POST /admin/users/{id}/groups/{id}`: takes the user out of a group.
pub(super) async fn leave(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((id, group)): Named<(String, String)>,
) -> Result<Redirect, Failure> {
    run(move || {
        console.management.remove_member(&administrator.permit(), &group, &id)?;
        Ok(Done::MemberRemoved.at(&path(&id)))
    })
    .await
}
