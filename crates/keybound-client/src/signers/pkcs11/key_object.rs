//! The private key: found by its label or its id, or made.

use std::fmt::{self, Write as _};

use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use keybound::KeyKind;
use keybound::excerpt::{NAME, excerpt};
use keybound::random::{OperatingSystem, Random as _};

use super::error::words;
use super::public_half::curve_parameters;
use super::{KeyChoice, Pkcs11Error};

/// Bytes of the id that a new key gets, by which its two halves are found.
const NEW_ID_BYTES: usize = 16;

/// A private key in a session.
pub(super) struct KeyObject {
    pub(super) handle: ObjectHandle,
    pub(super) key_type: KeyType,
    pub(super) label: Vec<u8>,
    pub(super) id: Vec<u8>,
    wants_the_pin_each_time: bool,
}

impl KeyObject {
    /// The one private key that is `choice`.
    pub(super) fn find(session: &Session, choice: &KeyChoice) -> Result<Self, Pkcs11Error> {
        let mut fitting = Self::all(session, choice)?;
        match (fitting.pop(), fitting.is_empty()) {
            (Some(key), true) if key.wants_the_pin_each_time => {
                Err(Pkcs11Error::AlwaysAuthenticate { key: key.to_string() })
            }
            (Some(key), true) => Ok(key),
            (None, _) => {
                let found = Self::all(session, &KeyChoice::default())?;
                Err(Pkcs11Error::KeyNotFound { wanted: choice.to_string(), found: names(&found) })
            }
            (Some(last), false) => {
                fitting.push(last);
                Err(Pkcs11Error::SeveralKeys { wanted: choice.to_string(), found: names(&fitting) })
            }
        }
    }

    fn all(session: &Session, choice: &KeyChoice) -> Result<Vec<Self>, Pkcs11Error> {
        let mut template = vec![Attribute::Class(ObjectClass::PRIVATE_KEY)];
        template.extend(choice.label.as_ref().map(|label| Attribute::Label(label.as_bytes().to_vec())));
        template.extend(choice.id.clone().map(Attribute::Id));
        let handles = session.find_objects(&template);
        let handles = handles.map_err(|error| Pkcs11Error::device("look for keys", &error))?;
        handles.into_iter().map(|handle| Self::read(session, handle)).collect()
    }

    fn read(session: &Session, handle: ObjectHandle) -> Result<Self, Pkcs11Error> {
        let wanted = [
            AttributeType::KeyType,
            AttributeType::Label,
            AttributeType::Id,
            AttributeType::AlwaysAuthenticate,
        ];
        let attributes = session.get_attributes(handle, &wanted);
        let attributes = attributes.map_err(|error| Pkcs11Error::device("describe a key", &error))?;
        let mut key = Self {
            handle,
            key_type: KeyType::GENERIC_SECRET,
            label: Vec::new(),
            id: Vec::new(),
            wants_the_pin_each_time: false,
        };
        for attribute in attributes {
            match attribute {
                Attribute::KeyType(key_type) => key.key_type = key_type,
                Attribute::Label(label) => key.label = label,
                Attribute::Id(id) => key.id = id,
                Attribute::AlwaysAuthenticate(always) => key.wants_the_pin_each_time = always,
                _ => {}
            }
        }
        Ok(key)
    }

    /// Makes a key pair whose private half can't be read.
    pub(super) fn generate(session: &Session, choice: &KeyChoice, kind: KeyKind) -> Result<(), Pkcs11Error> {
        if *choice == KeyChoice::default() {
            return Err(Pkcs11Error::Nameless);
        }
        if !Self::all(session, choice)?.is_empty() {
            return Err(Pkcs11Error::KeyExists { wanted: choice.to_string() });
        }
        let mut names = vec![Attribute::Token(true), Attribute::Id(id_of(choice)?)];
        names.extend(choice.label.as_ref().map(|label| Attribute::Label(label.as_bytes().to_vec())));
        let private = [
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ];
        let public = [Attribute::Private(false), Attribute::Verify(true)];
        let (mechanism, parameters) = generation(kind);
        let public = [&names[..], &public, &parameters].concat();
        let made = session.generate_key_pair(&mechanism, &public, &[&names[..], &private].concat());
        made.map(drop).map_err(|error| Pkcs11Error::NotGenerated { kind, detail: words(&error) })
    }
}

fn id_of(choice: &KeyChoice) -> Result<Vec<u8>, Pkcs11Error> {
    if let Some(id) = &choice.id {
        return Ok(id.clone());
    }
    let mut id = vec![0; NEW_ID_BYTES];
    OperatingSystem.fill(&mut id)?;
    Ok(id)
}

/// The mechanism that makes keys of this kind, and what it is to be told.
fn generation(kind: KeyKind) -> (Mechanism<'static>, Vec<Attribute>) {
    match kind {
        KeyKind::Rsa { bits } => (
            Mechanism::RsaPkcsKeyPairGen,
            vec![Attribute::ModulusBits(u64::from(bits).into()), Attribute::PublicExponent(vec![1, 0, 1])],
        ),
        KeyKind::Ed25519 => {
            (Mechanism::EccEdwardsKeyPairGen, vec![Attribute::EcParams(curve_parameters(kind).to_vec())])
        }
        KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => {
            (Mechanism::EccKeyPairGen, vec![Attribute::EcParams(curve_parameters(kind).to_vec())])
        }
    }
}

impl fmt::Display for KeyObject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` (id {})", excerpt(&String::from_utf8_lossy(&self.label), NAME), hex(&self.id))
    }
}

impl fmt::Display for KeyChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.label, &self.id) {
            (Some(label), Some(id)) => write!(formatter, "with the label `{label}` and the id {}", hex(id)),
            (Some(label), None) => write!(formatter, "with the label `{label}`"),
            (None, Some(id)) => write!(formatter, "with the id {}", hex(id)),
            (None, None) => formatter.write_str("at all"),
        }
    }
}

fn names(keys: &[KeyObject]) -> Vec<String> {
    keys.iter().map(ToString::to_string).collect()
}

/// As `pkcs11-tool --id` takes it.
fn hex(id: &[u8]) -> String {
    if id.is_empty() {
        return "none".to_owned();
    }
    id.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
