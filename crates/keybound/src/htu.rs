//! The target URI of a request, normalised so that two spellings of one target are equal
//! (RFC 9449 section 4.3, check 9; RFC 3986 sections 6.2.2 and 6.2.3).
//!
//! Normalised are: the case of scheme and host, a default or empty port, an empty path, percent-encoded
//! unreserved characters, the case of other percent-encodings, dot segments, the spelling of an IPv6
//! address. Query and fragment are left out. What is not normalised is different: `/a` and `/a/`, `/a`
//! and `//a`, `%2F` and `/`, `example.com` and `example.com.`.
//!
//! Host names must be ASCII: an internationalised name is given as its A-labels (`xn--…`), the only form
//! that goes over the wire.

use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Bytes of a URI, at most: what common servers take for a whole request line.
pub const MAX_TARGET_URI_BYTES: usize = 8 * 1024;

/// An absolute `http` or `https` URI without query and fragment, in normal form; two are equal if that is.
///
/// ```
/// use keybound::TargetUri;
///
/// let a = TargetUri::parse("HTTPS://Example.com:443/%7Eme/../api?page=2#top")?;
/// assert_eq!(a.as_str(), "https://example.com/api");
/// assert_eq!(a.origin(), "https://example.com");
/// assert_eq!(a.as_sent(), "https://example.com/%7Eme/../api");
/// # Ok::<(), keybound::TargetUriError>(())
/// ```
#[derive(Clone)]
pub struct TargetUri {
    text: String,
    origin_bytes: usize,
    /// The URI with its path as it was written, where that is not the normal form.
    as_written: Option<Box<str>>,
}

/// Why a text is not a target URI that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetUriError {
    /// Longer than [`MAX_TARGET_URI_BYTES`].
    #[error("the URI is longer than {MAX_TARGET_URI_BYTES} bytes")]
    TooLong,
    /// Not `http://…` or `https://…`.
    #[error("the URI is not an absolute http or https one (`https://host/path`)")]
    NotAbsolute,
    /// A character that no URI has: white space, a control character, `\`, or a non-ASCII one.
    #[error(
        "the URI has a character that must be percent-encoded (a non-ASCII host name is written as xn--…)"
    )]
    IllegalCharacter,
    /// `%` without two hexadecimal digits.
    #[error("the URI has a `%` that is not followed by two hexadecimal digits")]
    IllegalPercentEncoding,
    /// `user@host`.
    #[error("the URI has user information before its host")]
    UserInformation,
    /// The host is missing or is not a name, an IPv4 address or an IPv6 address in brackets.
    #[error("the URI's host is not a host name, an IPv4 address or an IPv6 address in brackets")]
    IllegalHost,
    /// The port is not a number up to 65535.
    #[error("the URI's port is not a number up to 65535")]
    IllegalPort,
}

impl TargetUri {
    /// Parses and normalises `uri`; its query and fragment are dropped.
    pub fn parse(uri: &str) -> Result<Self, TargetUriError> {
        if uri.len() > MAX_TARGET_URI_BYTES {
            return Err(TargetUriError::TooLong);
        }
        let (scheme, rest) = split_scheme(legal(uri)?)?;
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let path_start = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(path_start);

        let mut text = String::with_capacity(uri.len() + 1);
        text.push_str(scheme.name);
        text.push_str("://");
        push_authority(&mut text, authority, scheme.default_port)?;
        Self::at(text, path)
    }

    /// The target at `path` (starting with `/`; a query is dropped) of this URI's origin.
    ///
    /// A server makes the target of a request with this from the base URL that it knows to be its own,
    /// never from the `Host` header that a client can choose.
    pub fn with_path(&self, path: &str) -> Result<Self, TargetUriError> {
        if !path.starts_with('/') {
            return Err(TargetUriError::NotAbsolute);
        }
        if self.origin_bytes + path.len() > MAX_TARGET_URI_BYTES {
            return Err(TargetUriError::TooLong);
        }
        let path = legal(path)?.split(['?', '#']).next().unwrap_or_default();
        let mut text = String::with_capacity(self.origin_bytes + path.len());
        text.push_str(self.origin());
        Self::at(text, path)
    }

    /// The target at `path`, which is written behind `origin`.
    fn at(origin: String, path: &str) -> Result<Self, TargetUriError> {
        let origin_bytes = origin.len();
        let mut text = origin;
        push_path(&mut text, path)?;
        let (origin, normal) = text.split_at(origin_bytes);
        let as_written = (!path.is_empty() && path != normal).then(|| [origin, path].concat().into());
        Ok(Self { text, origin_bytes, as_written })
    }

    /// The normal form: what targets are compared by.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The normal form, but for the path, which is as it was written: what stands in a proof's `htu`.
    ///
    /// That is the request's own target (RFC 9449 section 4.2). Servers need not know that `/%7Eme` and `/~me` are
    /// one path, as normalising is only recommended to them (section 4.3).
    pub fn as_sent(&self) -> &str {
        self.as_written.as_deref().unwrap_or(&self.text)
    }

    /// Scheme, host and, unless it is the default, port: `https://host:port`. Nonces belong to an origin
    /// (RFC 9449 section 8.2).
    pub fn origin(&self) -> &str {
        self.text.get(..self.origin_bytes).unwrap_or_default()
    }

    /// Whether nobody on the way can read what is sent there: by https, or because it stays on this machine.
    pub fn is_secure(&self) -> bool {
        self.text.starts_with("https://") || self.is_loopback()
    }

    /// Whether a request to it stays on this machine; `localhost` does by RFC 6761 section 6.3.
    pub fn is_loopback(&self) -> bool {
        let authority = self.origin().split_once("://").map_or("", |(_, authority)| authority);
        if let Some(bracketed) = authority.strip_prefix('[') {
            let address = bracketed.split(']').next().unwrap_or_default();
            return address.parse().is_ok_and(|address: Ipv6Addr| address.is_loopback());
        }
        let host = authority.split(':').next().unwrap_or_default();
        host == "localhost" || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
    }

    /// The path in normal form; starts with `/`.
    pub fn path(&self) -> &str {
        self.text.get(self.origin_bytes..).unwrap_or_default()
    }
}

impl PartialEq for TargetUri {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for TargetUri {}

impl Hash for TargetUri {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Display for TargetUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(formatter)
    }
}

impl fmt::Debug for TargetUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(formatter)
    }
}

fn legal(text: &str) -> Result<&str, TargetUriError> {
    if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        Ok(text)
    } else {
        Err(TargetUriError::IllegalCharacter)
    }
}

struct Scheme {
    name: &'static str,
    default_port: u16,
}

fn split_scheme(uri: &str) -> Result<(Scheme, &str), TargetUriError> {
    let (name, rest) = uri.split_once("://").ok_or(TargetUriError::NotAbsolute)?;
    if name.eq_ignore_ascii_case("https") {
        Ok((Scheme { name: "https", default_port: 443 }, rest))
    } else if name.eq_ignore_ascii_case("http") {
        Ok((Scheme { name: "http", default_port: 80 }, rest))
    } else {
        Err(TargetUriError::NotAbsolute)
    }
}

fn push_authority(text: &mut String, authority: &str, default_port: u16) -> Result<(), TargetUriError> {
    if authority.contains('@') {
        return Err(TargetUriError::UserInformation);
    }
    let host_end = match authority.strip_prefix('[') {
        Some(inner) => inner.find(']').ok_or(TargetUriError::IllegalHost)? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, port) = authority.split_at(host_end);
    push_host(text, host)?;
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok(()),
        None => Err(TargetUriError::IllegalHost),
        Some(digits) => push_port(text, digits, default_port),
    }
}

fn push_host(text: &mut String, host: &str) -> Result<(), TargetUriError> {
    if let Some(address) = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| TargetUriError::IllegalHost)?;
        let _ = write!(text, "[{address}]");
        return Ok(());
    }
    let start = text.len();
    push_percent_normalised(text, host)?;
    let host = text.get_mut(start..).unwrap_or_default();
    host.make_ascii_lowercase();
    // What is left of percent-encodings after decoding the unreserved characters is in no host name.
    if host.is_empty() || !host.bytes().all(is_unreserved) {
        return Err(TargetUriError::IllegalHost);
    }
    Ok(())
}

fn push_port(text: &mut String, digits: &str, default_port: u16) -> Result<(), TargetUriError> {
    if digits.is_empty() {
        return Ok(());
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TargetUriError::IllegalPort);
    }
    let port: u16 = digits.parse().map_err(|_| TargetUriError::IllegalPort)?;
    if port != default_port {
        let _ = write!(text, ":{port}");
    }
    Ok(())
}

/// Percent-encodings first, dot segments after: `%2e%2e` is a dot segment (RFC 3986 section 6.2.2.3).
fn push_path(text: &mut String, path: &str) -> Result<(), TargetUriError> {
    if path.is_empty() {
        text.push('/');
        return Ok(());
    }
    let start = text.len();
    push_percent_normalised(text, path)?;
    let path = text.get(start..).unwrap_or_default();
    if path.split('/').any(|segment| segment == "." || segment == "..") {
        let without = without_dot_segments(path);
        text.truncate(start);
        text.push_str(&without);
    }
    Ok(())
}

/// RFC 3986 section 5.2.4 for a path that starts with `/`.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // A dot segment at the end leaves the directory: `/a/.` is `/a/`.
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

/// Decodes percent-encoded unreserved characters and writes the others with capital digits.
fn push_percent_normalised(text: &mut String, part: &str) -> Result<(), TargetUriError> {
    let mut pieces = part.split('%');
    text.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let digits = piece.get(..2).ok_or(TargetUriError::IllegalPercentEncoding)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(TargetUriError::IllegalPercentEncoding);
        }
        let byte = u8::from_str_radix(digits, 16).map_err(|_| TargetUriError::IllegalPercentEncoding)?;
        if is_unreserved(byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push_str(&digits.to_ascii_uppercase());
        }
        text.push_str(piece.get(2..).unwrap_or_default());
    }
    Ok(())
}

/// RFC 3986 section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(uri: &str) -> Result<String, TargetUriError> {
        TargetUri::parse(uri).map(|target| target.text)
    }

    #[test]
    fn spellings_of_one_target_are_equal_and_others_are_not() {
        for (a, b, equal, why) in [
            ("https://Example.COM/a", "https://example.com/a", true, "scheme and host without case"),
            ("HTTPS://example.com:443/a", "https://example.com/a", true, "default port"),
            ("http://example.com:80/a", "http://example.com/a", true, "default port of http"),
            ("https://example.com:/a", "https://example.com/a", true, "empty port"),
            ("https://example.com:08443/a", "https://example.com:8443/a", true, "a port is a number"),
            ("https://example.com", "https://example.com/", true, "empty path with an authority"),
            ("https://example.com?x=1", "https://example.com/", true, "empty path before a query"),
            ("https://example.com/a?x=1#y", "https://example.com/a", true, "query and fragment left out"),
            ("https://example.com/a#y?x", "https://example.com/a", true, "a fragment with a question mark"),
            (
                "https://example.com/%7Eme",
                "https://example.com/~me",
                true,
                "unreserved characters are decoded",
            ),
            ("https://ex%61mple.com/", "https://example.com/", true, "in the host as well"),
            (
                "https://example.com/%2e%2E/a",
                "https://example.com/a",
                true,
                "decoded, then dot segments removed",
            ),
            ("https://example.com/a/./b/../c", "https://example.com/a/c", true, "dot segments"),
            ("https://example.com/a/..", "https://example.com/", true, "dot segment at the end"),
            ("https://example.com/../../a", "https://example.com/a", true, "above the root is the root"),
            (
                "https://example.com/a%2fb",
                "https://example.com/a%2Fb",
                true,
                "case of the hexadecimal digits",
            ),
            ("https://[2001:DB8::1]/a", "https://[2001:db8:0:0:0:0:0:1]/a", true, "same address"),
            ("https://example.com/a%2Fb", "https://example.com/a/b", false, "%2F is reserved"),
            ("https://example.com/a/", "https://example.com/a", false, "different paths"),
            ("https://example.com//a", "https://example.com/a", false, "empty segments count"),
            ("https://example.com/A", "https://example.com/a", false, "paths have case"),
            ("http://example.com/a", "https://example.com/a", false, "scheme"),
            ("https://example.com:8443/a", "https://example.com/a", false, "port"),
            ("https://example.com:80/a", "https://example.com/a", false, "default port of another scheme"),
            ("https://example.com./a", "https://example.com/a", false, "a trailing dot is another name"),
            ("https://example.com/a/.", "https://example.com/a", false, "leaves the slash"),
            ("https://example.com/a;x", "https://example.com/a", false, "path parameters count"),
            ("https://example.com/%41%25", "https://example.com/A%", false, "a bare % is none"),
        ] {
            assert_eq!(normal(a).is_ok() && normal(a) == normal(b), equal, "{a} {b}: {why}");
        }
    }

    #[test]
    fn what_cannot_be_compared_is_refused() {
        use TargetUriError as E;
        for (uri, error) in [
            ("https://user@example.com/a", E::UserInformation),
            ("https://user:secret@example.com/a", E::UserInformation),
            ("https://@example.com/a", E::UserInformation),
            ("/a", E::NotAbsolute),
            ("example.com/a", E::NotAbsolute),
            ("//example.com/a", E::NotAbsolute),
            ("ftp://example.com/a", E::NotAbsolute),
            ("https:/example.com/a", E::NotAbsolute),
            ("", E::NotAbsolute),
            ("https://", E::IllegalHost),
            ("https:///a", E::IllegalHost),
            ("https://:443/a", E::IllegalHost),
            ("https://b\u{fc}cher.example/", E::IllegalCharacter),
            ("https://example.com/a b", E::IllegalCharacter),
            ("https://example.com\\a", E::IllegalCharacter),
            ("https://example.com/\u{0}", E::IllegalCharacter),
            ("https://example.com/%", E::IllegalPercentEncoding),
            ("https://example.com/%2", E::IllegalPercentEncoding),
            ("https://example.com/%+1", E::IllegalPercentEncoding),
            ("https://exa%2Fmple.com/", E::IllegalHost),
            ("https://exa!mple.com/", E::IllegalHost),
            ("https://[::1/", E::IllegalHost),
            ("https://[::1]x/", E::IllegalHost),
            ("https://[fe80::1%25eth0]/", E::IllegalHost),
            ("https://[127.0.0.1]/", E::IllegalHost),
            ("https://example.com:x/", E::IllegalPort),
            ("https://example.com:+1/", E::IllegalPort),
            ("https://example.com:65536/", E::IllegalPort),
            ("https://example.com:1:2/", E::IllegalPort),
        ] {
            assert_eq!(normal(uri), Err(error), "{uri}");
        }
        let long = format!("https://example.com/{}", "a".repeat(MAX_TARGET_URI_BYTES));
        assert_eq!(normal(&long), Err(E::TooLong));
    }

    #[test]
    fn a_server_makes_targets_from_its_own_origin() {
        let base = TargetUri::parse("https://localhost:8443").unwrap();
        assert_eq!(
            base.with_path("//evil.example/a?b").unwrap().as_str(),
            "https://localhost:8443//evil.example/a"
        );
        assert_eq!(base.with_path("@evil.example/"), Err(TargetUriError::NotAbsolute));
        assert_eq!(base.with_path("").unwrap_err(), TargetUriError::NotAbsolute);
        let longest = format!("/{}", "a".repeat(MAX_TARGET_URI_BYTES - base.origin().len() - 1));
        assert!(base.with_path(&longest).is_ok());
        assert_eq!(base.with_path(&format!("{longest}a")), Err(TargetUriError::TooLong));
        assert_eq!(base.origin(), "https://localhost:8443");
        assert_eq!(base.path(), "/");
    }

    #[test]
    fn what_is_sent_keeps_its_path_as_it_was_written() {
        for (uri, sent) in [
            ("HTTPS://Example.com:443/a/b?c#d", "https://example.com/a/b"),
            ("https://example.com?c", "https://example.com/"),
            ("https://example.com/%7Eme/%c3%bc?c", "https://example.com/%7Eme/%c3%bc"),
            ("https://example.com/a/../b/.", "https://example.com/a/../b/."),
        ] {
            let target = TargetUri::parse(uri).unwrap();
            assert_eq!(target.as_sent(), sent, "RFC 9449 section 4.2, {uri}");
            assert_eq!(TargetUri::parse(sent).unwrap(), target, "RFC 9449 section 4.3, check 9, {uri}");
        }
        let base = TargetUri::parse("https://example.com/%7Eother").unwrap();
        assert_eq!(base.with_path("/%7Eme?c").unwrap().as_sent(), "https://example.com/%7Eme");
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(uri in "https?://[a-zA-Z0-9.-]{1,12}(:[0-9]{0,4})?(/[a-zA-Z0-9./~;_-]{0,6}(%[0-9a-fA-F]{2}){0,2}){0,4}([?#][a-z/?]{0,5})?") {
            if let Ok(once) = TargetUri::parse(&uri) {
                prop_assert_eq!(&TargetUri::parse(once.as_str()).unwrap(), &once);
                prop_assert_eq!(format!("{}{}", once.origin(), once.path()), once.as_str());
            }
        }

        #[test]
        fn a_target_at_a_path_is_the_uri_of_origin_and_path(path in "(/[a-zA-Z0-9./~;_\\\\ -]{0,6}(%[0-9a-fA-F]{0,2}){0,2}){0,4}([?#][a-z/?]{0,5})?") {
            let base = TargetUri::parse("HTTPS://Example.com:443/base").unwrap();
            let whole = TargetUri::parse(&format!("https://example.com{path}"));
            if path.starts_with('/') {
                prop_assert_eq!(base.with_path(&path), whole);
            } else {
                prop_assert!(base.with_path(&path).is_err());
            }
        }

        #[test]
        fn no_text_makes_it_panic(uri in "\\PC*") {
            let _ = TargetUri::parse(&uri);
            let _ = TargetUri::parse(&format!("https://{uri}"));
        }
    }
}
