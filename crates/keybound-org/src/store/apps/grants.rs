//! The scopes that are granted to an app.

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::Transaction;

use super::{exists, unknown};
use crate::okta_id::{self, IdKind};
use crate::store::{Store, StoreError, column, date};

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
            if exists(transaction, client_id)? { all(transaction, client_id).map(Some) } else { Ok(None) }
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
            if !exists(transaction, client_id)? {
                return Err(unknown(client_id));
            }
            insert(transaction, client_id, scope, now, random)?;
            let granted = all(transaction, client_id)?.into_iter().find(|grant| grant.scope == scope);
            granted.ok_or(StoreError::Damaged { what: "a new grant is not there" })
        })
    }

    /// Takes a grant back; gives it as it was, or `None` if there is none.
    pub(crate) fn revoke_grant(&self, client_id: &str, id: &str) -> Result<Option<ScopeGrant>, StoreError> {
        self.write(|transaction| {
            let found = all(transaction, client_id)?.into_iter().find(|grant| grant.id == id);
            if let Some(grant) = &found {
                transaction.execute("DELETE FROM scope_grants WHERE id = ?1", [&grant.id])?;
            }
            Ok(found)
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
    // RFC 6749 section 3.3.
    let is_scope_character = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    if scope.is_empty() || !scope.bytes().all(is_scope_character) {
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
    let rows = statement.query_map([client_id], |row| {
        Ok(ScopeGrant { id: row.get("id")?, scope: row.get("scope")?, created: date(row.get("created")?) })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
