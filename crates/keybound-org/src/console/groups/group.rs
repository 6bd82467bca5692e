//! One group and its members.

use std::sync::Arc;

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};

use super::{SECTION, path};
use crate::console::frame::{Done, Frame};
use crate::console::problems::Problems;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::group::{Group, GroupKind};
use crate::management::{ListRequest, MEMBERS};
use crate::named::Named;
use crate::pages::Page;
use crate::user::{User, UserStatus};

#[derive(Template)]
#[template(path = "console/groups/group.html")]
struct GroupPage {
    frame: Frame,
    problems: Problems,
    group: Group,
    members: Vec<User>,
    /// The query of the next page of members, if there is one.
    next: Option<String>,
    typed: String,
}

impl Page for GroupPage {}

impl GroupPage {
    fn is_built_in(&self) -> bool {
        self.group.kind == GroupKind::BuiltIn
    }

    fn path(&self) -> String {
        path(&self.group.id)
    }
}

/// Members of a page.
const PER_PAGE: usize = 25;

impl Console {
    fn group_page(
        &self,
        administrator: &Administrator,
        id: &str,
        query: &str,
        problems: Problems,
        typed: &str,
    ) -> Result<Response, Failure> {
        let request = ListRequest::read(query, &MEMBERS)?.with_default_limit(PER_PAGE);
        let group = self.management.group(id)?;
        let found = self.management.members(&group, &request)?;
        let status = problems.status();
        let page = GroupPage {
            frame: self.frame(administrator, SECTION),
            problems,
            next: found.next().map(|place| request.query(Some(place))),
            members: found.items,
            group,
            typed: typed.to_owned(),
        };
        Ok(page.answer(status, &[]))
    }
}

/// `GET /admin/groups/{id}`.
pub(super) async fn page(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let query = query.unwrap_or_default();
    run(move || console.group_page(&administrator, &id, &query, Problems::default(), "")).await
}

/// `POST /admin/groups/{id}/members`: puts the user of this login or id into the group.
pub(super) async fn add(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Response, Failure> {
    run(move || {
        let user = form.get("user").unwrap_or_default().trim();
        if console.management.store.user(user)?.is_none() {
            let problems = Problems::no_such_user();
            return console.group_page(&administrator, &id, "", problems, user);
        }
        match console.management.add_member(&administrator.permit(), &id, user) {
            Ok(()) => Ok(Done::MemberAdded.at(&path(&id)).into_response()),
            Err(error) => console.group_page(&administrator, &id, "", Problems::of(error)?, user),
        }
    })
    .await
}

/// `POST /admin/groups/{id}/members/{id}`: takes the user out of the group.
pub(super) async fn remove(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named((id, user)): Named<(String, String)>,
) -> Result<Redirect, Failure> {
    run(move || {
        console.management.remove_member(&administrator.permit(), &id, &user)?;
        Ok(Done::MemberRemoved.at(&path(&id)))
    })
    .await
}

/// `POST /admin/groups/{id}/delete`.
pub(super) async fn delete(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Redirect, Failure> {
    run(move || {
        console.management.delete_group(&administrator.permit(), &id)?;
        Ok(Done::GroupDeleted.at(SECTION.path))
    })
    .await
}
