//! Where an authorization response may be sent: only where the app registered (RFC 6749 section 3.1.2.3).

use std::net::IpAddr;

use url::{Host, Url};

use crate::store::{App, ApplicationType};

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
        if text.len() > MAX_REDIRECT_URI_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let parsed = Url::parse(text).ok()?;
        if parsed.fragment().is_some() || UNSAFE_SCHEMES.contains(&parsed.scheme()) {
            return None;
        }
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

    /// What a Content-Security-Policy calls the place: its origin, or the scheme of an app.
    pub(super) fn source(&self) -> String {
        match self.parsed.origin() {
            origin @ url::Origin::Tuple(..) => origin.ascii_serialization(),
            url::Origin::Opaque(_) => format!("{}:", self.parsed.scheme()),
        }
    }
}

fn is_same_but_for_port(known: &str, found: &str) -> bool {
    let without_port = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        let is_loopback = match url.host()? {
            Host::Ipv4(address) => IpAddr::V4(address).is_loopback(),
            Host::Ipv6(address) => IpAddr::V6(address).is_loopback(),
            Host::Domain(_) => false,
        };
        if url.scheme() != "http" || !is_loopback || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        url.set_port(None).ok()?;
        Some(url)
    };
    without_port(known).is_some_and(|known| without_port(found) == Some(known))
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
            ("http://localhost/callback", "http://localhost:4567/callback", false),
            ("http://127.0.0.1.example/callback", "http://127.0.0.1.example:1/callback", false),
            ("http://192.0.2.1/callback", "http://192.0.2.1:4567/callback", false),
            ("not a URI", "http://127.0.0.1:4567/callback", false),
        ] {
            assert_eq!(is_same_but_for_port(known, found), expected, "{known} {found}");
        }
    }
}
