//! How long to wait after `429 Too Many Requests` (RFC 6585 section 4).

use std::time::Duration;

use http::{HeaderMap, header};
use keybound::NumericDate;

use crate::clock;

/// When the limit is reset, in seconds since 1970 by the server's clock.
const RESET: &str = "x-rate-limit-reset";

/// The longest wait that a request takes upon itself; limits are counted by the minute. A limit that
/// lasts longer is told to the caller.
const LONGEST_WAIT: Duration = Duration::from_secs(90);

/// The wait after a `429` that doesn't say how long: enough for most windows of a few seconds, and short
/// beside the minute that others last.
pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// What is added to every wait, at most, so that clients that were refused together don't come back
/// together.
pub(crate) const JITTER: Duration = Duration::from_secs(1);

/// How long a server wants to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// This long.
    For(Duration),
    /// Longer than a request waits.
    TooLong,
    /// It doesn't say, or not so that it can be read.
    Unsaid,
}

/// How long a client that got this answer should wait before it asks again, without jitter.
///
/// `Retry-After` (RFC 9110 section 10.2.3) comes first. A point in time is compared with the answer's own
/// `Date` and never with the local clock, which may be wrong; without a `Date` it says nothing.
pub(crate) fn wait(answer: &HeaderMap) -> Wait {
    match retry_after(answer).or_else(|| until_reset(answer)) {
        Some(wait) if wait <= LONGEST_WAIT => Wait::For(wait),
        Some(_) => Wait::TooLong,
        None => Wait::Unsaid,
    }
}

fn retry_after(answer: &HeaderMap) -> Option<Duration> {
    let text = text(answer, header::RETRY_AFTER.as_str())?;
    match digits(text) {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => Some(clock::http_date(text)?.since(clock::date(answer)?)),
    }
}

fn until_reset(answer: &HeaderMap) -> Option<Duration> {
    let reset = NumericDate::from_seconds(digits(text(answer, RESET)?)?);
    Some(reset.since(clock::date(answer)?))
}

fn text<'a>(answer: &'a HeaderMap, name: &str) -> Option<&'a str> {
    answer.get(name)?.to_str().ok().map(str::trim)
}

/// A number of digits alone; one that is too large to be held is as large as can be.
fn digits(text: &str) -> Option<u64> {
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::HeaderName;

    #[test]
    fn the_wait_is_what_the_server_says() {
        use Wait::{For, TooLong, Unsaid};
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let seconds = |seconds| For(Duration::from_secs(seconds));
        for (fields, expected, why) in [
            (&[("retry-after", "7")][..], seconds(7), "seconds"),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"), ("date", date)], seconds(10), "a date"),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT")], Unsaid, "a date, by whose clock?"),
            (&[("x-rate-limit-reset", "784111797"), ("date", date)], seconds(20), "the reset by the Date"),
            (&[("x-rate-limit-reset", "784111797")], Unsaid, "the reset, by whose clock?"),
            (&[("x-rate-limit-reset", "784111777"), ("date", date)], seconds(0), "reset just now"),
            (&[("x-rate-limit-reset", "1"), ("date", date)], seconds(0), "reset long ago"),
            (
                &[("retry-after", "5"), ("x-rate-limit-reset", "784111807"), ("date", date)],
                seconds(5),
                "Retry-After first",
            ),
            (
                &[("retry-after", "soon"), ("x-rate-limit-reset", "784111807"), ("date", date)],
                seconds(30),
                "no Retry-After",
            ),
            (&[("retry-after", "90")], seconds(90), "the longest wait"),
            (&[("retry-after", "91")], TooLong, "too long"),
            (&[("x-rate-limit-reset", "18446744073709551615"), ("date", date)], TooLong, "never"),
            (&[("retry-after", "99999999999999999999999")], TooLong, "a number beyond all numbers"),
            (&[("retry-after", "-1")], Unsaid, "negative"),
            (&[("retry-after", "+1")], Unsaid, "a sign"),
            (&[("retry-after", "")], Unsaid, "empty"),
            (&[][..], Unsaid, "nothing said"),
        ] {
            let answer = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            assert_eq!(wait(&answer.collect()), expected, "{why}: {fields:?}");
        }
    }
}
