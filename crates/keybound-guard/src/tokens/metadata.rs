//! What an issuer says of itself: authorization server metadata (RFC 8414) and `OpenID` Connect Discovery.

use http::Uri;
use keybound::excerpt::{NAME, SENTENCE, excerpt};
use keybound::json::{MemberError, NotStrictJson, Object};

use super::network::{FetchError, Network, askable};

/// Bytes of an issuer's metadata, at most. Large ones have ten kilobytes.
pub const MAX_METADATA_BYTES: usize = 64 * 1024;

/// The part of an issuer's metadata that a resource needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuerMetadata {
    /// Where its keys are (`jwks_uri`).
    pub jwks_uri: Option<Uri>,
    /// Where it answers about tokens (`introspection_endpoint`, RFC 8414 section 2).
    pub introspection_endpoint: Option<Uri>,
}

/// Why an issuer's metadata can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// Longer than [`MAX_METADATA_BYTES`].
    #[error("its metadata has {found} bytes, more than the {MAX_METADATA_BYTES} that are read")]
    TooLarge {
        /// Bytes of the text.
        found: usize,
    },
    /// Not a JSON object.
    #[error("its metadata is {0}")]
    NotStrictJson(#[from] NotStrictJson),
    /// A member is missing or of another type.
    #[error("its metadata's {0}")]
    Member(#[from] MemberError),
    /// Metadata of another issuer: whoever could answer for it could have its own keys taken for the
    /// issuer's.
    #[error("its metadata is that of another issuer, `{found}` (RFC 8414 section 3.3)")]
    WrongIssuer {
        /// The member `issuer`, cut.
        found: String,
    },
    /// A URI that may not be asked.
    #[error("its metadata's `{name}` can't be used: {reason}")]
    Uri {
        /// The member.
        name: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

impl IssuerMetadata {
    /// Parses the metadata of `issuer`, whose member `issuer` must be exactly that (RFC 8414 section 3.3).
    pub fn parse(json: &[u8], issuer: &str) -> Result<Self, MetadataError> {
        if json.len() > MAX_METADATA_BYTES {
            return Err(MetadataError::TooLarge { found: json.len() });
        }
        let metadata = Object::parse(json)?;
        let found = metadata.string("issuer")?;
        if found != issuer {
            return Err(MetadataError::WrongIssuer { found: excerpt(found, NAME) });
        }
        Ok(Self {
            jwks_uri: uri(&metadata, "jwks_uri")?,
            introspection_endpoint: uri(&metadata, "introspection_endpoint")?,
        })
    }
}

fn uri(metadata: &Object<'_>, name: &'static str) -> Result<Option<Uri>, MetadataError> {
    let Some(text) = metadata.optional_string(name)? else { return Ok(None) };
    let unusable = |reason: String| MetadataError::Uri { name, reason: excerpt(&reason, SENTENCE) };
    askable(text).map(Some).map_err(unusable)
}

/// Where the metadata of an issuer may be, the likelier first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MetadataLocations([Uri; 2]);

impl MetadataLocations {
    /// RFC 8414 section 3.1 puts its part between host and path, `OpenID` Connect Discovery section 4 behind
    /// the path. An issuer has neither query nor fragment (RFC 8414 section 2).
    pub(super) fn of(issuer: &str) -> Result<Self, String> {
        if issuer.contains(['?', '#']) {
            return Err("an issuer whose metadata is to be found has neither query nor fragment".to_owned());
        }
        let uri = askable(issuer)?;
        let origin = issuer.split_at_checked(issuer.len() - path_of(issuer).len());
        let (origin, path) = origin.unwrap_or((issuer, ""));
        let path = path.trim_end_matches('/');
        let unusable = |reason: http::uri::InvalidUri| format!("{uri}: {reason}");
        let oauth = format!("{origin}/.well-known/oauth-authorization-server{path}");
        let openid = format!("{origin}{path}/.well-known/openid-configuration");
        Ok(Self([oauth.parse().map_err(unusable)?, openid.parse().map_err(unusable)?]))
    }

    /// Fetches the metadata of `issuer`. One that answers, though with nothing that can be used, may have it
    /// in the other place; one that does not answer is not asked twice.
    pub(super) async fn fetch(&self, network: &Network, issuer: &str) -> Result<IssuerMetadata, FetchError> {
        let Self([first, second]) = self;
        match fetch(network, first, issuer).await {
            Err(FetchError::Status { .. } | FetchError::Metadata { .. }) => {
                fetch(network, second, issuer).await
            }
            outcome => outcome,
        }
    }
}

async fn fetch(network: &Network, uri: &Uri, issuer: &str) -> Result<IssuerMetadata, FetchError> {
    let unusable = |reason| FetchError::Metadata { reason, uri: uri.clone() };
    IssuerMetadata::parse(&network.get(uri).await?, issuer).map_err(unusable)
}

/// What stands behind scheme and authority.
fn path_of(uri: &str) -> &str {
    let after_scheme = uri.split_once("://").map_or("", |(_, rest)| rest);
    after_scheme.find('/').and_then(|slash| after_scheme.get(slash..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://as.example/oauth2/default";

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
                ISSUER,
                "https://as.example/.well-known/oauth-authorization-server/oauth2/default",
                "https://as.example/oauth2/default/.well-known/openid-configuration",
            ),
            (
                "http://127.0.0.1:80/a/",
                "http://127.0.0.1:80/.well-known/oauth-authorization-server/a",
                "http://127.0.0.1:80/a/.well-known/openid-configuration",
            ),
        ] {
            let expected = MetadataLocations([oauth.parse().unwrap(), openid.parse().unwrap()]);
            assert_eq!(MetadataLocations::of(issuer), Ok(expected), "{issuer}");
        }
        for issuer in
            ["https://as.example/?tenant=1", "https://as.example/#a", "http://as.example", "one", ""]
        {
            assert!(MetadataLocations::of(issuer).is_err(), "{issuer}");
        }
    }

    #[test]
    fn metadata_that_is_not_the_issuers_own_or_leads_astray_is_refused() {
        let good = format!(r#""issuer":"{ISSUER}""#);
        let parse = |json: &str| IssuerMetadata::parse(json.as_bytes(), ISSUER);
        let metadata = parse(&format!(
            r#"{{{good},"jwks_uri":"https://keys.example/k?a=b","introspection_endpoint":"https://as.example/i"}}"#
        ))
        .unwrap();
        assert_eq!(metadata.jwks_uri.unwrap(), "https://keys.example/k?a=b");
        assert_eq!(metadata.introspection_endpoint.unwrap(), "https://as.example/i");
        assert_eq!(parse(&format!("{{{good}}}")).unwrap().jwks_uri, None);

        for (json, why) in [
            (r#"{"issuer":"https://as.example/oauth2/default/"}"#.to_owned(), "another spelling"),
            (r#"{"issuer":"https://AS.example/oauth2/default"}"#.to_owned(), "another case"),
            (r#"{"jwks_uri":"https://as.example/k"}"#.to_owned(), "no issuer"),
            (format!(r#"{{{good},"jwks_uri":"http://as.example/k"}}"#), "keys over plain http"),
            (format!(r#"{{{good},"jwks_uri":"file:///etc/passwd"}}"#), "keys in a file"),
            (format!(r#"{{{good},"jwks_uri":7}}"#), "a number"),
            (
                format!(r#"{{{good},"introspection_endpoint":"http://as.example/i"}}"#),
                "tokens over plain http",
            ),
            (format!("{{{good},{good}}}"), "two issuers"),
            ("<html>".to_owned(), "no JSON"),
            (format!("{{{good}}}{}", " ".repeat(MAX_METADATA_BYTES)), "too long"),
        ] {
            assert!(parse(&json).is_err(), "{why}: {json}");
        }
    }
}
