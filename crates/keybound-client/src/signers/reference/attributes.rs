//! The attributes of a reference: names with values that are percent-encoded, each there once (RFC 7512 section 2.3).

use keybound::excerpt::{NAME, excerpt};

use super::ReferenceError;

/// The attributes of one reference, as they are read.
pub(super) struct Attributes<'a> {
    scheme: &'static str,
    known: &'static str,
    seen: Vec<&'a str>,
}

/// An attribute that is there for the first time.
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    pub(super) octets: Vec<u8>,
    scheme: &'static str,
}

impl<'a> Attributes<'a> {
    /// Those of a reference that begins with `scheme`, where the names `known` are understood.
    pub(super) fn of(scheme: &'static str, known: &'static str) -> Self {
        Self { scheme, known, seen: Vec::new() }
    }

    /// Reads one `name=value`.
    pub(super) fn read(&mut self, part: &'a str) -> Result<Attribute<'a>, ReferenceError> {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if self.seen.contains(&name) {
            return Err(ReferenceError::Twice { scheme: self.scheme, attribute: excerpt(name, NAME) });
        }
        self.seen.push(name);
        Attribute::decode(self.scheme, name, value)
    }

    /// Refuses an attribute that has no meaning here.
    pub(super) fn unknown(&self, name: &str) -> ReferenceError {
        match name {
            "pin-value" => ReferenceError::PinValue { scheme: self.scheme },
            name => ReferenceError::UnknownAttribute {
                scheme: self.scheme,
                found: excerpt(name, NAME),
                known: self.known,
            },
        }
    }
}

impl<'a> Attribute<'a> {
    /// The attribute `name` of a reference that begins with `scheme`.
    pub(super) fn decode(scheme: &'static str, name: &'a str, value: &str) -> Result<Self, ReferenceError> {
        let undecoded = Self { name, octets: Vec::new(), scheme };
        let octets = decode(value).ok_or_else(|| undecoded.refused("percent-encoded"))?;
        Ok(Self { octets, ..undecoded })
    }

    pub(super) fn text(self) -> Result<String, ReferenceError> {
        let refused = self.refused("UTF-8");
        String::from_utf8(self.octets).map_err(|_| refused)
    }

    /// The error that the value is not what is expected.
    pub(super) fn refused(&self, expected: &'static str) -> ReferenceError {
        ReferenceError::Value { scheme: self.scheme, attribute: excerpt(self.name, NAME), expected }
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
