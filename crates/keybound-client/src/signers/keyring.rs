//! Keys in the keyring of the operating system: the Secret Service (GNOME Keyring, KDE Wallet), the Keychain of
//! macOS, the Credential Manager of Windows. There is no file with the key, and who logs in unlocks it.
//!
//! A keyring keeps secrets and signs nothing: the key is read into this process, which then signs at once. It
//! is kept as a JWK; a PEM that another program has put there is read as well. Keyrings differ in what they
//! hold, so a key has [`MAX_SECRET_BYTES`] everywhere: enough for elliptic curve keys and for RSA of 2048 bits.
//!
//! ```no_run
//! use std::sync::Arc;
//! use keybound::{Algorithm, KeyKind, PrivateKey, SigningKey};
//! use keybound::proof::DpopKey;
//! use keybound_client::signers::keyring::{self, Place};
//!
//! let place = Place::new("keybound", "dpop");
//! keyring::store(&place, &PrivateKey::generate(KeyKind::P256)?)?;
//! let key = DpopKey::new(Arc::new(SigningKey::new(keyring::load(&place)?, Algorithm::ES256)?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! All of it waits for the keyring, and perhaps for a person who unlocks it: not for the threads of async code.

use std::fmt;

use keybound::{KeyError, PrivateKey};
use keyring::{Entry, Error};
use zeroize::Zeroizing;

/// Bytes of a key in a keyring, at most: what the Credential Manager of Windows holds.
pub const MAX_SECRET_BYTES: usize = 2560;

/// Where in the keyring a key is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The program that it belongs to (with the Secret Service, the attribute `service`).
    pub service: String,
    /// Which of the program's keys (with the Secret Service, the attribute `username`).
    pub account: String,
}

impl Place {
    /// The place of these names.
    pub fn new(service: impl Into<String>, account: impl Into<String>) -> Self {
        Self { service: service.into(), account: account.into() }
    }

    fn entry(&self) -> Result<Entry, KeyringError> {
        if let Err(error) = Entry::store_status() {
            return Err(KeyringError::Unavailable { detail: error.to_string() });
        }
        Entry::new(&self.service, &self.account).map_err(|error| self.failure(error))
    }

    /// What went wrong, in our words; some of the library's errors have what was read in them.
    fn failure(&self, error: Error) -> KeyringError {
        let place = self.clone();
        match error {
            Error::NoEntry => KeyringError::NotFound { place },
            Error::Ambiguous(all) => KeyringError::Several { place, found: all.len() },
            Error::NoStorageAccess(error) => KeyringError::Locked { detail: error.to_string() },
            Error::Invalid(..) | Error::TooLong(..) => {
                KeyringError::Place { place, detail: error.to_string() }
            }
            Error::PlatformFailure(error) => KeyringError::Unavailable { detail: error.to_string() },
            other => {
                let detail = other.to_string();
                // Whatever of the secret is in the error goes with it.
                drop_wiped(other);
                KeyringError::Unavailable { detail }
            }
        }
    }
}

/// Reads the key that is there.
pub fn load(place: &Place) -> Result<PrivateKey, KeyringError> {
    let secret = Zeroizing::new(place.entry()?.get_secret().map_err(|error| place.failure(error))?);
    let key = match std::str::from_utf8(&secret) {
        Ok(pem) if pem.trim_start().starts_with("-----BEGIN") => PrivateKey::from_pem(pem),
        _ => PrivateKey::from_jwk(&secret),
    };
    key.map_err(|error| KeyringError::Key { place: place.clone(), error })
}

/// Puts `key` there. One that is there is not replaced: tokens may be bound to it, or a server know it.
pub fn store(place: &Place, key: &PrivateKey) -> Result<(), KeyringError> {
    let jwk = key.to_jwk().map_err(|error| KeyringError::Key { place: place.clone(), error })?;
    if jwk.len() > MAX_SECRET_BYTES {
        return Err(KeyringError::TooLarge { found: jwk.len() });
    }
    let entry = place.entry()?;
    match entry.get_secret().map(Zeroizing::new) {
        Err(Error::NoEntry) => entry.set_secret(jwk.as_bytes()).map_err(|error| place.failure(error)),
        Err(error) => Err(place.failure(error)),
        Ok(_) => Err(KeyringError::Exists { place: place.clone() }),
    }
}

/// Takes the key that is there away, for good.
pub fn delete(place: &Place) -> Result<(), KeyringError> {
    place.entry()?.delete_credential().map_err(|error| place.failure(error))
}

fn drop_wiped(error: Error) {
    if let Error::BadEncoding(secret) | Error::BadDataFormat(secret, _) = error {
        drop(Zeroizing::new(secret));
    }
}

/// Why a key can't be read from the keyring or put into it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// There is no keyring, or it failed.
    #[error(
        "the keyring can't be used: {detail}; on Linux a Secret Service has to run, such as GNOME Keyring or KDE \
         Wallet, and DBUS_SESSION_BUS_ADDRESS say where"
    )]
    Unavailable {
        /// What it said.
        detail: String,
    },
    /// The keyring is locked, and nobody unlocked it.
    #[error("the keyring is locked: {detail}; unlock it, for example by logging in at the desktop")]
    Locked {
        /// What it said.
        detail: String,
    },
    /// Nothing is there.
    #[error("the keyring has no key for {place}; put one there, or correct the names")]
    NotFound {
        /// Where it should be.
        place: Place,
    },
    /// More than one secret has these names.
    #[error("the keyring has {found} secrets for {place}; delete those that are not meant")]
    Several {
        /// Where they are.
        place: Place,
        /// How many.
        found: usize,
    },
    /// A key is there already.
    #[error(
        "the keyring has a key for {place} already, and none is replaced; delete it, or choose another name"
    )]
    Exists {
        /// Where it is.
        place: Place,
    },
    /// The names are not ones that the keyring takes.
    #[error("the keyring has no room for {place}: {detail}")]
    Place {
        /// The names.
        place: Place,
        /// What is wrong with them.
        detail: String,
    },
    /// The key is longer than keyrings hold.
    #[error(
        "the key has {found} bytes, and keyrings hold {MAX_SECRET_BYTES}; use an elliptic curve key, or RSA of 2048 \
         bits"
    )]
    TooLarge {
        /// Bytes of the key.
        found: usize,
    },
    /// What is there is no private key.
    #[error("the secret for {place} is no key that can be used: {error}")]
    Key {
        /// Where it is.
        place: Place,
        /// What is wrong with it.
        error: KeyError,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the service `{}` and the account `{}`", self.service, self.account)
    }
}
