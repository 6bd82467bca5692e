//! Where a key is, in one line, as settings have it. What of the line is not understood could mean another key,
//! and is refused.

mod attributes;
mod error;
mod open;
mod pkcs11;
mod tpm2;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use keybound::excerpt::{NAME, excerpt};

pub use error::ReferenceError;
pub use open::OpenError;
pub use pkcs11::Pkcs11Reference;
pub use tpm2::{Tpm2Place, Tpm2Reference};

/// Bytes of a reference, at most: a few names and paths.
pub const MAX_REFERENCE_BYTES: usize = 4096;

/// Where a private key is, read from one line. It holds no secret.
///
/// | line | key |
/// | --- | --- |
/// | `pkcs11:token=services;object=dpop?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/run/pin` | in a PKCS#11 token (RFC 7512) |
/// | `handle:0x81010001?pin-source=file:/run/pin` | in the TPM, under a persistent handle, as OpenSSL's provider names it |
/// | `tss2:/etc/keybound/dpop.pem?tcti=device:/dev/tpm0` | in a file that only the TPM can use (`BEGIN TSS2 PRIVATE KEY`) |
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
    /// In a TPM 2.0.
    Tpm2(Tpm2Reference),
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

/// Where a PIN is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinSource {
    /// The first line of a file: `file:PATH`, or the path alone.
    File(PathBuf),
    /// An environment variable: `env:NAME`, which RFC 7512 leaves to who reads it.
    Environment(String),
}

impl FromStr for KeyReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_REFERENCE_BYTES {
            return Err(ReferenceError::TooLong { found: text.len() });
        }
        match text.split_once(':') {
            Some(("pkcs11", uri)) => Pkcs11Reference::parse(uri).map(Self::Pkcs11),
            Some(("handle", handle)) => Tpm2Reference::parse_handle(handle).map(Self::Tpm2),
            Some(("tss2", file)) => Tpm2Reference::parse_file(file).map(Self::Tpm2),
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

impl From<String> for PinSource {
    fn from(source: String) -> Self {
        match source.split_once(':') {
            Some(("file", path)) => Self::File(path.into()),
            Some(("env", name)) => Self::Environment(name.to_owned()),
            _ => Self::File(source.into()),
        }
    }
}

impl KeyReference {
    /// How each reference begins.
    const SCHEMES: [&'static str; 5] = ["pkcs11:", "handle:", "tss2:", "awskms:", "keyring:"];

    /// Whether `text` begins as a reference does, and so is meant to be one.
    pub fn is_meant_by(text: &str) -> bool {
        Self::SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Where such keys are, in a few words.
    pub fn place(&self) -> &'static str {
        match self {
            Self::Pkcs11(_) => "a PKCS#11 token",
            Self::Tpm2(_) => "the TPM",
            Self::AwsKms { .. } => "AWS KMS",
            Self::Keyring { .. } => "the keyring of the operating system",
        }
    }

    /// The file that has the PIN, if one has.
    pub fn pin_file(&self) -> Option<&Path> {
        let pin = match self {
            Self::Pkcs11(reference) => reference.pin.as_ref(),
            Self::Tpm2(reference) => reference.pin.as_ref(),
            Self::AwsKms { .. } | Self::Keyring { .. } => None,
        };
        if let Some(PinSource::File(path)) = pin { Some(path) } else { None }
    }

    /// The same key, with the relative paths of its files (of the key, of the PIN) starting in `folder`. A module
    /// is a library, which the system looks for in its own way.
    #[must_use]
    pub fn in_folder(mut self, folder: &Path) -> Self {
        if let Self::Tpm2(Tpm2Reference { place: Tpm2Place::File(path), .. }) = &mut self {
            *path = folder.join(&path);
        }
        let pin = match &mut self {
            Self::Pkcs11(reference) => reference.pin.as_mut(),
            Self::Tpm2(reference) => reference.pin.as_mut(),
            Self::AwsKms { .. } | Self::Keyring { .. } => None,
        };
        if let Some(PinSource::File(path)) = pin {
            *path = folder.join(&path);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pkcs11(change: impl FnOnce(&mut Pkcs11Reference)) -> KeyReference {
        let mut reference = Pkcs11Reference { module: "/m.so".into(), ..Pkcs11Reference::default() };
        change(&mut reference);
        KeyReference::Pkcs11(reference)
    }

    fn tpm2(place: Tpm2Place, change: impl FnOnce(&mut Tpm2Reference)) -> KeyReference {
        let mut reference = Tpm2Reference { place, tcti: None, pin: None };
        change(&mut reference);
        KeyReference::Tpm2(reference)
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
                "handle:0x81010001",
                tpm2(Tpm2Place::Handle(0x8101_0001), |_| {}),
                "as OpenSSL's provider has it",
            ),
            (
                "handle:0x81FFFFFF?tcti=swtpm:host=127.0.0.1,port=2321&pin-source=env:PIN",
                tpm2(Tpm2Place::Handle(0x81ff_ffff), |key| {
                    key.tcti = Some("swtpm:host=127.0.0.1,port=2321".to_owned());
                    key.pin = Some(PinSource::Environment("PIN".to_owned()));
                }),
                "another TPM, and a PIN",
            ),
            (
                "tss2:/etc/my%20key.pem?pin-source=file:/run/pin",
                tpm2(Tpm2Place::File("/etc/my key.pem".into()), |key| {
                    key.pin = Some(PinSource::File("/run/pin".into()));
                }),
                "a key file",
            ),
            (
                "awskms:arn:aws:kms:eu-west-1:111122223333:key/1234",
                KeyReference::AwsKms { key_id: "arn:aws:kms:eu-west-1:111122223333:key/1234".to_owned() },
                "an ARN has colons",
            ),
            (
                "keyring:keybound/prod/dpop",
                KeyReference::Keyring { service: "keybound".to_owned(), account: "prod/dpop".to_owned() },
                "an account may have a slash",
            ),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{why}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let value = |attribute: &str, expected| ReferenceError::Value {
            scheme: "pkcs11:",
            attribute: attribute.to_owned(),
            expected,
        };
        let unknown_of = |scheme, known, found: &str| ReferenceError::UnknownAttribute {
            scheme,
            found: found.to_owned(),
            known,
        };
        let unknown = |found| unknown_of("pkcs11:", pkcs11::KNOWN, found);
        let handle = |found: &str| ReferenceError::Handle { found: found.to_owned() };
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
                ReferenceError::Twice { scheme: "pkcs11:", attribute: "object".to_owned() },
                "which of the two?",
            ),
            ("pkcs11:type=public?module-path=/m.so", value("type", "`private`"), "it signs nothing"),
            ("pkcs11:slot-id=x?module-path=/m.so", value("slot-id", "a number"), "no number"),
            ("pkcs11:object=%f?module-path=/m.so", value("object", "percent-encoded"), "cut short"),
            ("pkcs11:object=%+f?module-path=/m.so", value("object", "percent-encoded"), "no digits"),
            ("pkcs11:object=%ff?module-path=/m.so", value("object", "UTF-8"), "no text"),
            (
                "pkcs11:?module-path=/m.so&pin-value=8642",
                ReferenceError::PinValue { scheme: "pkcs11:" },
                "a secret in settings",
            ),
            (
                "handle:0x81010001?pin-value=8642",
                ReferenceError::PinValue { scheme: "handle:" },
                "a secret in settings",
            ),
            ("handle:0x81010001?pass", unknown_of("handle:", tpm2::KNOWN, "pass"), "nobody is asked"),
            ("tss2:/k?handle=1", unknown_of("tss2:", tpm2::KNOWN, "handle"), "which of the two?"),
            (
                "tss2:/k?tcti=device&tcti=swtpm",
                ReferenceError::Twice { scheme: "tss2:", attribute: "tcti".to_owned() },
                "which of the two?",
            ),
            ("handle:81010001", handle("81010001"), "a decimal number that is meant otherwise"),
            ("handle:0x80000001", handle("0x80000001"), "gone with the next reset"),
            ("handle:0x82000000", handle("0x82000000"), "beyond the last"),
            ("handle:0x+1010001", handle("0x+1010001"), "a sign"),
            ("handle:0x8101000100", handle("0x8101000100"), "too long"),
            (
                "tss2:%f",
                ReferenceError::Value {
                    scheme: "tss2:",
                    attribute: "path".to_owned(),
                    expected: "percent-encoded",
                },
                "cut short",
            ),
        ] {
            assert_eq!(text.parse::<KeyReference>(), Err(expected), "{why}");
        }
        for text in [
            "pkcs11:object=a",
            "tss2:",
            "tss2:?tcti=device",
            "awskms:",
            "keyring:",
            "keyring:a",
            "keyring:/a",
            "keyring:a/",
        ] {
            let outcome = text.parse::<KeyReference>();
            assert!(matches!(outcome, Err(ReferenceError::Missing { .. })), "{text}");
        }
    }

    #[test]
    fn relative_paths_start_in_a_folder_that_is_given() {
        for (text, key, pin, why) in [
            ("tss2:a.pem?pin-source=file:pin", Some("/w/a.pem"), Some("/w/pin"), "both"),
            ("tss2:/a.pem?pin-source=/run/pin", Some("/a.pem"), Some("/run/pin"), "from the root"),
            ("handle:0x81010001?pin-source=pin", None, Some("/w/pin"), "no file of the key"),
            ("pkcs11:?module-path=m.so&pin-source=pin", None, Some("/w/pin"), "a module"),
            ("handle:0x81010001?pin-source=env:PIN", None, None, "a variable"),
            ("keyring:a/b", None, None, "no files"),
        ] {
            let reference = text.parse::<KeyReference>().unwrap().in_folder(Path::new("/w"));
            assert_eq!(reference.pin_file(), pin.map(Path::new), "{why}");
            let file = match &reference {
                KeyReference::Tpm2(Tpm2Reference { place: Tpm2Place::File(path), .. }) => {
                    Some(path.as_path())
                }
                KeyReference::Pkcs11(reference) => {
                    assert_eq!(reference.module, Path::new("m.so"), "{why}");
                    None
                }
                _ => None,
            };
            assert_eq!(file, key.map(Path::new), "{why}");
        }
    }

    #[test]
    fn what_was_not_built_is_told() {
        for (text, feature, built) in [
            ("pkcs11:?module-path=/nowhere.so", "pkcs11", cfg!(feature = "pkcs11")),
            ("tss2:/nowhere.pem?tcti=none", "tpm2", cfg!(feature = "tpm2")),
            ("awskms:a\"b", "aws-kms", cfg!(feature = "aws-kms")),
        ] {
            let error = text.parse::<KeyReference>().unwrap().open(None).err().unwrap();
            assert_eq!(error == OpenError::NotBuilt { feature }, !built, "{error}");
        }
    }
}
