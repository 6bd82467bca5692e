//! `null` where an object or a list should be, which Okta writes for none.

use serde::{Deserialize, Deserializer};

/// For `deserialize_with`: `null` is an empty value.
pub(crate) fn is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
