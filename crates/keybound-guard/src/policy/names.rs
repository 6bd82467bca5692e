//! Algorithms and URIs, read from their names.

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

fn uri<E: Error>(text: &str) -> Result<TargetUri, E> {
    TargetUri::parse(text).map_err(|reason| E::custom(format!("{text}: {reason}")))
}
