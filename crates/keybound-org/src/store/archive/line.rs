//! One line of the file: a JSON object whose members have distinct names at every depth.

use std::fmt;
use std::io::{self, BufRead, Read as _};

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::import::LineProblem;
use super::tables::Record;

/// Bytes of a line, at most: the largest record is a rule with a thousand scopes.
pub(super) const MAX_LINE_BYTES: usize = 1024 * 1024;

/// Characters of a name from the file that an error repeats, at most.
const SHOWN_CHARACTERS: usize = 60;

/// The next line without its end, in `line`; `false` where there is none.
pub(super) fn next(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Result<bool, LineProblem>> {
    line.clear();
    let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    input.by_ref().take(limit).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
        return Ok(Ok(true));
    }
    Ok(if line.len() > MAX_LINE_BYTES { Err(LineProblem::TooLong) } else { Ok(!line.is_empty()) })
}

/// The object on a line.
pub(super) fn parse(line: &[u8]) -> Result<Record, LineProblem> {
    let Strict(value) = serde_json::from_slice(line).map_err(|error| {
        // Nothing else that the parser says is free of what stands in the line, which may be a secret.
        let text = error.to_string();
        match text.strip_prefix(DUPLICATE).and_then(|rest| rest.split(" at line ").next()) {
            Some(name) => LineProblem::DuplicateMember(name.to_owned()),
            None => LineProblem::NotJson { column: error.column() },
        }
    })?;
    match value {
        Value::Object(record) => Ok(record),
        _ => Err(LineProblem::NotAnObject),
    }
}

const DUPLICATE: &str = "duplicate member ";

/// A name from the file, as an error shows it: no control characters, and not too long.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(SHOWN_CHARACTERS).flat_map(char::escape_debug).collect()
}

/// A value whose objects have distinct names.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Number::from_f64(number).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let Strict(value) = members.next_value()?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{DUPLICATE}{}", shown(&name))));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_object_with_distinct_names_or_says_what_it_is() {
        for (line, problem) in [
            ("{\"a\":1,\"b\":[{\"c\":null}]}", None),
            ("{\"a\":1,\"a\":2}", Some("the member `a` is there twice")),
            ("{\"a\":{\"b\":1,\"b\":1}}", Some("the member `b` is there twice")),
            ("[]", Some("there is no JSON object")),
            ("\"secret\"", Some("there is no JSON object")),
            ("{\"a\":secret}", Some("there is no JSON, as seen at column 6")),
            ("{} {}", Some("there is no JSON, as seen at column 4")),
            ("", Some("there is no JSON, as seen at column 0")),
        ] {
            let found = parse(line.as_bytes()).err().map(|problem| problem.to_string());
            assert_eq!(found.as_deref(), problem, "{line}");
        }
    }

    #[test]
    fn a_line_has_a_length_and_the_last_one_needs_no_end() {
        let mut line = Vec::new();
        let mut input = &b"one\n\nlast"[..];
        for expected in [&b"one"[..], b"", b"last"] {
            assert!(matches!(next(&mut input, &mut line), Ok(Ok(true))));
            assert_eq!(line, expected);
        }
        assert!(matches!(next(&mut input, &mut line), Ok(Ok(false))));
        let endless = vec![b'x'; MAX_LINE_BYTES + 1];
        assert!(matches!(next(&mut endless.as_slice(), &mut line), Ok(Err(LineProblem::TooLong))));
        assert!(matches!(next(&mut endless.get(1..).unwrap(), &mut line), Ok(Ok(true))));
    }
}
