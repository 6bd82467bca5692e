//! What the pages of one application have in common: its name, its status and its tabs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Redirect;

use super::SECTION;
use crate::console::frame::Done;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::named::Named;
use crate::store::{App, AppStatus};

/// A page about one application.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    General,
    Assignments,
    Scopes,
    Roles,
    Program,
}

impl Tab {
    pub(super) const ALL: [Self; 5] =
        [Self::General, Self::Assignments, Self::Scopes, Self::Roles, Self::Program];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::General => "General",
            Self::Assignments => "Assignments",
            Self::Scopes => "Okta API Scopes",
            Self::Roles => "Admin roles",
            Self::Program => "Settings for your program",
        }
    }

    /// The path of the page about the application of this id.
    pub(super) fn path(self, client_id: &str) -> String {
        let name = match self {
            Self::General => "",
            Self::Assignments => "/assignments",
            Self::Scopes => "/scopes",
            Self::Roles => "/roles",
            Self::Program => "/program",
        };
        format!("{}/{client_id}{name}", SECTION.path)
    }
}

/// What stands above every tab.
pub(super) struct Head {
    pub(super) app: App,
    tab: Tab,
}

impl Head {
    pub(super) const fn new(app: App, tab: Tab) -> Self {
        Self { app, tab }
    }

    pub(super) fn is_active(&self) -> bool {
        self.app.status == AppStatus::Active
    }

    pub(super) const fn kind(&self) -> &'static str {
        super::kind_name(self.app.client.application_type)
    }

    /// Where the application's forms are sent to begins with this.
    pub(super) fn path(&self) -> String {
        Tab::General.path(&self.app.client_id)
    }

    /// Each tab's name and path, and whether it is this one.
    pub(super) fn tabs(&self) -> impl Iterator<Item = (&'static str, String, bool)> {
        Tab::ALL.into_iter().map(|tab| (tab.name(), tab.path(&self.app.client_id), tab == self.tab))
    }
}

/// `POST /admin/apps/{id}/status`.
pub(super) async fn set_status(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Redirect, Failure> {
    let (status, done) = match form.require("status")? {
        "ACTIVE" => (AppStatus::Active, Done::AppActivated),
        "INACTIVE" => (AppStatus::Inactive, Done::AppDeactivated),
        _ => return Err(Failure::unknown_value("status")),
    };
    run(move || {
        console.management.set_app_status(&administrator.permit(), &id, status)?;
        Ok(done.at(&Tab::General.path(&id)))
    })
    .await
}

/// `POST /admin/apps/{id}/delete`.
pub(super) async fn delete(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Redirect, Failure> {
    run(move || {
        console.management.delete_app(&administrator.permit(), &id)?;
        Ok(Done::AppDeleted.at(SECTION.path))
    })
    .await
}
