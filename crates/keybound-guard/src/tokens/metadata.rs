//! What an issuer says of itself: authorization server metadata (RFC 8414) and `OpenID` Connect Discovery.

use http::Uri;
use keybound::endpoint::Endpoint;
use keybound::metadata::{IssuerError, MetadataDocument, MetadataError, WellKnown};

use super::network::{FetchError, Network};

/// The part of an issuer's metadata that a resource needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IssuerMetadata {
    /// Where its keys are (`jwks_uri`).
    pub jwks_uri: Option<Uri>,
    /// Where it answers about tokens (`introspection_endpoint`, RFC 8414 section 2).
    pub introspection_endpoint: Option<Uri>,
}

impl IssuerMetadata {
    /// Parses the metadata of `issuer`, whose member `issuer` must be exactly that (RFC 8414 section 3.3).
    pub fn parse(json: &[u8], issuer: &str) -> Result<Self, MetadataError> {
        let document = MetadataDocument::parse(json, issuer)?;
        let uri = |endpoint: Endpoint| endpoint.uri().clone();
        Ok(Self {
            jwks_uri: document.endpoint("jwks_uri")?.map(uri),
            introspection_endpoint: document.endpoint("introspection_endpoint")?.map(uri),
        })
    }
}

/// Where the metadata of an issuer may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MetadataLocations(WellKnown);

impl MetadataLocations {
    pub(super) fn of(issuer: &str) -> Result<Self, IssuerError> {
        WellKnown::of(issuer).map(Self)
    }

    /// Fetches the metadata of `issuer`. One that answers, though with nothing that can be used, may have it
    /// in the other place; one that does not answer is not asked twice.
    pub(super) async fn fetch(&self, network: &Network, issuer: &str) -> Result<IssuerMetadata, FetchError> {
        let WellKnown { oauth, openid } = &self.0;
        match fetch(network, oauth.uri(), issuer).await {
            Err(FetchError::Status { .. } | FetchError::Metadata { .. }) => {
                fetch(network, openid.uri(), issuer).await
            }
            outcome => outcome,
        }
    }
}

async fn fetch(network: &Network, uri: &Uri, issuer: &str) -> Result<IssuerMetadata, FetchError> {
    let unusable = |reason| FetchError::Metadata { reason, uri: uri.clone() };
    IssuerMetadata::parse(&network.get(uri).await?, issuer).map_err(unusable)
}

#[cfg(test)]
mod tests {
    use keybound::metadata::MAX_METADATA_BYTES;

    use super::*;

    const ISSUER: &str = "https://as.example/oauth2/default";

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
