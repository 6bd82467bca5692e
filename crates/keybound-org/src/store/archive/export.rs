//! Writes the org's data, all of it as of one instant.

use std::io::{self, Write};

use keybound::base64url;
use rusqlite::types::ValueRef;
use rusqlite::{Row, Transaction};
use serde_json::{Value, json};

use super::tables::{Record, Shape, TABLES, Table};
use super::{END, FORMAT, HEADER, Secrets, VERSION, wipe};
use crate::store::{Store, StoreError};

/// Why an org's data was not written, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The data cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It cannot be written where it should go.
    #[error("the export could not be written: {0}")]
    Write(#[from] io::Error),
}

impl From<rusqlite::Error> for ExportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Store {
    /// Writes users, groups and who is in them, apps with their keys, grants, roles and assignments, the admin roles of
    /// users and groups, authorization servers with all that belongs to them, and Trusted Origins, as JSON Lines; gives
    /// the number of records. Others may write meanwhile: what is exported is as it was at one instant.
    ///
    /// Tokens, sessions and the system log are not exported, and secrets only if told so.
    pub fn export(&self, secrets: Secrets, to: &mut dyn Write) -> Result<u64, ExportError> {
        self.read(|transaction| Ok(write_all(transaction, secrets, to)))?
    }
}

fn write_all(
    transaction: &Transaction<'_>,
    secrets: Secrets,
    to: &mut dyn Write,
) -> Result<u64, ExportError> {
    let has_secrets = secrets == Secrets::Included;
    write_line(to, &json!({ "kind": HEADER, "format": FORMAT, "version": VERSION, "secrets": has_secrets }))?;
    let mut records = 0;
    for table in TABLES.iter().filter(|table| has_secrets || !table.is_secret) {
        let mut statement = transaction.prepare(&select(table))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let mut line = Value::Object(record(table, row, has_secrets)?);
            write_line(to, &line)?;
            wipe(&mut line);
            records += 1;
        }
    }
    write_line(to, &json!({ "kind": END, "records": records }))?;
    to.flush()?;
    Ok(records)
}

fn write_line(to: &mut dyn Write, line: &Value) -> Result<(), ExportError> {
    serde_json::to_writer(&mut *to, line).map_err(io::Error::from)?;
    Ok(to.write_all(b"\n")?)
}

fn select(table: &Table) -> String {
    let columns = table.columns.iter().map(|column| match column.shape {
        Shape::NumberOf(other) => format!("(SELECT id FROM {other} WHERE number = {})", column.name),
        _ => column.name.to_owned(),
    });
    let columns: Vec<_> = columns.collect();
    format!("SELECT {} FROM {} ORDER BY {}", columns.join(", "), table.name, table.order)
}

fn record(table: &Table, row: &Row<'_>, has_secrets: bool) -> Result<Record, StoreError> {
    let mut record = Record::new();
    record.insert("kind".to_owned(), json!(table.kind));
    for (index, column) in table.columns.iter().enumerate() {
        if has_secrets || !column.is_secret {
            record.insert(column.member.to_owned(), member(column.shape, row.get_ref(index)?)?);
        }
    }
    Ok(record)
}

fn member(shape: Shape, value: ValueRef<'_>) -> Result<Value, StoreError> {
    let damaged = || StoreError::Damaged { what: "a column has another type than it should have" };
    Ok(match (shape, value) {
        (_, ValueRef::Null) => Value::Null,
        (Shape::Flag, ValueRef::Integer(flag)) => json!(flag != 0),
        (_, ValueRef::Integer(number)) => json!(number),
        (Shape::List | Shape::OptionalList | Shape::Object, ValueRef::Text(text)) => {
            serde_json::from_slice(text).map_err(|_| damaged())?
        }
        (_, ValueRef::Text(text)) => json!(std::str::from_utf8(text).map_err(|_| damaged())?),
        (_, ValueRef::Blob(bytes)) => json!(base64url::encode(bytes)),
        (_, ValueRef::Real(_)) => return Err(damaged()),
    })
}
