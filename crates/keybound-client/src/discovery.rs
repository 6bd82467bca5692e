//! Finds out what an authorization server offers, by its issuer alone (RFC 8414 section 3, OpenID Connect
//! Discovery section 4).

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Request, StatusCode};
use keybound::endpoint::Endpoint;
use keybound::metadata::{IssuerError, MetadataError, ServerMetadata, WellKnown};

use crate::transport::{Transport, TransportError};

/// Why there is no metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The issuer is not one that can be asked.
    #[error("the issuer `{issuer}` can't be asked for its metadata: {reason}")]
    Issuer {
        /// The issuer as it was given.
        issuer: String,
        /// What is wrong with it.
        reason: IssuerError,
    },
    /// The server does not answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// It has no metadata in either place.
    #[error("the server answered with {status} at {place}{}", doubt(*.status))]
    NotThere {
        /// The status of the answer.
        status: StatusCode,
        /// Where the metadata was looked for last.
        place: String,
    },
    /// What is there can't be used.
    #[error("the server can't be used by what it says at {place}: {reason}")]
    Metadata {
        /// What is wrong with it.
        reason: MetadataError,
        /// Where it is.
        place: String,
    },
}

/// Fetches the metadata of `issuer`. A server that answers, though with nothing that can be used, may have it
/// in the other place; one that does not answer is not asked twice. What is told is the first place's fault,
/// unless there is nothing at all.
pub async fn discover(transport: &Transport, issuer: &str) -> Result<ServerMetadata, DiscoveryError> {
    let places = WellKnown::of(issuer)
        .map_err(|reason| DiscoveryError::Issuer { issuer: crate::field::readable(issuer), reason })?;
    match fetch(transport, &places.oauth, issuer).await {
        Err(DiscoveryError::NotThere { .. }) => fetch(transport, &places.openid, issuer).await,
        Err(unusable @ DiscoveryError::Metadata { .. }) => {
            fetch(transport, &places.openid, issuer).await.map_err(|_| unusable)
        }
        outcome => outcome,
    }
}

async fn fetch(
    transport: &Transport,
    place: &Endpoint,
    issuer: &str,
) -> Result<ServerMetadata, DiscoveryError> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = place.uri().clone();
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    let answer = match transport.send(request).await {
        // A redirect is an answer, and not followed.
        Err(TransportError::Redirected { status, .. }) => {
            return Err(DiscoveryError::NotThere { status, place: place.to_string() });
        }
        answer => answer?,
    };
    if answer.status() != StatusCode::OK {
        return Err(DiscoveryError::NotThere { status: answer.status(), place: place.to_string() });
    }
    ServerMetadata::parse(answer.body(), issuer)
        .map_err(|reason| DiscoveryError::Metadata { reason, place: place.to_string() })
}

/// A server that is out of reach says nothing of whose it is.
fn doubt(status: StatusCode) -> &'static str {
    let is_out_of_reach = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    if is_out_of_reach { "" } else { "; is the issuer right?" }
}
