//! `when_down = "admit_once_per_guard"`: while the shared store can't be asked, the guard's own memory
//! decides.
//!
//! What it gives up: while the store is down, and for as long after as proofs live, each guard of the fleet
//! admits a proof once, so N guards admit it N times. What it keeps: this guard never admits a proof twice.
//! Every proof goes into its memory before the store is asked, so one that was admitted while the store was
//! away is refused here when the store is back, although the store does not know it. A policy that turns this on
//! while guards run begins with an empty memory: until the proofs of before have expired, one of them is admitted
//! once more if the store goes away.

use std::sync::Arc;
use std::time::Duration;

use keybound::NumericDate;
use keybound::random::{Random, RandomUnavailable};
use keybound::replay::{MemoryReplayLimits, MemoryReplayStore, ReplayKey, ReplayRefusal, ReplayStore as _};

use super::{Recorded, SharedReplayStore, metric};

/// A shared store, and this guard's memory for when it is down.
pub(super) struct FallbackToMemory {
    shared: Arc<dyn SharedReplayStore>,
    memory: MemoryReplayStore,
    longest_life: Duration,
}

impl FallbackToMemory {
    pub(super) fn new(
        shared: Arc<dyn SharedReplayStore>,
        limits: MemoryReplayLimits,
        random: &dyn Random,
    ) -> Result<Self, RandomUnavailable> {
        let memory = MemoryReplayStore::new(limits, random)?;
        Ok(Self { shared, memory, longest_life: limits.longest_life })
    }

    async fn recorded(
        &self,
        key: &ReplayKey,
        expires: NumericDate,
        now: NumericDate,
    ) -> Result<(), ReplayRefusal> {
        // What it refuses is refused, though the store may not know it: a proof that it has no room for, or may
        // have forgotten, would be let in again as soon as the store is away.
        // A record that is to last for longer than any proof does so for a policy that had another memory.
        self.memory.record(key, expires.min(now.after(self.longest_life)), now)?;
        match self.shared.record(key, expires, now).await {
            Err(ReplayRefusal::Unavailable) => {
                metrics::counter!(metric::FALLBACKS).increment(1);
                Ok(())
            }
            asked => asked,
        }
    }
}

impl SharedReplayStore for FallbackToMemory {
    fn record<'a>(&'a self, key: &'a ReplayKey, expires: NumericDate, now: NumericDate) -> Recorded<'a> {
        Box::pin(self.recorded(key, expires, now))
    }
}
