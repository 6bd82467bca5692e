//! Client secrets: shown once, kept as a hash.
//!
//! Okta shows an administrator the secret again. Here it cannot be: the database holds only its SHA-256,
//! so that a copy of the folder lets nobody in. One hash is enough for a secret of 240 random bits, which it is
//! unless an administrator chose another.

use std::fmt;

use aws_lc_rs::{constant_time, digest};
use keybound::base64url;
use keybound::random::{Random, RandomUnavailable};
use rusqlite::Row;
use zeroize::Zeroizing;

use crate::store::StoreError;

/// Bytes of randomness in a secret; 40 characters.
const SECRET_BYTES: usize = 30;

/// A client's secret in the clear.
#[derive(Clone)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// A new secret, of 240 random bits.
    pub fn generate(random: &dyn Random) -> Result<Self, RandomUnavailable> {
        let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
        random.fill(bytes.as_mut_slice())?;
        let mut secret = Zeroizing::new(String::new());
        base64url::encode_to(&mut secret, bytes.as_slice());
        Ok(Self(secret))
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
        ClientSecretHash::of(&self.0)
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ClientSecret { .. }")
    }
}

/// What is kept of a client's secret.
#[derive(Clone)]
pub struct ClientSecretHash([u8; digest::SHA256_OUTPUT_LEN]);

impl ClientSecretHash {
    fn of(secret: &str) -> Self {
        let mut hash = [0; digest::SHA256_OUTPUT_LEN];
        let digest = digest::digest(&digest::SHA256, secret.as_bytes());
        hash.copy_from_slice(digest.as_ref());
        Self(hash)
    }

    /// Whether this is the secret; takes the same time whatever is wrong with it.
    pub fn is_of(&self, secret: &str) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &Self::of(secret).0).is_ok()
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
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
    let hash = kept.map(<[u8; digest::SHA256_OUTPUT_LEN]>::try_from).transpose();
    let hash = hash.map_err(|_| StoreError::Damaged { what: "a client secret's hash has a wrong length" })?;
    Ok(hash.map(ClientSecretHash))
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
