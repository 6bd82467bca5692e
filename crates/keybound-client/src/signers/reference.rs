//! Where a key is, in one line, as settings have it. What of the line is not understood could mean another key,
//! and is refused.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use keybound::excerpt::{NAME, excerpt};
use keybound::{Algorithm, Signer};

/// Bytes of a reference, at most: a few names and paths.
pub const MAX_REFERENCE_BYTES: usize = 4096;

/// Where a private key is, read from one line. It holds no secret.
///
/// | line | key |
/// | --- | --- |
/// | `pkcs11:token=services;object=dpop?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin` | in a PKCS#11 token (RFC 7512) |
/// | `awskms:arn:aws:kms:eu-central-1:111122223333:key/1234abcd` | in AWS KMS: the ARN, the id or `alias/NAME` |
/// | `keyring:keybound/dpop` | in the keyring: service and account |
///
/// ```no_run
/// use keybound_client::signers::KeyReference;
///
/// let reference: KeyReference = "keyring:keybound/dpop".parse()?;
/// let signer = reference.open(None)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyReference {
    /// In a PKCS#11 token.
    Pkcs11(Pkcs11Reference),
    /// In AWS KMS.
    AwsKms {
        /// Its ARN, its id or an alias.
        key_id: String,
    },
    /// In the keyring of the operating system.
    Keyring {
        /// The program that it belongs to.
        service: String,
        /// Which of the program's keys.
        account: String,
    },
}

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

/// Where a PIN is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinSource {
    /// The first line of a file: `file:PATH`, or the path alone.
    File(PathBuf),
    /// An environment variable: `env:NAME`, which RFC 7512 leaves to who reads it.
    Environment(String),
}

/// Why a text is no reference to a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// It is longer than any reference.
    #[error("the reference to a key has {found} bytes, more than the {MAX_REFERENCE_BYTES} that are read")]
    TooLong {
        /// Its bytes.
        found: usize,
    },
    /// It begins otherwise.
    #[error("`{found}` refers to no key: it begins with none of `pkcs11:`, `awskms:` and `keyring:`")]
    UnknownScheme {
        /// Its beginning.
        found: String,
    },
    /// A part of it is missing or empty.
    #[error("the reference to a key has no {part}; write {form}")]
    Missing {
        /// The part.
        part: &'static str,
        /// The whole form.
        form: &'static str,
    },
    /// An attribute that is not known, or by which keys are not chosen here.
    #[error(
        "the attribute `{found}` of a pkcs11: URI is not understood; token, serial, slot-id, object, id, type=private, \
         and after the `?` module-path and pin-source are (RFC 7512 section 2.3)"
    )]
    UnknownAttribute {
        /// Its name, cut to 64 characters.
        found: String,
    },
    /// An attribute is there twice.
    #[error("the attribute `{attribute}` of a pkcs11: URI is there twice (RFC 7512 section 2.3)")]
    Twice {
        /// Its name.
        attribute: String,
    },
    /// An attribute's value is none.
    #[error("the value of the attribute `{attribute}` of a pkcs11: URI is not {expected}")]
    Value {
        /// Its name.
        attribute: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The PIN itself is there.
    #[error(
        "a pkcs11: URI in settings must not have the PIN itself (`pin-value`, RFC 7512 section 7); put it into a file \
         that only this program's user can read, and name that: pin-source=file:PATH"
    )]
    PinValue,
}

impl FromStr for KeyReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_REFERENCE_BYTES {
            return Err(ReferenceError::TooLong { found: text.len() });
        }
        match text.split_once(':') {
            Some(("pkcs11", uri)) => Pkcs11Reference::parse(uri).map(Self::Pkcs11),
            Some(("awskms", "")) => Err(ReferenceError::Missing {
                part: "name of a key",
                form: "awskms:ARN, or awskms:alias/NAME",
            }),
            Some(("awskms", key_id)) => Ok(Self::AwsKms { key_id: key_id.to_owned() }),
            Some(("keyring", place)) => keyring_place(place),
            _ => Err(ReferenceError::UnknownScheme { found: excerpt(text, NAME) }),
        }
    }
}

/// The service ends at the first slash.
fn keyring_place(place: &str) -> Result<KeyReference, ReferenceError> {
    match place.split_once('/') {
        Some((service, account)) if !service.is_empty() && !account.is_empty() => {
            Ok(KeyReference::Keyring { service: service.to_owned(), account: account.to_owned() })
        }
        _ => Err(ReferenceError::Missing { part: "service and account", form: "keyring:SERVICE/ACCOUNT" }),
    }
}

impl Pkcs11Reference {
    /// Reads what follows `pkcs11:` (RFC 7512 section 2.3).
    fn parse(uri: &str) -> Result<Self, ReferenceError> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let mut reference = Self::default();
        let mut seen = Vec::new();
        let parts =
            path.split(';').map(|part| (part, false)).chain(query.split('&').map(|part| (part, true)));
        for (part, in_query) in parts.filter(|(part, _)| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let attribute = || excerpt(name, NAME);
            if seen.contains(&name) {
                return Err(ReferenceError::Twice { attribute: attribute() });
            }
            seen.push(name);
            let refused = |expected| ReferenceError::Value { attribute: attribute(), expected };
            let octets = decode(value).ok_or_else(|| refused("percent-encoded"))?;
            let text = || String::from_utf8(octets.clone()).map_err(|_| refused("UTF-8"));
            match (name, in_query) {
                ("token", false) => reference.token = Some(text()?),
                ("serial", false) => reference.serial = Some(text()?),
                ("slot-id", false) => {
                    reference.slot = Some(text()?.parse().map_err(|_| refused("a number"))?);
                }
                ("object", false) => reference.object = Some(text()?),
                ("id", false) => reference.id = Some(octets),
                ("type", false) if value == "private" => {}
                ("type", false) => return Err(refused("`private`")),
                ("module-path", true) => reference.module = text()?.into(),
                ("pin-source", true) => reference.pin = Some(PinSource::from(text()?)),
                ("pin-value", true) => return Err(ReferenceError::PinValue),
                _ => return Err(ReferenceError::UnknownAttribute { found: attribute() }),
            }
        }
        if reference.module.as_os_str().is_empty() {
            let form = "pkcs11:token=LABEL;object=LABEL?module-path=PATH&pin-source=file:PATH";
            return Err(ReferenceError::Missing { part: "module", form });
        }
        Ok(reference)
    }
}

impl From<String> for PinSource {
    fn from(source: String) -> Self {
        match source.split_once(':') {
            Some(("file", path)) => Self::File(path.into()),
            Some(("env", name)) => Self::Environment(name.to_owned()),
            _ => Self::File(source.into()),
        }
    }
}

/// Undoes percent-encoding (RFC 3986 section 2.1).
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        octets.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    Some(octets)
}

/// Why the key that a reference names can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The program was built without what is needed.
    #[error("this program was built without keys of that kind: build it with the feature `{feature}`")]
    NotBuilt {
        /// The feature of `keybound-client`.
        feature: &'static str,
    },
    /// The token.
    #[cfg(feature = "pkcs11")]
    #[error(transparent)]
    Pkcs11(#[from] super::pkcs11::Pkcs11Error),
    /// AWS KMS.
    #[cfg(feature = "aws-kms")]
    #[error(transparent)]
    AwsKms(#[from] super::aws_kms::KmsError),
    /// The keyring.
    #[cfg(feature = "keyring")]
    #[error(transparent)]
    Keyring(#[from] super::keyring::KeyringError),
    /// The key is not for the algorithm.
    #[error(transparent)]
    Key(#[from] keybound::KeyError),
}

impl KeyReference {
    /// The signer with that key, for `algorithm`; without one for RS256 with RSA, and for the one that fits
    /// any other key.
    ///
    /// It waits for a device, the network or the keyring: not for the threads of async code.
    pub fn open(&self, algorithm: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
        match self {
            Self::Pkcs11(reference) => reference.open(algorithm),
            Self::AwsKms { key_id } => open_in_kms(key_id, algorithm),
            Self::Keyring { service, account } => open_in_keyring(service, account, algorithm),
        }
    }
}

impl Pkcs11Reference {
    #[cfg(feature = "pkcs11")]
    fn open(&self, algorithm: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
        use super::pkcs11::{KeyChoice, Pin, Pkcs11Options, Pkcs11Signer, TokenChoice};

        let pin = match &self.pin {
            Some(PinSource::File(path)) => Pin::File(path.clone()),
            Some(PinSource::Environment(name)) => Pin::Environment(name.clone()),
            None => Pin::Keypad,
        };
        let mut options = Pkcs11Options::new(&self.module, pin);
        options.token =
            TokenChoice { label: self.token.clone(), serial: self.serial.clone(), slot: self.slot };
        options.key = KeyChoice { label: self.object.clone(), id: self.id.clone() };
        options.algorithm = algorithm;
        Ok(Arc::new(Pkcs11Signer::open(options)?))
    }

    #[cfg(not(feature = "pkcs11"))]
    #[expect(clippy::unused_self, reason = "with the feature it is used")]
    fn open(&self, _: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
        Err(OpenError::NotBuilt { feature: "pkcs11" })
    }
}

#[cfg(feature = "aws-kms")]
fn open_in_kms(key_id: &str, algorithm: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
    let mut options = super::aws_kms::KmsOptions::new(key_id);
    options.algorithm = algorithm;
    Ok(Arc::new(super::aws_kms::KmsSigner::open(options)?))
}

#[cfg(not(feature = "aws-kms"))]
fn open_in_kms(_: &str, _: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
    Err(OpenError::NotBuilt { feature: "aws-kms" })
}

#[cfg(feature = "keyring")]
fn open_in_keyring(
    service: &str,
    account: &str,
    algorithm: Option<Algorithm>,
) -> Result<Arc<dyn Signer>, OpenError> {
    let key = super::keyring::load(&super::keyring::Place::new(service, account))?;
    let algorithm = super::algorithm_for(key.public_key(), algorithm)?;
    Ok(Arc::new(keybound::SigningKey::new(key, algorithm)?))
}

#[cfg(not(feature = "keyring"))]
fn open_in_keyring(_: &str, _: &str, _: Option<Algorithm>) -> Result<Arc<dyn Signer>, OpenError> {
    Err(OpenError::NotBuilt { feature: "keyring" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::unnecessary_wraps, reason = "it is what the text is read as")]
    fn pkcs11(change: impl FnOnce(&mut Pkcs11Reference)) -> Result<KeyReference, ReferenceError> {
        let mut reference = Pkcs11Reference { module: "/m.so".into(), ..Pkcs11Reference::default() };
        change(&mut reference);
        Ok(KeyReference::Pkcs11(reference))
    }

    #[test]
    fn a_reference_says_which_key() {
        for (text, expected, why) in [
            ("pkcs11:?module-path=/m.so", pkcs11(|_| {}), "the only key of the only token"),
            (
                "pkcs11:token=My%20token;object=dpop;type=private?pin-source=file:/run/pin&module-path=/m.so",
                pkcs11(|key| {
                    key.token = Some("My token".to_owned());
                    key.object = Some("dpop".to_owned());
                    key.pin = Some(PinSource::File("/run/pin".into()));
                }),
                "RFC 7512 section 3",
            ),
            (
                "pkcs11:serial=0a;slot-id=7;id=%00%fFx?module-path=%2Fm.so&pin-source=env:PIN",
                pkcs11(|key| {
                    key.serial = Some("0a".to_owned());
                    key.slot = Some(7);
                    key.id = Some(vec![0, 0xff, b'x']);
                    key.pin = Some(PinSource::Environment("PIN".to_owned()));
                }),
                "octets, and a number",
            ),
            (
                "pkcs11:?module-path=/m.so&pin-source=/run/pin",
                pkcs11(|key| key.pin = Some(PinSource::File("/run/pin".into()))),
                "a path alone is a file",
            ),
            (
                "awskms:arn:aws:kms:eu-west-1:111122223333:key/1234",
                Ok(KeyReference::AwsKms { key_id: "arn:aws:kms:eu-west-1:111122223333:key/1234".to_owned() }),
                "an ARN has colons",
            ),
            (
                "keyring:keybound/prod/dpop",
                Ok(KeyReference::Keyring { service: "keybound".to_owned(), account: "prod/dpop".to_owned() }),
                "an account may have a slash",
            ),
        ] {
            assert_eq!(text.parse::<KeyReference>(), expected, "{why}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let value =
            |attribute: &str, expected| ReferenceError::Value { attribute: attribute.to_owned(), expected };
        let unknown = |found: &str| ReferenceError::UnknownAttribute { found: found.to_owned() };
        let long = format!("awskms:{}", "a".repeat(MAX_REFERENCE_BYTES));
        for (text, expected, why) in [
            (long.as_str(), ReferenceError::TooLong { found: long.len() }, "no key has such a name"),
            ("/run/key.pem", ReferenceError::UnknownScheme { found: "/run/key.pem".to_owned() }, "a path"),
            ("PKCS11:", ReferenceError::UnknownScheme { found: "PKCS11:".to_owned() }, "case"),
            ("pkcs11:model=x?module-path=/m.so", unknown("model"), "a token could be another model"),
            ("pkcs11:x-vendor=1?module-path=/m.so", unknown("x-vendor"), "a vendor's attribute"),
            ("pkcs11:module-path=/m.so", unknown("module-path"), "it belongs after the ?"),
            ("pkcs11:?token=a&module-path=/m.so", unknown("token"), "it belongs before the ?"),
            (
                "pkcs11:object=a;object=b?module-path=/m.so",
                ReferenceError::Twice { attribute: "object".to_owned() },
                "which of the two?",
            ),
            ("pkcs11:type=public?module-path=/m.so", value("type", "`private`"), "it signs nothing"),
            ("pkcs11:slot-id=x?module-path=/m.so", value("slot-id", "a number"), "no number"),
            ("pkcs11:object=%f?module-path=/m.so", value("object", "percent-encoded"), "cut short"),
            ("pkcs11:object=%+f?module-path=/m.so", value("object", "percent-encoded"), "no digits"),
            ("pkcs11:object=%ff?module-path=/m.so", value("object", "UTF-8"), "no text"),
            ("pkcs11:?module-path=/m.so&pin-value=8642", ReferenceError::PinValue, "a secret in settings"),
        ] {
            assert_eq!(text.parse::<KeyReference>(), Err(expected), "{why}");
        }
        for text in ["pkcs11:object=a", "awskms:", "keyring:", "keyring:a", "keyring:/a", "keyring:a/"] {
            let outcome = text.parse::<KeyReference>();
            assert!(matches!(outcome, Err(ReferenceError::Missing { .. })), "{text}");
        }
    }

    #[test]
    fn what_was_not_built_is_told() {
        for (text, feature, built) in [
            ("pkcs11:?module-path=/nowhere.so", "pkcs11", cfg!(feature = "pkcs11")),
            ("awskms:a\"b", "aws-kms", cfg!(feature = "aws-kms")),
        ] {
            let error = text.parse::<KeyReference>().unwrap().open(None).err().unwrap();
            assert_eq!(error == OpenError::NotBuilt { feature }, !built, "{error}");
        }
    }
}
