//! The keys that an authorization server signs with: one now, one next, and those whose tokens still live.
//!
//! Whoever fetches the keys gets the next one as well, so that nobody is surprised when it begins to be used: it
//! is made when keys are published, and becomes the active one when they rotate.

use std::time::Duration;

use keybound::{Algorithm, NumericDate, PrivateKey, Signer as _, SigningKey};
use rusqlite::{Row, Transaction};
use zeroize::Zeroizing;

use super::{ServerId, Store, StoreError, column, date, secrets};
use crate::wire_name::wire_names;

/// How long a key is kept after it signed last: longer than the longest life of an access token, which is a day.
const RETIRED_FOR: Duration = Duration::from_secs(25 * 60 * 60);

wire_names! {
    /// What a key is for.
    pub(crate) enum KeyState {
        /// Published, and used after the next rotation.
        Next = "next",
        /// Signs.
        Active = "active",
        /// Signed once, and verifies what it signed.
        Retired = "retired",
    }
}

/// A key as it is kept.
pub(crate) struct KeptKey {
    /// Its thumbprint.
    pub(crate) key_id: String,
    pub(crate) state: KeyState,
    /// When it began to be in this state.
    pub(crate) since: NumericDate,
}

impl Store {
    /// Takes the next key of a server into use, one that is made now if there is none yet. The key before goes on
    /// verifying what it signed. Making a key takes a tenth of a second and more.
    pub fn rotate_signing_key(&self, server: &ServerId, now: NumericDate) -> Result<(), StoreError> {
        self.signing_keys(server, now)?;
        let made = self.next_key(server, now)?;
        if self.write(|transaction| rotate(transaction, server, made.as_ref(), now))? {
            return Ok(());
        }
        // Somebody has taken the next one meanwhile.
        let made = Made::new()?;
        self.write(|transaction| rotate(transaction, server, Some(&made), now)).map(drop)
    }

    /// Forgets the keys of a server that sign no more: what they signed is worth nothing from now on.
    pub(crate) fn forget_retired_keys(&self, server: &ServerId) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction
                .execute("DELETE FROM signing_keys WHERE server = ?1 AND state = 'retired'", [server])?;
            Ok(())
        })
    }

    /// Rotates if the active key began to sign before `oldest`. Of several that find it too old, the first renews it.
    pub(crate) fn renew_signing_key(
        &self,
        server: &ServerId,
        oldest: NumericDate,
        now: NumericDate,
    ) -> Result<(), StoreError> {
        let made = self.next_key(server, now)?;
        self.write(|transaction| {
            let is_old = |key: &KeptKey| key.state == KeyState::Active && key.since < oldest;
            if keys(transaction, server, now)?.iter().any(is_old) {
                rotate(transaction, server, made.as_ref(), now)?;
            }
            Ok(())
        })
    }

    /// The keys of a server, the active one among them.
    pub(crate) fn signing_keys(
        &self,
        server: &ServerId,
        now: NumericDate,
    ) -> Result<Vec<KeptKey>, StoreError> {
        let found = self.read(|transaction| keys(transaction, server, now))?;
        if found.iter().any(|key| key.state == KeyState::Active) {
            return Ok(found);
        }
        self.ensure(server, KeyState::Active, now)
    }

    /// The keys that a server has; none is made.
    pub(crate) fn kept_keys(&self, server: &ServerId, now: NumericDate) -> Result<Vec<KeptKey>, StoreError> {
        self.read(|transaction| keys(transaction, server, now))
    }

    /// The same with the next key, to be published.
    pub(crate) fn published_keys(
        &self,
        server: &ServerId,
        now: NumericDate,
    ) -> Result<Vec<KeptKey>, StoreError> {
        let found = self.signing_keys(server, now)?;
        if found.iter().any(|key| key.state == KeyState::Next) {
            return Ok(found);
        }
        self.ensure(server, KeyState::Next, now)
    }

    /// The key itself, read anew.
    pub(crate) fn signing_key(&self, kept: &KeptKey) -> Result<SigningKey, StoreError> {
        let pkcs8: Zeroizing<String> = self.read(|transaction| {
            let mut statement =
                transaction.prepare_cached("SELECT pkcs8 FROM signing_keys WHERE key_id = ?1")?;
            Ok(statement.query_row([&kept.key_id], |row| Ok(Zeroizing::new(row.get(0)?)))?)
        })?;
        Ok(SigningKey::new(PrivateKey::from_pem(&pkcs8)?, Algorithm::RS256)?)
    }

    /// Makes a given key the org's active one.
    pub(crate) fn install_signing_key(&self, key: &SigningKey, now: NumericDate) -> Result<(), StoreError> {
        key.public_key().allow(Algorithm::RS256)?;
        let given = Made::of(key)?;
        self.write(|transaction| {
            if keys(transaction, &ServerId::Org, now)?
                .iter()
                .any(|kept| kept.key_id == given.key_id && kept.state == KeyState::Active)
            {
                return Ok(());
            }
            change(transaction, &ServerId::Org, KeyState::Active, KeyState::Retired, now)?;
            transaction.execute(
                "DELETE FROM signing_keys WHERE server = ?1 AND key_id = ?2",
                (&ServerId::Org, &given.key_id),
            )?;
            insert(transaction, &ServerId::Org, &given, KeyState::Active, now)
        })
    }

    /// Makes a key of this state, unless another process has made one meanwhile.
    fn ensure(
        &self,
        server: &ServerId,
        state: KeyState,
        now: NumericDate,
    ) -> Result<Vec<KeptKey>, StoreError> {
        // Made before the database is locked: it takes long.
        let made = match (server, state) {
            (ServerId::Org, KeyState::Active) => self.first_key()?,
            _ => Made::new()?,
        };
        self.write(|transaction| {
            if count(transaction, server, state)? == 0 {
                insert(transaction, server, &made, state, now)?;
            }
            keys(transaction, server, now)
        })
    }

    /// A key to come next, unless the server has one.
    fn next_key(&self, server: &ServerId, now: NumericDate) -> Result<Option<Made>, StoreError> {
        let has_next = self.kept_keys(server, now)?.iter().any(|key| key.state == KeyState::Next);
        if has_next { Ok(None) } else { Made::new().map(Some) }
    }

    /// The key that an org of the first schema has signed with, or a new one.
    fn first_key(&self) -> Result<Made, StoreError> {
        match self.read(secrets::first_signing_key)? {
            Some(pem) => Made::of(&SigningKey::new(PrivateKey::from_pem(&pem)?, Algorithm::RS256)?),
            None => Made::new(),
        }
    }
}

/// A key that is not in the database yet.
struct Made {
    key_id: String,
    pkcs8: Zeroizing<String>,
}

impl Made {
    /// Makes a key, which takes a tenth of a second of a processor and more.
    fn new() -> Result<Self, StoreError> {
        tracing::debug!("making a signing key");
        Self::of(&SigningKey::generate(Algorithm::RS256)?)
    }

    fn of(key: &SigningKey) -> Result<Self, StoreError> {
        Ok(Self {
            key_id: key.public_key().thumbprint().to_string(),
            pkcs8: Zeroizing::new(key.private_key().to_pkcs8_pem()?.to_string()),
        })
    }
}

/// Retires the active key for the next one, which is `made` if there is none; `false`, with nothing done, if neither is
/// there.
fn rotate(
    transaction: &Transaction<'_>,
    server: &ServerId,
    made: Option<&Made>,
    now: NumericDate,
) -> Result<bool, StoreError> {
    if count(transaction, server, KeyState::Next)? == 0 {
        let Some(made) = made else { return Ok(false) };
        insert(transaction, server, made, KeyState::Next, now)?;
    }
    change(transaction, server, KeyState::Active, KeyState::Retired, now)?;
    change(transaction, server, KeyState::Next, KeyState::Active, now)?;
    Ok(true)
}

fn keys(
    transaction: &Transaction<'_>,
    server: &ServerId,
    now: NumericDate,
) -> Result<Vec<KeptKey>, StoreError> {
    let mut statement = transaction.prepare_cached(
        "SELECT key_id, state, since FROM signing_keys \
         WHERE server = ?1 AND (state <> 'retired' OR since >= ?2) ORDER BY number",
    )?;
    let read = |row: &Row<'_>| {
        let unknown = StoreError::Damaged { what: "a signing key has a state that is not known" };
        Ok(KeptKey {
            key_id: row.get(0)?,
            state: KeyState::of_name(&row.get::<_, String>(1)?).ok_or(unknown)?,
            since: date(row.get(2)?),
        })
    };
    statement.query_and_then((server, column(now.before(RETIRED_FOR))), read)?.collect()
}

fn count(transaction: &Transaction<'_>, server: &ServerId, state: KeyState) -> Result<i64, StoreError> {
    Ok(transaction
        .prepare_cached("SELECT count(*) FROM signing_keys WHERE server = ?1 AND state = ?2")?
        .query_row((server, state.name()), |row| row.get(0))?)
}

fn insert(
    transaction: &Transaction<'_>,
    server: &ServerId,
    made: &Made,
    state: KeyState,
    now: NumericDate,
) -> Result<(), StoreError> {
    transaction.execute(
        "DELETE FROM signing_keys WHERE state = 'retired' AND since < ?1",
        [column(now.before(RETIRED_FOR))],
    )?;
    transaction.execute(
        "INSERT INTO signing_keys (server, key_id, pkcs8, state, since) VALUES (?1, ?2, ?3, ?4, ?5)",
        (server, &made.key_id, made.pkcs8.as_str(), state.name(), column(now)),
    )?;
    Ok(())
}

fn change(
    transaction: &Transaction<'_>,
    server: &ServerId,
    from: KeyState,
    to: KeyState,
    now: NumericDate,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE signing_keys SET state = ?3, since = ?4 WHERE server = ?1 AND state = ?2",
        (server, from.name(), to.name(), column(now)),
    )?;
    Ok(())
}
