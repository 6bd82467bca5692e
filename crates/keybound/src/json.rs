//! Strict JSON, as JOSE needs it: every object's members have distinct names, at every depth.
//!
//! Parsers that keep the first or the last of two equal names read the same signed text in two ways
//! (RFC 7515 section 4, RFC 8725 section 2.4). Here such a text is refused. Strings are borrowed from
//! the input where they have no escapes.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::NumericDate;
use crate::excerpt::{NAME, excerpt};

/// Members of one object, at most. The largest JWT in the wild has a few dozen.
pub const MAX_MEMBERS: usize = 128;

/// Members of a proof's claims, or fewer: room for so many is made at once.
const USUAL_MEMBERS: usize = 6;

/// A JSON value whose strings may borrow from the text. `Debug` does not show them: they may be secrets.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number that is a whole one between 0 and 2^64 - 1.
    Unsigned(u64),
    /// Any other number.
    Number(f64),
    /// A string.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// A JSON object with distinct member names, in the order of the text. `Debug` shows the names alone.
#[derive(Clone, Default, PartialEq)]
pub struct Object<'a> {
    members: Vec<(Cow<'a, str>, Value<'a>)>,
}

/// The text is not one JSON object with distinct member names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a JSON object with distinct member names: {reason}")]
#[non_exhaustive]
pub struct NotStrictJson {
    /// What the parser found, with line and column; holds member names, never values.
    pub reason: String,
}

/// A member is not there, or is not of the type that its specification gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemberError {
    /// There is no such member.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// The member has another type than the named one.
    #[error("`{name}` is not {expected}")]
    WrongType {
        /// The member's name.
        name: &'static str,
        /// The type that it should have, with its article (`a string`).
        expected: &'static str,
    },
}

impl<'a> Object<'a> {
    /// Parses `text`, which must be one object and nothing else.
    pub fn parse(text: &'a [u8]) -> Result<Self, NotStrictJson> {
        // The parser would repeat a text that is something else, and it may be a secret.
        if text.trim_ascii_start().first() != Some(&b'{') {
            return Err(NotStrictJson { reason: "it does not begin with `{`".to_owned() });
        }
        serde_json::from_slice(text).map_err(|error| NotStrictJson { reason: error.to_string() })
    }

    /// The same without the members that are `null`. In the answer of a server they say as much as if they were left
    /// out, and many servers write one for what they have no value of.
    pub(crate) fn without_nulls(mut self) -> Self {
        self.members.retain(|(_, value)| *value != Value::Null);
        self
    }

    /// The member's value.
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
    }

    /// Whether there is a member of this name, `null` included.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All members in the order of the text.
    pub fn members(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.members.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// A string that must be there.
    pub fn string(&self, name: &'static str) -> Result<&str, MemberError> {
        self.optional_string(name)?.ok_or(MemberError::Missing(name))
    }

    /// A string, if the member is there.
    pub fn optional_string(&self, name: &'static str) -> Result<Option<&str>, MemberError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(MemberError::WrongType { name, expected: "a string" }),
        }
    }

    /// A date that must be there.
    pub fn date(&self, name: &'static str) -> Result<NumericDate, MemberError> {
        self.optional_date(name)?.ok_or(MemberError::Missing(name))
    }

    /// A date, if the member is there: a number of seconds, whose fraction is dropped
    /// (RFC 7519 section 2 allows one). Dates before 1970 are refused.
    pub fn optional_date(&self, name: &'static str) -> Result<Option<NumericDate>, MemberError> {
        let wrong = MemberError::WrongType { name, expected: "a number of seconds since 1970" };
        let Some(value) = self.get(name) else { return Ok(None) };
        value.whole_seconds().map(NumericDate::from_seconds).map(Some).ok_or(wrong)
    }

    /// How long, if the member is there: a number of seconds, whose fraction is dropped. Digits in a string are taken
    /// too: RFC 6749 section 5.1 has a number, and servers that are in wide use do not.
    pub(crate) fn optional_duration(&self, name: &'static str) -> Result<Option<Duration>, MemberError> {
        let seconds = match self.get(name) {
            None => return Ok(None),
            Some(Value::String(text)) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
            Some(value) => value.whole_seconds(),
        };
        let wrong = MemberError::WrongType { name, expected: "a number of seconds" };
        seconds.map(Duration::from_secs).map(Some).ok_or(wrong)
    }

    /// An object that must be there.
    pub fn object(&self, name: &'static str) -> Result<&Object<'a>, MemberError> {
        match self.get(name) {
            None => Err(MemberError::Missing(name)),
            Some(Value::Object(object)) => Ok(object),
            Some(_) => Err(MemberError::WrongType { name, expected: "an object" }),
        }
    }

    /// An array of strings, if the member is there.
    pub fn optional_strings(&self, name: &'static str) -> Result<Option<Vec<&str>>, MemberError> {
        let wrong = MemberError::WrongType { name, expected: "an array of strings" };
        match self.get(name) {
            None => Ok(None),
            Some(Value::Array(values)) => {
                values.iter().map(|value| value.as_str().ok_or(wrong)).collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(wrong),
        }
    }
}

/// The JSON text of `value`, a struct of strings and numbers.
#[expect(clippy::expect_used, reason = "only maps with other keys than strings cannot be written")]
pub(crate) fn write(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("a struct of strings and numbers is written")
}

/// Up to here an `f64` holds every whole number.
const MAX_EXACT_SECONDS: f64 = 9_007_199_254_740_992.0;

impl Value<'_> {
    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// A number that is not negative, without its fraction.
    fn whole_seconds(&self) -> Option<u64> {
        match self {
            Value::Unsigned(seconds) => Some(*seconds),
            Value::Number(seconds) if (0.0..=MAX_EXACT_SECONDS).contains(seconds) => {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "bounded by the guard"
                )]
                let whole = seconds.floor() as u64;
                Some(whole)
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Object<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.members().map(|(name, _)| name)).finish()
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Bool(_) => formatter.write_str("a boolean"),
            Self::Unsigned(_) | Self::Number(_) => formatter.write_str("a number"),
            Self::String(_) => formatter.write_str("a string"),
            Self::Array(values) => write!(formatter, "an array of {}", values.len()),
            Self::Object(object) => object.fmt(formatter),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                read_object(map)
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

fn read_object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Object<'de>, A::Error> {
    let mut members: Vec<(Cow<'de, str>, Value<'de>)> = Vec::new();
    while let Some(Name(name)) = map.next_key()? {
        if members.iter().any(|(seen, _)| *seen == name) {
            return Err(A::Error::custom(format_args!(
                "the member `{}` stands there twice",
                excerpt(&name, NAME)
            )));
        }
        if members.len() == MAX_MEMBERS {
            return Err(A::Error::custom(format_args!("more than {MAX_MEMBERS} members")));
        }
        if members.is_empty() {
            members.reserve(USUAL_MEMBERS);
        }
        members.push((name, map.next_value()?));
    }
    Ok(Object { members })
}

/// A member's name; a `Cow` alone would not borrow.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a member name")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Value::Unsigned(value))
    }
    #[expect(clippy::cast_precision_loss, reason = "a negative number has no exact use here")]
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Value::Number(value as f64))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Value::Number(value))
    }
    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Borrowed(value)))
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Value::String(Cow::Owned(value.to_owned())))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        read_object(map).map(Value::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_two_parsers_could_read_differently_are_refused() {
        for (text, why) in [
            (r#"{"a":1,"a":1}"#, "the same name twice"),
            (r#"{"a":1,"\u0061":2}"#, "the same name twice, once escaped"),
            (r#"{"jwk":{"kty":"EC","kty":"RSA"}}"#, "the same name twice further down"),
            (r#"[{"a":1,"a":2}]"#, "not an object"),
            (r#"{"a":1} x"#, "something after the object"),
            (r#"{"a":1"#, "cut short"),
            (r#"{"a":"\ud800"}"#, "a lone surrogate"),
            ("{\"a\":\"\u{1}\"}", "a control character"),
            (r#"{"a":01}"#, "a number with a leading zero"),
            ("\u{feff}{}", "a byte order mark"),
        ] {
            assert!(Object::parse(text.as_bytes()).is_err(), "{why}: {text}");
        }
        assert!(Object::parse(b"{\"a\":\"\xff\"}").is_err(), "not UTF-8");
        let deep = "[".repeat(200);
        assert!(Object::parse(format!(r#"{{"a":{deep}"#).as_bytes()).is_err(), "too deep");
        let many = (0..=MAX_MEMBERS).map(|i| format!(r#""{i}":0"#)).collect::<Vec<_>>().join(",");
        assert!(Object::parse(format!("{{{many}}}").as_bytes()).is_err(), "too many members");
    }

    #[test]
    fn a_text_that_is_a_secret_is_not_in_the_error() {
        for text in
            [&br#""a secret""#[..], br#"  "a secret""#, br#"["a secret"]"#, b"a secret", br#"{"a secret"#]
        {
            let error = Object::parse(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        let object = Object::parse(br#"{"d":"a secret","e":["a secret"]}"#).unwrap();
        assert_eq!(format!("{object:?}"), r#"{"d", "e"}"#);
        assert_eq!(format!("{:?}", object.get("e").unwrap()), "an array of 1");
    }

    #[test]
    fn members_are_read_by_their_type() {
        let text = br#"{"s":"x","d":12,"f":12.9,"n":-1,"big":1e300,"o":{"k":null}}"#;
        let object = Object::parse(text).unwrap();
        assert_eq!(object.string("s"), Ok("x"));
        assert_eq!(object.string("t"), Err(MemberError::Missing("t")));
        assert_eq!(object.string("d"), Err(MemberError::WrongType { name: "d", expected: "a string" }));
        assert_eq!(object.date("d"), Ok(NumericDate::from_seconds(12)));
        assert_eq!(object.date("f"), Ok(NumericDate::from_seconds(12)));
        for name in ["s", "n", "big", "o"] {
            assert!(matches!(object.date(name), Err(MemberError::WrongType { .. })), "{name}");
        }
        assert!(object.object("o").unwrap().contains("k"));
        let text = br#"{"n":12.9,"s":"12","e":"","m":"-1","w":" 1","h":"99999999999999999999","z":null}"#;
        let object = Object::parse(text).unwrap();
        for name in ["n", "s"] {
            assert_eq!(object.optional_duration(name), Ok(Some(Duration::from_secs(12))), "{name}");
        }
        for name in ["e", "m", "w", "h", "z"] {
            let wrong = MemberError::WrongType { name, expected: "a number of seconds" };
            assert_eq!(object.optional_duration(name), Err(wrong), "{name}");
        }
        assert!(object.contains("z") && !object.without_nulls().contains("z"));
        let object = Object::parse(br#"{"l":["a","b"],"m":["a",1]}"#).unwrap();
        assert_eq!(object.optional_strings("l"), Ok(Some(vec!["a", "b"])));
        assert!(object.optional_strings("m").is_err());
    }
}
