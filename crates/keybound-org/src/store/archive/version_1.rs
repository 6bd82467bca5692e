//! Files of the version before, which has no assignments of users and groups to apps, and no admin roles of users and groups.

use rusqlite::Transaction;
use serde_json::Value;

use super::tables::Record;
use crate::store::StoreError;
use crate::store::migrations::ASSIGN_EVERYONE;

pub(super) const VERSION: u64 = 1;

/// Gives a record what it has now.
pub(super) fn complete(record: &mut Record) {
    if record.get("kind").and_then(Value::as_str) == Some("app") {
        record.entry("implicitAssignment").or_insert(Value::Bool(false));
    }
    // It was kept for being shown, and decided nothing.
    if let Some(Value::Object(members)) = record.get_mut("members")
        && let Some(Value::Object(settings)) = members.get_mut("settings")
        && settings.remove("implicitAssignment").is_some()
        && settings.is_empty()
    {
        members.remove("settings");
    }
}

/// Lets everybody sign in to the apps that were read, as everybody could.
pub(super) fn assign_everyone(transaction: &Transaction<'_>) -> Result<(), StoreError> {
    Ok(transaction.execute_batch(ASSIGN_EVERYONE)?)
}
