//! Where the metadata of an issuer is looked for: RFC 8414 section 3.1, and OpenID Connect Discovery section 4.1.

use crate::endpoint::{Endpoint, EndpointError};

/// Where the metadata of an issuer may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WellKnown {
    /// RFC 8414 section 3.1: its part stands between host and path.
    pub oauth: Endpoint,
    /// OpenID Connect Discovery section 4.1: its part stands behind the path.
    pub openid: Endpoint,
}

/// Why there is no place where the metadata of an issuer could be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// It has a query or a fragment.
    #[error("an issuer whose metadata is to be found has neither query nor fragment (RFC 8414 section 2)")]
    QueryOrFragment,
    /// Not a URL that may be asked.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}

impl WellKnown {
    /// The places for `issuer`. A slash at its end is left out (RFC 8414 section 3.1).
    ///
    /// ```
    /// use keybound::metadata::WellKnown;
    ///
    /// let places = WellKnown::of("https://as.example.com/tenant")?;
    /// assert_eq!(
    ///     places.oauth.to_string(),
    ///     "https://as.example.com/.well-known/oauth-authorization-server/tenant"
    /// );
    /// assert_eq!(
    ///     places.openid.to_string(),
    ///     "https://as.example.com/tenant/.well-known/openid-configuration"
    /// );
    /// # Ok::<(), keybound::metadata::IssuerError>(())
    /// ```
    pub fn of(issuer: &str) -> Result<Self, IssuerError> {
        if issuer.contains(['?', '#']) {
            return Err(IssuerError::QueryOrFragment);
        }
        Endpoint::parse(issuer)?;
        let path = path_of(issuer);
        let origin = issuer.strip_suffix(path).unwrap_or(issuer);
        let path = path.trim_end_matches('/');
        Ok(Self {
            oauth: Endpoint::parse(&format!("{origin}/.well-known/oauth-authorization-server{path}"))?,
            openid: Endpoint::parse(&format!("{origin}{path}/.well-known/openid-configuration"))?,
        })
    }
}

/// What stands behind scheme and authority.
fn path_of(uri: &str) -> &str {
    let after_scheme = uri.split_once("://").map_or("", |(_, rest)| rest);
    after_scheme.find('/').and_then(|slash| after_scheme.get(slash..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_where_the_standards_put_it() {
        for (issuer, oauth, openid) in [
            (
                "https://as.example",
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration",
            ),
            (
                "https://as.example/",
                "https://as.example/.well-known/oauth-authorization-server",
                "https://as.example/.well-known/openid-configuration",
            ),
            (
                "https://as.example/oauth2/default",
                "https://as.example/.well-known/oauth-authorization-server/oauth2/default",
                "https://as.example/oauth2/default/.well-known/openid-configuration",
            ),
            (
                "http://127.0.0.1:80/a/",
                "http://127.0.0.1:80/.well-known/oauth-authorization-server/a",
                "http://127.0.0.1:80/a/.well-known/openid-configuration",
            ),
        ] {
            let places = WellKnown::of(issuer).unwrap();
            assert_eq!((places.oauth.to_string(), places.openid.to_string()), (oauth.into(), openid.into()));
        }
        let (query, not_secure) =
            (IssuerError::QueryOrFragment, IssuerError::Endpoint(EndpointError::NotSecure));
        for (issuer, refusal) in [
            ("https://as.example/?tenant=1", Some(query)),
            ("https://as.example/#a", Some(query)),
            ("http://as.example", Some(not_secure)),
            ("one", None),
            ("", None),
        ] {
            let refused = WellKnown::of(issuer).unwrap_err();
            assert!(refusal.is_none_or(|refusal| refusal == refused), "{issuer}: {refused}");
        }
    }
}
