//! The admin roles that an app acts in, by which its scopes are cut.

use std::fmt;
use std::str::FromStr;

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::{OptionalExtension as _, Row, Transaction};

use super::{exists, require};
use crate::okta_id::{self, IdKind};
use crate::store::{Store, StoreError, column, date};
use crate::wire_name::wire_names;

wire_names! {
    /// What an app may do in the org, whatever its scopes say.
    #[non_exhaustive]
    pub enum AdminRole {
        /// Everything.
        Super = "SUPER_ADMIN",
        /// Everything but other administrators and apps.
        Org = "ORG_ADMIN",
        /// Apps.
        App = "APP_ADMIN",
        /// Users and groups.
        User = "USER_ADMIN",
        /// Users' passwords and locks.
        HelpDesk = "HELP_DESK_ADMIN",
        /// Who is in which group.
        GroupMembership = "GROUP_MEMBERSHIP_ADMIN",
        /// Read everything, change nothing.
        ReadOnly = "READ_ONLY_ADMIN",
    }
}

impl AdminRole {
    /// What people call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Super => "Super Administrator",
            Self::Org => "Organization Administrator",
            Self::App => "Application Administrator",
            Self::User => "Group Administrator",
            Self::HelpDesk => "Help Desk Administrator",
            Self::GroupMembership => "Group Membership Administrator",
            Self::ReadOnly => "Read-Only Administrator",
        }
    }
}

impl fmt::Display for AdminRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for AdminRole {
    type Err = UnknownAdminRole;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::of_name(name).ok_or(UnknownAdminRole)
    }
}

/// The name is not one of [`AdminRole`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an admin role: use SUPER_ADMIN, ORG_ADMIN, APP_ADMIN, USER_ADMIN, HELP_DESK_ADMIN, \
     GROUP_MEMBERSHIP_ADMIN or READ_ONLY_ADMIN"
)]
#[non_exhaustive]
pub struct UnknownAdminRole;

/// A role that is assigned to an app.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleAssignment {
    /// The assignment's id: `irb` and 17 letters and digits.
    pub id: String,
    /// The role.
    pub role: AdminRole,
    /// When it was assigned.
    pub created: NumericDate,
}

impl Store {
    /// The roles that are assigned to an app; `None` if there is no such app.
    pub fn role_assignments(&self, client_id: &str) -> Result<Option<Vec<RoleAssignment>>, StoreError> {
        self.read(|transaction| {
            exists(transaction, client_id)?.then(|| all(transaction, client_id)).transpose()
        })
    }

    /// The name and the admin roles of an app that is active; `None` if there is no such app.
    pub(crate) fn label_and_roles(
        &self,
        client_id: &str,
    ) -> Result<Option<(String, Vec<AdminRole>)>, StoreError> {
        self.read(|transaction| {
            let label = transaction
                .prepare_cached("SELECT label FROM apps WHERE client_id = ?1 AND status = 'ACTIVE'")?
                .query_row([client_id], |row| row.get(0))
                .optional()?;
            label.map(|label| Ok((label, roles(transaction, client_id)?))).transpose()
        })
    }

    /// Assigns a role to an app; `None` if the app has it.
    pub(crate) fn assign_role(
        &self,
        client_id: &str,
        role: AdminRole,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<Option<RoleAssignment>, StoreError> {
        self.write(|transaction| {
            require(transaction, client_id)?;
            insert(transaction, client_id, role, now, random)
        })
    }

    /// Takes a role from an app; gives the assignment as it was, or `None` if there is none.
    pub(crate) fn unassign_role(
        &self,
        client_id: &str,
        id: &str,
    ) -> Result<Option<RoleAssignment>, StoreError> {
        self.write(|transaction| {
            transaction
                .prepare_cached(
                    "DELETE FROM role_assignments WHERE client_id = ?1 AND id = ?2 RETURNING id, role, created",
                )?
                .query_and_then([client_id, id], read)?
                .next()
                .transpose()
        })
    }
}

/// Assigns a role; one that is assigned already stays as it is, and `None` tells of it.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    client_id: &str,
    role: AdminRole,
    now: NumericDate,
    random: &dyn Random,
) -> Result<Option<RoleAssignment>, StoreError> {
    transaction
        .prepare_cached(
            "INSERT OR IGNORE INTO role_assignments (id, client_id, role, created) VALUES (?1, ?2, ?3, ?4) \
             RETURNING id, role, created",
        )?
        .query_and_then(
            (okta_id::generate(IdKind::RoleAssignment, random)?, client_id, role.name(), column(now)),
            read,
        )?
        .next()
        .transpose()
}

pub(super) fn roles(transaction: &Transaction<'_>, client_id: &str) -> Result<Vec<AdminRole>, StoreError> {
    Ok(all(transaction, client_id)?.into_iter().map(|assignment| assignment.role).collect())
}

fn all(transaction: &Transaction<'_>, client_id: &str) -> Result<Vec<RoleAssignment>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT id, role, created FROM role_assignments WHERE client_id = ?1 ORDER BY number",
    )?;
    statement.query_and_then([client_id], read)?.collect()
}

fn read(row: &Row<'_>) -> Result<RoleAssignment, StoreError> {
    let role: String = row.get("role")?;
    let unknown = |UnknownAdminRole| StoreError::Damaged { what: "an app has a role that is not known" };
    Ok(RoleAssignment {
        id: row.get("id")?,
        role: role.parse().map_err(unknown)?,
        created: date(row.get("created")?),
    })
}
