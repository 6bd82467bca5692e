//! Attempts to sign in that failed: so many are taken in a minute, and then no wrong one until it is over.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use keybound::NumericDate;

/// Failures that are taken in a period.
const MAX_FAILURES: u32 = 10;

/// How long failures count.
const PERIOD: Duration = Duration::from_secs(60);

/// The failures of this period.
#[derive(Default)]
pub(super) struct FailedAttempts(Mutex<Period>);

struct Period {
    began: NumericDate,
    failures: u32,
}

impl Default for Period {
    /// One that has been over for long.
    fn default() -> Self {
        Self { began: NumericDate::from_seconds(0), failures: 0 }
    }
}

impl FailedAttempts {
    /// How long to wait until another attempt is taken, if it is not now.
    pub(super) fn wait(&self, now: NumericDate) -> Option<Duration> {
        let period = self.period(now);
        let is_over = period.failures >= MAX_FAILURES;
        is_over.then(|| period.began.after(PERIOD).since(now))
    }

    /// Counts a failure.
    pub(super) fn count(&self, now: NumericDate) {
        let mut period = self.period(now);
        period.failures = period.failures.saturating_add(1);
    }

    fn period(&self, now: NumericDate) -> MutexGuard<'_, Period> {
        let mut period = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now < period.began || now >= period.began.after(PERIOD) {
            *period = Period { began: now, failures: 0 };
        }
        period
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_failures_are_taken_in_a_minute() {
        let now = NumericDate::from_seconds(1_800_000_000);
        let attempts = FailedAttempts::default();
        for _ in 0..MAX_FAILURES {
            assert_eq!(attempts.wait(now), None);
            attempts.count(now);
        }
        let at = |second| now.after(Duration::from_secs(second));
        assert_eq!(attempts.wait(at(20)), Some(Duration::from_secs(40)));
        assert_eq!(attempts.wait(at(60)), None);
        attempts.count(at(60));
        assert_eq!(attempts.wait(at(60)), None);
    }
}
