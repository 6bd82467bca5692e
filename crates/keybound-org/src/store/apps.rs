//! Apps: the clients that may ask for tokens, with their keys, scopes and roles.

use std::fmt;
use std::str::FromStr;

use keybound::random::Random;
use keybound::{JwkSet, NumericDate, PublicKey};
use rusqlite::types::FromSql;
use rusqlite::{OptionalExtension as _, Transaction};

use super::{Store, StoreError, column, date};
use crate::okta_algorithms::OKTA_ALGORITHMS;
use crate::okta_id::{self, IdKind};

/// A service app to be registered.
#[derive(Clone, Debug)]
pub struct NewApp {
    /// The name that people know it by.
    pub label: String,
    /// The keys that its client assertions may be signed with. A key without `kid` is registered under its
    /// thumbprint.
    pub public_keys: Vec<PublicKey>,
    /// The scopes that it may ask for.
    pub scopes: Vec<String>,
    /// The admin roles that it acts in.
    pub roles: Vec<AdminRole>,
    /// Whether its token requests must carry a proof.
    pub dpop_bound_access_tokens: bool,
}

/// A registered service app.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct App {
    /// Its id, which is also that of the app in Okta's sense: `0oa` and 17 letters and digits.
    pub client_id: String,
    /// The name that people know it by.
    pub label: String,
    /// The keys that its client assertions may be signed with, each with its `kid`.
    pub keys: JwkSet,
    /// The scopes that it may ask for.
    pub scopes: Vec<String>,
    /// The admin roles that it acts in.
    pub roles: Vec<AdminRole>,
    /// Whether its token requests must carry a proof.
    pub dpop_bound_access_tokens: bool,
    /// When it was registered.
    pub created: NumericDate,
}

/// What an app may do in the org, whatever its scopes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminRole {
    /// Everything.
    Super,
    /// Everything but other administrators.
    Org,
    /// Users and groups.
    User,
    /// Read everything, change nothing.
    ReadOnly,
}

impl AdminRole {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Super, Self::Org, Self::User, Self::ReadOnly];

    /// The name on the wire: `SUPER_ADMIN`, `READ_ONLY_ADMIN`, …
    pub const fn name(self) -> &'static str {
        match self {
            Self::Super => "SUPER_ADMIN",
            Self::Org => "ORG_ADMIN",
            Self::User => "USER_ADMIN",
            Self::ReadOnly => "READ_ONLY_ADMIN",
        }
    }
}

impl fmt::Display for AdminRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for AdminRole {
    type Err = UnknownAdminRole;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|role| role.name() == name).ok_or(UnknownAdminRole)
    }
}

/// The name is not one of [`AdminRole`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an admin role: use SUPER_ADMIN, ORG_ADMIN, USER_ADMIN or READ_ONLY_ADMIN")]
#[non_exhaustive]
pub struct UnknownAdminRole;

impl Store {
    /// Registers an app; gives it with its client id.
    pub fn create_app(&self, new: &NewApp, now: NumericDate, random: &dyn Random) -> Result<App, StoreError> {
        if new.public_keys.is_empty() {
            return Err(StoreError::NoKey);
        }
        let client_id = okta_id::generate(IdKind::App, random)?;
        self.write(|transaction| {
            transaction.execute(
                "INSERT INTO apps (client_id, label, dpop_bound_access_tokens, created) VALUES (?1, ?2, ?3, ?4)",
                (&client_id, &new.label, new.dpop_bound_access_tokens, column(now)),
            )?;
            for key in &new.public_keys {
                insert_key(transaction, &client_id, key, now)?;
            }
            for scope in &new.scopes {
                insert_scope(transaction, &client_id, scope)?;
            }
            for role in &new.roles {
                transaction.execute("INSERT OR IGNORE INTO app_roles VALUES (?1, ?2)", (&client_id, role.name()))?;
            }
            app(transaction, &client_id)?.ok_or(StoreError::Damaged { what: "a new app is not there" })
        })
    }

    /// The app of this client id, if there is one.
    pub fn app(&self, client_id: &str) -> Result<Option<App>, StoreError> {
        self.read(|transaction| app(transaction, client_id))
    }

    /// All apps, in the order in which they were registered.
    pub fn list_apps(&self) -> Result<Vec<App>, StoreError> {
        self.read(|transaction| {
            let mut statement = transaction.prepare_cached("SELECT client_id FROM apps ORDER BY number")?;
            let ids = statement.query_map([], |row| row.get::<_, String>(0))?;
            let mut apps = Vec::new();
            for id in ids {
                apps.extend(app(transaction, &id?)?);
            }
            Ok(apps)
        })
    }

    /// Registers another key of an app.
    pub fn add_key(&self, client_id: &str, key: &PublicKey, now: NumericDate) -> Result<(), StoreError> {
        self.write(|transaction| {
            if app(transaction, client_id)?.is_none() {
                return Err(StoreError::UnknownApp { client_id: client_id.to_owned() });
            }
            insert_key(transaction, client_id, key, now)
        })
    }

    /// Switches on or off that an app's token requests must carry a proof.
    pub fn require_dpop(&self, client_id: &str, required: bool) -> Result<(), StoreError> {
        self.write(|transaction| {
            let changed = transaction.execute(
                "UPDATE apps SET dpop_bound_access_tokens = ?2 WHERE client_id = ?1",
                (client_id, required),
            )?;
            if changed == 0 {
                return Err(StoreError::UnknownApp { client_id: client_id.to_owned() });
            }
            Ok(())
        })
    }

    /// The admin roles of an app; `None` if there is no such app.
    pub(crate) fn roles_of(&self, client_id: &str) -> Result<Option<Vec<AdminRole>>, StoreError> {
        self.read(|transaction| {
            let is_there =
                transaction.prepare_cached("SELECT 1 FROM apps WHERE client_id = ?1")?.exists([client_id])?;
            if is_there { roles(transaction, client_id).map(Some) } else { Ok(None) }
        })
    }
}

fn insert_key(
    transaction: &Transaction<'_>,
    client_id: &str,
    key: &PublicKey,
    now: NumericDate,
) -> Result<(), StoreError> {
    let key_id = key.key_id().map_or_else(|| key.thumbprint().to_string(), str::to_owned);
    if !OKTA_ALGORITHMS.into_iter().any(|algorithm| key.allow(algorithm).is_ok()) {
        return Err(StoreError::UnsupportedKey { key_id });
    }
    let jwk = key.clone().with_key_id(&key_id).jwk().to_json();
    let inserted = transaction.execute(
        "INSERT OR IGNORE INTO app_keys (client_id, key_id, jwk, created) VALUES (?1, ?2, ?3, ?4)",
        (client_id, &key_id, jwk, column(now)),
    )?;
    if inserted == 0 { Err(StoreError::KeyTaken { key_id }) } else { Ok(()) }
}

fn insert_scope(transaction: &Transaction<'_>, client_id: &str, scope: &str) -> Result<(), StoreError> {
    // RFC 6749 section 3.3.
    let is_scope_character = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E);
    if scope.is_empty() || !scope.bytes().all(is_scope_character) {
        return Err(StoreError::InvalidScope { scope: scope.to_owned() });
    }
    transaction.execute("INSERT OR IGNORE INTO app_scopes VALUES (?1, ?2)", (client_id, scope))?;
    Ok(())
}

fn app(transaction: &Transaction<'_>, client_id: &str) -> Result<Option<App>, StoreError> {
    let found = transaction
        .prepare_cached("SELECT label, dpop_bound_access_tokens, created FROM apps WHERE client_id = ?1")?
        .query_row([client_id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((label, dpop_bound_access_tokens, created)) = found else { return Ok(None) };
    Ok(Some(App {
        client_id: client_id.to_owned(),
        label,
        keys: keys(transaction, client_id)?,
        scopes: strings(transaction, "SELECT scope FROM app_scopes WHERE client_id = ?1", client_id)?,
        roles: roles(transaction, client_id)?,
        dpop_bound_access_tokens,
        created: date(created),
    }))
}

fn keys(transaction: &Transaction<'_>, client_id: &str) -> Result<JwkSet, StoreError> {
    let jwks =
        strings(transaction, "SELECT jwk FROM app_keys WHERE client_id = ?1 ORDER BY created", client_id)?;
    let key = |jwk: &String| PublicKey::from_jwk(jwk.as_bytes());
    let keys: Result<_, _> = jwks.iter().map(key).collect();
    keys.map(JwkSet::from_keys)
        .map_err(|_| StoreError::Damaged { what: "a public key of an app cannot be read" })
}

fn roles(transaction: &Transaction<'_>, client_id: &str) -> Result<Vec<AdminRole>, StoreError> {
    let names = strings(transaction, "SELECT role FROM app_roles WHERE client_id = ?1", client_id)?;
    let roles: Result<_, _> = names.iter().map(|name| name.parse()).collect();
    roles.map_err(|UnknownAdminRole| StoreError::Damaged { what: "an app has a role that is not known" })
}

/// The first column of what `query` finds for the app.
fn strings(transaction: &Transaction<'_>, query: &str, client_id: &str) -> Result<Vec<String>, StoreError> {
    let mut statement = transaction.prepare_cached(query)?;
    let found =
        statement.query_map([client_id], |row| String::column_result(row.get_ref(0)?).map_err(Into::into))?;
    Ok(found.collect::<Result<_, _>>()?)
}
