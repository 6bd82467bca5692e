//! A key in a PKCS#11 token: a hardware security module, a smart card, a token in software.
//!
//! The private key never leaves the token; what is signed, or its digest, goes in, and the signature comes
//! out. RSA, P-256, P-384 and P-521 keys are served, and Ed25519 where the token has it.
//!
//! ```no_run
//! use std::sync::Arc;
//! use keybound::proof::DpopKey;
//! use keybound_client::signers::pkcs11::{KeyChoice, Pin, Pkcs11Options, Pkcs11Signer, TokenChoice};
//!
//! let mut options = Pkcs11Options::new("/usr/lib/softhsm/libsofthsm2.so", Pin::File("/run/secrets/pin".into()));
//! options.token = TokenChoice { label: Some("services".to_owned()), ..TokenChoice::default() };
//! options.key = KeyChoice { label: Some("dpop".to_owned()), ..KeyChoice::default() };
//! let key = DpopKey::new(Arc::new(Pkcs11Signer::open(options)?));
//! # Ok::<(), keybound_client::signers::pkcs11::Pkcs11Error>(())
//! ```
//!
//! There is one session, used by one thread at a time: a token signs one thing after the other anyway. When
//! the token was taken out, the session ended or the login lost, the next signature opens all of it again.
//! A PIN that the token refused is not sent again, since a few wrong ones lock the token.
//!
//! A key that wants the PIN before every signature (`CKA_ALWAYS_AUTHENTICATE`) is not served: whoever signs
//! thousands of requests with it would keep the PIN at hand, which is what such a key is to prevent.

mod error;
mod key_object;
mod mechanism;
mod module;
mod public_half;
mod token;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use cryptoki::session::Session;
use keybound::{Algorithm, KeyKind, PublicKey, SignError, Signature, Signer, VerifyingKey};

use self::key_object::KeyObject;
use self::mechanism::Mechanism;
use self::token::Token;
use super::algorithm_for;

pub use super::pin::Pin;
pub use error::Pkcs11Error;

/// Which key in which token, and how to get at it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pkcs11Options {
    /// The driver: a shared library, which runs in this process and must be trusted as the program is.
    pub module: PathBuf,
    /// Which of the module's tokens.
    pub token: TokenChoice,
    /// Which of the token's keys.
    pub key: KeyChoice,
    /// Where the PIN comes from.
    pub pin: Pin,
    /// The algorithm; without one RS256 for RSA, and the one that fits any other key.
    pub algorithm: Option<Algorithm>,
}

impl Pkcs11Options {
    /// The only key of the only token, until they are told apart.
    pub fn new(module: impl Into<PathBuf>, pin: Pin) -> Self {
        Self {
            module: module.into(),
            token: TokenChoice::default(),
            key: KeyChoice::default(),
            pin,
            algorithm: None,
        }
    }
}

/// The token for which all of this holds; there must be one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenChoice {
    /// Its label.
    pub label: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// The number of its slot, which with some modules is another after a restart.
    pub slot: Option<u64>,
}

/// The private key for which all of this holds; there must be one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyChoice {
    /// Its label (`CKA_LABEL`).
    pub label: Option<String>,
    /// Its id (`CKA_ID`).
    pub id: Option<Vec<u8>>,
}

/// Signs with a key in a PKCS#11 token.
pub struct Pkcs11Signer {
    options: Pkcs11Options,
    algorithm: Algorithm,
    verifying_key: VerifyingKey,
    public_key: PublicKey,
    link: Mutex<Link>,
}

/// The way to the key.
enum Link {
    Open(OpenKey),
    /// Lost, or not opened again so far.
    Closed,
    /// The token took the PIN for wrong.
    Refused(Pkcs11Error),
}

/// A private key in a session that is logged in.
struct OpenKey {
    session: Session,
    key: KeyObject,
    mechanism: Mechanism,
}

impl Pkcs11Signer {
    /// Finds the key, reads its public half, and sees that the token can sign with it.
    ///
    /// It waits for the token, and perhaps for a person: not for the threads of async code.
    pub fn open(options: Pkcs11Options) -> Result<Self, Pkcs11Error> {
        let token = Token::find(&options.module, &options.token)?;
        let session = token.open_session(&options.pin)?;
        let key = KeyObject::find(&session, &options.key)?;
        let public_key = public_half::read(&session, &key)?;
        let algorithm = algorithm_for(&public_key, options.algorithm)?;
        let mechanism = token.mechanism(algorithm)?;
        Ok(Self {
            verifying_key: VerifyingKey::new(&public_key, algorithm)?,
            options,
            algorithm,
            public_key,
            link: Mutex::new(Link::Open(OpenKey { session, key, mechanism })),
        })
    }

    /// Makes a key in the token that can't be read out of it, under the label or the id that
    /// `options` name, and opens it.
    pub fn generate(options: Pkcs11Options, kind: KeyKind) -> Result<Self, Pkcs11Error> {
        let token = Token::find(&options.module, &options.token)?;
        let session = token.open_session_to_write(&options.pin)?;
        KeyObject::generate(&session, &options.key, kind)?;
        // The session ends after the new one has begun, so the login goes on.
        Self::open(options)
    }

    /// The key, opened again; it must be the same one.
    fn reopen(&self) -> Result<OpenKey, Pkcs11Error> {
        let token = Token::find(&self.options.module, &self.options.token)?;
        let session = token.open_session(&self.options.pin)?;
        let key = KeyObject::find(&session, &self.options.key)?;
        if public_half::read(&session, &key)? != self.public_key {
            return Err(Pkcs11Error::OtherKey);
        }
        Ok(OpenKey { mechanism: token.mechanism(self.algorithm)?, session, key })
    }

    /// What the token makes of `signing_input`; if the way to the key is lost, by a new one.
    fn sign_in_token(&self, signing_input: &[u8]) -> Result<Vec<u8>, Pkcs11Error> {
        let mut link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        match &*link {
            Link::Open(open) => match open.sign(signing_input) {
                Err(error) if error::is_lost(&error) => *link = Link::Closed,
                outcome => return outcome.map_err(|error| Pkcs11Error::device("sign", &error)),
            },
            Link::Refused(error) => return Err(error.clone()),
            Link::Closed => {}
        }
        match self.reopen() {
            Ok(open) => {
                let outcome = open.sign(signing_input);
                *link = Link::Open(open);
                outcome.map_err(|error| Pkcs11Error::device("sign", &error))
            }
            Err(error) => {
                if error.is_about_the_pin() {
                    *link = Link::Refused(error.clone());
                }
                Err(error)
            }
        }
    }
}

impl OpenKey {
    fn sign(&self, signing_input: &[u8]) -> Result<Vec<u8>, cryptoki::error::Error> {
        let data = self.mechanism.prepare(signing_input);
        self.session.sign(&self.mechanism.parameters(), self.key.handle, &data)
    }
}

impl Signer for Pkcs11Signer {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// A signature that the public half verifies: the two halves are two objects in the token, and nothing
    /// but their names binds them.
    fn sign(&self, signing_input: &[u8]) -> Result<Signature, SignError> {
        let made = self.sign_in_token(signing_input).and_then(|made| {
            let signature = mechanism::of_fixed_length(self.algorithm, made);
            let verified = self.verifying_key.verify(signing_input, &signature);
            verified.map(|()| signature).map_err(|_| Pkcs11Error::HalvesDiffer)
        });
        match made {
            Ok(signature) => Ok(Signature::from_bytes(signature)),
            Err(error) => Err(SignError::Unavailable { reason: error.to_string() }),
        }
    }

    fn waits(&self) -> bool {
        true
    }
}

impl fmt::Debug for Pkcs11Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pkcs11Signer({} {})", self.algorithm, self.public_key.thumbprint())
    }
}
