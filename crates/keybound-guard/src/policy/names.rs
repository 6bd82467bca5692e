//! Algorithms, URIs and networks, read from their names.

use std::net::IpAddr;

use ipnet::IpNet;
use keybound::{Algorithm, TargetUri, TargetUriError};
use serde::de::{Deserialize, Deserializer, Error};

pub(super) fn algorithms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Algorithm>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.is_empty() {
        return Err(D::Error::custom("at least one algorithm is needed, such as \"ES256\""));
    }
    names.iter().map(|name| name.parse().map_err(D::Error::custom)).collect()
}

pub(super) fn uris<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TargetUri>, D::Error> {
    let uri = |text: &String| resource(text).map_err(|reason| D::Error::custom(format!("{text}: {reason}")));
    Vec::<String>::deserialize(deserializer)?.iter().map(uri).collect()
}

/// Networks; an address alone is the network of that one address.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let network = |text: &String| {
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| address()).map_err(|_| {
            let reason =
                format!("`{text}` is neither a network (\"10.0.0.0/8\") nor an address (\"10.0.0.1\")");
            D::Error::custom(reason)
        })
    };
    Vec::<String>::deserialize(deserializer)?.iter().map(network).collect()
}

/// Why a text is not the URL of a resource.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAResource {
    /// It is no URL of a service.
    #[error(transparent)]
    Uri(#[from] TargetUriError),
    /// What no proof is ever made for (RFC 9449 section 4.2) would seem to count.
    #[error("proofs are made for a URL without query and fragment; write `{without}`")]
    QueryOrFragment {
        /// What is left without them.
        without: String,
    },
}

/// Reads the URL of a resource: of a service, without query and fragment.
pub fn resource(text: &str) -> Result<TargetUri, NotAResource> {
    let uri = TargetUri::parse(text)?;
    match text.split_once(['?', '#']) {
        Some((without, _)) => Err(NotAResource::QueryOrFragment { without: without.to_owned() }),
        None => Ok(uri),
    }
}
