//! How far the local clock is from a server's, and the wait and the stopwatch that callers may put in place
//! of the system's, so that nothing here depends on real time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use http::{HeaderMap, header};
use keybound::NumericDate;

/// Waits: for the reset of a rate limit, for a lock that another process holds.
pub trait Sleep: Send + Sync {
    /// Ends once `duration` has passed.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// Waits by the timer of the tokio runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioTimer;

impl Sleep for TokioTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Measures how much time passes, whatever is done to the clock.
pub trait Stopwatch: Send + Sync {
    /// The time since a moment in the past that stays the same.
    fn elapsed(&self) -> Duration;
}

/// The machine's monotonic clock, which nobody can set.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicStopwatch {
    started: Instant,
}

impl Default for MonotonicStopwatch {
    /// A stopwatch that starts now.
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Stopwatch for MonotonicStopwatch {
    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A point in time by the clock and by the stopwatch. The clock may be set meanwhile, and the stopwatch may
/// stand still while the machine sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) date: NumericDate,
    pub(crate) elapsed: Duration,
}

impl Moment {
    /// The moment `duration` later.
    pub(crate) fn after(self, duration: Duration) -> Self {
        Self { date: self.date.after(duration), elapsed: self.elapsed.saturating_add(duration) }
    }

    /// Whether `other` has come, by the clock or by the stopwatch: neither one, misled, keeps alive what
    /// has expired.
    pub(crate) fn has_reached(self, other: Self) -> bool {
        self.date >= other.date || self.elapsed >= other.elapsed
    }

    /// Whether clock and stopwatch have run together since `earlier`: the clock was not set, and the
    /// machine did not sleep.
    pub(crate) fn is_in_step_with(self, earlier: Self) -> bool {
        let expected = earlier.date.after(self.elapsed.saturating_sub(earlier.elapsed));
        self.date.seconds().abs_diff(expected.seconds()) <= ClockOffset::TOLERATED.as_secs()
    }
}

/// How far the local clock is from a server's, as the `Date` of an answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    seconds_ahead: i64,
}

impl ClockOffset {
    /// Up to here two clocks count as equal: `Date` has whole seconds, an answer takes a while to arrive,
    /// and servers take proofs from a few seconds in the future.
    pub const TOLERATED: Duration = Duration::from_secs(4);

    /// Up to here a wrong clock is corrected without being asked; beyond it the user is told, since a
    /// machine that is wrong by more than a day has other faults to come.
    ///
    /// A server can say any time that it likes, and have proofs made for it. That is what RFC 9449
    /// section 11.2 warns of, and it gains nothing here: the offset is used for the origin that it came
    /// from alone, and what is signed by it, proof or client assertion, is for that origin alone. A server
    /// that lies about its time gets early or late proofs for itself, whose check is its own.
    pub const CORRECTED: Duration = Duration::from_secs(24 * 60 * 60);

    /// An answer that took longer says little about the time: its `Date` may be from the beginning of the
    /// wait or from its end.
    pub const SLOWEST_MEASURED: Duration = Duration::from_secs(10);

    /// Compares `now`, the local time at which an answer arrived, with the answer's `Date`.
    ///
    /// `None` if the answer has no readable `Date`, if it comes from a cache (an `Age` field, RFC 9111
    /// section 5.1), or if the clocks agree within [`TOLERATED`](Self::TOLERATED).
    pub fn measure(answer: &HeaderMap, now: NumericDate) -> Option<Self> {
        Self::measure_over(answer, now, Duration::ZERO)
    }

    /// As [`measure`](Self::measure), for an answer that arrived at `now` and `took` so long from the
    /// request on: its `Date` is taken for the middle of that time. `None` also if it took longer than
    /// [`SLOWEST_MEASURED`](Self::SLOWEST_MEASURED).
    pub fn measure_over(answer: &HeaderMap, now: NumericDate, took: Duration) -> Option<Self> {
        Self::of_answer_over(answer, now, took).filter(|offset| !offset.is_tolerated())
    }

    /// As [`measure_over`](Self::measure_over), however small it is.
    pub(crate) fn of_answer_over(answer: &HeaderMap, now: NumericDate, took: Duration) -> Option<Self> {
        if took > Self::SLOWEST_MEASURED {
            return None;
        }
        Self::of_answer(answer, now.before(took / 2))
    }

    /// The offset at `now`, however small.
    pub(crate) fn of_answer(answer: &HeaderMap, now: NumericDate) -> Option<Self> {
        if answer.contains_key(header::AGE) {
            return None;
        }
        Some(Self::between(now, date(answer)?))
    }

    /// Whether the two clocks count as equal.
    pub(crate) fn is_tolerated(self) -> bool {
        self.magnitude() <= Self::TOLERATED
    }

    /// Whether two offsets count as equal.
    pub(crate) fn is_close_to(self, other: Self) -> bool {
        let apart = self.seconds_ahead.saturating_sub(other.seconds_ahead);
        apart.unsigned_abs() <= Self::TOLERATED.as_secs()
    }

    /// Seconds by which the local clock is ahead of the server's; negative if it is behind.
    pub const fn seconds_ahead(self) -> i64 {
        self.seconds_ahead
    }

    /// How far apart the clocks are, whichever is ahead.
    pub const fn magnitude(self) -> Duration {
        Duration::from_secs(self.seconds_ahead.unsigned_abs())
    }

    /// The server's time when the local clock shows `local`.
    pub(crate) fn server_time(self, local: NumericDate) -> NumericDate {
        if self.seconds_ahead < 0 { local.after(self.magnitude()) } else { local.before(self.magnitude()) }
    }

    fn between(local: NumericDate, server: NumericDate) -> Self {
        let ahead = i128::from(local.seconds()) - i128::from(server.seconds());
        let limit = i128::from(i64::MAX);
        Self { seconds_ahead: i64::try_from(ahead.clamp(-limit, limit)).unwrap_or_default() }
    }
}

impl fmt::Display for ClockOffset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = if self.seconds_ahead < 0 { "behind" } else { "ahead of" };
        write!(formatter, "{} s {side} the server's", self.seconds_ahead.unsigned_abs())
    }
}

/// The `Date` of an answer (RFC 9110 section 6.6.1).
pub(crate) fn date(answer: &HeaderMap) -> Option<NumericDate> {
    http_date(answer.get(header::DATE)?.to_str().ok()?)
}

/// A date in one of the three forms of HTTP (RFC 9110 section 5.6.7).
pub(crate) fn http_date(text: &str) -> Option<NumericDate> {
    httpdate::parse_http_date(text).ok().map(NumericDate::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    /// The time of the examples of RFC 9110 section 5.6.7.
    const NOW: NumericDate = NumericDate::from_seconds(784_111_777);

    fn answer(date: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::DATE, HeaderValue::from_str(date).unwrap())])
    }

    #[test]
    fn an_offset_is_measured_from_the_date_of_an_answer() {
        for (date, offset, why) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", None, "equal"),
            ("Sun, 06 Nov 1994 08:49:41 GMT", None, "within what is tolerated"),
            ("Sun, 06 Nov 1994 08:49:42 GMT", Some(-5), "behind"),
            ("Sun, 06 Nov 1994 07:49:37 GMT", Some(3600), "an hour ahead"),
            ("Sunday, 06-Nov-94 07:49:37 GMT", Some(3600), "the form of RFC 850"),
            ("Sun Nov  6 07:49:37 1994", Some(3600), "the form of asctime"),
            ("yesterday", None, "no date"),
            ("", None, "empty"),
            ("Sun, 06 Nov 1894 08:49:37 GMT", None, "before 1970"),
        ] {
            let measured = ClockOffset::measure(&answer(date), NOW);
            assert_eq!(measured.map(ClockOffset::seconds_ahead), offset, "{why}: {date}");
        }
        assert_eq!(ClockOffset::measure(&HeaderMap::new(), NOW), None, "no Date at all");
    }

    #[test]
    fn an_offset_is_not_measured_from_what_is_old() {
        let fresh = answer("Sun, 06 Nov 1994 07:49:37 GMT");
        for (took, offset, why) in [
            (0, Some(3600), "at once"),
            (8, Some(3596), "the middle of the wait"),
            (10, Some(3595), "the slowest that is measured"),
            (11, None, "too slow"),
        ] {
            let measured = ClockOffset::measure_over(&fresh, NOW, Duration::from_secs(took));
            assert_eq!(measured.map(ClockOffset::seconds_ahead), offset, "{why}");
        }
        let slow =
            ClockOffset::measure_over(&answer("Sun, 06 Nov 1994 08:49:32 GMT"), NOW, Duration::from_secs(8));
        assert_eq!(slow, None, "dated within the wait, give or take what is tolerated");
        let mut cached = fresh;
        cached.insert(header::AGE, HeaderValue::from_static("3600"));
        assert_eq!(ClockOffset::measure(&cached, NOW), None, "from a cache");
    }

    #[test]
    fn a_moment_comes_by_whichever_goes_faster() {
        let at = |seconds: u64, elapsed: u64| Moment {
            date: NOW.after(Duration::from_secs(seconds)),
            elapsed: Duration::from_secs(elapsed),
        };
        for (now, reached, in_step, why) in [
            (at(0, 0), false, true, "nothing has passed"),
            (at(99, 99), false, true, "a second before"),
            (at(100, 100), true, true, "both"),
            (at(0, 100), true, false, "the clock was set back"),
            (at(100, 0), true, false, "the machine slept, or the clock was set forward"),
            (at(54, 50), false, true, "as good as together"),
            (at(55, 50), false, false, "set by five seconds"),
        ] {
            assert_eq!(now.has_reached(at(0, 0).after(Duration::from_secs(100))), reached, "{why}");
            assert_eq!(now.is_in_step_with(at(0, 0)), in_step, "{why}");
        }
    }

    #[test]
    fn the_time_of_the_server_follows_from_the_offset() {
        for seconds_ahead in [-3600, -5, 5, 3600] {
            let offset = ClockOffset { seconds_ahead };
            let server = offset.server_time(NOW);
            assert_eq!(ClockOffset::between(NOW, server), offset);
        }
    }

    #[test]
    fn an_offset_says_which_clock_is_ahead() {
        assert_eq!(ClockOffset { seconds_ahead: 3600 }.to_string(), "3600 s ahead of the server's");
        assert_eq!(ClockOffset { seconds_ahead: -7 }.to_string(), "7 s behind the server's");
    }
}
