//! What is counted here, under the names that a metrics recorder sees.

use metrics::counter;

/// Access tokens that were found verified in the cache.
pub const TOKEN_CACHE_HITS: &str = "keybound_guard_token_cache_hits_total";

/// Access tokens that had to be verified, by a key or by asking the issuer.
pub const TOKEN_CACHE_MISSES: &str = "keybound_guard_token_cache_misses_total";

/// Fetches of an issuer's metadata, with the labels `issuer` and `outcome` (`fetched`, `failed`).
pub const METADATA_FETCHES: &str = "keybound_guard_metadata_fetches_total";

/// Fetches of an issuer's keys, metadata before them included, labelled as [`METADATA_FETCHES`].
pub const JWKS_FETCHES: &str = "keybound_guard_jwks_fetches_total";

/// Questions to an issuer's introspection endpoint, with the labels `issuer` and `outcome` (`answered`,
/// `failed`, and `not_asked` of those that were too many at once).
pub const INTROSPECTIONS: &str = "keybound_guard_introspections_total";

/// Counts what became of a fetch or a question.
pub(super) fn count(name: &'static str, issuer: &str, outcome: &'static str) {
    counter!(name, "issuer" => issuer.to_owned(), "outcome" => outcome).increment(1);
}
