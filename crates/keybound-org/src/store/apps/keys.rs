//! The public keys that a client's assertions may be signed with.

use keybound::{JwkSet, NumericDate, PublicKey};
use rusqlite::{Row, Transaction};

use super::{exists, require};
use crate::okta_algorithms::OKTA_ALGORITHMS;
use crate::okta_id;
use crate::store::{Store, StoreError, column, date};
use crate::wire_name::wire_names;

/// Keys of one client, at most, as Okta has it.
const MAX_CLIENT_KEYS: i64 = 50;

/// A key of a client as it is registered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClientKey {
    /// The registration's id: `pks` and 17 letters and digits.
    pub id: String,
    /// The key, with its `kid`.
    pub key: PublicKey,
    /// Whether assertions may be signed with it.
    pub status: KeyStatus,
    /// When it was registered.
    pub created: NumericDate,
    /// When its status last changed.
    pub last_updated: NumericDate,
}

wire_names! {
    /// Whether assertions may be signed with a key.
    pub enum KeyStatus {
        /// They may.
        Active = "ACTIVE",
        /// They may not.
        Inactive = "INACTIVE",
    }
}

impl Store {
    /// Registers another key of an app.
    pub fn add_key(&self, client_id: &str, key: &PublicKey, now: NumericDate) -> Result<(), StoreError> {
        self.write(|transaction| {
            require(transaction, client_id)?;
            insert(transaction, client_id, key, now)?;
            Ok(())
        })
    }

    /// All keys of an app in the order in which they were registered; `None` if there is no such app.
    pub fn keys_of(&self, client_id: &str) -> Result<Option<Vec<ClientKey>>, StoreError> {
        self.read(|transaction| {
            exists(transaction, client_id)?.then(|| all(transaction, client_id)).transpose()
        })
    }
}

impl Store {
    /// Registers a key and gives it as it is registered.
    pub(crate) fn register_key(
        &self,
        client_id: &str,
        key: &PublicKey,
        now: NumericDate,
    ) -> Result<ClientKey, StoreError> {
        self.write(|transaction| {
            require(transaction, client_id)?;
            insert(transaction, client_id, key, now)
        })
    }

    /// Says whether assertions may be signed with a key of an app; `None` if there is no such key.
    pub(crate) fn set_key_status(
        &self,
        client_id: &str,
        key: &str,
        status: KeyStatus,
        now: NumericDate,
    ) -> Result<Option<ClientKey>, StoreError> {
        self.write(|transaction| {
            let Some(mut found) = find(transaction, client_id, key)? else { return Ok(None) };
            if found.status != status {
                found.status = status;
                found.last_updated = now;
                transaction.execute(
                    "UPDATE client_keys SET status = ?2, last_updated = ?3 WHERE id = ?1",
                    (&found.id, status.name(), column(now)),
                )?;
            }
            Ok(Some(found))
        })
    }

    /// Deletes a key of an app, unless `check` refuses; gives it as it was, or `None` if there is no such key.
    pub(crate) fn delete_key<E: From<StoreError>>(
        &self,
        client_id: &str,
        key: &str,
        check: impl FnOnce(&ClientKey) -> Result<(), E>,
    ) -> Result<Option<ClientKey>, E> {
        self.write(|transaction| {
            let Some(found) = find(transaction, client_id, key)? else { return Ok(None) };
            check(&found)?;
            transaction
                .execute("DELETE FROM client_keys WHERE id = ?1", [&found.id])
                .map_err(StoreError::from)?;
            Ok(Some(found))
        })
    }
}

/// Whether Okta takes signatures by a key.
pub(super) fn is_supported(key: &PublicKey) -> bool {
    OKTA_ALGORITHMS.into_iter().any(|algorithm| key.allow(algorithm).is_ok())
}

/// The key of an app that has this id or this `kid`.
pub(super) fn find(
    transaction: &Transaction<'_>,
    client_id: &str,
    key: &str,
) -> Result<Option<ClientKey>, StoreError> {
    transaction
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM client_keys WHERE client_id = ?1 AND (id = ?2 OR key_id = ?2) ORDER BY number"
        ))?
        .query_and_then([client_id, key], read)?
        .next()
        .transpose()
}

/// Puts `keys` in the place of an app's active ones; one that is there already stays as it is.
pub(super) fn replace(
    transaction: &Transaction<'_>,
    client_id: &str,
    keys: &[PublicKey],
    now: NumericDate,
) -> Result<(), StoreError> {
    let is_kept = |key: &PublicKey, found: &ClientKey| {
        let key_id = key.key_id().map_or_else(|| key.thumbprint().to_string(), str::to_owned);
        key.thumbprint() == found.key.thumbprint() && found.key.key_id() == Some(key_id.as_str())
    };
    let found = all(transaction, client_id)?;
    let is_active = |old: &&ClientKey| old.status == KeyStatus::Active;
    for old in found.iter().filter(is_active).filter(|old| !keys.iter().any(|key| is_kept(key, old))) {
        transaction.execute("DELETE FROM client_keys WHERE id = ?1", [&old.id])?;
    }
    for new in keys.iter().filter(|key| !found.iter().any(|old| is_kept(key, old))) {
        insert(transaction, client_id, new, now)?;
    }
    Ok(())
}

/// Registers a key; gives it as it is registered.
pub(super) fn insert(
    transaction: &Transaction<'_>,
    client_id: &str,
    key: &PublicKey,
    now: NumericDate,
) -> Result<ClientKey, StoreError> {
    let key_id = key.key_id().map_or_else(|| key.thumbprint().to_string(), str::to_owned);
    if !is_supported(key) {
        return Err(StoreError::UnsupportedKey { key_id });
    }
    let count: i64 = transaction
        .prepare_cached("SELECT count(*) FROM client_keys WHERE client_id = ?1")?
        .query_row([client_id], |row| row.get(0))?;
    if count >= MAX_CLIENT_KEYS {
        return Err(StoreError::TooManyKeys);
    }
    let id = okta_id::of_client_key(client_id, &key_id);
    let jwk = key.clone().with_key_id(&key_id).jwk().to_json();
    transaction
        .prepare_cached(&format!(
            "INSERT OR IGNORE INTO client_keys (id, client_id, key_id, jwk, status, created, last_updated) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) RETURNING {COLUMNS}"
        ))?
        .query_and_then((id, client_id, &key_id, jwk, KeyStatus::Active.name(), column(now)), read)?
        .next()
        .unwrap_or(Err(StoreError::KeyTaken { key_id }))
}

pub(super) fn active(transaction: &Transaction<'_>, client_id: &str) -> Result<JwkSet, StoreError> {
    let keys = all(transaction, client_id)?.into_iter();
    let active = keys.filter(|key| key.status == KeyStatus::Active).map(|key| key.key);
    Ok(JwkSet::from_keys(active.collect()))
}

fn all(transaction: &Transaction<'_>, client_id: &str) -> Result<Vec<ClientKey>, StoreError> {
    transaction
        .prepare_cached(&format!("SELECT {COLUMNS} FROM client_keys WHERE client_id = ?1 ORDER BY number"))?
        .query_and_then([client_id], read)?
        .collect()
}

const COLUMNS: &str = "id, jwk, status, created, last_updated";

fn read(row: &Row<'_>) -> Result<ClientKey, StoreError> {
    let damaged = |what| StoreError::Damaged { what };
    let jwk: String = row.get("jwk")?;
    let status: String = row.get("status")?;
    Ok(ClientKey {
        id: row.get("id")?,
        key: PublicKey::from_jwk(jwk.as_bytes())
            .map_err(|_| damaged("a public key of an app cannot be read"))?,
        status: KeyStatus::of_name(&status).ok_or(damaged("a key has a status that is not known"))?,
        created: date(row.get("created")?),
        last_updated: date(row.get("last_updated")?),
    })
}
