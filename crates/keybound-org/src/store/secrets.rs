//! What only the org knows: the key that signs its access tokens, and the secret of its nonces.

use keybound::random::Random;
use keybound::{Algorithm, NonceSecret, PrivateKey, SigningKey};
use rusqlite::{OptionalExtension as _, Transaction};
use zeroize::Zeroizing;

use super::{Store, StoreError};

const SIGNING_KEY: &str = "signing key, PKCS#8 PEM";
const NONCE_SECRET: &str = "nonce secret";

impl Store {
    /// The key that signs access tokens with RS256, made when it is first asked for. That takes a tenth
    /// of a second and more.
    pub(crate) fn signing_key(&self) -> Result<SigningKey, StoreError> {
        let pem = if let Some(kept) = self.read(|transaction| secret(transaction, SIGNING_KEY))? {
            kept
        } else {
            // Made before the database is locked: it takes long.
            let made = SigningKey::generate(Algorithm::RS256)?.private_key().to_pkcs8_pem()?;
            self.secret_or(SIGNING_KEY, made.as_bytes())?
        };
        let damaged = StoreError::Damaged { what: "the signing key is not text" };
        let pem = std::str::from_utf8(&pem).map_err(|_| damaged)?;
        Ok(SigningKey::new(PrivateKey::from_pem(pem)?, Algorithm::RS256)?)
    }

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

fn secret(transaction: &Transaction<'_>, name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
    let value = transaction
        .prepare_cached("SELECT value FROM secrets WHERE name = ?1")?
        .query_row([name], |row| row.get(0).map(Zeroizing::new))
        .optional()?;
    Ok(value)
}
