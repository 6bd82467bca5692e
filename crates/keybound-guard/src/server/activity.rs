//! What a connection is doing: whether a request is under way on it, and since when none is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::metrics::{self, Counted};

/// The requests of one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    under_way: AtomicU32,
    /// Whether a request has come since this was last asked.
    was_active: AtomicBool,
}

impl Activity {
    /// A request has come; it is under way until what comes back is dropped.
    pub(crate) fn begin(&self) -> InFlight {
        self.state.under_way.fetch_add(1, Ordering::Relaxed);
        self.state.was_active.store(true, Ordering::Relaxed);
        InFlight { state: Arc::clone(&self.state), _counted: Counted::one_more(metrics::IN_FLIGHT) }
    }

    /// Whether nothing was under way since this was asked before.
    pub(crate) fn was_idle(&self) -> bool {
        let was_active = self.state.was_active.swap(false, Ordering::Relaxed);
        !was_active && self.state.under_way.load(Ordering::Relaxed) == 0
    }
}

/// A request that is under way.
#[derive(Debug)]
pub(crate) struct InFlight {
    state: Arc<State>,
    _counted: Counted,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.state.under_way.fetch_sub(1, Ordering::Relaxed);
        self.state.was_active.store(true, Ordering::Relaxed);
    }
}
