//! The org's clock, which its caller can replace.

use std::time::SystemTime;

use keybound::NumericDate;

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
