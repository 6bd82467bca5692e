//! Pacing: a job of many calls kept just under the rate limit that the server tells of in its answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use http::request::Parts;
use keybound::TargetUri;
use tokio::sync::{Mutex as Gate, OwnedMutexGuard};
use tokio::time::Instant;

use crate::rate_limit::{self, Quota};

/// Paces the calls of a client, and of all its clones, by the rate limits that answers tell of
/// (`X-Rate-Limit-*`, `X-RateLimit-*`, and the `RateLimit` fields of the IETF's draft).
///
/// The calls of a window are spread over it evenly, so a job that is longer than a limit allows neither runs into
/// it nor uses it up. What is known of no limit yet is asked once; the others wait for that answer. A pause
/// lasts until the reset at the longest; then the call is counted in the new window. These pauses are not
/// part of [`ClientOptions::total_timeout`](crate::ClientOptions::total_timeout).
///
/// Servers count by endpoint, and don't say which calls they count together. Calls are taken to be counted
/// together if they go to one origin and their paths share the first three segments (`/api/v1/users`); who
/// knows better marks them with a [`Bucket`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pacing {
    /// The part of each limit, in percent, that is left to others who use it.
    pub left_to_others: u8,
}

impl Default for Pacing {
    fn default() -> Self {
        Self { left_to_others: 10 }
    }
}

/// Says which requests to an origin a server counts together; put it among a request's extensions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Bucket(pub String);

/// Segments of a path that requests share which are counted together.
const SHARED_SEGMENTS: usize = 3;

/// Limits that are remembered, at most; beyond that all are forgotten, and learnt again.
const MAX_BUCKETS: usize = 1024;

/// How long a window is until two resets have told: what most servers count by.
const USUAL_WINDOW: Duration = Duration::from_secs(60);

/// Resets that differ by less are one, told in whole seconds.
const SAME_RESET: Duration = Duration::from_millis(1500);

/// The limits that a client knows.
pub(crate) struct Pacer {
    options: Pacing,
    began: Instant,
    limits: Mutex<HashMap<String, Arc<Limit>>>,
}

/// What is known of one limit.
#[derive(Default)]
struct Limit {
    known: Mutex<Known>,
    /// Held by the first call, until its answer tells of a limit or of none.
    first: Arc<Gate<()>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Known {
    #[default]
    Nothing,
    NoLimit,
    Window(Window),
}

/// A span of time in which a server takes so many requests. Times are counted from the pacer's begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Window {
    limit: u64,
    /// What is left of it, with those that are under way taken off.
    left: u64,
    resets_at: Duration,
    length: Duration,
    /// When the next call may go.
    next: Duration,
}

/// When a call may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    At(Duration),
    /// None in this window; ask again then.
    NoneUntil(Duration),
}

/// The right to make one attempt.
pub(crate) struct Turn {
    limit: Arc<Limit>,
    _first: Option<OwnedMutexGuard<()>>,
}

impl Pacer {
    pub(crate) fn new(options: Pacing) -> Self {
        Self { options, began: Instant::now(), limits: Mutex::default() }
    }

    /// Waits, by `sleep`, until an attempt with `request` may be made.
    pub(crate) async fn turn<F: Future<Output = ()>>(
        &self,
        request: &Parts,
        target: &TargetUri,
        sleep: impl Fn(Duration) -> F,
    ) -> Turn {
        let limit = self.limit(request, target);
        if *limit.lock() == Known::Nothing {
            let first = Arc::clone(&limit.first).lock_owned().await;
            if *limit.lock() == Known::Nothing {
                return Turn { limit, _first: Some(first) };
            }
        }
        let mut now = self.began.elapsed();
        loop {
            let slot = match &mut *limit.lock() {
                Known::Window(window) => window.reserve(now, self.options.left_to_others),
                Known::Nothing | Known::NoLimit => Slot::At(now),
            };
            let (Slot::At(time) | Slot::NoneUntil(time)) = slot;
            if let Some(pause) = time.checked_sub(now).filter(|pause| !pause.is_zero()) {
                sleep(pause).await;
            }
            if matches!(slot, Slot::At(_)) {
                return Turn { limit, _first: None };
            }
            now = time.max(self.began.elapsed());
        }
    }

    /// Learns from the answer to an attempt.
    pub(crate) fn learn(&self, turn: &Turn, answer: &HeaderMap) {
        let now = self.began.elapsed();
        let mut known = turn.limit.lock();
        match (rate_limit::quota(answer), &mut *known) {
            (Some(quota), Known::Window(window)) => window.learn(quota, now),
            (Some(quota), unknown) => *unknown = Known::Window(Window::new(quota, now)),
            (None, Known::Nothing) => *known = Known::NoLimit,
            (None, _) => {}
        }
    }

    fn limit(&self, request: &Parts, target: &TargetUri) -> Arc<Limit> {
        let bucket = request.extensions.get::<Bucket>();
        let bucket = bucket.map_or_else(|| shared_part(target.path()), |Bucket(name)| name.as_str());
        let key = format!("{} {bucket}", target.origin());
        let mut limits = self.limits.lock().unwrap_or_else(PoisonError::into_inner);
        if limits.len() >= MAX_BUCKETS && !limits.contains_key(&key) {
            limits.clear();
        }
        Arc::clone(limits.entry(key).or_default())
    }
}

impl Limit {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The start of a path that requests share which are counted together.
fn shared_part(path: &str) -> &str {
    let ends = path.match_indices('/').map(|(position, _)| position);
    ends.filter(|position| *position > 0)
        .nth(SHARED_SEGMENTS - 1)
        .map_or(path, |end| path.get(..end).unwrap_or(path))
}

impl Window {
    fn new(quota: Quota, now: Duration) -> Self {
        let Quota { limit, remaining, resets_in } = quota;
        let resets_at = now + resets_in;
        Self { limit, left: remaining, resets_at, length: USUAL_WINDOW.max(resets_in), next: now }
    }

    /// Takes the next slot of the window, or of the one after it if its time has come.
    fn reserve(&mut self, now: Duration, left_to_others: u8) -> Slot {
        if now >= self.resets_at {
            self.left = self.limit;
            self.next = now;
            self.resets_at = now + self.length;
        }
        let for_others = self.limit.saturating_mul(u64::from(left_to_others)).div_ceil(100);
        let Some(slots) = self.left.checked_sub(for_others).filter(|slots| *slots > 0) else {
            return Slot::NoneUntil(self.resets_at);
        };
        let slot = self.next.max(now);
        let apart = self.resets_at.saturating_sub(slot) / u32::try_from(slots).unwrap_or(u32::MAX);
        self.next = slot + apart;
        self.left -= 1;
        Slot::At(slot)
    }

    /// Takes over what an answer says. Within a window the lesser number counts: those under way have not been
    /// counted by the server yet, and others may use the limit too.
    fn learn(&mut self, quota: Quota, now: Duration) {
        let resets_at = now + quota.resets_in;
        if resets_at.abs_diff(self.resets_at) < SAME_RESET && quota.limit == self.limit {
            self.left = self.left.min(quota.remaining);
        } else if resets_at > self.resets_at {
            let length = resets_at.saturating_sub(self.resets_at);
            let is_next = length <= self.length * 2;
            *self = Self::new(quota, now);
            if is_next {
                self.length = length.max(quota.resets_in);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn window(limit: u64, remaining: u64, resets_in: u64) -> Window {
        Window::new(Quota { limit, remaining, resets_in: seconds(resets_in) }, Duration::ZERO)
    }

    /// When `calls` calls that all come at `now` may go, in milliseconds.
    fn slots(window: &mut Window, calls: usize, now: Duration) -> Vec<u128> {
        let mut slot = || {
            let mut now = now;
            loop {
                match window.reserve(now, 10) {
                    Slot::At(time) => return time.as_millis(),
                    Slot::NoneUntil(time) => now = time,
                }
            }
        };
        (0..calls).map(|_| slot()).collect()
    }

    #[test]
    fn calls_are_spread_over_the_window_and_a_share_is_left() {
        for (limit, remaining, resets_in, calls, expected, why) in [
            (10, 10, 60, 3, vec![0, 6_666, 13_333], "nine of ten in a minute"),
            (10, 3, 60, 3, vec![0, 30_000, 60_000], "two, and the third in the next window"),
            (10, 1, 20, 2, vec![20_000, 26_666], "the share of others is not touched"),
            (10, 0, 20, 1, vec![20_000], "nothing left"),
            (10, 10, 0, 2, vec![0, 6_666], "a window that is over"),
        ] {
            assert_eq!(slots(&mut window(limit, remaining, resets_in), calls, seconds(0)), expected, "{why}");
        }
    }

    #[test]
    fn a_job_of_many_windows_never_takes_more_than_its_share_of_one() {
        let mut window = window(100, 100, 60);
        let slots = slots(&mut window, 1000, seconds(0));
        assert!(slots.is_sorted());
        for minute in 0..11_u128 {
            let within = slots.iter().filter(|slot| **slot / 60_000 == minute).count();
            assert!(within <= 90, "minute {minute}: {within}");
        }
        assert!(slots.last() < Some(&(12 * 60_000)), "and is not slower than it must be");
    }

    #[test]
    fn answers_correct_what_is_known() {
        let quota = |limit, remaining, resets_in| Quota { limit, remaining, resets_in: seconds(resets_in) };
        let begin = window(100, 50, 30);
        for (quota, left, resets_at, length, why) in [
            (quota(100, 40, 20), 40, 30, 60, "others have taken some"),
            (quota(100, 60, 20), 50, 30, 60, "those under way are not counted there yet"),
            (quota(100, 60, 21), 50, 30, 60, "the same reset, by rounding"),
            (quota(100, 99, 80), 99, 90, 80, "the next window"),
            (quota(100, 99, 10), 50, 30, 60, "an answer from the window before, that took its time"),
            (quota(500, 99, 80), 99, 90, 80, "another limit"),
        ] {
            let mut window = begin;
            window.learn(quota, seconds(10));
            let found = (window.left, window.resets_at, window.length);
            assert_eq!(found, (left, seconds(resets_at), seconds(length)), "{why}");
        }
    }

    #[test]
    fn requests_are_counted_together_by_the_start_of_their_path() {
        for (path, shared) in [
            ("/api/v1/users", "/api/v1/users"),
            ("/api/v1/users/", "/api/v1/users"),
            ("/api/v1/users/00u1/groups", "/api/v1/users"),
            ("/api", "/api"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(shared_part(path), shared, "{path}");
        }
    }
}
