//! The scopes that a custom authorization server has beside those of OpenID Connect.

use keybound::random::Random;
use rusqlite::{Row, Transaction};

use super::{Identified, require, room_for_another};
use crate::okta_id::{self, IdKind};
use crate::store::{Store, StoreError, is_scope, unless_taken};

/// A scope that a custom server has beside those of OpenID Connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomScope {
    /// The scope.
    pub name: String,
    /// What people call it.
    pub display_name: String,
    /// What it allows, in words for whoever is asked for leave.
    pub description: String,
    /// Whether it is given where none is asked for.
    pub is_default: bool,
    /// Whether the server's metadata names it.
    pub is_published: bool,
}

/// Scopes of a server, at most.
const MAX_SCOPES: i64 = 1_000;

impl Store {
    /// Adds a scope to a custom server.
    pub fn add_scope(
        &self,
        server: &str,
        scope: &CustomScope,
        random: &dyn Random,
    ) -> Result<Identified<CustomScope>, StoreError> {
        let id = okta_id::generate(IdKind::CustomScope, random)?;
        self.write(|transaction| {
            require(transaction, server)?;
            room_for_another(transaction, ("server_scopes", "server"), server, MAX_SCOPES)?;
            let statement = "INSERT INTO server_scopes (server, id, name, display_name, description, is_default, \
                             is_published) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            put(transaction, statement, server, &id, scope)?;
            let number = transaction.last_insert_rowid();
            Ok(Identified { number, id, value: scope.clone() })
        })
    }

    /// The scopes of a custom server, in the order in which they were added.
    pub fn list_scopes(&self, server: &str) -> Result<Vec<Identified<CustomScope>>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM server_scopes WHERE server = ?1 ORDER BY number"
            ))?;
            statement.query_and_then([server], read)?.collect()
        })
    }

    /// Puts another scope in the place of one; `None` if the server has none of this id.
    pub(crate) fn replace_scope(
        &self,
        server: &str,
        id: &str,
        scope: &CustomScope,
    ) -> Result<Option<Identified<CustomScope>>, StoreError> {
        self.write(|transaction| {
            let statement = "UPDATE server_scopes SET name = ?3, display_name = ?4, description = ?5, is_default = ?6, \
                             is_published = ?7 WHERE server = ?1 AND id = ?2";
            put(transaction, statement, server, id, scope)?;
            find(transaction, server, id)
        })
    }

    /// Deletes a scope; gives it as it was, or `None` if the server has none of this id.
    pub(crate) fn delete_scope(
        &self,
        server: &str,
        id: &str,
    ) -> Result<Option<Identified<CustomScope>>, StoreError> {
        self.write(|transaction| {
            let found = find(transaction, server, id)?;
            transaction.execute("DELETE FROM server_scopes WHERE server = ?1 AND id = ?2", [server, id])?;
            Ok(found)
        })
    }
}

const COLUMNS: &str = "number, id, name, display_name, description, is_default, is_published";

fn put(
    transaction: &Transaction<'_>,
    statement: &str,
    server: &str,
    id: &str,
    scope: &CustomScope,
) -> Result<(), StoreError> {
    let CustomScope { name, display_name, description, is_default, is_published } = scope;
    if !is_scope(name) {
        return Err(StoreError::InvalidScope { scope: name.clone() });
    }
    let put = transaction
        .execute(statement, (server, id, name, display_name, description, is_default, is_published));
    unless_taken(put, StoreError::ScopeTaken { name: name.clone() })
}

fn find(
    transaction: &Transaction<'_>,
    server: &str,
    id: &str,
) -> Result<Option<Identified<CustomScope>>, StoreError> {
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM server_scopes WHERE server = ?1 AND id = ?2"))?
        .query_and_then([server, id], read)?
        .next()
        .transpose()
}

fn read(row: &Row<'_>) -> Result<Identified<CustomScope>, StoreError> {
    let value = CustomScope {
        name: row.get("name")?,
        display_name: row.get("display_name")?,
        description: row.get("description")?,
        is_default: row.get("is_default")?,
        is_published: row.get("is_published")?,
    };
    Ok(Identified { number: row.get("number")?, id: row.get("id")?, value })
}
