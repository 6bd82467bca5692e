//! Algorithms, URIs and networks, read from their names.

use std::net::IpAddr;

use ipnet::IpNet;
use keybound::{Algorithm, TargetUri};
use serde::de::{Deserialize, Deserializer, Error};

pub(super) fn algorithms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Algorithm>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    if names.is_empty() {
        return Err(D::Error::custom("at least one algorithm is needed, such as \"ES256\""));
    }
    names.iter().map(|name| name.parse().map_err(D::Error::custom)).collect()
}

pub(super) fn uris<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<TargetUri>, D::Error> {
    Vec::<String>::deserialize(deserializer)?.iter().map(|text| uri(text)).collect()
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

fn uri<E: Error>(text: &str) -> Result<TargetUri, E> {
    TargetUri::parse(text).map_err(|reason| E::custom(format!("{text}: {reason}")))
}
