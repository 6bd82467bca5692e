//! The token that was asked for, and sessions with it.

use std::path::Path;

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;
use keybound::Algorithm;

use super::mechanism::{self, Mechanism};
use super::{Pin, Pkcs11Error, TokenChoice, module};

/// A token in its slot.
pub(super) struct Token {
    module: Pkcs11,
    slot: Slot,
    info: TokenInfo,
}

impl Token {
    /// The one token of the module that is `choice`.
    pub(super) fn find(module: &Path, choice: &TokenChoice) -> Result<Self, Pkcs11Error> {
        let module = module::load(module)?;
        let slots = module.get_slots_with_initialized_token();
        let slots = slots.map_err(|error| Pkcs11Error::device("list its slots", &error))?;
        // A token that is taken out meanwhile is passed over.
        let tokens = slots.into_iter().filter_map(|slot| Some((slot, module.get_token_info(slot).ok()?)));
        let tokens: Vec<_> = tokens.collect();

        let mut fitting: Vec<_> =
            tokens.iter().filter(|(slot, info)| choice.fits(*slot, info)).cloned().collect();
        match (fitting.pop(), fitting.is_empty()) {
            (Some((slot, info)), true) => Ok(Self { module, slot, info }),
            (None, _) => {
                Err(Pkcs11Error::TokenNotFound { wanted: choice.to_string(), found: names(&tokens) })
            }
            (Some(last), false) => {
                fitting.push(last);
                Err(Pkcs11Error::SeveralTokens { wanted: choice.to_string(), found: names(&fitting) })
            }
        }
    }

    /// A session in which the user is logged in.
    pub(super) fn open_session(&self, pin: &Pin) -> Result<Session, Pkcs11Error> {
        self.logged_in(self.module.open_ro_session(self.slot), pin)
    }

    /// The same, to make a key.
    pub(super) fn open_session_to_write(&self, pin: &Pin) -> Result<Session, Pkcs11Error> {
        self.logged_in(self.module.open_rw_session(self.slot), pin)
    }

    fn logged_in(&self, session: Result<Session, Error>, pin: &Pin) -> Result<Session, Pkcs11Error> {
        let session = session.map_err(|error| Pkcs11Error::device("open a session", &error))?;
        if !self.info.login_required() {
            return Ok(session);
        }
        let outcome = match pin.read()? {
            // The bytes move and are not copied; the new owner wipes them.
            Some(mut pin) => {
                let pin = RawAuthPin::new(Box::new(std::mem::take(&mut *pin).into_bytes()));
                session.login_with_raw(UserType::User, &pin)
            }
            None => session.login(UserType::User, None),
        };
        let token = || self.info.label().to_owned();
        match outcome {
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid, _)) => {
                Err(Pkcs11Error::PinIncorrect { token: token(), last_try: self.is_at_the_last_try() })
            }
            Err(Error::Pkcs11(RvError::PinLocked, _)) => Err(Pkcs11Error::PinLocked { token: token() }),
            Err(error) => Err(Pkcs11Error::device("log in", &error)),
        }
    }

    fn is_at_the_last_try(&self) -> bool {
        self.module.get_token_info(self.slot).is_ok_and(|info| info.user_pin_final_try())
    }

    /// How this token signs with `algorithm`.
    pub(super) fn mechanism(&self, algorithm: Algorithm) -> Result<Mechanism, Pkcs11Error> {
        let offered = self.module.get_mechanism_list(self.slot);
        let offered = offered.map_err(|error| Pkcs11Error::device("list its mechanisms", &error))?;
        Mechanism::choose(algorithm, &offered).ok_or_else(|| Pkcs11Error::MechanismMissing {
            token: self.info.label().to_owned(),
            algorithm,
            needed: mechanism::needed(algorithm),
        })
    }
}

impl TokenChoice {
    fn fits(&self, slot: Slot, info: &TokenInfo) -> bool {
        self.label.as_ref().is_none_or(|label| label == info.label())
            && self.serial.as_ref().is_none_or(|serial| serial == info.serial_number())
            && self.slot.is_none_or(|number| number == slot.id())
    }
}

impl std::fmt::Display for TokenChoice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.label.as_ref().map(|label| format!("has the label `{label}`")));
        parts.extend(self.serial.as_ref().map(|serial| format!("has the serial number `{serial}`")));
        parts.extend(self.slot.map(|slot| format!("is in slot {slot}")));
        if parts.is_empty() {
            return formatter.write_str("is there");
        }
        formatter.write_str(&parts.join(" and "))
    }
}

fn names(tokens: &[(Slot, TokenInfo)]) -> Vec<String> {
    let name = |(slot, info): &(Slot, TokenInfo)| {
        format!("`{}` (serial number {}, slot {slot})", info.label(), info.serial_number())
    };
    tokens.iter().map(name).collect()
}
