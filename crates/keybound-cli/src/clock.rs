//! The clock of this machine, and how to pretend that it is wrong.

use std::time::{Duration, SystemTime};

use clap::Args;
use keybound::NumericDate;

#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// For tests: act as if this machine's clock were SECONDS ahead (behind, if negative).
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true)]
    clock_offset: i64,
}

impl Clock {
    pub(crate) fn now(self) -> NumericDate {
        let now = NumericDate::from(SystemTime::now());
        let offset = Duration::from_secs(self.clock_offset.unsigned_abs());
        if self.clock_offset < 0 { now.before(offset) } else { now.after(offset) }
    }
}

impl keybound_client::Clock for Clock {
    fn now(&self) -> NumericDate {
        Self::now(*self)
    }
}
