//! The scopes that are granted to an app.

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::{OptionalExtension as _, Row, Transaction};

use super::{exists, require};
use crate::okta_id::{self, IdKind};
use crate::store::{Store, StoreError, column, date, is_scope};

/// A scope that an app may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScopeGrant {
    /// The grant's id: `oag` and 17 letters and digits.
    pub id: String,
    /// The scope.
    pub scope: String,
    /// When it was granted.
    pub created: NumericDate,
}

impl Store {
    /// The scopes that are granted to an app; `None` if there is no such app.
    pub fn grants(&self, client_id: &str) -> Result<Option<Vec<ScopeGrant>>, StoreError> {
        self.read(|transaction| {
            exists(transaction, client_id)?.then(|| all(transaction, client_id)).transpose()
        })
    }
}

impl Store {
    /// Grants a scope to an app; gives the grant, which may have been there before.
    pub(crate) fn grant(
        &self,
        client_id: &str,
        scope: &str,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<ScopeGrant, StoreError> {
        self.write(|transaction| {
            require(transaction, client_id)?;
            insert(transaction, client_id, scope, now, random)?;
            Ok(transaction.query_row(
                "SELECT id, scope, created FROM scope_grants WHERE client_id = ?1 AND scope = ?2",
                (client_id, scope),
                read,
            )?)
        })
    }

    /// Takes a grant back; gives it as it was, or `None` if there is none.
    pub(crate) fn revoke_grant(&self, client_id: &str, id: &str) -> Result<Option<ScopeGrant>, StoreError> {
        self.write(|transaction| {
            let statement =
                "DELETE FROM scope_grants WHERE client_id = ?1 AND id = ?2 RETURNING id, scope, created";
            Ok(transaction.query_row(statement, (client_id, id), read).optional()?)
        })
    }
}

/// Grants a scope; one that is granted already stays as it is.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    client_id: &str,
    scope: &str,
    now: NumericDate,
    random: &dyn Random,
) -> Result<(), StoreError> {
    if !is_scope(scope) {
        return Err(StoreError::InvalidScope { scope: scope.to_owned() });
    }
    transaction.execute(
        "INSERT OR IGNORE INTO scope_grants (id, client_id, scope, created) VALUES (?1, ?2, ?3, ?4)",
        (okta_id::generate(IdKind::ScopeGrant, random)?, client_id, scope, column(now)),
    )?;
    Ok(())
}

pub(super) fn scopes(transaction: &Transaction<'_>, client_id: &str) -> Result<Vec<String>, StoreError> {
    Ok(all(transaction, client_id)?.into_iter().map(|grant| grant.scope).collect())
}

fn all(transaction: &Transaction<'_>, client_id: &str) -> Result<Vec<ScopeGrant>, StoreError> {
    let mut statement = transaction
        .prepare_cached("SELECT id, scope, created FROM scope_grants WHERE client_id = ?1 ORDER BY number")?;
    let grants = statement.query_map([client_id], read)?;
    Ok(grants.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<ScopeGrant> {
    Ok(ScopeGrant { id: row.get("id")?, scope: row.get("scope")?, created: date(row.get("created")?) })
}
