//! Users.

use keybound::NumericDate;
use keybound::random::Random;
use rusqlite::{Row, Transaction};
use serde_json::Map;

use super::authorizations::end_all_of_user;
use super::condition::{Condition, Property, is_member_name};
use super::page::{self, Listing, Page};
use super::passwords::{NewPassword, PasswordHash};
use super::{Store, StoreError, column, date, unless_taken};
use super::{app_users, groups, passwords, roles};
use crate::user::{InvalidMember, LifecycleStep, Profile, StepNotAllowed, User, UserStatus};

/// What may be looked for in users.
pub(crate) fn user_property(name: &str) -> Option<Property> {
    Some(match name {
        "id" => Property::Identifier("id"),
        "status" => Property::Identifier("status"),
        "type.id" => Property::Text(USER_TYPE_IN_SQL),
        "created" => Property::Seconds("created"),
        "activated" => Property::Seconds("activated"),
        "statusChanged" => Property::Seconds("status_changed"),
        "lastUpdated" => Property::Seconds("last_updated"),
        "lastLogin" => Property::Seconds("last_login"),
        "passwordChanged" => Property::Seconds("password_changed"),
        "profile.login" => Property::Text("login"),
        "profile.email" => Property::Text("email"),
        "profile.firstName" => Property::Text("first_name"),
        "profile.lastName" => Property::Text("last_name"),
        name => {
            let member = name.strip_prefix("profile.").filter(|member| is_member_name(member))?;
            Property::Member("profile", member.to_owned())
        }
    })
}

/// What Okta lets `filter` look for in users: less than `search`.
pub(crate) fn user_filter_property(name: &str) -> Option<Property> {
    let is_filtered = matches!(
        name,
        "id" | "status"
            | "lastUpdated"
            | "profile.login"
            | "profile.email"
            | "profile.firstName"
            | "profile.lastName"
    );
    user_property(name).filter(|_| is_filtered)
}

/// The id of the one type of user as a text of SQL.
const USER_TYPE_IN_SQL: &str = "'otyKeyboundDefault01'";

/// Why a user was not changed.
#[derive(Debug)]
pub(crate) enum UserChangeError {
    NotFound,
    Invalid(Vec<InvalidMember>),
    StepNotAllowed(StepNotAllowed),
    /// The user was changed since the client saw it.
    Changed,
    NoSuchGroup(String),
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
    /// Adds a user, with a password and groups if there are any.
    pub(crate) fn insert_user(
        &self,
        user: &User,
        password: Option<&PasswordHash>,
        groups: &[String],
        now: NumericDate,
    ) -> Result<(), UserChangeError> {
        self.write(|transaction| {
            insert(transaction, user)?;
            if let Some(password) = password {
                passwords::set(transaction, &user.id, password)?;
            }
            for group in groups {
                let is_there = groups::add_member(transaction, group, &user.id, now)?;
                is_there.ok_or_else(|| UserChangeError::NoSuchGroup(group.clone()))?;
            }
            Ok(())
        })
    }

    /// Furnishes the org with the group of everyone and, once in its life, with users and a group for each
    /// department.
    pub(crate) fn furnish(
        &self,
        users: impl Iterator<Item = Result<User, StoreError>>,
        now: NumericDate,
        random: &dyn Random,
    ) -> Result<(), StoreError> {
        self.write(|transaction| {
            groups::furnish_everyone(transaction, now, random)?;
            if transaction.prepare("SELECT 1 FROM furnished")?.exists([])? {
                return Ok(());
            }
            let password = PasswordHash::of_seeded_users();
            for user in users {
                let user = user?;
                insert(transaction, &user)?;
                if user.password_changed.is_some() {
                    passwords::set(transaction, &user.id, &password)?;
                }
            }
            roles::furnish_administrator(transaction, now, random)?;
            groups::add_to_departments(transaction, 0, now, random)?;
            mark_furnished(transaction, now)
        })
    }

    /// The user of this id or login, if there is one.
    pub(crate) fn user(&self, id_or_login: &str) -> Result<Option<User>, StoreError> {
        self.read(|transaction| find(transaction, id_or_login))
    }

    /// A page of users.
    pub(crate) fn users(&self, listing: &Listing) -> Result<Page<User>, StoreError> {
        self.read(|transaction| page::select(transaction, "users", COLUMNS, listing, read))
    }

    /// The condition for users whose given name, family name or address begins with a text, without the
    /// deactivated ones.
    pub(crate) fn beginning_with(text: &str) -> Condition {
        let names = ["first_name", "last_name", "email"];
        Self::not_deprovisioned().and_also(&Condition::beginning_with(&names, text))
    }

    /// All users but the deactivated ones, as Okta has it.
    pub(crate) fn not_deprovisioned() -> Condition {
        Condition::always().and("status <> 'DEPROVISIONED'", [])
    }

    /// Changes the user of this id or login, and the password if there is a new one; gives the user as it then
    /// is.
    pub(crate) fn change_user(
        &self,
        id_or_login: &str,
        password: NewPassword<'_>,
        change: impl FnOnce(&mut User) -> Result<(), UserChangeError>,
    ) -> Result<User, UserChangeError> {
        self.write(|transaction| {
            let mut user = find(transaction, id_or_login)?.ok_or(UserChangeError::NotFound)?;
            let was = user.status;
            change(&mut user)?;
            update(transaction, &user)?;
            match password {
                NewPassword::None => {}
                NewPassword::Hash(password) => passwords::set(transaction, &user.id, password)?,
                NewPassword::OfNoUse => passwords::remove(transaction, &user.id)?,
            }
            let is_deactivated = user.status == UserStatus::Deprovisioned && was != user.status;
            if is_deactivated {
                take_all_from(transaction, &user.id, user.last_updated)?;
            } else if !matches!(password, NewPassword::None) {
                end_all_of_user(transaction, &user.id, user.last_updated)?;
            }
            if was == UserStatus::LockedOut && user.status != UserStatus::LockedOut {
                passwords::forget_failures(transaction, &user.id)?;
            }
            Ok(user)
        })
    }

    /// When the org got its first users, which is when it was made.
    pub(crate) fn furnished_at(&self) -> Result<Option<NumericDate>, StoreError> {
        self.read(|transaction| {
            let at =
                transaction.prepare_cached("SELECT min(at) FROM furnished")?.query_row([], |row| row.get(0));
            Ok(at.map(|at: Option<i64>| at.map(date))?)
        })
    }

    /// Deletes the user of this id or login if deactivated, and else deactivates the user; gives the user as
    /// before.
    pub(crate) fn delete_user(&self, id_or_login: &str, now: NumericDate) -> Result<User, UserChangeError> {
        self.write(|transaction| {
            let user = find(transaction, id_or_login)?.ok_or(UserChangeError::NotFound)?;
            if user.status == UserStatus::Deprovisioned {
                transaction.execute("DELETE FROM users WHERE id = ?1", [&user.id])?;
            } else {
                let mut deactivated = user.clone();
                deactivated.take(LifecycleStep::Deactivate, now)?;
                update(transaction, &deactivated)?;
                take_all_from(transaction, &deactivated.id, now)?;
            }
            Ok(user)
        })
    }
}

/// Takes from a user who is deactivated what came with being active; activated again, the user begins anew.
fn take_all_from(transaction: &Transaction<'_>, user_id: &str, now: NumericDate) -> Result<(), StoreError> {
    passwords::remove(transaction, user_id)?;
    roles::remove_all_of_user(transaction, user_id)?;
    app_users::remove_all_of_user(transaction, user_id)?;
    end_all_of_user(transaction, user_id, now)
}

pub(super) const COLUMNS: &str = "number, id, status, created, activated, status_changed, last_login, last_updated, \
                       password_changed, profile";

/// Notes that the org has its first users, if that is not noted yet.
pub(super) fn mark_furnished(transaction: &Transaction<'_>, now: NumericDate) -> Result<(), StoreError> {
    transaction.execute(
        "INSERT INTO furnished (at) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM furnished)",
        [column(now)],
    )?;
    Ok(())
}

/// Whether a user has this id or this login.
pub(super) fn is_taken(transaction: &Transaction<'_>, id: &str, login: &str) -> Result<bool, StoreError> {
    let mut statement = transaction.prepare_cached("SELECT 1 FROM users WHERE id = ?1 OR login = ?2")?;
    Ok(statement.exists([id, login])?)
}

pub(super) fn insert(transaction: &Transaction<'_>, user: &User) -> Result<(), StoreError> {
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
    unless_taken(put, StoreError::LoginTaken)
}

pub(super) fn find(transaction: &Transaction<'_>, id_or_login: &str) -> Result<Option<User>, StoreError> {
    // An id has no `@`, and a login has one.
    let name = if id_or_login.contains('@') { "login" } else { "id" };
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE {name} = ?1"))?
        .query_and_then([id_or_login], read)?
        .next()
        .transpose()
}

pub(super) fn read(row: &Row<'_>) -> Result<User, StoreError> {
    let damaged = |what| StoreError::Damaged { what };
    let status: String = row.get("status")?;
    let profile: String = row.get("profile")?;
    let profile: Map<_, _> =
        serde_json::from_str(&profile).map_err(|_| damaged("a user's profile is not a JSON object"))?;
    let optional = |name| row.get::<_, Option<i64>>(name).map(|seconds| seconds.map(date));
    Ok(User {
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
    })
}
