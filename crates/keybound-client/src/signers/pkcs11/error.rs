//! What is wrong with a module, a token, a PIN or a key, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use cryptoki::error::{Error, RvError};
use keybound::random::RandomUnavailable;
use keybound::{Algorithm, KeyError, KeyKind};

use super::super::pin::PinUnreadable;

/// Why a key in a PKCS#11 token can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs11Error {
    /// The module is no library, or doesn't start.
    #[error(
        "the PKCS#11 module {} can't be loaded: {detail}; give the path of the shared library that the maker of \
         the token ships", .path.display()
    )]
    Module {
        /// Its path.
        path: PathBuf,
        /// What the system or the module said.
        detail: String,
    },
    /// No token is the one that was asked for.
    #[error("no token {wanted}; {}", found_tokens(.found))]
    TokenNotFound {
        /// What was asked for.
        wanted: String,
        /// The tokens that are there.
        found: Vec<String>,
    },
    /// More than one token is what was asked for.
    #[error("{} tokens {wanted}: {}; say which one by its label or its serial number", .found.len(), .found.join(", "))]
    SeveralTokens {
        /// What was asked for.
        wanted: String,
        /// Those that fit.
        found: Vec<String>,
    },
    /// The PIN could not be read.
    #[error("the PIN can't be read from {from}: {detail}")]
    PinUnreadable {
        /// Where it should have come from.
        from: String,
        /// What the system said.
        detail: String,
    },
    /// The token takes the PIN for wrong.
    #[error(
        "the token `{token}` refused the PIN (CKR_PIN_INCORRECT){}; it is not sent again until the signer is \
         opened anew", if *.last_try { ": the next wrong one locks the token" } else { "" }
    )]
    PinIncorrect {
        /// The token's label.
        token: String,
        /// The next wrong PIN locks it.
        last_try: bool,
    },
    /// Too many wrong PINs.
    #[error(
        "the PIN of the token `{token}` is locked (CKR_PIN_LOCKED); its security officer sets a new one, for \
         example with `pkcs11-tool --login --login-type so --init-pin`"
    )]
    PinLocked {
        /// The token's label.
        token: String,
    },
    /// No private key is the one that was asked for.
    #[error("the token has no private key {wanted}; {}", found_keys(.found))]
    KeyNotFound {
        /// What was asked for.
        wanted: String,
        /// The private keys that are there.
        found: Vec<String>,
    },
    /// More than one private key is what was asked for.
    #[error(
        "the token has {} private keys {wanted}: {}; say which one by its label and its id", .found.len(),
        .found.join(", ")
    )]
    SeveralKeys {
        /// What was asked for.
        wanted: String,
        /// Those that fit.
        found: Vec<String>,
    },
    /// The key wants the PIN before every signature.
    #[error(
        "the private key {key} wants the PIN before every signature (CKA_ALWAYS_AUTHENTICATE), which is for a \
         person and not for a program; use a key without this"
    )]
    AlwaysAuthenticate {
        /// The private key.
        key: String,
    },
    /// A key of that name is there already.
    #[error("the token has a private key {wanted} already; give the new one another label or id")]
    KeyExists {
        /// What the new key was to be called.
        wanted: String,
    },
    /// A new key needs a name, or it could not be found again.
    #[error("a new key needs a label or an id, by which it is found again")]
    Nameless,
    /// The public half is not in the token.
    #[error(
        "the token has no public key that belongs to the private key {key}: none has its id or, if it has no \
         id, its label; write it into the token, for example with `pkcs11-tool --write-object PUBLIC.der --type \
         pubkey --id ID`"
    )]
    NoPublicKey {
        /// The private key.
        key: String,
    },
    /// The public half is not one that can be used.
    #[error("the key can't be used: {0}")]
    Key(#[from] KeyError),
    /// The public half is written in a way that is not understood.
    #[error("the token's public key can't be read: its {attribute} is not what PKCS#11 says")]
    PublicKeyUnreadable {
        /// The attribute.
        attribute: &'static str,
    },
    /// The token can't sign by that algorithm.
    #[error(
        "the token `{token}` can't sign with {algorithm}: it has none of the mechanisms {}; choose another \
         algorithm, or a key of another kind", .needed.join(", ")
    )]
    MechanismMissing {
        /// The token's label.
        token: String,
        /// The algorithm.
        algorithm: Algorithm,
        /// The mechanisms, of which it would need one.
        needed: Vec<String>,
    },
    /// The token makes no keys of that kind.
    #[error("the token made no key of the kind {kind}: {detail}")]
    NotGenerated {
        /// The kind of key.
        kind: KeyKind,
        /// What the token said.
        detail: String,
    },
    /// Another key has taken the place of the one that the signer was opened with.
    #[error(
        "another key than before is in the token under the same name; tokens are bound to the old one, so open \
         the signer anew"
    )]
    OtherKey,
    /// The signature is not one of the public half.
    #[error(
        "the token's signature is not one of the public key that it has for this key: the two halves are not of \
         one key; write the right public key into the token"
    )]
    HalvesDiffer,
    /// The token or its module failed.
    #[error("the token failed to {operation}: {detail}")]
    Device {
        /// What it was to do.
        operation: &'static str,
        /// What it said.
        detail: String,
    },
    /// No randomness for the id of a new key.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}

impl From<PinUnreadable> for Pkcs11Error {
    fn from(PinUnreadable { from, detail }: PinUnreadable) -> Self {
        Self::PinUnreadable { from, detail }
    }
}

impl Pkcs11Error {
    pub(super) fn device(operation: &'static str, error: &Error) -> Self {
        Self::Device { operation, detail: words(error) }
    }

    /// Whether a further try would cost one of the few that the token allows.
    pub(super) fn is_about_the_pin(&self) -> bool {
        matches!(self, Self::PinIncorrect { .. } | Self::PinLocked { .. })
    }
}

/// Whether the session, the login or the token itself is gone, so that it helps to begin anew.
pub(super) fn is_lost(error: &Error) -> bool {
    let Error::Pkcs11(code, _) = error else { return false };
    matches!(
        code,
        RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::DeviceRemoved
            | RvError::DeviceError
            | RvError::TokenNotPresent
            | RvError::TokenNotRecognized
            | RvError::UserNotLoggedIn
            | RvError::KeyHandleInvalid
            | RvError::ObjectHandleInvalid
            | RvError::OperationActive
            | RvError::CryptokiNotInitialized
    )
}

/// What a module said, by the names of PKCS#11: the function, and its code.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::Pkcs11(code, function) => format!("C_{function:?} answered {}", Code(code)),
        other => other.to_string(),
    }
}

/// A code by its name in PKCS#11: `CKR_PIN_INCORRECT` for `PinIncorrect`.
struct Code<'a>(&'a RvError);

impl fmt::Display for Code<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CKR")?;
        for character in format!("{:?}", self.0).chars() {
            if character.is_ascii_uppercase() {
                formatter.write_str("_")?;
            }
            write!(formatter, "{}", character.to_ascii_uppercase())?;
        }
        Ok(())
    }
}

fn found_tokens(found: &[String]) -> String {
    match found {
        [] => "the module has no token at all: is the device plugged in, and made ready?".to_owned(),
        found => format!("the module has {}", found.join(", ")),
    }
}

fn found_keys(found: &[String]) -> String {
    match found {
        [] => "it has none at all: make one, for example with `pkcs11-tool --keypairgen`".to_owned(),
        found => format!("it has {}", found.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;

    use super::*;

    #[test]
    fn codes_have_the_names_of_the_standard() {
        for (code, function, words_expected) in [
            (RvError::PinIncorrect, Function::Login, "C_Login answered CKR_PIN_INCORRECT"),
            (RvError::GeneralError, Function::SignInit, "C_SignInit answered CKR_GENERAL_ERROR"),
        ] {
            assert_eq!(words(&Error::Pkcs11(code, function)), words_expected);
        }
    }
}
