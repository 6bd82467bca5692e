//! How far the local clock is from a server's, and the wait that callers may put in place of the
//! system's, so that nothing here depends on real time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use http::{HeaderMap, header};
use keybound::NumericDate;

/// Waits: for the reset of a rate limit.
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

/// How far the local clock is from a server's, as the `Date` of an answer tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockOffset {
    seconds_ahead: i64,
}

impl ClockOffset {
    /// Up to here two clocks count as equal: `Date` has whole seconds, an answer takes a while to arrive,
    /// and servers take proofs from a few seconds in the future.
    pub const TOLERATED: Duration = Duration::from_secs(4);

    /// Up to here a wrong clock is corrected without being asked. Beyond it the user is told: a server
    /// that could move the clock at will could have proofs made for the time of its choice
    /// (RFC 9449 section 11.2), and a machine that is wrong by this much has other faults to come.
    pub const CORRECTED: Duration = Duration::from_secs(5 * 60);

    /// Compares `now`, the local time at which an answer arrived, with the answer's `Date`.
    ///
    /// `None` if the answer has no readable `Date`, or if the clocks agree within
    /// [`TOLERATED`](Self::TOLERATED).
    pub fn measure(answer: &HeaderMap, now: NumericDate) -> Option<Self> {
        let offset = Self::between(now, date(answer)?);
        (offset.magnitude() > Self::TOLERATED).then_some(offset)
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
