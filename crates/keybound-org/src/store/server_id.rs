//! Which authorization server something belongs to.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlResult, ToSqlOutput, ValueRef};

/// An authorization server of the org.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ServerId {
    /// The org's own.
    Org,
    /// A custom one, by its id: `default`, or `aus` and 17 letters and digits.
    Custom(String),
}

impl ServerId {
    /// The id of a custom server.
    pub(crate) fn custom(&self) -> Option<&str> {
        match self {
            Self::Org => None,
            Self::Custom(id) => Some(id),
        }
    }
}

impl ToSql for ServerId {
    /// No custom server has an empty id.
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::from(self.custom().unwrap_or_default()))
    }
}

impl FromSql for ServerId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Ok(match value.as_str()? {
            "" => Self::Org,
            id => Self::Custom(id.to_owned()),
        })
    }
}
