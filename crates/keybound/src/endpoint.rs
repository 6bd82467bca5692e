//! An endpoint of an authorization server: a URL that secrets may be sent to (RFC 6749 section 3).

use std::fmt;

use http::Uri;

use crate::htu::{TargetUri, TargetUriError};

/// An endpoint's URL, which may have a query and has no fragment (RFC 6749 sections 3.1 and 3.2).
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    uri: Uri,
    target: TargetUri,
}

/// Why a text is not the URL of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Not an absolute http or https URL.
    #[error(transparent)]
    Target(#[from] TargetUriError),
    /// It has a fragment, which is never sent.
    #[error("the URL of an endpoint has no fragment (RFC 6749 sections 3.1 and 3.2)")]
    Fragment,
    /// Plain http to another machine.
    #[error(
        "it is neither https nor on this machine: anyone on the way could answer (RFC 6749 sections 3.1.2.1 and 3.2)"
    )]
    NotSecure,
}

impl Endpoint {
    /// Parses `url`: https, or http that stays on this machine.
    ///
    /// ```
    /// use keybound::endpoint::Endpoint;
    ///
    /// let endpoint = Endpoint::parse("https://as.example.com/token?tenant=1")?;
    /// assert_eq!(endpoint.target().as_str(), "https://as.example.com/token");
    /// assert!(Endpoint::parse("http://as.example.com/token").is_err());
    /// # Ok::<(), keybound::endpoint::EndpointError>(())
    /// ```
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        let endpoint = Self::parse_insecure(url)?;
        if endpoint.target.is_secure() { Ok(endpoint) } else { Err(EndpointError::NotSecure) }
    }

    /// As [`Endpoint::parse`], and leaves it to whoever sends the request to refuse plain http.
    pub(crate) fn parse_insecure(url: &str) -> Result<Self, EndpointError> {
        if url.contains('#') {
            return Err(EndpointError::Fragment);
        }
        let target = TargetUri::parse(url)?;
        let uri = url.parse().map_err(|_| TargetUriError::IllegalCharacter)?;
        Ok(Self { uri, target })
    }

    /// The URL as it is requested.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The same as a proof names it; its origin is the one that nonces belong to.
    pub fn target(&self) -> &TargetUri {
        &self.target
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(formatter)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uri.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_over_https_or_stay_on_this_machine() {
        use EndpointError::{Fragment, NotSecure, Target};
        use TargetUriError::{IllegalHost, NotAbsolute, UserInformation};
        for (url, outcome, why) in [
            ("https://as.example/token", Ok(()), "https"),
            ("https://as.example/token?tenant=1", Ok(()), "a query: RFC 6749 section 3.2"),
            ("http://127.0.0.1:8080/token", Ok(()), "loopback of IPv4"),
            ("http://[::1]/token", Ok(()), "loopback of IPv6"),
            ("http://localhost/token", Ok(()), "the name of this machine: RFC 6761 section 6.3"),
            ("http://as.example/token", Err(NotSecure), "plain http"),
            ("http://10.0.0.1/token", Err(NotSecure), "a private network is a network"),
            ("http://127.0.0.1.example/token", Err(NotSecure), "a name that starts like an address"),
            ("https://as.example/token#a", Err(Fragment), "a fragment: RFC 6749 section 3.2"),
            ("https://user@as.example/token", Err(Target(UserInformation)), "user information"),
            ("https:///token", Err(Target(IllegalHost)), "no host"),
            ("file:///etc/passwd", Err(Target(NotAbsolute)), "a file"),
            ("/token", Err(Target(NotAbsolute)), "relative"),
            ("", Err(Target(NotAbsolute)), "empty"),
        ] {
            assert_eq!(Endpoint::parse(url).map(drop), outcome, "{why}: {url}");
        }
    }
}
