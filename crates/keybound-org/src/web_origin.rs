//! An origin of the web, as browsers write it in `Origin` (RFC 6454 section 6.2).

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Bytes of an origin, at most, as Okta has it.
const MAX_BYTES: usize = 255;

/// The schemes of pages and of web views in apps that Okta takes.
const SCHEMES: [&str; 5] = ["http", "https", "ftp", "ionic", "capacitor"];

/// Where a page is from: scheme, host and port. It is written in one way, so two are the same if their texts are.
///
/// ```
/// use keybound_org::WebOrigin;
///
/// let origin: WebOrigin = "https://app.example.com:8443".parse()?;
/// assert_eq!(origin.as_str(), "https://app.example.com:8443");
/// let refused = "https://app.example.com/".parse::<WebOrigin>().unwrap_err();
/// assert!(refused.to_string().ends_with("; write https://app.example.com"));
/// # Ok::<(), keybound_org::NotAnOrigin>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebOrigin(String);

/// A text is no origin, or is not written as browsers write it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an origin is a scheme ({}), a host and, unless it is the scheme's own, a port, as browsers write it: \
     https://app.example.com:8443{}",
    SCHEMES.join(", "),
    written(meant.as_deref())
)]
pub struct NotAnOrigin {
    /// What was meant, as far as that can be told.
    meant: Option<String>,
}

fn written(meant: Option<&str>) -> String {
    meant.map(|origin| format!("; write {origin}")).unwrap_or_default()
}

impl WebOrigin {
    /// The origin of a URL, if pages can be from there.
    pub(crate) fn of_url(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let host = url.host_str().filter(|host| is_plain(host))?;
        let is_known = SCHEMES.contains(&url.scheme());
        if !is_known || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let origin = format!("{}://{host}{port}", url.scheme());
        (origin.len() <= MAX_BYTES).then_some(Self(origin))
    }

    /// As browsers write it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a host is a name or an address, without wildcards and the like.
fn is_plain(host: &str) -> bool {
    !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
}

impl FromStr for WebOrigin {
    type Err = NotAnOrigin;

    fn from_str(text: &str) -> Result<Self, NotAnOrigin> {
        match Self::of_url(text) {
            Some(origin) if origin.0 == text => Ok(origin),
            meant => Err(NotAnOrigin { meant: meant.map(|origin| origin.0) }),
        }
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for (text, meant) in [
            ("https://app.example.com", Some("https://app.example.com")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("http://127.0.0.1:80", Some("http://127.0.0.1")),
            ("http://[::1]:8080", Some("http://[::1]:8080")),
            ("https://app.example.com:443", Some("https://app.example.com")),
            ("https://app.example.com/", Some("https://app.example.com")),
            ("https://app.example.com/callback?a=b#c", Some("https://app.example.com")),
            ("HTTPS://App.Example.com", Some("https://app.example.com")),
            ("https://bücher.example", Some("https://xn--bcher-kva.example")),
            ("capacitor://localhost", Some("capacitor://localhost")),
            ("ionic://localhost", Some("ionic://localhost")),
            ("https://user@app.example.com", None),
            ("https://*.example.com", None),
            ("https://", None),
            ("app.example.com", None),
            ("localhost:3000", None),
            ("file:///page.html", None),
            ("javascript:alert(1)", None),
            ("null", None),
            ("*", None),
            ("", None),
        ] {
            let origin = WebOrigin::of_url(text).map(|origin| origin.0);
            assert_eq!(origin.as_deref(), meant, "{text}");
            assert_eq!(text.parse::<WebOrigin>().is_ok(), meant == Some(text), "{text}");
        }
        let long = format!("https://{}.example", "a.".repeat(MAX_BYTES / 2));
        assert_eq!(WebOrigin::of_url(&long), None);
    }
}
