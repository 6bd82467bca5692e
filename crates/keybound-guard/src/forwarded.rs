//! The header field `Forwarded` (RFC 7239), in which proxies tell one after the other what came to them.
//!
//! A client may have begun it, and what it says of itself may stand in what a proxy says of it: a `Host` with a comma,
//! in quotes. So separators count outside of quotes alone. A client that opens quotes for a proxy to close turns all
//! that the proxy quotes inside out, and leaves quotes open at the end: such a field says nothing.

use std::net::IpAddr;

/// The elements of a field, in their order; `None` if its quotes are not closed.
pub(crate) fn elements(field: &str) -> Option<Vec<&str>> {
    split(field, ',')
}

/// The parameter `wanted` of an element. `None` if it is not there; there twice, it contradicts itself.
pub(crate) fn parameter(element: &str, wanted: &str) -> Result<Option<String>, Contradiction> {
    let pairs = split(element, ';').ok_or(Contradiction)?;
    let mut values = pairs
        .into_iter()
        .filter_map(|pair| pair.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case(wanted))
        .map(|(_, value)| unquoted(value.trim()));
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Contradiction),
    }
}

/// An element that says two things at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contradiction;

/// The address in a node (RFC 7239 section 6): with a port, an IPv6 address in brackets.
pub(crate) fn node_address(node: &str) -> Option<IpAddr> {
    let address = match node.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => node.split(':').next()?,
    };
    address.parse().ok()
}

fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = text.split(|character| {
        let was_escaped = is_escaped;
        is_escaped = is_quoted && !was_escaped && character == '\\';
        if character == '"' && !was_escaped {
            is_quoted = !is_quoted;
        }
        character == separator && !is_quoted
    });
    let parts: Vec<_> = parts.collect();
    (!is_quoted).then_some(parts)
}

/// A value without its quotes, and without the backslashes before what they take literally.
fn unquoted(value: &str) -> String {
    let Some(quoted) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        text.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_count_outside_of_quotes_alone() {
        for (field, expected) in [
            ("for=a, for=b", Some(vec!["for=a", " for=b"])),
            ("for=a;host=\"x,for=b\"", Some(vec!["for=a;host=\"x,for=b\""])),
            (r#"for=a;host="x\",for=b""#, Some(vec![r#"for=a;host="x\",for=b""#])),
            (r#"for=a;host="x\\",for=b"#, Some(vec![r#"for=a;host="x\\""#, "for=b"])),
            (r"for=\,for=b", Some(vec![r"for=\", "for=b"])),
            ("", Some(vec![""])),
            // A client opens quotes, and a proxy goes on behind them.
            ("for=a;x=\", for=b;host=c", None),
            ("for=a;x=\", for=b;host=\"c\"", None),
            ("for=a;x=\"\",\", for=b;host=\"c\"", None),
            (r#"for=a;x="\", for=b;host="c""#, None),
            (r#"for=a;x="\", for=b;host=c"#, None),
        ] {
            assert_eq!(elements(field), expected, "{field}");
        }
    }

    #[test]
    fn a_parameter_is_there_once() {
        for (element, expected) in [
            ("for=a;host=b", Ok(Some("b"))),
            (" FOR = a ; HOST = \"b\" ", Ok(Some("b"))),
            (r#"host="b\"c""#, Ok(Some("b\"c"))),
            ("for=a", Ok(None)),
            ("for=\"a;host=b\"", Ok(None)),
            ("for=a;xhost=b", Ok(None)),
            ("host=a;host=b", Err(Contradiction)),
            ("host=a;for=b;Host=a", Err(Contradiction)),
        ] {
            assert_eq!(
                parameter(element, "host"),
                expected.map(|value| value.map(str::to_owned)),
                "{element}"
            );
        }
    }
}
