//! A key in a TPM 2.0: the chip that most machines have, or a virtual one that the hypervisor gives.
//!
//! The private key never leaves the TPM; a digest goes in, and the signature comes out. RSA keys sign with
//! RS256, RS384 and RS512, keys on P-256, P-384 and P-521 with ES256, ES384 and ES512, as far as the TPM has
//! them. A key is kept by the TPM itself under a persistent handle, or in a file that only this TPM can use.
//!
//! ```no_run
//! use std::sync::Arc;
//! use keybound::proof::DpopKey;
//! use keybound_client::signers::tpm2::{Pin, Tpm2Place, Tpm2Options, Tpm2Signer};
//!
//! let mut options = Tpm2Options::new(Tpm2Place::Handle(0x8101_0001));
//! options.pin = Some(Pin::File("/run/secrets/pin".into()));
//! let key = DpopKey::new(Arc::new(Tpm2Signer::open(options)?));
//! # Ok::<(), keybound_client::signers::tpm2::Tpm2Error>(())
//! ```
//!
//! All signers of a process that go the same way to the TPM share one connection, used by one thread at a
//! time: a TPM does one thing after the other anyway. When the connection breaks or the TPM was reset, the next
//! signature opens all of it again. A PIN that the TPM refused is not sent again, since a few wrong ones lock it
//! for all its keys.
//!
//! `PS256` to `PS512` are not offered: a TPM may choose another length of the salt than a JWS has to have (TPM
//! 2.0 part 1, annex B.7; RFC 7518 section 3.5).

mod connection;
mod error;
mod key_file;
mod loaded_key;
mod public_half;
mod response_code;
mod tcti;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use keybound::{Algorithm, PublicKey, SignError, Signature, Signer, VerifyingKey};

use self::connection::Connection;
use self::loaded_key::LoadedKey;
use self::public_half::PublicHalf;
use super::digest;

pub use super::Tpm2Place;
pub use super::pin::Pin;
pub use error::Tpm2Error;
pub use key_file::KeyFileError;
pub use tcti::{DEFAULT_TCTI, TCTI_VARIABLES};

/// Which key in which TPM, and how to get at it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Tpm2Options {
    /// Where the key is kept.
    pub place: Tpm2Place,
    /// The way to the TPM, as the tools of the TPM name it: `device:/dev/tpmrm0`, `swtpm:host=…,port=…`,
    /// `mssim:…` or `tabrmd:…`. Without one, the first of [`TCTI_VARIABLES`] that is set says it, and else it is
    /// [`DEFAULT_TCTI`].
    pub tcti: Option<String>,
    /// Where the key's authorization value (its password, as the tools call it) comes from, if it has one.
    pub pin: Option<Pin>,
    /// The algorithm; without one that which the key is reserved for, else RS256 for RSA, and the one that fits
    /// any other key.
    pub algorithm: Option<Algorithm>,
}

impl Tpm2Options {
    /// The key that is kept there, without a PIN, in the TPM of this machine.
    pub fn new(place: Tpm2Place) -> Self {
        Self { place, tcti: None, pin: None, algorithm: None }
    }
}

/// Signs with a key in a TPM.
pub struct Tpm2Signer {
    options: Tpm2Options,
    half: PublicHalf,
    verifying_key: VerifyingKey,
    connection: Arc<Mutex<Connection>>,
    link: Mutex<Link>,
}

/// The way to the key.
enum Link {
    Open(LoadedKey),
    /// Lost, or not opened again so far.
    Closed,
    /// The TPM took the PIN for wrong.
    Refused(Tpm2Error),
}

impl Link {
    /// Goes over to `next`. A TPM has room for few keys that are loaded, and other signers share the connection.
    fn leave(&mut self, connection: &mut Connection, next: Self) {
        if let Self::Open(key) = std::mem::replace(self, next) {
            connection.unload(&key);
        }
    }
}

impl Tpm2Signer {
    /// Finds the key, reads its public half, and sees that the TPM can sign with it. If there is a PIN, a text of
    /// no meaning is signed, so that a wrong one is told here.
    ///
    /// It waits for the TPM, and perhaps for a person: not for the threads of async code.
    pub fn open(options: Tpm2Options) -> Result<Self, Tpm2Error> {
        let connection = connection::by(&tcti::choose(options.tcti.as_deref())?);
        let (key, half) = load(&mut lock(&connection), &options)?;
        let signer = Self {
            verifying_key: VerifyingKey::new(&half.key, half.algorithm)?,
            options,
            half,
            connection,
            link: Mutex::new(Link::Open(key)),
        };
        if signer.options.pin.is_some() {
            signer.sign_in_tpm(b"keybound tries the PIN")?;
        }
        Ok(signer)
    }

    /// The signature over `signing_input`; if the way to the key is lost, by a new one.
    fn sign_in_tpm(&self, signing_input: &[u8]) -> Result<Vec<u8>, Tpm2Error> {
        let mut link = lock(&self.link);
        let mut connection = lock(&self.connection);
        let mut outcome = match &*link {
            Link::Open(key) => self.sign_by(&mut connection, key, signing_input),
            Link::Closed => Err(Tpm2Error::Lost),
            Link::Refused(error) => return Err(error.clone()),
        };
        if outcome.as_ref().is_err_and(Tpm2Error::is_lost) {
            link.leave(&mut connection, Link::Closed);
            let key = self.reopen(&mut connection)?;
            outcome = self.sign_by(&mut connection, &key, signing_input);
            *link = Link::Open(key);
        }
        if let Err(error) = &outcome
            && error.is_about_the_pin()
        {
            link.leave(&mut connection, Link::Refused(error.clone()));
        }
        outcome
    }

    /// A signature that the public half verifies: another key may have come into the place of this one.
    fn sign_by(
        &self,
        connection: &mut Connection,
        key: &LoadedKey,
        signing_input: &[u8],
    ) -> Result<Vec<u8>, Tpm2Error> {
        let digest = digest::of(self.half.algorithm, signing_input).ok_or(Tpm2Error::KeyType)?;
        let signature = connection.sign(key, &self.half, digest.as_ref())?;
        let verified = self.verifying_key.verify(signing_input, &signature);
        verified.map(|()| signature).map_err(|_| Tpm2Error::HalvesDiffer)
    }

    /// The key, opened again; it must be the same one.
    fn reopen(&self, connection: &mut Connection) -> Result<LoadedKey, Tpm2Error> {
        let (key, half) = load(connection, &self.options)?;
        if half.key == self.half.key {
            return Ok(key);
        }
        connection.unload(&key);
        Err(Tpm2Error::OtherKey)
    }
}

/// The key of `options`, and how it signs.
fn load(connection: &mut Connection, options: &Tpm2Options) -> Result<(LoadedKey, PublicHalf), Tpm2Error> {
    let loaded = LoadedKey::load(connection, options).and_then(|key| {
        let half = public_half::of(key.public(), options.algorithm);
        match half.and_then(|half| connection.test_algorithm(&half).map(|()| half)) {
            Ok(half) => Ok((key, half)),
            Err(error) => {
                connection.unload(&key);
                Err(error)
            }
        }
    });
    loaded.inspect_err(|error| connection.close_if_broken(error))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Signer for Tpm2Signer {
    fn algorithm(&self) -> Algorithm {
        self.half.algorithm
    }

    fn public_key(&self) -> &PublicKey {
        &self.half.key
    }

    fn sign(&self, signing_input: &[u8]) -> Result<Signature, SignError> {
        match self.sign_in_tpm(signing_input) {
            Ok(signature) => Ok(Signature::from_bytes(signature)),
            Err(error) => Err(SignError::Unavailable { reason: error.to_string() }),
        }
    }

    fn waits(&self) -> bool {
        true
    }
}

impl Drop for Tpm2Signer {
    fn drop(&mut self) {
        lock(&self.link).leave(&mut lock(&self.connection), Link::Closed);
    }
}

impl fmt::Debug for Tpm2Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Tpm2Signer({} {})", self.half.algorithm, self.half.key.thumbprint())
    }
}
