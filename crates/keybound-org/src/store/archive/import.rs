//! Reads what an export wrote, into an org that has nothing yet: all of it, or nothing.

use std::io::{self, BufRead};

use keybound::{NumericDate, base64url};
use rusqlite::types::Value as Sql;
use rusqlite::{Transaction, ffi, params_from_iter};
use serde_json::Value;
use zeroize::Zeroizing;

use super::line::{self, shown};
use super::tables::{Column, Record, Shape, TABLES, Table};
use super::{END, FORMAT, HEADER, VERSION, version_1, wipe};
use crate::store::authorization_servers::CustomServer;
use crate::store::{Store, StoreError, column};

/// Why an org's data was not read. Nothing of it is there then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The org has users, groups, apps, authorization servers or Trusted Origins of its own.
    #[error("the org has users, groups, apps, authorization servers or Trusted Origins already")]
    NotEmpty,
    /// A line is not as it must be.
    #[error("line {line}: {problem}")]
    Line {
        /// Its number; the first is 1.
        line: u64,
        /// What is wrong with it.
        problem: LineProblem,
    },
    /// The file cannot be read.
    #[error("the file could not be read: {0}")]
    Read(#[from] io::Error),
    /// The data cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for ImportError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// What is wrong with a line. Names come from the file, values never.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineProblem {
    /// It is longer than any record.
    #[error("the line is longer than {} bytes", line::MAX_LINE_BYTES)]
    TooLong,
    /// It is not JSON.
    #[error("there is no JSON, as seen at column {column}")]
    NotJson {
        /// Where that was seen.
        column: usize,
    },
    /// It is JSON of another kind.
    #[error("there is no JSON object")]
    NotAnObject,
    /// A member is there twice.
    #[error("the member `{0}` is there twice")]
    DuplicateMember(String),
    /// A member is not one of this kind of record.
    #[error("a {kind} has no member `{member}`")]
    UnknownMember {
        /// The kind of the record.
        kind: &'static str,
        /// The member.
        member: String,
    },
    /// A member is not there.
    #[error("the member `{0}` is missing")]
    MissingMember(&'static str),
    /// A member is of another type than it should be.
    #[error("the member `{member}` must be {expected}")]
    WrongType {
        /// The member.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// The kind of the record is not known.
    #[error("there is no kind of record `{0}`")]
    UnknownKind(String),
    /// The file does not begin as an export does.
    #[error("this is no export of a local org: the first line must be a header of the format {FORMAT}")]
    NotAnExport,
    /// The file is of another version.
    #[error(
        "the file has version {0} of the format; this program reads versions {before} and {VERSION}",
        before = version_1::VERSION
    )]
    Version(u64),
    /// A record holds a secret, and the header says that there are none.
    #[error("there is a secret, and the header says that there are none")]
    UnexpectedSecret,
    /// The record's id, login or name is that of one before.
    #[error("the {0} has an id or a name that one before it has")]
    Taken(&'static str),
    /// The record refers to one that is not there.
    #[error("the {0} refers to something that no line before it describes")]
    RefersToNothing(&'static str),
    /// The record is none that the org could have written.
    #[error("the {0} is not one that an org can have: a value is not allowed")]
    NotAllowed(&'static str),
    /// The last line is missing.
    #[error("the file ends before its end: the last line must say how many records there are")]
    CutOff,
    /// The last line counts other records than there are.
    #[error("there are {found} records, and this line counts {told}")]
    Count {
        /// How many there are.
        found: u64,
        /// How many there should be.
        told: u64,
    },
    /// There is more behind the last line.
    #[error("there is something behind the last record")]
    BehindTheEnd,
    /// What every org has is not there.
    #[error("the file has no authorization server `default`, which every org has")]
    NoDefaultServer,
}

impl Store {
    /// Reads what [`Store::export`] wrote, in one transaction; gives the number of records. The org must have no users,
    /// groups, apps, authorization servers and Trusted Origins but those that every org has, which the file's take the place of.
    pub fn import(&self, mut from: impl BufRead, now: NumericDate) -> Result<u64, ImportError> {
        self.write(|transaction| {
            make_room(transaction)?;
            let mut reading = Reading { line: 0, records: 0, version: VERSION, has_secrets: false };
            let mut text = Zeroizing::new(Vec::new());
            let mut is_at_end = false;
            while reading.next_line(&mut from, &mut text)? {
                let done = if is_at_end {
                    Err(Problem::Line(LineProblem::BehindTheEnd))
                } else {
                    reading.take(transaction, &text)
                };
                is_at_end = done.map_err(|problem| reading.refuse(problem))?;
            }
            reading.line = reading.line.saturating_add(1);
            if !is_at_end {
                return Err(reading.refuse(LineProblem::CutOff.into()));
            }
            if !has_default_server(transaction)? {
                return Err(reading.refuse(LineProblem::NoDefaultServer.into()));
            }
            if reading.version == version_1::VERSION {
                version_1::assign_everyone(transaction)?;
            }
            transaction.execute("DELETE FROM furnished", [])?;
            transaction.execute("INSERT INTO furnished (at) VALUES (?1)", [column(now)])?;
            Ok(reading.records)
        })
    }
}

/// Refuses an org that has something of its own, and takes away what every org has.
fn make_room(transaction: &Transaction<'_>) -> Result<(), ImportError> {
    for own in [
        "users",
        "apps",
        "groups WHERE type <> 'BUILT_IN'",
        "authorization_servers WHERE id <> 'default'",
        "server_scopes",
        "server_claims",
        "trusted_origins",
    ] {
        if transaction.prepare(&format!("SELECT 1 FROM {own}"))?.exists([])? {
            return Err(ImportError::NotEmpty);
        }
    }
    for table in ["groups", "authorization_servers", "signing_keys"] {
        transaction.execute(&format!("DELETE FROM {table}"), [])?;
    }
    Ok(())
}

fn has_default_server(transaction: &Transaction<'_>) -> Result<bool, StoreError> {
    let mut statement = transaction.prepare("SELECT 1 FROM authorization_servers WHERE id = ?1")?;
    Ok(statement.exists([CustomServer::DEFAULT_ID])?)
}

/// What is wrong with a line, or with the database.
enum Problem {
    Line(LineProblem),
    Store(StoreError),
}

impl From<LineProblem> for Problem {
    fn from(problem: LineProblem) -> Self {
        Self::Line(problem)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// How far the file has been read.
struct Reading {
    line: u64,
    records: u64,
    /// What the first line says.
    version: u64,
    has_secrets: bool,
}

impl Reading {
    fn next_line(&mut self, from: &mut impl BufRead, text: &mut Vec<u8>) -> Result<bool, ImportError> {
        let is_there = line::next(from, text)?;
        if !matches!(is_there, Ok(false)) {
            self.line = self.line.saturating_add(1);
        }
        is_there.map_err(|problem| self.refuse(problem.into()))
    }

    fn refuse(&self, problem: Problem) -> ImportError {
        match problem {
            Problem::Line(problem) => ImportError::Line { line: self.line, problem },
            Problem::Store(error) => error.into(),
        }
    }

    /// Takes a line; says whether it is the last one.
    fn take(&mut self, transaction: &Transaction<'_>, text: &[u8]) -> Result<bool, Problem> {
        let mut record = line::parse(text)?;
        if self.version == version_1::VERSION {
            version_1::complete(&mut record);
        }
        let taken = self.take_record(transaction, &record);
        record.values_mut().for_each(wipe);
        taken
    }

    fn take_record(&mut self, transaction: &Transaction<'_>, record: &Record) -> Result<bool, Problem> {
        let kind = record.get("kind").and_then(Value::as_str).ok_or(LineProblem::MissingMember("kind"));
        if self.line == 1 {
            (self.version, self.has_secrets) = header(record)?;
            return Ok(false);
        }
        let kind = kind?;
        if kind == END {
            let told = whole(record, "records")?;
            only(END, record, &["records"])?;
            let found = self.records;
            return if told == found { Ok(true) } else { Err(LineProblem::Count { found, told }.into()) };
        }
        let table = TABLES.iter().find(|table| table.kind == kind);
        let table = table.ok_or_else(|| LineProblem::UnknownKind(shown(kind)))?;
        put(transaction, table, record, self.has_secrets)?;
        self.records = self.records.saturating_add(1);
        Ok(false)
    }
}

/// The version of the file, and whether it has secrets, as its first line says.
fn header(record: &Record) -> Result<(u64, bool), LineProblem> {
    let text = |member: &str| record.get(member).and_then(Value::as_str);
    if text("kind") != Some(HEADER) || text("format") != Some(FORMAT) {
        return Err(LineProblem::NotAnExport);
    }
    let version = whole(record, "version")?;
    if ![version_1::VERSION, VERSION].contains(&version) {
        return Err(LineProblem::Version(version));
    }
    only(HEADER, record, &["format", "version", "secrets"])?;
    let secrets = record.get("secrets").ok_or(LineProblem::MissingMember("secrets"))?;
    let has_secrets = secrets.as_bool();
    let has_secrets =
        has_secrets.ok_or(LineProblem::WrongType { member: "secrets", expected: "true or false" })?;
    Ok((version, has_secrets))
}

fn whole(record: &Record, member: &'static str) -> Result<u64, LineProblem> {
    let value = record.get(member).ok_or(LineProblem::MissingMember(member))?;
    value.as_u64().ok_or(LineProblem::WrongType { member, expected: "a whole number" })
}

/// Refuses members that a kind of record does not have.
fn only(kind: &'static str, record: &Record, members: &[&str]) -> Result<(), LineProblem> {
    let is_unknown = |name: &&String| *name != "kind" && !members.contains(&name.as_str());
    match record.keys().find(is_unknown) {
        Some(member) => Err(LineProblem::UnknownMember { kind, member: shown(member) }),
        None => Ok(()),
    }
}

/// Puts one row.
fn put(
    transaction: &Transaction<'_>,
    table: &'static Table,
    record: &Record,
    has_secrets: bool,
) -> Result<(), Problem> {
    let is_secret = |column: &&Column| table.is_secret || column.is_secret;
    let has_secret = |column: &Column| record.contains_key(column.member);
    if !has_secrets && table.columns.iter().filter(is_secret).any(has_secret) {
        return Err(LineProblem::UnexpectedSecret.into());
    }
    let columns: Vec<_> = table.columns.iter().filter(|column| has_secrets || !column.is_secret).collect();
    only(table.kind, record, &columns.iter().map(|column| column.member).collect::<Vec<_>>())?;
    let values = columns.iter().map(|column| value(column, record)).collect::<Result<Vec<_>, _>>()?;
    let inserted = transaction
        .prepare_cached(&insert(table, &columns))
        .map_err(StoreError::from)?
        .execute(params_from_iter(values));
    inserted.map_err(|error| refused(table, error))?;
    match (table.is_good)(transaction, record) {
        Ok(true) => Ok(()),
        Ok(false) | Err(StoreError::Damaged { .. }) => Err(LineProblem::NotAllowed(table.kind).into()),
        Err(error) => Err(error.into()),
    }
}

fn insert(table: &Table, columns: &[&Column]) -> String {
    let place = |(index, column): (usize, &&Column)| match column.shape {
        Shape::NumberOf(other) => format!("(SELECT number FROM {other} WHERE id = ?{})", index + 1),
        _ => format!("?{}", index + 1),
    };
    let places: Vec<_> = columns.iter().enumerate().map(place).collect();
    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    format!("INSERT INTO {} ({}) VALUES ({})", table.name, names.join(", "), places.join(", "))
}

/// What the database holds against a row.
fn refused(table: &Table, error: rusqlite::Error) -> Problem {
    let kind = table.kind;
    let refers = table.columns.iter().any(|column| matches!(column.shape, Shape::NumberOf(_)));
    match error.sqlite_error().map(|error| error.extended_code) {
        Some(ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY) => {
            LineProblem::Taken(kind).into()
        }
        Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => LineProblem::RefersToNothing(kind).into(),
        // What is looked up and not found is nothing, and a key of the table cannot be.
        Some(ffi::SQLITE_CONSTRAINT_NOTNULL) if refers => LineProblem::RefersToNothing(kind).into(),
        Some(code) if code & 0xFF == ffi::SQLITE_CONSTRAINT => LineProblem::NotAllowed(kind).into(),
        _ => Problem::Store(error.into()),
    }
}

/// What a member says, as it stands in its column.
fn value(column: &Column, record: &Record) -> Result<Sql, LineProblem> {
    let member = column.member;
    let value = record.get(member).ok_or(LineProblem::MissingMember(member))?;
    let (read, expected): (Option<Sql>, _) = match column.shape {
        Shape::Id | Shape::NumberOf(_) => {
            (value.as_str().filter(|id| is_id(id)).map(text), "1 to 64 letters and digits")
        }
        Shape::Text => (value.as_str().map(text), "a string"),
        Shape::Whole => (number(value), "a whole number"),
        Shape::OptionalWhole => (or_null(value, number), "a whole number or null"),
        Shape::Flag => (value.as_bool().map(|flag| Sql::Integer(flag.into())), "true or false"),
        Shape::List => (list(value), "an array of strings"),
        Shape::OptionalList => (or_null(value, list), "an array of strings or null"),
        Shape::Object => (value.is_object().then(|| Sql::Text(value.to_string())), "an object"),
        Shape::Bytes => (bytes(value), "base64url"),
        Shape::OptionalBytes => (or_null(value, bytes), "base64url or null"),
    };
    read.ok_or(LineProblem::WrongType { member, expected })
}

fn text(text: &str) -> Sql {
    Sql::Text(text.to_owned())
}

fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn number(value: &Value) -> Option<Sql> {
    value.as_i64().filter(|number| *number >= 0).map(Sql::Integer)
}

fn list(value: &Value) -> Option<Sql> {
    value.as_array()?.iter().all(Value::is_string).then(|| Sql::Text(value.to_string()))
}

fn bytes(value: &Value) -> Option<Sql> {
    base64url::decode(value.as_str()?).ok().map(Sql::Blob)
}

fn or_null(value: &Value, read: fn(&Value) -> Option<Sql>) -> Option<Sql> {
    if value.is_null() { Some(Sql::Null) } else { read(value) }
}
