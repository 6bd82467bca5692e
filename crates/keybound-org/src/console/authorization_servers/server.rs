//! What the pages of one authorization server have in common: its name, its status and its tabs.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Redirect;

use super::SECTION;
use crate::console::frame::Done;
use crate::console::{Administrator, Console, Failure, Posted, run};
use crate::named::Named;
use crate::store::{CustomServer, LifecycleStatus};

/// A page about one server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    Settings,
    Scopes,
    Claims,
    Policies,
    Keys,
}

impl Tab {
    const ALL: [Self; 5] = [Self::Settings, Self::Scopes, Self::Claims, Self::Policies, Self::Keys];

    const fn name(self) -> &'static str {
        match self {
            Self::Settings => "Settings",
            Self::Scopes => "Scopes",
            Self::Claims => "Claims",
            Self::Policies => "Access policies",
            Self::Keys => "Keys",
        }
    }

    /// The path of the page about the server of this id.
    pub(super) fn path(self, id: &str) -> String {
        let name = match self {
            Self::Settings => "",
            Self::Scopes => "/scopes",
            Self::Claims => "/claims",
            Self::Policies => "/policies",
            Self::Keys => "/keys",
        };
        format!("{}/{id}{name}", SECTION.path)
    }
}

/// What stands above every tab.
pub(super) struct Head {
    pub(super) server: CustomServer,
    pub(super) issuer: String,
    tab: Tab,
}

impl Console {
    /// The head of a page about the server of this id.
    pub(super) fn head_of_server(&self, id: &str, tab: Tab) -> Result<Head, Failure> {
        let server = self.management.custom_server(id)?;
        Ok(Head { issuer: self.management.issuer_of_server(&server.id), server, tab })
    }
}

impl Head {
    pub(super) fn is_active(&self) -> bool {
        self.server.status == LifecycleStatus::Active
    }

    /// Whether it can be deleted: the one that every org has cannot, and none that answers.
    pub(super) fn can_go(&self) -> bool {
        !self.is_active() && self.server.id != CustomServer::DEFAULT_ID
    }

    /// Where the server's forms are sent to begins with this.
    pub(super) fn path(&self) -> String {
        Tab::Settings.path(&self.server.id)
    }

    /// Each tab's name and path, and whether it is this one.
    pub(super) fn tabs(&self) -> impl Iterator<Item = (&'static str, String, bool)> {
        Tab::ALL.into_iter().map(|tab| (tab.name(), tab.path(&self.server.id), tab == self.tab))
    }
}

/// `POST /admin/authorization-servers/{id}/status`.
pub(super) async fn set_status(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
    Posted(form): Posted,
) -> Result<Redirect, Failure> {
    let status = LifecycleStatus::of_name(form.require("status")?);
    let status = status.ok_or_else(|| Failure::unknown_value("status"))?;
    let done = match status {
        LifecycleStatus::Active => Done::ServerActivated,
        LifecycleStatus::Inactive => Done::ServerDeactivated,
    };
    run(move || {
        console.management.set_server_status(&administrator.permit(), &id, status)?;
        Ok(done.at(&Tab::Settings.path(&id)))
    })
    .await
}

/// `POST /admin/authorization-servers/{id}/delete`.
pub(super) async fn delete(
    administrator: Administrator,
    State(console): State<Arc<Console>>,
    Named(id): Named<String>,
) -> Result<Redirect, Failure> {
    run(move || {
        console.management.delete_server(&administrator.permit(), &id)?;
        Ok(Done::ServerDeleted.at(SECTION.path))
    })
    .await
}
