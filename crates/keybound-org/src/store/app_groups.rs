//! The groups that are assigned to an app: their members may sign in to it.

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::types::Value as Sql;
use rusqlite::{Row, Transaction};
use serde_json::{Map, Value};

use super::app_users::profile;
use super::condition::like_prefix;
use super::page::{self, Listing, Page};
use super::{Store, StoreError, column, date, groups};

/// A group as an app has it.
#[derive(Clone, Debug)]
pub(crate) struct AppGroup {
    pub(crate) group_id: String,
    /// Which of several groups of a user decides about the profile: that with the smallest number.
    pub(crate) priority: i64,
    /// What the app is told of the members.
    pub(crate) profile: Map<String, Value>,
    pub(crate) last_updated: NumericDate,
}

/// What is told of a group that is assigned; the rest stays.
#[derive(Clone, Debug, Default)]
pub(crate) struct AppGroupChange {
    /// Without one a new assignment comes behind those that are there.
    pub(crate) priority: Option<i64>,
    pub(crate) profile: Option<Map<String, Value>>,
}

impl Store {
    /// A page of the groups that are assigned to an app, and whose name begins with a text if one is given.
    pub(crate) fn app_groups(
        &self,
        client_id: &str,
        name: Option<&str>,
        listing: &Listing,
    ) -> Result<Page<AppGroup>, StoreError> {
        let of_app = listing.condition.clone().and("client_id = ?", [Sql::Text(client_id.to_owned())]);
        let condition = match name {
            None => of_app,
            Some(text) => of_app.and(
                "group_id IN (SELECT id FROM groups WHERE name LIKE ? ESCAPE '\\')",
                [Sql::Text(like_prefix(text))],
            ),
        };
        let listing = Listing { condition, ..listing.clone() };
        self.read(|transaction| page::select(transaction, "app_group_assignments", COLUMNS, &listing, read))
    }

    /// A group that is assigned to an app; `None` if none of this id is.
    pub(crate) fn app_group(&self, client_id: &str, group_id: &str) -> Result<Option<AppGroup>, StoreError> {
        self.read(|transaction| find(transaction, client_id, group_id))
    }

    /// Assigns a group, or changes what is told of one that is; gives it as it then is, and whether it was not assigned
    /// before. Both must be there.
    pub(crate) fn assign_group(
        &self,
        client_id: &str,
        group_id: &str,
        change: &AppGroupChange,
        now: NumericDate,
    ) -> Result<(AppGroup, bool), StoreError> {
        self.write(|transaction| {
            let was = find(transaction, client_id, group_id)?;
            let is_new = was.is_none();
            let mut assigned = match was {
                Some(was) => was,
                None => AppGroup {
                    group_id: group_id.to_owned(),
                    priority: next_priority(transaction, client_id)?,
                    profile: Map::new(),
                    last_updated: now,
                },
            };
            assigned.last_updated = now;
            assigned.priority = change.priority.unwrap_or(assigned.priority);
            assigned.profile = change.profile.clone().unwrap_or(assigned.profile);
            keep(transaction, client_id, &assigned)?;
            Ok((assigned, is_new))
        })
    }

    /// Ends the assignment of a group; `false` if there is none.
    pub(crate) fn unassign_group(&self, client_id: &str, group_id: &str) -> Result<bool, StoreError> {
        self.write(|transaction| {
            let ended = transaction.execute(
                "DELETE FROM app_group_assignments WHERE client_id = ?1 AND group_id = ?2",
                (client_id, group_id),
            )?;
            Ok(ended > 0)
        })
    }
}

/// Assigns the group that all users are in, which is made if it is not there.
pub(super) fn assign_everyone(
    transaction: &Transaction<'_>,
    client_id: &str,
    now: NumericDate,
    random: &dyn Random,
) -> Result<(), StoreError> {
    groups::furnish_everyone(transaction, now, random)?;
    let group_id = transaction
        .prepare_cached("SELECT id FROM groups WHERE type = 'BUILT_IN'")?
        .query_row([], |row| row.get(0))?;
    let everyone = AppGroup { group_id, priority: 0, profile: Map::new(), last_updated: now };
    keep(transaction, client_id, &everyone)
}

/// The assignment of a group, if it can be read.
pub(super) fn find(
    transaction: &Transaction<'_>,
    client_id: &str,
    group_id: &str,
) -> Result<Option<AppGroup>, StoreError> {
    transaction
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM app_group_assignments WHERE client_id = ?1 AND group_id = ?2"
        ))?
        .query_and_then([client_id, group_id], read)?
        .next()
        .transpose()
}

fn next_priority(transaction: &Transaction<'_>, client_id: &str) -> Result<i64, StoreError> {
    let largest: Option<i64> = transaction
        .prepare_cached("SELECT max(priority) FROM app_group_assignments WHERE client_id = ?1")?
        .query_row([client_id], |row| row.get(0))?;
    Ok(largest.map_or(0, |largest| largest.saturating_add(1)))
}

fn keep(transaction: &Transaction<'_>, client_id: &str, assigned: &AppGroup) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO app_group_assignments (client_id, group_id, priority, profile, last_updated) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (client_id, group_id) \
             DO UPDATE SET priority = ?3, profile = ?4, last_updated = ?5",
        )?
        .execute((
            client_id,
            &assigned.group_id,
            assigned.priority,
            Value::Object(assigned.profile.clone()).to_string(),
            column(assigned.last_updated),
        ))?;
    Ok(())
}

const COLUMNS: &str = "number, group_id, priority, profile, last_updated";

fn read(row: &Row<'_>) -> Result<AppGroup, StoreError> {
    Ok(AppGroup {
        group_id: row.get("group_id")?,
        priority: row.get("priority")?,
        profile: profile(row)?,
        last_updated: date(row.get("last_updated")?),
    })
}
