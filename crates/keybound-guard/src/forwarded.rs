//! The header field `Forwarded` (RFC 7239), in which proxies tell one after the other what came to them.
//!
//! A client may have begun it, and what it says of itself may stand in what a proxy says of it: a `Host` with a comma,
//! in quotes. So separators count outside of quotes alone. A client that opens quotes for a proxy to close turns all
//! that the proxy quotes inside out: quotes then begin or end within a value, or stay open. Such a field says nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The elements of a field, in their order, and without those that are empty (RFC 9110 section 5.6.1); `None` if its
/// quotes are not around values.
pub(crate) fn elements(field: &str) -> Option<Vec<&str>> {
    let mut elements = split(field, ',')?;
    elements.retain(|element| !element.trim().is_empty());
    Some(elements)
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

/// The address in a node (RFC 7239 section 6): an IPv6 address is in brackets, and a port may follow.
pub(crate) fn node_address(node: &str) -> Option<IpAddr> {
    if let Some(rest) = node.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_whole = port.is_empty() || port.starts_with(':');
        return address.parse::<Ipv6Addr>().ok().filter(|_| is_whole).map(IpAddr::V6);
    }
    node.split(':').next()?.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

/// Where in a field a character stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Outside of quotes; whether `=` is the last that stood there.
    Outside {
        behind_equals: bool,
    },
    Quoted,
    /// In quotes, behind a backslash.
    Escaped,
    /// Behind a value in quotes, which ends there.
    BehindQuotes,
}

impl Place {
    /// Where the next character stands; `None` if `character` may not stand here.
    fn after(self, character: char) -> Option<Self> {
        Some(match (self, character) {
            (Self::Outside { behind_equals: true }, '"') | (Self::Escaped, _) => Self::Quoted,
            (Self::Outside { .. }, '"') => return None,
            (Self::Quoted, '"') => Self::BehindQuotes,
            (Self::Quoted, '\\') => Self::Escaped,
            (Self::Outside { .. } | Self::BehindQuotes, ' ' | '\t') | (Self::Quoted, _) => self,
            (Self::Outside { .. }, _) | (Self::BehindQuotes, ',' | ';') => {
                Self::Outside { behind_equals: character == '=' }
            }
            (Self::BehindQuotes, _) => return None,
        })
    }

    const fn is_quoted(self) -> bool {
        matches!(self, Self::Quoted | Self::Escaped)
    }
}

/// The parts of a text between separators outside of quotes; `None` if its quotes are not around values.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut rest) = (Vec::new(), text);
    let mut place = Place::Outside { behind_equals: false };
    for (position, character) in text.char_indices() {
        place = place.after(character)?;
        if character == separator && !place.is_quoted() {
            let begins = text.len().saturating_sub(rest.len());
            parts.push(rest.get(..position.checked_sub(begins)?)?);
            rest = text.get(position..)?.strip_prefix(separator)?;
        }
    }
    parts.push(rest);
    (!place.is_quoted()).then_some(parts)
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
            ("", Some(vec![])),
            (" , for=a,,for=b, ", Some(vec![" for=a", "for=b"])),
            ("for = \"a\" ,for=b", Some(vec!["for = \"a\" ", "for=b"])),
            // A client opens quotes, and a proxy goes on behind them.
            ("for=a;x=\", for=b;host=c", None),
            ("for=a;x=\", for=b;host=\"c\"", None),
            ("for=a;x=\"\",\", for=b;host=\"c\"", None),
            (r#"for=a;x="\", for=b;host="c""#, None),
            (r#"for=a;x="\", for=b;host=c"#, None),
            // The client's `Host` is `c"`, and closes what it opened.
            ("for=a;x=\", for=b;host=c\"", Some(vec!["for=a;x=\", for=b;host=c\""])),
            ("for=a;x=\", for=b;host=\"c\"\"", None),
            // Quotes that are not around a value.
            ("for=a\"b\"", None),
            ("for=\"a\"b", None),
            ("\"for=a\"", None),
        ] {
            assert_eq!(elements(field), expected, "{field}");
        }
    }

    #[test]
    fn a_node_is_an_address_and_perhaps_a_port() {
        for (node, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("192.0.2.1:4711", Some("192.0.2.1")),
            ("192.0.2.1:_port", Some("192.0.2.1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:4711", Some("2001:db8::1")),
            ("2001:db8::1", None),
            ("[2001:db8::1]4711", None),
            ("[192.0.2.1]", None),
            ("[2001:db8::1", None),
            ("unknown", None),
            ("_hidden", None),
            ("_192.0.2.1", None),
            ("", None),
        ] {
            assert_eq!(node_address(node), expected.map(|address| address.parse().unwrap()), "{node}");
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
