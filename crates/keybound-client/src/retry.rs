//! What may be sent again, after how long, and how much of it a client does as a whole.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use http::request::Parts;
use keybound::random::{Random, RandomUnavailable};

/// Marks a request as one that a server can act on twice without harm, whatever its method; put it among
/// the request's extensions.
///
/// Say so of a `POST` that carries an idempotency key, or that only searches. What the method promises
/// already needs no mark (RFC 9110 section 9.2.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Idempotent;

/// How failures of servers and connections are answered; the default is right for an API on the internet.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RetryOptions {
    /// How often a request is sent again after a failure. What a server asks for (a nonce, a new token, the
    /// right time, patience) has bounds of its own.
    pub retries: usize,
    /// The delay before the first of them; each next one is twice as long. From half of a delay to the whole
    /// is waited, at random, so that clients that failed together don't come back together.
    pub first_delay: Duration,
    /// The longest delay.
    pub longest_delay: Duration,
}

impl Default for RetryOptions {
    fn default() -> Self {
        Self { retries: 2, first_delay: Duration::from_millis(200), longest_delay: Duration::from_secs(10) }
    }
}

impl RetryOptions {
    /// The delays of one call, without jitter.
    pub(crate) fn delays(&self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.longest_delay)
            .with_max_times(self.retries)
            .build()
    }
}

/// Whether a server may be sent this request again that may have acted on it.
pub(crate) fn is_idempotent(request: &Parts) -> bool {
    request.method.is_idempotent() || request.extensions.get::<Idempotent>().is_some()
}

/// Of all its calls a client sends this part again after failures, and no more: a server that is broken is
/// not helped by three times the load. One in five.
const CALLS_PER_RETRY: u32 = 5;

/// Retries that a client has from the start, so that one with few calls has some too.
const RESERVE: u32 = 10;

/// Retries that a client can save up, at most.
const MOST_SAVED: u32 = 100;

/// The retries that a client has left, shared by all its calls.
#[derive(Debug)]
pub(crate) struct Budget {
    /// In parts of a retry, [`CALLS_PER_RETRY`] to one.
    parts: AtomicU32,
}

impl Default for Budget {
    fn default() -> Self {
        Self { parts: AtomicU32::new(RESERVE * CALLS_PER_RETRY) }
    }
}

impl Budget {
    /// Counts a call.
    pub(crate) fn earn(&self) {
        let most = MOST_SAVED * CALLS_PER_RETRY;
        self.change(|parts| (parts < most).then_some(parts + 1));
    }

    /// Takes a retry, if there is one.
    pub(crate) fn spend(&self) -> bool {
        self.change(|parts| parts.checked_sub(CALLS_PER_RETRY))
    }

    fn change(&self, change: impl FnMut(u32) -> Option<u32>) -> bool {
        self.parts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, change).is_ok()
    }
}

/// From none of `longest` to all of it, at random.
pub(crate) fn jitter(longest: Duration, random: &dyn Random) -> Result<Duration, RandomUnavailable> {
    let mut bytes = [0; 2];
    random.fill(&mut bytes)?;
    Ok(longest * u32::from(u16::from_be_bytes(bytes)) / u32::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_end() {
        let options = RetryOptions { retries: 4, ..RetryOptions::default() };
        let delays: Vec<_> = options.delays().map(|delay| delay.as_millis()).collect();
        assert_eq!(delays, [200, 400, 800, 1600]);
        let options = RetryOptions { longest_delay: Duration::from_millis(300), ..options };
        let delays: Vec<_> = options.delays().map(|delay| delay.as_millis()).collect();
        assert_eq!(delays, [200, 300, 300, 300]);
        assert_eq!(RetryOptions { retries: 0, ..options }.delays().count(), 0);
    }

    #[test]
    fn a_client_has_a_reserve_and_a_fifth_of_its_calls() {
        let left =
            |budget: &Budget| std::iter::repeat_with(|| budget.spend()).take_while(|spent| *spent).count();
        let budget = Budget::default();
        assert_eq!(left(&budget), 10, "the reserve");
        (0..4).for_each(|_| budget.earn());
        assert_eq!(left(&budget), 0, "four calls are not enough for a retry");
        budget.earn();
        assert_eq!(left(&budget), 1, "the fifth is");
        (0..100).for_each(|_| budget.earn());
        assert_eq!(left(&budget), 20);
        (0..10_000).for_each(|_| budget.earn());
        assert_eq!(left(&budget), 100, "what can be saved up has an end");
    }

    #[test]
    fn jitter_is_a_part_of_what_it_may_be() {
        struct Bytes(u8);
        impl Random for Bytes {
            fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
                bytes.fill(self.0);
                Ok(())
            }
        }
        let second = Duration::from_secs(1);
        assert_eq!(jitter(second, &Bytes(0)), Ok(Duration::ZERO));
        assert_eq!(jitter(second, &Bytes(255)), Ok(second));
        assert!(jitter(second, &Bytes(127)).unwrap() < second / 2);
    }
}
