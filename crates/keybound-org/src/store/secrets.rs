//! What only the org knows: the secret of its nonces, and the key of an org of the first schema.

use keybound::NonceSecret;
use keybound::random::Random;
use rusqlite::{OptionalExtension as _, Transaction};
use zeroize::Zeroizing;

use super::{Store, StoreError};

const SIGNING_KEY: &str = "signing key, PKCS#8 PEM";
const NONCE_SECRET: &str = "nonce secret";

impl Store {
    /// The secret that nonces are made with; the same after a restart, so that clients keep theirs.
    pub(crate) fn nonce_secret(&self, random: &dyn Random) -> Result<NonceSecret, StoreError> {
        let found = self.secret_or(NONCE_SECRET, NonceSecret::generate(random)?.expose())?;
        let damaged = StoreError::Damaged { what: "the secret of the nonces has a wrong length" };
        Ok(NonceSecret::from_bytes(found.as_slice().try_into().map_err(|_| damaged)?))
    }

    /// The secret of this name; `made`, from now on, if there is none. Of several processes that make
    /// one, the first decides.
    fn secret_or(&self, name: &str, made: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        self.write(|transaction| {
            transaction
                .execute("INSERT OR IGNORE INTO secrets (name, value) VALUES (?1, ?2)", (name, made))?;
            secret(transaction, name)?.ok_or(StoreError::Damaged { what: "a new secret is not there" })
        })
    }
}

/// The key that an org of the first schema signs with (PKCS#8, PEM).
pub(super) fn first_signing_key(
    transaction: &Transaction<'_>,
) -> Result<Option<Zeroizing<String>>, StoreError> {
    let damaged = |_| StoreError::Damaged { what: "the signing key is not text" };
    secret(transaction, SIGNING_KEY)?
        .map(|pem| std::str::from_utf8(&pem).map(|pem| Zeroizing::new(pem.to_owned())).map_err(damaged))
        .transpose()
}

fn secret(transaction: &Transaction<'_>, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let value = transaction
        .prepare_cached("SELECT value FROM secrets WHERE name = ?1")?
        .query_row([name], |row| row.get(0).map(Zeroizing::new))
        .optional()?;
    Ok(value)
}
