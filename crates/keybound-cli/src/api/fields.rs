//! The fields of `keybound api`, `-f` and `-F`: parameters of a query, or the members of a JSON body.
//!
//! `name=value` is a member, `name[member]=value` a member of an object within, `name[]=value` another element of an
//! array. `-f` takes every value as text; with `-F` `true`, `false`, `null` and whole numbers are what they are in JSON,
//! and `@FILE` is the text of a file, `@-` that of standard input.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::input;
use crate::report::{Failure, Outcome};

/// Names within names, at most: deeper than any body of the API.
const MAX_DEPTH: usize = 32;

/// A field as it is given, in the order of the command line within each of both sorts.
#[derive(Clone, Debug)]
pub(super) struct Field {
    name: String,
    path: Vec<Step>,
    value: Value,
}

/// One step from the body to the place of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    NextElement,
}

impl Field {
    /// `text` is `name=value`, whose value is text.
    pub(super) fn text(text: &str) -> Outcome<Self> {
        Self::parse(text, |value| Ok(Value::String(value.to_owned())))
    }

    /// `text` is `name=value`, whose value is what it looks like.
    pub(super) fn typed(text: &str) -> Outcome<Self> {
        Self::parse(text, |value| match value {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "null" => Ok(Value::Null),
            _ => match (value.parse::<i64>(), value.strip_prefix('@')) {
                (Ok(number), _) => Ok(number.into()),
                (_, Some(path)) => Ok(Value::String(input::text(path.as_ref())?)),
                _ => Ok(Value::String(value.to_owned())),
            },
        })
    }

    /// What stands before the `=`.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The value as a parameter has it.
    pub(super) fn text_value(&self) -> String {
        match &self.value {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        }
    }

    fn parse(text: &str, value: impl FnOnce(&str) -> Outcome<Value>) -> Outcome<Self> {
        let malformed = |why: &str| {
            Failure::usage(format_args!("the field `{}` is not understood", name_of(text)))
                .because(why)
                .do_next("write it as name=value, name[member]=value or name[]=value")
        };
        let (name, given) = text.split_once('=').ok_or_else(|| malformed("it has no `=`"))?;
        let path = steps(name).map_err(malformed)?;
        Ok(Self { name: name.to_owned(), path, value: value(given)? })
    }
}

/// What stands before the value, which may be private.
fn name_of(text: &str) -> &str {
    text.split('=').next().unwrap_or_default()
}

fn steps(name: &str) -> Result<Vec<Step>, &'static str> {
    let (first, mut rest) = name.find('[').map_or((name, ""), |at| name.split_at(at));
    if first.is_empty() {
        return Err("it has no name");
    }
    let mut steps = vec![Step::Member(first.to_owned())];
    while !rest.is_empty() {
        let (inner, after) = rest
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .ok_or("its brackets do not match")?;
        steps.push(if inner.is_empty() { Step::NextElement } else { Step::Member(inner.to_owned()) });
        rest = after;
    }
    if steps.len() > MAX_DEPTH {
        return Err("its names are nested too deeply");
    }
    Ok(steps)
}

/// The query that `fields` make, without a question mark; `None` if there are none. It has no objects: a name within
/// a name is refused.
pub(super) fn query(fields: &[Field]) -> Outcome<Option<String>> {
    let mut query = String::new();
    for field in fields {
        let ([Step::Member(name)] | [Step::Member(name), Step::NextElement]) = field.path.as_slice() else {
            return Err(Failure::usage(format_args!("the field `{}` has no place in a query", field.name))
                .because("the parameters of a URL are not nested")
                .do_next("leave the brackets out; or add -X POST, if it belongs into a body"));
        };
        let value = field.text_value();
        let separator = if query.is_empty() { "" } else { "&" };
        // Writing to a string does not fail.
        let _ = write!(query, "{separator}{}={}", encoded(name), encoded(&value));
    }
    Ok((!query.is_empty()).then_some(query))
}

/// With `%20` for a space: `+` means one in forms alone.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

/// The JSON object that `fields` make.
pub(super) fn object(fields: &[Field]) -> Outcome<Value> {
    let mut body = Value::Object(Map::new());
    for field in fields {
        put(&mut body, &field.path, field.value.clone()).map_err(|why| {
            Failure::usage(format_args!("the field `{}` can't be where it is put", field.name)).because(why)
        })?;
    }
    Ok(body)
}

fn put(at: &mut Value, path: &[Step], value: Value) -> Result<(), &'static str> {
    let Some((step, rest)) = path.split_first() else {
        *at = value;
        return Ok(());
    };
    match step {
        Step::Member(name) => {
            let members = members(at)?;
            if rest.is_empty() && members.contains_key(name) {
                return Err("another field has that name");
            }
            put(members.entry(name).or_insert(Value::Null), rest, value)
        }
        Step::NextElement => {
            let elements = elements(at)?;
            if continues_last(elements, rest) {
                return elements.last_mut().map_or(Ok(()), |last| put(last, rest, value));
            }
            let mut element = Value::Null;
            put(&mut element, rest, value)?;
            elements.push(element);
            Ok(())
        }
    }
}

/// `keys[][kid]=a keys[][alg]=b` is one element of two members: another one begins where a name comes again.
fn continues_last(elements: &[Value], rest: &[Step]) -> bool {
    match (elements.last(), rest) {
        (Some(Value::Object(last)), [Step::Member(name)]) => !last.contains_key(name),
        (Some(Value::Object(_)), [Step::Member(_), _, ..]) => true,
        _ => false,
    }
}

fn members(at: &mut Value) -> Result<&mut Map<String, Value>, &'static str> {
    if at.is_null() {
        *at = Value::Object(Map::new());
    }
    at.as_object_mut().ok_or("what is there already is no object")
}

fn elements(at: &mut Value) -> Result<&mut Vec<Value>, &'static str> {
    if at.is_null() {
        *at = Value::Array(Vec::new());
    }
    at.as_array_mut().ok_or("what is there already is no array")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(fields: &[&str]) -> Vec<Field> {
        fields.iter().map(|field| Field::text(field).unwrap()).collect()
    }

    fn typed(fields: &[&str]) -> Vec<Field> {
        fields.iter().map(|field| Field::typed(field).unwrap()).collect()
    }

    #[test]
    fn fields_make_a_body() {
        for (fields, body, why) in [
            (&["a=b"][..], json!({"a": "b"}), "a member"),
            (&["a="], json!({"a": ""}), "an empty text"),
            (&["a=b=c"], json!({"a": "b=c"}), "the first `=` ends the name"),
            (&["a=1", "b=true", "c=null", "d=-7"], json!({"a": 1, "b": true, "c": null, "d": -7}), "types"),
            (&["a=1.5", "b=True", "c=007x"], json!({"a": "1.5", "b": "True", "c": "007x"}), "texts"),
            (&["p[x]=1", "p[y]=2"], json!({"p": {"x": 1, "y": 2}}), "an object"),
            (&["p[x][y][z]=1"], json!({"p": {"x": {"y": {"z": 1}}}}), "objects in objects"),
            (&["g[]=a", "g[]=b"], json!({"g": ["a", "b"]}), "an array"),
            (&["k[][a]=1", "k[][b]=2", "k[][a]=3"], json!({"k": [{"a": 1, "b": 2}, {"a": 3}]}), "objects"),
            (&["k[][a][x]=1", "k[][a][y]=2"], json!({"k": [{"a": {"x": 1, "y": 2}}]}), "deeper ones"),
            (&["k[][]=1", "k[][]=2"], json!({"k": [[1], [2]]}), "arrays of one each"),
        ] {
            assert_eq!(object(&typed(fields)).unwrap(), body, "{why}");
        }
        assert_eq!(object(&texts(&["a=1", "b=true"])).unwrap(), json!({"a": "1", "b": "true"}), "-f is text");
    }

    #[test]
    fn fields_that_make_no_body_are_refused() {
        for (fields, why) in [
            (&["a=1", "a=2"][..], "one name, two values"),
            (&["a=1", "a[b]=2"], "a number has no members"),
            (&["a[b]=1", "a[]=2"], "an object has no elements"),
            (&["a[]=1", "a[b]=2"], "an array has no members"),
            (&["a[b]=1", "a=2"], "it would be lost"),
        ] {
            assert!(object(&typed(fields)).is_err(), "{why}");
        }
        let deep = format!("a{}=1", "[b]".repeat(MAX_DEPTH));
        for field in ["", "a", "=b", "a[=b", "a]b[=c", "a[b]c=d", "[a]=b", &deep] {
            assert!(Field::text(field).is_err(), "{field}");
        }
    }

    #[test]
    fn fields_make_a_query() {
        for (fields, wanted, why) in [
            (&[][..], None, "none"),
            (&["limit=5"], Some("limit=5"), "one"),
            (&["q=a b&c", "n=ä"], Some("q=a%20b%26c&n=%C3%A4"), "escaped"),
            (&["x[]=1", "x[]=2"], Some("x=1&x=2"), "the same twice"),
            (&["a=true", "b=null"], Some("a=true&b=null"), "as JSON writes them"),
        ] {
            assert_eq!(query(&typed(fields)).unwrap().as_deref(), wanted, "{why}");
        }
        assert!(query(&typed(&["a[b]=1"])).is_err(), "a query has no objects");
    }
}
