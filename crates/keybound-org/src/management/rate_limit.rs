//! The management API's rate limit: so many requests in a minute, counted for all clients together.

use std::sync::{Mutex, PoisonError};

use http::{HeaderMap, HeaderName, HeaderValue};
use keybound::NumericDate;

const LIMIT: HeaderName = HeaderName::from_static("x-rate-limit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-rate-limit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-rate-limit-reset");

const SECONDS_OF_WINDOW: u64 = 60;

/// Counts requests by the minute.
pub(super) struct RateLimit {
    requests_per_minute: u32,
    window: Mutex<Window>,
}

/// A minute, counted from the epoch, and what was asked in it.
#[derive(Default)]
struct Window {
    minute: u64,
    requests: u32,
}

/// What is left after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allowance {
    limit: u32,
    remaining: u32,
    /// When the next minute begins.
    reset: NumericDate,
    /// Whether the request is within the limit.
    pub(super) is_allowed: bool,
}

impl RateLimit {
    pub(super) fn new(requests_per_minute: u32) -> Self {
        Self { requests_per_minute, window: Mutex::default() }
    }

    /// Counts a request.
    pub(super) fn count(&self, now: NumericDate) -> Allowance {
        let minute = now.seconds() / SECONDS_OF_WINDOW;
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.minute != minute {
            *window = Window { minute, requests: 0 };
        }
        window.requests = window.requests.saturating_add(1);
        Allowance {
            limit: self.requests_per_minute,
            remaining: self.requests_per_minute.saturating_sub(window.requests),
            reset: NumericDate::from_seconds(minute.saturating_add(1).saturating_mul(SECONDS_OF_WINDOW)),
            is_allowed: window.requests <= self.requests_per_minute,
        }
    }
}

impl Allowance {
    /// Tells the client.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(self.reset.seconds()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_its_requests_and_the_next_one_has_them_again() {
        let limit = RateLimit::new(2);
        for (seconds, remaining, reset, is_allowed) in [
            (59, 1, 60, true),
            (60, 1, 120, true),
            (61, 0, 120, true),
            (119, 0, 120, false),
            (119, 0, 120, false),
            (120, 1, 180, true),
        ] {
            let reset = NumericDate::from_seconds(reset);
            assert_eq!(
                limit.count(NumericDate::from_seconds(seconds)),
                Allowance { limit: 2, remaining, reset, is_allowed },
                "at {seconds}"
            );
        }
    }
}
