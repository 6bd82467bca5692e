//! A reference to a key in a TPM 2.0: `handle:0x81010001` as OpenSSL's provider for TPMs names it, or `tss2:` and
//! the path of a key file. What else there is to say follows a `?`, as in RFC 7512.

use std::path::PathBuf;
use std::sync::Arc;

use keybound::excerpt::{NAME, excerpt};
use keybound::{Algorithm, Signer};

use super::attributes::{Attribute, Attributes};
use super::{OpenError, PinSource, ReferenceError};

/// The attributes that are understood.
pub(super) const KNOWN: &str = "tcti and pin-source";

/// A key in a TPM 2.0.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tpm2Reference {
    /// Where the key is kept.
    pub place: Tpm2Place,
    /// The way to the TPM (`tcti`), if it is not the usual one.
    pub tcti: Option<String>,
    /// Where the PIN is (`pin-source`), if the key has one.
    pub pin: Option<PinSource>,
}

/// Where a key of a TPM is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tpm2Place {
    /// In the TPM, under a persistent handle: `0x81000000` to `0x81ffffff`.
    Handle(u32),
    /// In a file (`BEGIN TSS2 PRIVATE KEY`), encrypted by the TPM, which alone can use it.
    File(PathBuf),
}

impl Tpm2Reference {
    /// Reads what follows `handle:`.
    pub(super) fn parse_handle(text: &str) -> Result<Self, ReferenceError> {
        let (handle, query) = text.split_once('?').unwrap_or((text, ""));
        let digits =
            handle.strip_prefix("0x").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let persistent = number.filter(|number| (0x8100_0000..=0x81ff_ffff).contains(number));
        let handle = persistent.ok_or_else(|| ReferenceError::Handle { found: excerpt(handle, NAME) })?;
        Self { place: Tpm2Place::Handle(handle), tcti: None, pin: None }.with("handle:", query)
    }

    /// Reads what follows `tss2:`.
    pub(super) fn parse_file(text: &str) -> Result<Self, ReferenceError> {
        let (path, query) = text.split_once('?').unwrap_or((text, ""));
        if path.is_empty() {
            return Err(ReferenceError::Missing { part: "path of a key file", form: "tss2:PATH" });
        }
        let path = Attribute::decode("tss2:", "path", path)?.text()?;
        Self { place: Tpm2Place::File(path.into()), tcti: None, pin: None }.with("tss2:", query)
    }

    /// Adds what follows the `?`.
    fn with(mut self, scheme: &'static str, query: &str) -> Result<Self, ReferenceError> {
        let mut attributes = Attributes::of(scheme, KNOWN);
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let attribute = attributes.read(part)?;
            match attribute.name {
                "tcti" => self.tcti = Some(attribute.text()?),
                "pin-source" => self.pin = Some(PinSource::from(attribute.text()?)),
                name => return Err(attributes.unknown(name)),
            }
        }
        Ok(self)
    }

    #[cfg(feature = "tpm2")]
    pub(super) fn open(&self, algorithm: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
        use super::super::tpm2::{Pin, Tpm2Options, Tpm2Signer};

        let mut options = Tpm2Options::new(self.place.clone());
        options.tcti.clone_from(&self.tcti);
        options.pin = self.pin.as_ref().map(Pin::from);
        options.algorithm = algorithm;
        Ok(Arc::new(Tpm2Signer::open(options)?))
    }

    #[cfg(not(feature = "tpm2"))]
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    pub(super) fn open(&self, _: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
        Err(OpenError::NotBuilt { feature: "tpm2" })
    }
}
