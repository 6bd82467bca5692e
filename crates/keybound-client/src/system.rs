//! What a client runs on: the network, a clock, randomness, a timer. All of it can be put in place of.

use std::sync::Arc;

use keybound::random::{OperatingSystem, Random};
use keybound::{Clock, SystemClock};

use crate::clock::{Sleep, TokioTimer};
use crate::transport::{Transport, TransportOptions};

/// The surroundings of a client; clones share them.
#[derive(Clone)]
#[non_exhaustive]
pub struct System {
    /// Sends requests.
    pub transport: Arc<Transport>,
    /// Dates assertions and proofs, and tells when a token expires.
    pub clock: Arc<dyn Clock>,
    /// Makes every `jti`.
    pub random: Arc<dyn Random>,
    /// Waits for the reset of a rate limit.
    pub timer: Arc<dyn Sleep>,
}

impl System {
    /// The machine's own clock, randomness and timer, and a network that behaves by `options`.
    pub fn new(options: TransportOptions) -> Self {
        Self {
            transport: Arc::new(Transport::new(options)),
            clock: Arc::new(SystemClock),
            random: Arc::new(OperatingSystem),
            timer: Arc::new(TokioTimer),
        }
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new(TransportOptions::default())
    }
}
