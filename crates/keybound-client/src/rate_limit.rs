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

/// What a server says of its limit in any answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Requests that it takes in a window.
    pub(crate) limit: u64,
    /// Requests that it still takes in this one.
    pub(crate) remaining: u64,
    /// When the next one begins.
    pub(crate) resets_in: Duration,
}

/// A window that is said to be longer is not believed: a call would wait for its end.
const LONGEST_WINDOW: Duration = Duration::from_secs(60 * 60);

/// A reset that is less than this counts in seconds from now, else since 1970: some servers say it this way,
/// others that way.
const FIRST_DATE: u64 = 1_000_000_000;

/// The names of the three fields begin so; the second is common among services other than Okta, the third in
/// the IETF's draft up to its sixth version.
const PREFIXES: [&str; 3] = ["x-rate-limit", "x-ratelimit", "ratelimit"];

/// What an answer says of the server's limit.
pub(crate) fn quota(answer: &HeaderMap) -> Option<Quota> {
    PREFIXES
        .into_iter()
        .find_map(|prefix| {
            let field = |name| digits(text(answer, &format!("{prefix}-{name}"))?);
            Some((field("limit")?, field("remaining")?, field("reset")?))
        })
        .or_else(|| in_one_field(answer))
        .and_then(|(limit, remaining, reset)| {
            let resets_in = match reset {
                0..FIRST_DATE => Duration::from_secs(reset),
                date => NumericDate::from_seconds(date).since(clock::date(answer)?),
            };
            let believable = limit > 0 && resets_in <= LONGEST_WINDOW;
            believable.then_some(Quota { limit, remaining: remaining.min(limit), resets_in })
        })
}

/// The later versions of the IETF's draft: `RateLimit: limit=100, remaining=50, reset=30`, and
/// `RateLimit: "name";r=50;t=30` beside `RateLimit-Policy: "name";q=100;w=60`. Of several the first counts.
fn in_one_field(answer: &HeaderMap) -> Option<(u64, u64, u64)> {
    let parameter = |field: &str, name: &str| {
        let parameters = text(answer, field)?.split([',', ';']).filter_map(|pair| pair.split_once('='));
        let mut values = parameters.filter(|(given, _)| given.trim() == name);
        values.next().and_then(|(_, value)| digits(value.trim()))
    };
    let either = |old, new| parameter("ratelimit", old).or_else(|| parameter("ratelimit", new));
    let limit = parameter("ratelimit", "limit").or_else(|| parameter("ratelimit-policy", "q"))?;
    Some((limit, either("remaining", "r")?, either("reset", "t")?))
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

    #[test]
    fn a_quota_is_read_as_servers_write_it() {
        let quota = |limit, remaining, seconds| {
            Some(Quota { limit, remaining, resets_in: Duration::from_secs(seconds) })
        };
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        // The first second that can't be taken for a number of seconds from now.
        let in_2001 = ("date", "Sun, 09 Sep 2001 01:46:40 GMT");
        for (fields, expected, why) in [
            (
                &[
                    ("x-rate-limit-limit", "600"),
                    ("x-rate-limit-remaining", "599"),
                    ("x-rate-limit-reset", "1000000030"),
                    in_2001,
                ][..],
                quota(600, 599, 30),
                "Okta",
            ),
            (
                &[("x-ratelimit-limit", "60"), ("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", "30")],
                quota(60, 9, 30),
                "seconds from now",
            ),
            (
                &[("ratelimit-limit", "60"), ("ratelimit-remaining", "9"), ("ratelimit-reset", "30")],
                quota(60, 9, 30),
                "the draft",
            ),
            (&[("ratelimit", "limit=60, remaining=9, reset=30")], quota(60, 9, 30), "the draft, version 7"),
            (
                &[("ratelimit", r#""all";r=9;t=30"#), ("ratelimit-policy", r#""all";q=60;w=60"#)],
                quota(60, 9, 30),
                "the draft, version 8",
            ),
            (
                &[("ratelimit-limit", "60"), ("ratelimit-remaining", "90"), ("ratelimit-reset", "30")],
                quota(60, 60, 30),
                "more left than there are",
            ),
            (
                &[("ratelimit-limit", "60"), ("ratelimit-remaining", "9"), ("ratelimit-reset", "999999")],
                None,
                "a window of days",
            ),
            (
                &[
                    ("x-rate-limit-limit", "600"),
                    ("x-rate-limit-remaining", "9"),
                    ("x-rate-limit-reset", "1000000030"),
                ],
                None,
                "a date by no clock",
            ),
            (
                &[("ratelimit-limit", "0"), ("ratelimit-remaining", "0"), ("ratelimit-reset", "30")],
                None,
                "no requests at all",
            ),
            (&[("x-rate-limit-remaining", "9"), date], None, "not all of it"),
            (&[][..], None, "nothing"),
        ] {
            let answer = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            assert_eq!(super::quota(&answer.collect()), expected, "{why}: {fields:?}");
        }
    }
}
