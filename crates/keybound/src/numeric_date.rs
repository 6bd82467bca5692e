//! `NumericDate`: whole seconds since the Unix epoch (RFC 7519 section 2).
//!
//! This crate has no clock: every function that depends on time takes `now` as an argument.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A point in time in whole seconds since 1970-01-01T00:00:00Z, leap seconds ignored.
///
/// Arithmetic saturates, so no date that a peer sends can overflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NumericDate(u64);

impl NumericDate {
    /// The date that is `seconds` after the epoch.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Seconds since the epoch.
    pub const fn seconds(self) -> u64 {
        self.0
    }

    /// The date `duration` later; a part of a second is dropped.
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// The date `duration` earlier, or the epoch; a part of a second is dropped.
    #[must_use]
    pub const fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// How long after `earlier` this is; zero if it is not after.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

impl From<SystemTime> for NumericDate {
    /// A time before 1970 becomes the epoch.
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }
}

impl From<NumericDate> for SystemTime {
    fn from(date: NumericDate) -> Self {
        // What the platform cannot express is as good as never.
        let furthest = Duration::from_secs(LAST_SECOND);
        UNIX_EPOCH + Duration::from_secs(date.0).min(furthest)
    }
}

/// The last second of the year 9999, which every platform's `SystemTime` can express.
const LAST_SECOND: u64 = 253_402_300_799;

impl fmt::Display for NumericDate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let last = NumericDate::from_seconds(u64::MAX);
        let first = NumericDate::from_seconds(0);
        assert_eq!(last.after(Duration::from_secs(1)), last);
        assert_eq!(first.before(Duration::from_secs(1)), first);
        assert_eq!(first.since(last), Duration::ZERO);
        assert_eq!(SystemTime::from(last), UNIX_EPOCH + Duration::from_secs(LAST_SECOND));
    }

    #[test]
    fn a_system_time_is_cut_to_seconds() {
        let time = UNIX_EPOCH + Duration::from_millis(1_999);
        assert_eq!(NumericDate::from(time).seconds(), 1);
        assert_eq!(NumericDate::from(UNIX_EPOCH - Duration::from_secs(9)).seconds(), 0);
    }
}
