//! How dates, durations and lists stand in the columns of the database.

use std::time::Duration;

use keybound::NumericDate;

use super::StoreError;

/// A date as it stands in a column.
pub(super) fn column(date: NumericDate) -> i64 {
    i64::try_from(date.seconds()).unwrap_or(i64::MAX)
}

/// The date in a column.
pub(super) fn date(column: i64) -> NumericDate {
    NumericDate::from_seconds(u64::try_from(column).unwrap_or_default())
}

/// A duration as it stands in a column.
pub(super) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// The duration in a column.
pub(super) fn duration(column: i64) -> Duration {
    Duration::from_secs(u64::try_from(column).unwrap_or_default())
}

/// A list as it stands in a column.
pub(super) fn list_column(list: &[String]) -> String {
    serde_json::json!(list).to_string()
}

/// The list in a column.
pub(super) fn list(column: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(column)
        .map_err(|_| StoreError::Damaged { what: "a list is not a JSON array of strings" })
}
