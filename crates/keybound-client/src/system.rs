//! What a client runs on: the network, a clock, a stopwatch, randomness, a timer. All of it can be put in
//! place of.

use std::sync::Arc;

use keybound::random::{OperatingSystem, Random};
use keybound::{Clock, SystemClock};

use crate::clock::{Moment, MonotonicStopwatch, Sleep, Stopwatch, TokioTimer};
use crate::transport::{Transport, TransportOptions};

/// The surroundings of a client; clones share them.
#[derive(Clone)]
#[non_exhaustive]
pub struct System {
    /// Sends requests.
    pub transport: Arc<Transport>,
    /// Dates assertions and proofs, and tells when a token expires.
    pub clock: Arc<dyn Clock>,
    /// Tells how much time has passed since a token was granted or an exchange failed, so that a clock that
    /// is set meanwhile makes no difference.
    pub stopwatch: Arc<dyn Stopwatch>,
    /// Makes every `jti`, and spreads renewals over time.
    pub random: Arc<dyn Random>,
    /// Waits for the reset of a rate limit, and for the lock of a token cache.
    pub timer: Arc<dyn Sleep>,
}

impl System {
    /// The machine's own clock, stopwatch, randomness and timer, and a network that behaves by `options`.
    pub fn new(options: TransportOptions) -> Self {
        Self {
            transport: Arc::new(Transport::new(options)),
            clock: Arc::new(SystemClock),
            stopwatch: Arc::new(MonotonicStopwatch::default()),
            random: Arc::new(OperatingSystem),
            timer: Arc::new(TokioTimer),
        }
    }

    /// Now, by clock and stopwatch.
    pub(crate) fn moment(&self) -> Moment {
        Moment { date: self.clock.now(), elapsed: self.stopwatch.elapsed() }
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new(TransportOptions::default())
    }
}
