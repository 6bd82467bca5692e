//! The address of an org.

use std::fmt;

use http::Uri;
use keybound::endpoint::{Endpoint, EndpointError};
use keybound::{TargetUri, TargetUriError};
use keybound_client::TokenServer;

use crate::reach::{OutOfReach, Reach};

/// The path of the org authorization server's token endpoint.
const TOKEN_PATH: &str = "/oauth2/v1/token";

/// The origin of an org, such as `https://dev-123456.okta.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrgUrl(TargetUri);

/// Why a text is not the address of an org.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OrgUrlError {
    /// `https://{yourOktaDomain}` and the like, as documentation writes it.
    #[error("it is a placeholder from the documentation")]
    Placeholder,
    /// `dev-123456.okta.com`.
    #[error("it does not begin with https://")]
    NoScheme,
    /// Not a URL.
    #[error(transparent)]
    NotAUrl(#[from] TargetUriError),
    /// `http` to another machine.
    #[error("it is http, over which anyone on the way can read and change what is sent")]
    NotHttps,
    /// Something after the host: the issuer of an authorization server, a page of the console.
    #[error("it has something after the host, and an org is its host alone")]
    HasPath {
        /// The address without it.
        origin: String,
    },
    /// The address of the admin console.
    #[error("it is the address of the admin console, which has no API")]
    AdminConsole {
        /// The address of the org.
        org: String,
    },
}

impl OrgUrlError {
    /// What to do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::HasPath { origin } => format!(
                "Leave it at {origin}. (An address such as {origin}/oauth2/default is the issuer of a custom \
                 authorization server, which gives no tokens for the management API; for an API of your own set it as \
                 OKTA_OAUTH2_ISSUER.)"
            ),
            Self::AdminConsole { org } => format!("Leave out -admin: {org}"),
            _ => {
                "Give the org's address as the admin console shows it at the top right, with https in front: \
                  https://dev-123456.okta.com"
                    .to_owned()
            }
        }
    }
}

impl OrgUrl {
    /// Takes the address that a person gave.
    pub fn parse(text: &str) -> Result<Self, OrgUrlError> {
        let text = text.trim();
        if is_placeholder(text) {
            return Err(OrgUrlError::Placeholder);
        }
        if !text.contains("://") {
            return Err(OrgUrlError::NoScheme);
        }
        let given = TargetUri::parse(text)?;
        if !given.is_secure() {
            return Err(OrgUrlError::NotHttps);
        }
        if let Some(org) = org_of_admin_console(&given) {
            return Err(OrgUrlError::AdminConsole { org });
        }
        if given.path() != "/" || text.contains(['?', '#']) {
            return Err(OrgUrlError::HasPath { origin: given.origin().to_owned() });
        }
        Ok(Self(given))
    }

    /// The org's origin: `https://dev-123456.okta.com`.
    pub fn origin(&self) -> &str {
        self.0.origin()
    }

    /// The token endpoint of the org authorization server, the one that gives tokens for the management
    /// API.
    pub fn token_endpoint(&self) -> String {
        format!("{}{TOKEN_PATH}", self.origin())
    }

    /// The authorization server that gives tokens for the management API.
    pub(crate) fn token_server(&self) -> Result<TokenServer, OrgUrlError> {
        match Endpoint::parse(&self.token_endpoint()) {
            Ok(endpoint) => Ok(TokenServer::at(endpoint)),
            Err(EndpointError::Target(error)) => Err(error.into()),
            Err(_) => Err(OrgUrlError::NotHttps),
        }
    }

    /// The address of `path`, which is a path with or without a query, or a whole URL of this org.
    ///
    /// Characters that a URL can't have are percent-encoded, dot segments are taken out, a fragment is left
    /// out: what this returns is what is sent and what the proof is for.
    pub fn resolve(&self, path: &str) -> Result<Uri, OutOfReach> {
        Reach::Org(self.clone()).resolve(path)
    }
}

impl fmt::Display for OrgUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin().fmt(formatter)
    }
}

pub(crate) fn is_placeholder(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains(['{', '}', '<', '>', '$'])
        || ["yourokta", "your-okta", "your_okta", "your-org", "yourorg", "your-domain", "yourdomain"]
            .iter()
            .any(|name| text.contains(name))
}

/// The org's address, if `given` is that of its admin console: `dev-123456-admin.okta.com`.
pub(crate) fn org_of_admin_console(given: &TargetUri) -> Option<String> {
    let (label, domain) = given.origin().split_once('.')?;
    let org = label.strip_suffix("-admin")?;
    domain.starts_with("okta").then(|| format!("{org}.{domain}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_org_is_its_host_alone() {
        for (text, origin) in [
            ("https://dev-1.okta.com", "https://dev-1.okta.com"),
            (" https://dev-1.okta.com/ ", "https://dev-1.okta.com"),
            ("HTTPS://Dev-1.Okta.com:443", "https://dev-1.okta.com"),
            ("https://id.example.com:8443", "https://id.example.com:8443"),
            ("https://my-admin.example.com", "https://my-admin.example.com"),
            ("http://127.0.0.1:7777", "http://127.0.0.1:7777"),
            ("http://localhost:7777/", "http://localhost:7777"),
            ("http://[::1]:7777", "http://[::1]:7777"),
        ] {
            let org = OrgUrl::parse(text).unwrap();
            assert_eq!(org.origin(), origin, "{text}");
            assert_eq!(org.token_endpoint(), format!("{origin}/oauth2/v1/token"));
        }
    }

    #[test]
    fn a_wrong_org_url_is_told_for_what_it_is() {
        use OrgUrlError as E;
        let has_path = || E::HasPath { origin: "https://dev-1.okta.com".to_owned() };
        for (text, error) in [
            ("https://{yourOktaDomain}", E::Placeholder),
            ("https://${yourOktaDomain}", E::Placeholder),
            ("https://<org>.okta.com", E::Placeholder),
            ("https://your-okta-domain.okta.com", E::Placeholder),
            ("dev-1.okta.com", E::NoScheme),
            ("ftp://dev-1.okta.com", E::NotAUrl(TargetUriError::NotAbsolute)),
            ("https://user:secret@dev-1.okta.com", E::NotAUrl(TargetUriError::UserInformation)),
            ("https://dev 1.okta.com", E::NotAUrl(TargetUriError::IllegalCharacter)),
            ("http://dev-1.okta.com", E::NotHttps),
            ("http://10.0.0.1", E::NotHttps),
            ("https://dev-1.okta.com/oauth2/default", has_path()),
            ("https://dev-1.okta.com/api/v1", has_path()),
            ("https://dev-1.okta.com/?a", has_path()),
            ("https://dev-1.okta.com#a", has_path()),
            ("https://dev-1-admin.okta.com", E::AdminConsole { org: "https://dev-1.okta.com".to_owned() }),
            (
                "https://dev-1-admin.oktapreview.com/admin/dashboard",
                E::AdminConsole { org: "https://dev-1.oktapreview.com".to_owned() },
            ),
        ] {
            assert_eq!(OrgUrl::parse(text), Err(error.clone()), "{text}");
            assert!(!error.advice().is_empty());
        }
    }

    #[test]
    fn paths_and_urls_of_the_org_are_resolved_in_one_form() {
        let org = OrgUrl::parse("https://o.example").unwrap();
        for (path, uri) in [
            ("/api/v1/users", "https://o.example/api/v1/users"),
            ("/api/v1/users?limit=2&q=a b", "https://o.example/api/v1/users?limit=2&q=a%20b"),
            (
                "/api/v1/users?search=status eq \"ACTIVE\"",
                "https://o.example/api/v1/users?search=status%20eq%20%22ACTIVE%22",
            ),
            ("/api/v1/users/jürgen@example.com", "https://o.example/api/v1/users/j%C3%BCrgen@example.com"),
            ("/api/v1/../v1/users#top", "https://o.example/api/v1/users"),
            ("/@evil.example/", "https://o.example/@evil.example/"),
            ("/\\evil.example/", "https://o.example//evil.example/"),
            ("https://O.example:443/api/v1/users?after=x", "https://o.example/api/v1/users?after=x"),
        ] {
            assert_eq!(org.resolve(path).unwrap().to_string(), uri, "{path}");
        }
    }

    #[test]
    fn nothing_outside_the_org_is_resolved() {
        let org = OrgUrl::parse("https://o.example").unwrap();
        for path in [
            "https://evil.example/api/v1/users",
            "https://o.example.evil.example/",
            "https://o.example:8443/api/v1/users",
            "http://o.example/api/v1/users",
            "https://o.example@evil.example/",
            "https://evil.example\\@o.example/",
            "//evil.example/api/v1/users",
            "\\\\evil.example/",
            "@evil.example/",
            ".evil.example/",
            ":8443/api",
            "api/v1/users",
            "file:///etc/passwd",
            "javascript://o.example/%0a",
            "",
        ] {
            assert!(org.resolve(path).is_err(), "{path}");
        }
    }
}
