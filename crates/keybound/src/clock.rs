//! The seam for a clock, for those who run over time: clients, servers, stores.
//!
//! Nothing else in this crate looks at a clock: its functions take `now` as an argument.

use std::time::SystemTime;

use crate::numeric_date::NumericDate;

/// Tells the time. A closure is a clock too: `Arc::new(|| NumericDate::from_seconds(1_800_000_000))`.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> NumericDate;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> NumericDate {
        SystemTime::now().into()
    }
}

impl<F: Fn() -> NumericDate + Send + Sync> Clock for F {
    fn now(&self) -> NumericDate {
        self()
    }
}
