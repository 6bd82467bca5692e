//! Where an authorization response may be sent: only where the app registered (RFC 6749 section 3.1.2.3).

use std::net::IpAddr;

use url::{Host, Url};

use crate::store::{App, ApplicationType};
use crate::web_origin::WebOrigin;

/// Bytes of a redirect URI, at most.
const MAX_REDIRECT_URI_BYTES: usize = 2 * 1024;

/// Schemes that a browser runs or reads files by, in place of going somewhere.
const UNSAFE_SCHEMES: [&str; 7] = ["javascript", "data", "vbscript", "file", "blob", "about", "view-source"];

/// A URI that the app registered, fit to be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedirectUri {
    /// As the client wrote it.
    text: String,
    parsed: Url,
}

impl RedirectUri {
    /// The URI of a request, if it is one of `registered`: the same text, or for a native app the same loopback
    /// address with any port (RFC 8252 section 7.3).
    pub(super) fn registered(text: &str, registered: &[String], app: &App) -> Option<Self> {
        let parsed = well_formed(text)?;
        let is_native = app.client.application_type == ApplicationType::Native;
        let is_same = |known: &String| known == text || (is_native && is_same_but_for_port(known, text));
        registered.iter().any(is_same).then(|| Self { text: text.to_owned(), parsed })
    }

    /// As the client wrote it.
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The URI with a response behind its own query, or as its fragment.
    pub(super) fn with_query(&self, response: &str) -> String {
        let separator = if self.text.contains('?') { '&' } else { '?' };
        format!("{}{separator}{response}", self.text)
    }

    /// The URI with a response as its fragment.
    pub(super) fn with_fragment(&self, response: &str) -> String {
        format!("{}#{response}", self.text)
    }

    /// Where the pages are from that may be told a response by a message, if the app has pages: those of a native app
    /// are whoever's has the port.
    pub(super) fn pages_of(&self, app: &App) -> Option<WebOrigin> {
        let has_pages = app.client.application_type != ApplicationType::Native;
        WebOrigin::of_url(&self.text).filter(|_| has_pages)
    }

    /// What a Content-Security-Policy calls the place: its origin, or the scheme of an app. It has no words for an IPv6
    /// address, and browsers leave out what has one (CSP level 3 section 2.3.1): there it is the scheme too.
    pub(super) fn source(&self) -> String {
        match (self.parsed.origin(), self.parsed.host()) {
            (url::Origin::Opaque(_), _) | (_, Some(Host::Ipv6(_))) => format!("{}:", self.parsed.scheme()),
            (origin @ url::Origin::Tuple(..), _) => origin.ascii_serialization(),
        }
    }
}

/// Whether an app may register a redirect URI (RFC 6749 section 3.1.2); a native app may have a scheme of its own
/// (RFC 8252 section 7.1).
pub(crate) fn is_redirect_uri(text: &str) -> bool {
    well_formed(text).is_some()
}

fn well_formed(text: &str) -> Option<Url> {
    if text.len() > MAX_REDIRECT_URI_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let parsed = Url::parse(text).ok()?;
    // What has a meaning of its own in a Content-Security-Policy, where the place is named.
    let is_plain = |host: &str| !host.contains(['*', ';', ',', '\'']);
    let is_good = parsed.fragment().is_none()
        && !UNSAFE_SCHEMES.contains(&parsed.scheme())
        && parsed.host_str().is_none_or(is_plain);
    is_good.then_some(parsed)
}

/// Compared as they are written, since it is the text of the request that a browser is sent to.
fn is_same_but_for_port(known: &str, found: &str) -> bool {
    without_port(known).is_some_and(|known| without_port(found) == Some(known))
}

/// Host and what follows the port, of a URI of a loopback address that is written as usual.
fn without_port(text: &str) -> Option<(String, &str)> {
    let url = Url::parse(text).ok()?;
    let is_loopback = match url.host()? {
        Host::Ipv4(address) => IpAddr::V4(address).is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(address).is_loopback(),
        Host::Domain(_) => false,
    };
    let host = url.host_str().filter(|_| is_loopback)?.to_owned();
    let rest = text.strip_prefix("http://")?.strip_prefix(host.as_str())?;
    let rest = rest
        .strip_prefix(':')
        .map_or(rest, |port| port.trim_start_matches(|digit: char| digit.is_ascii_digit()));
    Some((host, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_loopback_address_the_port_may_differ_and_nothing_else() {
        // RFC 8252 section 7.3.
        for (known, found, expected) in [
            ("http://127.0.0.1/callback", "http://127.0.0.1:4567/callback", true),
            ("http://127.0.0.1:1/callback", "http://127.0.0.1:4567/callback", true),
            ("http://[::1]/callback", "http://[::1]:4567/callback", true),
            ("http://127.0.0.1/callback", "http://127.0.0.1:4567/other", false),
            ("http://127.0.0.1/callback", "http://127.0.0.1:4567/callback?x=1", false),
            ("http://127.0.0.1/callback", "https://127.0.0.1:4567/callback", false),
            ("http://127.0.0.1/callback", "http://127.0.0.2:4567/callback", false),
            ("http://127.0.0.1/callback", "http://x@127.0.0.1:4567/callback", false),
            ("http://127.0.0.1/callback", "http://@127.0.0.1:4567/callback", false),
            ("http://127.0.0.1/callback", "http:127.0.0.1:4567/callback", false),
            ("http://127.0.0.1/callback", "http:/127.0.0.1:4567/callback", false),
            ("http://127.0.0.1/callback", "http:\\\\127.0.0.1:4567\\callback", false),
            ("http://127.0.0.1/callback", "http://2130706433:4567/callback", false),
            ("http://127.0.0.1/callback", "http://127.0.0.1:4567/x/../callback", false),
            ("http://localhost/callback", "http://localhost:4567/callback", false),
            ("http://127.0.0.1.example/callback", "http://127.0.0.1.example:1/callback", false),
            ("http://192.0.2.1/callback", "http://192.0.2.1:4567/callback", false),
            ("not a URI", "http://127.0.0.1:4567/callback", false),
        ] {
            assert_eq!(is_same_but_for_port(known, found), expected, "{known} {found}");
        }
    }

    #[test]
    fn a_place_is_called_as_a_content_security_policy_can() {
        for (uri, expected) in [
            ("https://app.example:8443/callback?x=1", "https://app.example:8443"),
            ("http://127.0.0.1:4567/callback", "http://127.0.0.1:4567"),
            ("com.example.app:/callback", "com.example.app:"),
            ("http://[::1]:4567/callback", "http:"),
        ] {
            let redirect_uri = RedirectUri { text: uri.to_owned(), parsed: Url::parse(uri).unwrap() };
            assert_eq!(redirect_uri.source(), expected, "{uri}");
        }
    }

    #[test]
    fn what_a_browser_can_be_sent_to_can_be_registered() {
        let long = format!("https://app.example/{}", "x".repeat(MAX_REDIRECT_URI_BYTES));
        for (uri, expected) in [
            ("https://app.example/callback?x=1", true),
            ("http://127.0.0.1/callback", true),
            ("com.example.app:/callback", true),
            ("https://app.example/#there", false),
            ("javascript:alert(1)", false),
            ("view-source:https://app.example/", false),
            ("https://app.example/\r\nx: y", false),
            ("http://*/callback", false),
            ("https://app;script-src/callback", false),
            ("/callback", false),
            (&long, false),
        ] {
            assert_eq!(is_redirect_uri(uri), expected, "{uri}");
        }
    }
}
