//! Who may sign in to an app: users who are assigned to it, by themselves or by a group.

use keybound::NumericDate;
use rusqlite::types::Value as Sql;
use rusqlite::{OptionalExtension as _, Row, Transaction};
use serde_json::{Map, Value};

use super::condition::Condition;
use super::page::{self, Listing, Page};
use super::{Store, StoreError, column, date, users};
use crate::user::{MAX_PROFILE_BYTES, User};
use crate::wire_name::wire_names;

wire_names! {
    /// How a user is assigned to an app.
    pub(crate) enum AssignmentScope {
        /// By themselves.
        User = "USER",
        /// As a member of a group.
        Group = "GROUP",
    }
}

/// A user as an app has them.
#[derive(Clone, Debug)]
pub(crate) struct AppUser {
    pub(crate) user: User,
    pub(crate) scope: AssignmentScope,
    /// What the app calls the user.
    pub(crate) user_name: String,
    pub(crate) profile: Map<String, Value>,
    pub(crate) created: NumericDate,
    pub(crate) last_updated: NumericDate,
}

/// What is told of a user who is assigned; the rest stays, or is as for every user.
#[derive(Clone, Debug, Default)]
pub(crate) struct AppUserChange {
    pub(crate) user_name: Option<String>,
    /// Members that take the place of those of before.
    pub(crate) profile: Map<String, Value>,
}

/// Whether the user of the id `?1` may sign in to the app in the row of `apps`.
pub(super) const ASSIGNED_TO_USER: &str = "EXISTS (SELECT 1 FROM users WHERE id = ?1 AND status <> 'DEPROVISIONED') AND (implicit_assignment = 1 \
     OR EXISTS (SELECT 1 FROM app_user_assignments AS assigned \
     WHERE assigned.client_id = apps.client_id AND user_id = ?1) \
     OR EXISTS (SELECT 1 FROM app_group_assignments AS assigned JOIN groups ON groups.id = group_id \
     WHERE assigned.client_id = apps.client_id AND (groups.type = 'BUILT_IN' OR EXISTS (SELECT 1 FROM memberships \
     JOIN users ON users.number = user_number WHERE group_number = groups.number AND users.id = ?1))))";

/// Whether a row of `users` is that of one who is assigned to an app, whose client id it asks for three times.
const IS_ASSIGNED: &str = "status <> 'DEPROVISIONED' AND (id IN (SELECT user_id FROM app_user_assignments \
                           WHERE client_id = ?) OR number IN (SELECT user_number FROM memberships \
                           JOIN groups ON groups.number = group_number JOIN app_group_assignments \
                           ON group_id = groups.id WHERE client_id = ?) \
                           OR EXISTS (SELECT 1 FROM app_group_assignments JOIN groups ON groups.id = group_id \
                           WHERE client_id = ? AND type = 'BUILT_IN'))";

impl Store {
    /// Whether a user may sign in to an app.
    pub(crate) fn is_assigned(&self, client_id: &str, user_id: &str) -> Result<bool, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction
                .prepare_cached(&format!("SELECT 1 FROM apps WHERE client_id = ?2 AND {ASSIGNED_TO_USER}"))?;
            Ok(statement.exists([user_id, client_id])?)
        })
    }

    /// A page of the users who are assigned to an app.
    pub(crate) fn app_users(&self, client_id: &str, listing: &Listing) -> Result<Page<AppUser>, StoreError> {
        self.read(|transaction| {
            let listing = Listing { condition: assigned(client_id, &listing.condition), ..listing.clone() };
            let Page { items, last, has_next } =
                page::select(transaction, "users", users::COLUMNS, &listing, users::read)?;
            let items = items.into_iter().map(|user| of_user(transaction, client_id, user));
            Ok(Page { items: items.collect::<Result<_, _>>()?, last, has_next })
        })
    }

    /// A user, by id, who is assigned to an app; `None` if nobody of this id is.
    pub(crate) fn app_user(&self, client_id: &str, user_id: &str) -> Result<Option<AppUser>, StoreError> {
        self.read(|transaction| find(transaction, client_id, user_id))
    }

    /// Assigns a user by themselves, or changes what is told of one who is; gives the user as they then are, and whether
    /// they were not assigned so before. Both must be there.
    pub(crate) fn assign_user(
        &self,
        client_id: &str,
        user: &User,
        change: &AppUserChange,
        now: NumericDate,
    ) -> Result<(AppUser, bool), StoreError> {
        self.write(|transaction| {
            let was = own(transaction, client_id, user)?;
            let is_new = was.is_none();
            let mut assigned = was.unwrap_or_else(|| AppUser {
                user: user.clone(),
                scope: AssignmentScope::User,
                user_name: user.login().to_owned(),
                profile: Map::new(),
                created: now,
                last_updated: now,
            });
            assigned.last_updated = now;
            assigned.profile.extend(change.profile.clone());
            assigned.user_name = change.user_name.clone().unwrap_or(assigned.user_name);
            if Value::Object(assigned.profile.clone()).to_string().len() > MAX_PROFILE_BYTES {
                return Err(StoreError::AssignmentTooLarge { limit: MAX_PROFILE_BYTES });
            }
            keep(transaction, client_id, &assigned)?;
            Ok((assigned, is_new))
        })
    }

    /// Ends the assignment of a user by themselves; `false` if there is none.
    pub(crate) fn unassign_user(&self, client_id: &str, user_id: &str) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let ended = transaction.execute(
                "DELETE FROM app_user_assignments WHERE client_id = ?1 AND user_id = ?2",
                (client_id, user_id),
            )?;
            Ok(ended > 0)
        })
    }
}

/// What a listing of users asks for, of those who are assigned to an app.
fn assigned(client_id: &str, condition: &Condition) -> Condition {
    let client_id = Sql::Text(client_id.to_owned());
    condition.clone().and(IS_ASSIGNED, [client_id.clone(), client_id.clone(), client_id])
}

/// Ends all assignments of a user but those by groups.
pub(super) fn remove_all_of_user(transaction: &Transaction<'_>, user_id: &str) -> Result<(), StoreError> {
    transaction.execute("DELETE FROM app_user_assignments WHERE user_id = ?1", [user_id])?;
    Ok(())
}

/// Whether what was just read from a file for a user and an app can be shown.
pub(super) fn is_kept(
    transaction: &Transaction<'_>,
    client_id: &str,
    user_id: &str,
) -> Result<bool, StoreError> {
    Ok(find(transaction, client_id, user_id)?.is_some())
}

fn find(
    transaction: &Transaction<'_>,
    client_id: &str,
    user_id: &str,
) -> Result<Option<AppUser>, StoreError> {
    let condition = Condition::always().and("id = ?", [Sql::Text(user_id.to_owned())]);
    let condition = assigned(client_id, &condition);
    let found = transaction
        .prepare_cached(&format!("SELECT {} FROM users WHERE {}", users::COLUMNS, condition.sql))?
        .query_and_then(rusqlite::params_from_iter(condition.values), users::read)?
        .next()
        .transpose()?;
    found.map(|user| of_user(transaction, client_id, user)).transpose()
}

/// How a user is assigned who is.
fn of_user(transaction: &Transaction<'_>, client_id: &str, user: User) -> Result<AppUser, StoreError> {
    match own(transaction, client_id, &user)? {
        Some(own) => Ok(own),
        None => by_group(transaction, client_id, user),
    }
}

fn own(transaction: &Transaction<'_>, client_id: &str, user: &User) -> Result<Option<AppUser>, StoreError> {
    transaction
        .prepare_cached(
            "SELECT user_name, profile, created, last_updated FROM app_user_assignments \
             WHERE client_id = ?1 AND user_id = ?2",
        )?
        .query_and_then([client_id, &user.id], |row| {
            Ok(AppUser {
                user: user.clone(),
                scope: AssignmentScope::User,
                user_name: row.get("user_name")?,
                profile: profile(row)?,
                created: date(row.get("created")?),
                last_updated: date(row.get("last_updated")?),
            })
        })?
        .next()
        .transpose()
}

/// As the first of the groups says by which the user is assigned.
fn by_group(transaction: &Transaction<'_>, client_id: &str, user: User) -> Result<AppUser, StoreError> {
    let found = transaction
        .prepare_cached(&format!(
            "SELECT profile, last_updated FROM app_group_assignments WHERE client_id = ?2 AND group_id IN ({}) \
             ORDER BY priority, number LIMIT 1",
            super::groups::GROUPS_OF_USER
        ))?
        .query_row([&user.id, client_id], |row| Ok((profile(row), date(row.get("last_updated")?))))
        .optional()?;
    let (profile, since) = found.ok_or(StoreError::Damaged { what: "a user is assigned by no group" })?;
    Ok(AppUser {
        scope: AssignmentScope::Group,
        user_name: user.login().to_owned(),
        profile: profile?,
        created: since,
        last_updated: since,
        user,
    })
}

fn keep(transaction: &Transaction<'_>, client_id: &str, assigned: &AppUser) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO app_user_assignments (client_id, user_id, user_name, profile, created, last_updated) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (client_id, user_id) \
             DO UPDATE SET user_name = ?3, profile = ?4, last_updated = ?6",
        )?
        .execute((
            client_id,
            &assigned.user.id,
            &assigned.user_name,
            Value::Object(assigned.profile.clone()).to_string(),
            column(assigned.created),
            column(assigned.last_updated),
        ))?;
    Ok(())
}

/// What an app is told of whom it is assigned to.
pub(super) fn profile(row: &Row<'_>) -> Result<Map<String, Value>, StoreError> {
    let damaged = |_| StoreError::Damaged { what: "the profile of an assignment is not a JSON object" };
    serde_json::from_str(&row.get::<_, String>("profile")?).map_err(damaged)
}
