//! The names of what the replay store measures, for the `metrics` facade.

/// Histogram, in seconds: how long the shared store took to answer one proof, or to fail. Label `answer`:
/// `recorded`, `replayed`, `unavailable`.
pub const STORE_SECONDS: &str = "keybound_replay_store_seconds";

/// Counter: proofs refused without asking the shared store, since this guard knew them to be used.
pub const KNOWN_HERE: &str = "keybound_replay_known_here_total";

/// Counter: proofs refused without asking the shared store, since its circuit breaker was open.
pub const REFUSED_BY_BREAKER: &str = "keybound_replay_refused_by_breaker_total";

/// Gauge: circuit breakers of the shared store that are open. A standalone server has one, a cluster one for
/// each 256 of its slots.
pub const BREAKERS_OPEN: &str = "keybound_replay_breakers_open";

/// Counter: proofs that the guard's own memory decided on, since the shared store was down
/// (`when_down = "admit_once_per_guard"`).
pub const FALLBACKS: &str = "keybound_replay_fallbacks_total";
