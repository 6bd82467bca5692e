//! What a connection is doing: whether a request is under way on it, since when none is, and what answers are on
//! their way.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ::metrics::{Gauge, gauge};

use super::body::Delivery;
use crate::metrics;

/// The requests of one connection.
#[derive(Clone, Default)]
pub(crate) struct Activity {
    state: Arc<State>,
}

struct State {
    under_way: AtomicU32,
    /// Whether a request has come since this was last asked.
    was_active: AtomicBool,
    deliveries: Deliveries,
    /// Kept, since looking it up by its name costs.
    in_flight: Gauge,
}

/// The answers that are on their way, and some that were.
#[derive(Default)]
struct Deliveries(Mutex<Vec<Delivery>>);

impl Deliveries {
    fn add(&self, delivery: Delivery) {
        let mut deliveries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // There are as many as requests may be under way at once, most often one.
        deliveries.retain(Delivery::is_under_way);
        deliveries.push(delivery);
    }

    fn give_up_untaken(&self) -> bool {
        let deliveries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Each of them is looked at, whatever was found before.
        deliveries.iter().filter(|delivery| delivery.give_up_untaken()).count() > 0
    }
}

impl Default for State {
    fn default() -> Self {
        Self {
            under_way: AtomicU32::default(),
            was_active: AtomicBool::default(),
            deliveries: Deliveries::default(),
            in_flight: gauge!(metrics::IN_FLIGHT),
        }
    }
}

impl Activity {
    /// A request has come; it is under way until what comes back is dropped.
    pub(crate) fn begin(&self) -> InFlight {
        self.state.under_way.fetch_add(1, Ordering::Relaxed);
        self.state.was_active.store(true, Ordering::Relaxed);
        self.state.in_flight.increment(1.0);
        InFlight { state: Arc::clone(&self.state) }
    }

    /// Whether nothing was under way since this was asked before. Answers of which the client took nothing since
    /// then are given up, and count as if they had not been.
    pub(crate) fn was_idle(&self) -> bool {
        let was_active = self.state.was_active.swap(false, Ordering::Relaxed);
        let gave_up = self.state.deliveries.give_up_untaken();
        (gave_up || !was_active) && self.state.under_way.load(Ordering::Relaxed) == 0
    }
}

/// A request that is under way.
pub(crate) struct InFlight {
    state: Arc<State>,
}

impl InFlight {
    /// Its answer goes out; its connection looks at it from now on.
    pub(crate) fn delivers(&self, delivery: Delivery) {
        self.state.deliveries.add(delivery);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.state.under_way.fetch_sub(1, Ordering::Relaxed);
        self.state.was_active.store(true, Ordering::Relaxed);
        self.state.in_flight.decrement(1.0);
    }
}
