//! The schema's versions, as SQLite's `user_version` counts them.

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// What leads to each version from the one before; to the first from an empty database.
const MIGRATIONS: [(u32, &str); 1] = [(1, include_str!("schema_1.sql"))];

const NEWEST: u32 = 1;

/// Brings the database to the newest version. Of several processes that open a new database at once, one
/// migrates and the others wait.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    if version(connection)? == NEWEST {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&transaction)?;
    if found > NEWEST {
        return Err(StoreError::FromNewerVersion { found, known: NEWEST });
    }
    for (version, migration) in MIGRATIONS {
        if version > found {
            transaction.execute_batch(migration)?;
        }
    }
    transaction.pragma_update(None, "user_version", NEWEST)?;
    Ok(transaction.commit()?)
}

fn version(connection: &Connection) -> Result<u32, StoreError> {
    Ok(connection.pragma_query_value(None, "user_version", |row| row.get(0))?)
}
