//! Client secrets: shown once, kept as a hash.
//!
//! Okta shows an administrator the secret again. Here it cannot be: the database holds only its SHA-256,
//! so that a copy of the folder lets nobody in. One hash is enough for a secret of 240 random bits, which it is
//! unless an administrator chose another.

use std::fmt;

use keybound::random::{Random, RandomUnavailable};
use rusqlite::Row;
use zeroize::Zeroizing;

use crate::store::{Digest, StoreError};
use crate::unguessable;

/// Bytes of randomness in a secret; 40 characters.
const SECRET_BYTES: usize = 30;

/// A client's secret in the clear.
#[derive(Clone)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// A new secret, of 240 random bits.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomUnavailable> {
        unguessable::text::<SECRET_BYTES>(random).map(Self)
    }

    /// A secret that an administrator chose, of 14 to 100 characters as Okta has it; one that is easy to guess is
    /// none. `None` for another length.
    pub fn chosen(secret: &str) -> Option<Self> {
        let length = secret.chars().count();
        (14..=100).contains(&length).then(|| Self(Zeroizing::new(secret.to_owned())))
    }

    /// The secret itself, to be shown to whoever registers the client.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> ClientSecretHash {
        ClientSecretHash(Digest::of(&self.0))
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientSecret { .. }")
    }
}

/// What is kept of a client's secret.
#[derive(Clone)]
pub struct ClientSecretHash(Digest);

impl ClientSecretHash {
    /// Whether this is the secret; takes the same time whatever is wrong with it.
    pub fn is_of(&self, secret: &str) -> bool {
        self.0.is_of(secret)
    }

    /// As it stands in a column.
    pub(super) const fn digest(&self) -> Digest {
        self.0
    }
}

impl fmt::Debug for ClientSecretHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientSecretHash { .. }")
    }
}

/// The hash in an app's row, if there is one.
pub(super) fn read(row: &Row<'_>) -> Result<Option<ClientSecretHash>, StoreError> {
    let kept: Option<Vec<u8>> = row.get("client_secret_hash")?;
    let damaged = StoreError::Damaged { what: "a client secret's hash has a wrong length" };
    let Some(kept) = kept else { return Ok(None) };
    Ok(Some(ClientSecretHash(Digest::kept(&kept).ok_or(damaged)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use keybound::random::OperatingSystem;

    #[test]
    fn a_hash_is_of_one_secret_and_neither_is_printed() {
        let secret = ClientSecret::generate(&OperatingSystem).unwrap();
        let other = ClientSecret::generate(&OperatingSystem).unwrap();
        let hash = secret.hash();
        assert_eq!(secret.expose().len(), 40);
        assert!(hash.is_of(secret.expose()) && !hash.is_of(other.expose()) && !hash.is_of(""));
        let printed = format!("{secret:?} {hash:?}");
        assert_eq!(printed, "ClientSecret { .. } ClientSecretHash { .. }");
    }
}
