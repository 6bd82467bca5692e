//! What is counted of token requests, with the cargo feature `metrics`: the names, and where they are recorded.
//!
//! Recording goes through the `metrics` facade and costs next to nothing where nobody listens; without the
//! feature it costs nothing. No label has a value that a server or a caller chooses.

use crate::discovery::DiscoveryError;
use crate::token_source::TokenError;

/// Token exchanges that have ended, the second after a corrected clock included. Label: `outcome` (`granted`;
/// `refused`: the server's answer is no token; `unreachable`: the network; `failed`: no request could be made).
pub const EXCHANGES: &str = "keybound_client_token_exchanges_total";
/// Tokens that were to be replaced. Label: `reason` (`early`: in the background, while the old one was good;
/// `refused`: a resource did not take it; `expired`).
pub const RENEWALS: &str = "keybound_client_token_renewals_total";
/// Tokens that were taken from the token cache in place of an exchange.
pub const CACHE_HITS: &str = "keybound_client_token_cache_hits_total";
/// Nonce challenges of token endpoints that were answered (RFC 9449 section 8).
pub const CHALLENGES: &str = "keybound_client_token_challenges_total";

/// Tells a recorder what each of them means.
#[cfg(feature = "metrics")]
pub fn describe() {
    use metrics::describe_counter;
    describe_counter!(EXCHANGES, "Token exchanges that have ended, by outcome.");
    describe_counter!(RENEWALS, "Tokens that were to be replaced, by reason.");
    describe_counter!(CACHE_HITS, "Tokens that were taken from the token cache.");
    describe_counter!(CHALLENGES, "Nonce challenges of token endpoints that were answered.");
}

/// An exchange has ended; `error` is why it brought no token.
pub(crate) fn exchanged(error: Option<&TokenError>) {
    let outcome = match error {
        None => "granted",
        Some(TokenError::Refused { .. }) => "refused",
        Some(TokenError::Transport(_)) => "unreachable",
        Some(TokenError::Discovery(error)) if matches!(**error, DiscoveryError::Transport(_)) => {
            "unreachable"
        }
        Some(_) => "failed",
    };
    count(EXCHANGES, Some(("outcome", outcome)));
}

/// A token is to be replaced.
pub(crate) fn renewing(reason: &'static str) {
    count(RENEWALS, Some(("reason", reason)));
}

/// A token was taken from the cache.
pub(crate) fn cache_hit() {
    count(CACHE_HITS, None);
}

/// A nonce challenge is answered.
pub(crate) fn challenged() {
    count(CHALLENGES, None);
}

#[cfg(feature = "metrics")]
fn count(name: &'static str, label: Option<(&'static str, &'static str)>) {
    match label {
        Some((label, value)) => metrics::counter!(name, label => value).increment(1),
        None => metrics::counter!(name).increment(1),
    }
}

#[cfg(not(feature = "metrics"))]
fn count(_name: &'static str, _label: Option<(&'static str, &'static str)>) {}
