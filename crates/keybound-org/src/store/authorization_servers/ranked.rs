//! What stands in an order that an administrator gives it: the policies of a server, the rules of a policy.

use keybound::NumericDate;
use rusqlite::{Row, Transaction};

use super::{LifecycleStatus, status};
use crate::store::{StoreError, column, date};

/// A policy or a rule, in its place among the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ranked<T> {
    /// `00p` or `0pr`, and 17 letters and digits.
    pub(crate) id: String,
    /// Its place: the first is 1, and is asked first.
    pub(crate) priority: u32,
    pub(crate) status: LifecycleStatus,
    pub(crate) created: NumericDate,
    pub(crate) last_updated: NumericDate,
    pub(crate) value: T,
}

impl<T> Ranked<T> {
    pub(super) fn read(row: &Row<'_>, value: T) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.get("id")?,
            priority: row.get("priority")?,
            status: status(row)?,
            created: date(row.get("created")?),
            last_updated: date(row.get("last_updated")?),
            value,
        })
    }
}

/// A table of such things: its name, and the column of what they belong to.
#[derive(Clone, Copy)]
pub(super) struct Ranking {
    pub(super) table: &'static str,
    pub(super) owner: &'static str,
}

impl Ranking {
    /// Whether `owner` has something of this id.
    pub(super) fn has(
        self,
        transaction: &Transaction<'_>,
        owner: &str,
        id: &str,
    ) -> Result<bool, StoreError> {
        let Self { table, owner: of } = self;
        let mut statement =
            transaction.prepare_cached(&format!("SELECT 1 FROM {table} WHERE {of} = ?1 AND id = ?2"))?;
        Ok(statement.exists([owner, id])?)
    }

    /// Says whether something counts.
    pub(super) fn set_status(
        self,
        transaction: &Transaction<'_>,
        id: &str,
        status: LifecycleStatus,
        now: NumericDate,
    ) -> Result<(), StoreError> {
        let Self { table, .. } = self;
        transaction.execute(
            &format!("UPDATE {table} SET status = ?2, last_updated = ?3 WHERE id = ?1 AND status <> ?2"),
            (id, status.name(), column(now)),
        )?;
        Ok(())
    }

    /// Puts something in its place, or behind all others if none is asked for; the others close ranks.
    pub(super) fn place(
        self,
        transaction: &Transaction<'_>,
        owner: &str,
        id: &str,
        priority: Option<u32>,
    ) -> Result<(), StoreError> {
        let mut ids = self.ids(transaction, owner)?;
        ids.retain(|other| other != id);
        let place = priority.map_or(ids.len(), |place| usize::try_from(place).unwrap_or(usize::MAX));
        let place = if priority.is_some() { place.saturating_sub(1).min(ids.len()) } else { place };
        ids.insert(place, id.to_owned());
        self.number(transaction, &ids)
    }

    /// Deletes something; the others close ranks.
    pub(super) fn delete(
        self,
        transaction: &Transaction<'_>,
        owner: &str,
        id: &str,
    ) -> Result<(), StoreError> {
        let Self { table, owner: of } = self;
        transaction.execute(&format!("DELETE FROM {table} WHERE {of} = ?1 AND id = ?2"), [owner, id])?;
        let ids = self.ids(transaction, owner)?;
        self.number(transaction, &ids)
    }

    fn ids(self, transaction: &Transaction<'_>, owner: &str) -> Result<Vec<String>, StoreError> {
        let Self { table, owner: of } = self;
        let mut statement = transaction
            .prepare_cached(&format!("SELECT id FROM {table} WHERE {of} = ?1 ORDER BY priority, number"))?;
        let ids = statement.query_map([owner], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    fn number(self, transaction: &Transaction<'_>, ids: &[String]) -> Result<(), StoreError> {
        let Self { table, .. } = self;
        let mut statement = transaction
            .prepare_cached(&format!("UPDATE {table} SET priority = ?2 WHERE id = ?1 AND priority <> ?2"))?;
        for (priority, id) in (1_u32..).zip(ids) {
            statement.execute((id, priority))?;
        }
        Ok(())
    }
}
