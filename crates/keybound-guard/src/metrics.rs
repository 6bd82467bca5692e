//! What a guard counts and times, in one place: the names, what they mean, and where they are recorded.
//!
//! Recording goes through the `metrics` facade and costs next to nothing where nobody listens. No label ever
//! has a value that a client chooses, so the number of series is bounded. Those of tokens and of the replay
//! store have their names where they are counted, in [`counters`] and [`metric`].

use std::sync::OnceLock;
use std::time::Duration;

use http::StatusCode;
#[cfg(feature = "server")]
use metrics::Gauge;
use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram,
};

use crate::guard::{Admission, Refused};
use crate::replay::metric;
use crate::tokens::counters;

/// Requests that were judged. Labels: `outcome` (`admitted`, `refused`, `preflight`: a browser was told that a page may
/// call); for refused ones `rule` (the source of the rule that was broken; `trusted_proxies` where one asked who is no
/// trusted proxy, `cors` where a page may not call) and `status` (that of the answer), else both are empty. One that was admitted and then refused by the API itself, for its scope or for
/// want of a token, is counted as each.
pub const REQUESTS: &str = "keybound_guard_requests_total";
/// How long judging a request took, in seconds: verification, issuer and replay store included.
pub const ADMISSION_SECONDS: &str = "keybound_guard_admission_seconds";
/// Connections from clients that are open.
pub const CONNECTIONS: &str = "keybound_guard_connections";
/// Connections that were closed as they came, since their address had as many as one may have.
pub const CONNECTIONS_REFUSED: &str = "keybound_guard_connections_refused_total";
/// Requests under way, from their header fields to the end of the answer's body.
pub const IN_FLIGHT: &str = "keybound_guard_requests_in_flight";
/// TLS handshakes that failed or took too long.
pub const HANDSHAKE_FAILURES: &str = "keybound_guard_tls_handshake_failures_total";
/// Connections that were upgraded (WebSocket) and are open.
pub const TUNNELS: &str = "keybound_guard_tunnels";
/// What was ended since its access token had expired. Label: `what` (`answer`: one that still came; `tunnel`).
pub const ENDED_AT_EXPIRY: &str = "keybound_guard_ended_at_expiry_total";
/// How long the upstream took until its header fields were there, in seconds.
pub const UPSTREAM_SECONDS: &str = "keybound_guard_upstream_seconds";
/// Requests that the upstream did not answer. Label: `reason` (`connect`, `timeout`, `broken`).
pub const UPSTREAM_FAILURES: &str = "keybound_guard_upstream_failures_total";
/// New policies and certificates that were read. Labels: `what` (`policy`, `certificate`), `outcome`
/// (`applied`, `refused`).
pub const RELOADS: &str = "keybound_guard_reloads_total";

/// The histograms: all of them are of seconds.
pub const HISTOGRAMS: [&str; 3] = [ADMISSION_SECONDS, UPSTREAM_SECONDS, metric::STORE_SECONDS];

/// The buckets of the histograms, in seconds: one signature verification takes about 0.00005.
pub const BUCKETS: [f64; 12] =
    [0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Tells a recorder what each of them means.
pub fn describe() {
    describe_counter!(REQUESTS, "Requests that were judged, by outcome, broken rule and status.");
    describe_histogram!(ADMISSION_SECONDS, Unit::Seconds, "How long judging a request took.");
    describe_gauge!(CONNECTIONS, "Connections from clients that are open.");
    describe_counter!(CONNECTIONS_REFUSED, "Connections closed as they came: their address had too many.");
    describe_gauge!(IN_FLIGHT, "Requests under way.");
    describe_counter!(HANDSHAKE_FAILURES, "TLS handshakes that failed or took too long.");
    describe_gauge!(TUNNELS, "Upgraded connections (WebSocket) that are open.");
    describe_counter!(
        ENDED_AT_EXPIRY,
        "Answers and tunnels that were ended since their access token had expired."
    );
    describe_histogram!(UPSTREAM_SECONDS, Unit::Seconds, "How long the upstream took to begin its answer.");
    describe_counter!(UPSTREAM_FAILURES, "Requests that the upstream did not answer, by reason.");
    describe_counter!(RELOADS, "New policies and certificates that were read, by outcome.");
    describe_counter!(counters::TOKEN_CACHE_HITS, "Access tokens that were known to be good.");
    describe_counter!(counters::TOKEN_CACHE_MISSES, "Access tokens that had to be verified or asked about.");
    describe_counter!(counters::METADATA_FETCHES, "Fetches of issuers' metadata, by outcome.");
    describe_counter!(counters::JWKS_FETCHES, "Fetches of issuers' keys, by outcome.");
    describe_counter!(counters::INTROSPECTIONS, "Questions to introspection endpoints, by outcome.");
    describe_histogram!(metric::STORE_SECONDS, Unit::Seconds, "How long the shared replay store took.");
    describe_counter!(metric::KNOWN_HERE, "Replays that this guard knew without asking the shared store.");
    describe_counter!(
        metric::REFUSED_BY_BREAKER,
        "Proofs refused while the shared store was known to be down."
    );
    describe_gauge!(metric::BREAKERS_OPEN, "Circuit breakers of the shared store that are open.");
    describe_counter!(metric::FALLBACKS, "Proofs that the guard's own memory decided on.");
}

/// What is recorded of every request that is judged. Kept, since looking it up by its name costs.
#[derive(Default)]
pub(crate) struct Judgements {
    admitted: OnceLock<Counter>,
    seconds: OnceLock<Histogram>,
}

impl Judgements {
    /// A request was judged.
    pub(crate) fn record(&self, outcome: &Result<Admission, Refused>, took: Duration) {
        match outcome {
            Ok(_) => self
                .admitted
                .get_or_init(|| counter!(REQUESTS, "outcome" => "admitted", "rule" => "", "status" => ""))
                .increment(1),
            Err(unfit) => refused(unfit),
        }
        self.seconds.get_or_init(|| histogram!(ADMISSION_SECONDS)).record(took);
    }
}

/// A request was refused.
pub(crate) fn refused(refused: &Refused) {
    let (rule, status) = (refused.refusal.rule().source(), status(refused.response.status()));
    counter!(REQUESTS, "outcome" => "refused", "rule" => rule, "status" => status).increment(1);
}

/// One who is no trusted proxy asked about a request.
#[cfg(feature = "server")]
pub(crate) fn not_a_proxy() {
    counter!(REQUESTS, "outcome" => "refused", "rule" => "trusted_proxies", "status" => "403").increment(1);
}

/// A browser was told that a page of another origin may not call.
#[cfg(feature = "server")]
pub(crate) fn page_refused() {
    counter!(REQUESTS, "outcome" => "refused", "rule" => "cors", "status" => "403").increment(1);
}

/// A browser was told that a page of another origin may call.
#[cfg(feature = "server")]
pub(crate) fn preflight_allowed() {
    counter!(REQUESTS, "outcome" => "preflight", "rule" => "", "status" => "").increment(1);
}

/// The statuses of refusals; a label without an allocation.
const fn status(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "400",
        StatusCode::UNAUTHORIZED => "401",
        StatusCode::FORBIDDEN => "403",
        StatusCode::NOT_FOUND => "404",
        StatusCode::TOO_MANY_REQUESTS => "429",
        StatusCode::SERVICE_UNAVAILABLE => "503",
        _ => "other",
    }
}

/// One more of what a gauge counts, until it is dropped.
#[cfg(feature = "server")]
pub(crate) struct Counted(Gauge);

#[cfg(feature = "server")]
impl Counted {
    pub(crate) fn one_more(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

#[cfg(feature = "server")]
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}
