//! A reference to a key in a PKCS#11 token: a `pkcs11:` URI (RFC 7512).

use std::path::PathBuf;
use std::sync::Arc;

use keybound::{Algorithm, Signer};

use super::attributes::Attributes;
use super::{OpenError, PinSource, ReferenceError};

/// The attributes that are understood.
pub(super) const KNOWN: &str =
    "token, serial, slot-id, object, id, type=private, and after the `?` module-path and pin-source";

/// A key in a PKCS#11 token, as RFC 7512 says which.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pkcs11Reference {
    /// The module (`module-path`).
    pub module: PathBuf,
    /// The token's label (`token`).
    pub token: Option<String>,
    /// The token's serial number (`serial`).
    pub serial: Option<String>,
    /// The slot's number (`slot-id`).
    pub slot: Option<u64>,
    /// The key's label (`object`).
    pub object: Option<String>,
    /// The key's id (`id`).
    pub id: Option<Vec<u8>>,
    /// Where the PIN is (`pin-source`); without one, it is typed on the token.
    pub pin: Option<PinSource>,
}

impl Pkcs11Reference {
    /// Reads what follows `pkcs11:` (RFC 7512 section 2.3).
    pub(super) fn parse(uri: &str) -> Result<Self, ReferenceError> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let mut reference = Self::default();
        let mut attributes = Attributes::of("pkcs11:", KNOWN);
        let parts =
            path.split(';').map(|part| (part, false)).chain(query.split('&').map(|part| (part, true)));
        for (part, in_query) in parts.filter(|(part, _)| !part.is_empty()) {
            let attribute = attributes.read(part)?;
            match (attribute.name, in_query) {
                ("token", false) => reference.token = Some(attribute.text()?),
                ("serial", false) => reference.serial = Some(attribute.text()?),
                ("slot-id", false) => {
                    let refused = attribute.refused("a number");
                    reference.slot = Some(attribute.text()?.parse().map_err(|_| refused)?);
                }
                ("object", false) => reference.object = Some(attribute.text()?),
                ("id", false) => reference.id = Some(attribute.octets),
                ("type", false) if attribute.octets == b"private" => {}
                ("type", false) => return Err(attribute.refused("`private`")),
                ("module-path", true) => reference.module = attribute.text()?.into(),
                ("pin-source", true) => reference.pin = Some(PinSource::from(attribute.text()?)),
                (name, _) => return Err(attributes.unknown(name)),
            }
        }
        if reference.module.as_os_str().is_empty() {
            let form = "pkcs11:token=LABEL;object=LABEL?module-path=PATH&pin-source=file:PATH";
            return Err(ReferenceError::Missing { part: "module", form });
        }
        Ok(reference)
    }
}

impl Pkcs11Reference {
    #[cfg(feature = "pkcs11")]
    pub(super) fn open(&self, algorithm: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
        use super::super::pkcs11::{KeyChoice, Pin, Pkcs11Options, Pkcs11Signer, TokenChoice};

        let pin = self.pin.as_ref().map_or(Pin::Keypad, Pin::from);
        let mut options = Pkcs11Options::new(&self.module, pin);
        options.token =
            TokenChoice { label: self.token.clone(), serial: self.serial.clone(), slot: self.slot };
        options.key = KeyChoice { label: self.object.clone(), id: self.id.clone() };
        options.algorithm = algorithm;
        Ok(Arc::new(Pkcs11Signer::open(options)?))
    }

    #[cfg(not(feature = "pkcs11"))]
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    pub(super) fn open(&self, _: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
        Err(OpenError::NotBuilt { feature: "pkcs11" })
    }
}
