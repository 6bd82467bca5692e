//! Users.

use keybound::NumericDate;
use rusqlite::{OptionalExtension as _, Row, Transaction};
use serde_json::Map;

use super::{Store, StoreError, column, date};
use crate::user::{InvalidMember, Profile, StepNotAllowed, User, UserStatus};

/// Which users a list is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// All but the deactivated ones, as Okta has it.
    NotDeprovisioned,
    /// All of one status.
    Status(UserStatus),
    /// Those whose given name, family name or address begins with a text, without the deactivated ones.
    BeginsWith(String),
}

/// Some users, in the order in which they were created.
pub(crate) struct UserPage {
    pub(crate) users: Vec<User>,
    /// After which number the next page begins; `None` if this is the last one.
    pub(crate) next_after: Option<i64>,
}

/// Why a user was not changed.
#[derive(Debug)]
pub(crate) enum UserChangeError {
    NotFound,
    Invalid(Vec<InvalidMember>),
    StepNotAllowed(StepNotAllowed),
    Store(StoreError),
}

impl From<StoreError> for UserChangeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<rusqlite::Error> for UserChangeError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Vec<InvalidMember>> for UserChangeError {
    fn from(invalid: Vec<InvalidMember>) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<StepNotAllowed> for UserChangeError {
    fn from(refusal: StepNotAllowed) -> Self {
        Self::StepNotAllowed(refusal)
    }
}

impl Store {
    /// Adds a user.
    pub(crate) fn insert_user(&self, user: &User) -> Result<(), StoreError> {
        self.write(|transaction| insert(transaction, user))
    }

    /// Furnishes the org with users, once in its life.
    pub(crate) fn furnish(
        &self,
        users: impl Iterator<Item = Result<User, StoreError>>,
        now: NumericDate,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            if transaction.prepare("SELECT 1 FROM furnished")?.exists([])? {
                return Ok(());
            }
            for user in users {
                insert(transaction, &user?)?;
            }
            transaction.execute("INSERT INTO furnished (at) VALUES (?1)", [column(now)])?;
            Ok(())
        })
    }

    /// The user of this id or login, if there is one.
    pub(crate) fn user(&self, id_or_login: &str) -> Result<Option<User>, StoreError> {
        self.read(|transaction| find(transaction, id_or_login))
    }

    /// The first `limit` users of a selection after a number.
    pub(crate) fn users(
        &self,
        selection: &Selection,
        after: Option<i64>,
        limit: usize,
    ) -> Result<UserPage, StoreError> {
        let mut found = self.read(|transaction| {
            // One more than asked for tells whether there is a next page.
            let bounds = (after.unwrap_or_default(), i64::try_from(limit + 1).unwrap_or(i64::MAX));
            select(transaction, selection, bounds)
        })?;
        let has_next = found.len() > limit;
        found.truncate(limit);
        let next_after = found.last().filter(|_| has_next).map(|(number, _)| *number);
        Ok(UserPage { users: found.into_iter().map(|(_, user)| user).collect(), next_after })
    }

    /// Changes the user of this id or login; gives the user as it then is.
    pub(crate) fn change_user(
        &self,
        id_or_login: &str,
        change: impl FnOnce(&mut User) -> Result<(), UserChangeError>,
    ) -> Result<User, UserChangeError> {
        self.write(|transaction| {
            let mut user = find(transaction, id_or_login)?.ok_or(UserChangeError::NotFound)?;
            change(&mut user)?;
            update(transaction, &user)?;
            Ok(user)
        })
    }

    /// Deletes the user of this id or login if deactivated, and else deactivates the user.
    pub(crate) fn delete_user(&self, id_or_login: &str, now: NumericDate) -> Result<(), UserChangeError> {
        self.write(|transaction| {
            let mut user = find(transaction, id_or_login)?.ok_or(UserChangeError::NotFound)?;
            if user.status == UserStatus::Deprovisioned {
                transaction.execute("DELETE FROM users WHERE id = ?1", [&user.id])?;
            } else {
                user.take(crate::user::LifecycleStep::Deactivate, now)?;
                update(transaction, &user)?;
            }
            Ok(())
        })
    }
}

const COLUMNS: &str = "number, id, status, created, activated, status_changed, last_login, last_updated, \
                       password_changed, profile";

fn insert(transaction: &Transaction<'_>, user: &User) -> Result<(), StoreError> {
    let statement = "INSERT INTO users (id, status, created, activated, status_changed, last_login, last_updated, \
                     password_changed, profile) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    put(transaction, statement, user)
}

fn update(transaction: &Transaction<'_>, user: &User) -> Result<(), StoreError> {
    let statement = "UPDATE users SET status = ?2, created = ?3, activated = ?4, status_changed = ?5, \
                     last_login = ?6, last_updated = ?7, password_changed = ?8, profile = ?9 WHERE id = ?1";
    put(transaction, statement, user)
}

fn put(transaction: &Transaction<'_>, statement: &str, user: &User) -> Result<(), StoreError> {
    let profile = serde_json::to_string(user.profile.members())
        .map_err(|_| StoreError::Damaged { what: "a profile cannot be written" })?;
    let put = transaction.prepare_cached(statement)?.execute((
        &user.id,
        user.status.name(),
        column(user.created),
        user.activated.map(column),
        user.status_changed.map(column),
        user.last_login.map(column),
        column(user.last_updated),
        user.password_changed.map(column),
        profile,
    ));
    match put {
        Ok(_) => Ok(()),
        Err(error) if is_unique_violation(&error) => Err(StoreError::LoginTaken),
        Err(error) => Err(error.into()),
    }
}

/// The login: identifiers are random, and not the same twice.
fn is_unique_violation(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE)
}

fn find(transaction: &Transaction<'_>, id_or_login: &str) -> Result<Option<User>, StoreError> {
    // An id has no `@`, and a login has one.
    let name = if id_or_login.contains('@') { "login" } else { "id" };
    let found = transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE {name} = ?1"))?
        .query_row([id_or_login], |row| Ok(read(row)))
        .optional()?;
    found.transpose().map(|found| found.map(|(_, user)| user))
}

fn select(
    transaction: &Transaction<'_>,
    selection: &Selection,
    (after, limit): (i64, i64),
) -> Result<Vec<(i64, User)>, StoreError> {
    let (condition, operand) = match selection {
        Selection::NotDeprovisioned => ("status <> ?3", UserStatus::Deprovisioned.name().to_owned()),
        Selection::Status(status) => ("status = ?3", status.name().to_owned()),
        Selection::BeginsWith(text) => (
            "status <> 'DEPROVISIONED' AND (first_name LIKE ?3 ESCAPE '\\' OR last_name LIKE ?3 ESCAPE '\\' \
             OR email LIKE ?3 ESCAPE '\\')",
            like_prefix(text),
        ),
    };
    let query =
        format!("SELECT {COLUMNS} FROM users WHERE number > ?1 AND {condition} ORDER BY number LIMIT ?2");
    let mut statement = transaction.prepare_cached(&query)?;
    let rows = statement.query_map((after, limit, operand), |row| Ok(read(row)))?;
    rows.map(|row| row?).collect()
}

/// The pattern for texts that begin with `text`.
fn like_prefix(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

fn read(row: &Row<'_>) -> Result<(i64, User), StoreError> {
    let damaged = |what| StoreError::Damaged { what };
    let status: String = row.get("status")?;
    let profile: String = row.get("profile")?;
    let profile: Map<_, _> =
        serde_json::from_str(&profile).map_err(|_| damaged("a user's profile is not a JSON object"))?;
    let optional = |name| row.get::<_, Option<i64>>(name).map(|seconds| seconds.map(date));
    let user = User {
        id: row.get("id")?,
        status: status.parse().map_err(|_| damaged("a user has a status that is not known"))?,
        created: date(row.get("created")?),
        activated: optional("activated")?,
        status_changed: optional("status_changed")?,
        last_login: optional("last_login")?,
        last_updated: date(row.get("last_updated")?),
        password_changed: optional("password_changed")?,
        profile: Profile::new(profile)
            .map_err(|_| damaged("a user's profile lacks what every profile has"))?,
    };
    Ok((row.get("number")?, user))
}
