//! The seam for a clock, for those who run over time: clients, servers, stores.
//!
//! Nothing else in this crate looks at a clock: its functions take `now` as an argument.

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
use std::time::SystemTime;
#[cfg(all(target_family = "wasm", target_os = "unknown", feature = "wasm-js"))]
use web_time::{SystemTime, web::SystemTimeExt as _};

use crate::numeric_date::NumericDate;

/// Tells the time. A closure is a clock too: `Arc::new(|| NumericDate::from_seconds(1_800_000_000))`.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> NumericDate;
}

/// The clock of this machine.
///
/// On `wasm32-unknown-unknown` there is none, and so this type is missing there; with the feature `wasm-js`
/// it is the clock of the JavaScript host.
#[cfg(any(feature = "wasm-js", not(all(target_family = "wasm", target_os = "unknown"))))]
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
impl Clock for SystemClock {
    fn now(&self) -> NumericDate {
        SystemTime::now().into()
    }
}

#[cfg(all(target_family = "wasm", target_os = "unknown", feature = "wasm-js"))]
impl Clock for SystemClock {
    fn now(&self) -> NumericDate {
        SystemTime::now().to_std().into()
    }
}

impl<F: Fn() -> NumericDate + Send + Sync> Clock for F {
    fn now(&self) -> NumericDate {
        self()
    }
}
