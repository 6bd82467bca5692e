//! Admin roles: what apps, and users by themselves or in their groups, may do in the org, whatever the scopes say.

use std::fmt;
use std::str::FromStr;

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::{OptionalExtension as _, Row, Transaction};

use super::groups::GROUPS_OF_USER;
use super::{Store, StoreError, column, date};
use crate::okta_id::{self, IdKind};
use crate::seed;
use crate::wire_name::wire_names;

wire_names! {
    /// What somebody may do in the org, whatever the scopes of a token say.
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

wire_names! {
    /// To whom a role is assigned.
    pub enum AssignmentType {
        /// An app, which acts in it for itself.
        Client = "CLIENT",
        /// A group, whose members act in it.
        Group = "GROUP",
        /// A user.
        User = "USER",
    }
}

impl AssignmentType {
    /// The table of assignments, its column for the holder, and the table and the column that the holder stands in.
    const fn tables(self) -> [&'static str; 4] {
        match self {
            Self::Client => ["role_assignments", "client_id", "apps", "client_id"],
            Self::Group => ["group_role_assignments", "group_id", "groups", "id"],
            Self::User => ["user_role_assignments", "user_id", "users", "id"],
        }
    }
}

/// Who has roles, by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleHolder<'a> {
    /// An app, by its client id.
    Client(&'a str),
    /// A group.
    Group(&'a str),
    /// A user.
    User(&'a str),
}

impl<'a> RoleHolder<'a> {
    /// The holder of this kind and id.
    pub(crate) const fn new(kind: AssignmentType, id: &'a str) -> Self {
        match kind {
            AssignmentType::Client => Self::Client(id),
            AssignmentType::Group => Self::Group(id),
            AssignmentType::User => Self::User(id),
        }
    }

    const fn kind(self) -> AssignmentType {
        match self {
            Self::Client(_) => AssignmentType::Client,
            Self::Group(_) => AssignmentType::Group,
            Self::User(_) => AssignmentType::User,
        }
    }

    const fn id(self) -> &'a str {
        match self {
            Self::Client(id) | Self::Group(id) | Self::User(id) => id,
        }
    }
}

/// A role that is assigned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RoleAssignment {
    /// The assignment's id: `irb` and 17 letters and digits.
    pub id: String,
    /// The role.
    pub role: AdminRole,
    /// To whom it is assigned. A user also has the roles of groups.
    pub assignment_type: AssignmentType,
    /// When it was assigned.
    pub created: NumericDate,
}

impl Store {
    /// The roles that somebody has, those of a user's groups among them; `None` if there is no such app, group or user.
    pub fn role_assignments(
        &self,
        holder: RoleHolder<'_>,
    ) -> Result<Option<Vec<RoleAssignment>>, StoreError> {
        self.read(|transaction| exists(transaction, holder)?.then(|| all(transaction, holder)).transpose())
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
            let roles = |label| Ok((label, roles(transaction, RoleHolder::Client(client_id))?));
            label.map(roles).transpose()
        })
    }

    /// Assigns a role; `None` if it is assigned. Who holds it must be there.
    pub fn assign_role(
        &self,
        holder: RoleHolder<'_>,
        role: AdminRole,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<Option<RoleAssignment>, StoreError> {
        self.write(|transaction| insert(transaction, holder, role, now, random))
    }

    /// Takes a role away; gives the assignment as it was, or `None` if there is none.
    pub(crate) fn unassign_role(
        &self,
        holder: RoleHolder<'_>,
        id: &str,
    ) -> Result<Option<RoleAssignment>, StoreError> {
        let kind = holder.kind();
        let [table, column, ..] = kind.tables();
        self.write(|transaction| {
            transaction
                .prepare_cached(&format!(
                    "DELETE FROM {table} WHERE {column} = ?1 AND id = ?2 RETURNING id, role, created"
                ))?
                .query_and_then([holder.id(), id], |row| read(row, kind))?
                .next()
                .transpose()
        })
    }
}

/// Assigns a role; one that is assigned already stays as it is, and `None` tells of it.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    holder: RoleHolder<'_>,
    role: AdminRole,
    now: NumericDate,
    random: &dyn Random,
) -> Result<Option<RoleAssignment>, StoreError> {
    let kind = holder.kind();
    let [table, holder_column, ..] = kind.tables();
    let id = okta_id::generate(IdKind::RoleAssignment, random)?;
    transaction
        .prepare_cached(&format!(
            "INSERT OR IGNORE INTO {table} (id, {holder_column}, role, created) VALUES (?1, ?2, ?3, ?4) \
             RETURNING id, role, created"
        ))?
        .query_and_then((id, holder.id(), role.name(), column(now)), |row| read(row, kind))?
        .next()
        .transpose()
}

/// Makes the first of the made-up users a super administrator, if that one is there.
pub(super) fn furnish_administrator(
    transaction: &Transaction<'_>,
    now: NumericDate,
    random: &dyn Random,
) -> Result<(), StoreError> {
    match super::users::find(transaction, &seed::administrator())? {
        Some(user) => {
            insert(transaction, RoleHolder::User(&user.id), AdminRole::Super, now, random).map(drop)
        }
        None => Ok(()),
    }
}

/// Takes all roles of a user away but those of groups.
pub(super) fn remove_all_of_user(transaction: &Transaction<'_>, user_id: &str) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM user_role_assignments WHERE user_id = ?1", [user_id])?;
    Ok(())
}

pub(super) fn roles(
    transaction: &Transaction<'_>,
    holder: RoleHolder<'_>,
) -> Result<Vec<AdminRole>, StoreError> {
    Ok(all(transaction, holder)?.into_iter().map(|assignment| assignment.role).collect())
}

fn exists(transaction: &Transaction<'_>, holder: RoleHolder<'_>) -> Result<bool, StoreError> {
    let [.., table, column] = holder.kind().tables();
    let mut statement = transaction.prepare_cached(&format!("SELECT 1 FROM {table} WHERE {column} = ?1"))?;
    Ok(statement.exists([holder.id()])?)
}

fn all(transaction: &Transaction<'_>, holder: RoleHolder<'_>) -> Result<Vec<RoleAssignment>, StoreError> {
    let kind = holder.kind();
    let [table, column, ..] = kind.tables();
    let mut assignments = select(transaction, kind, table, &format!("{column} = ?1"), holder.id())?;
    if kind == AssignmentType::User {
        let kind = AssignmentType::Group;
        let [table, column, ..] = kind.tables();
        let condition = format!("{column} IN ({GROUPS_OF_USER})");
        assignments.extend(select(transaction, kind, table, &condition, holder.id())?);
    }
    Ok(assignments)
}

fn select(
    transaction: &Transaction<'_>,
    kind: AssignmentType,
    table: &str,
    condition: &str,
    id: &str,
) -> Result<Vec<RoleAssignment>, StoreError> {
    transaction
        .prepare_cached(&format!("SELECT id, role, created FROM {table} WHERE {condition} ORDER BY number"))?
        .query_and_then([id], |row| read(row, kind))?
        .collect()
}

fn read(row: &Row<'_>, assignment_type: AssignmentType) -> Result<RoleAssignment, StoreError> {
    let role: String = row.get("role")?;
    let unknown = |UnknownAdminRole| StoreError::Damaged { what: "somebody has a role that is not known" };
    Ok(RoleAssignment {
        id: row.get("id")?,
        role: role.parse().map_err(unknown)?,
        assignment_type,
        created: date(row.get("created")?),
    })
}
