//! How long to wait after `429 Too Many Requests` (RFC 6585 section 4).

use std::time::Duration;

use http::{HeaderMap, header};
use keybound::NumericDate;
use keybound::random::{Random, RandomUnavailable};

use crate::clock;

/// When the limit is reset, in seconds since 1970 by the server's clock.
const RESET: &str = "x-rate-limit-reset";

/// The longest wait that a request takes upon itself; limits are counted by the minute. A limit that
/// lasts longer is told to the caller.
const LONGEST_WAIT: Duration = Duration::from_secs(90);

/// What is added to every wait, at most, so that clients that were refused together don't come back
/// together.
const JITTER: Duration = Duration::from_secs(1);

/// How long a client that got this answer at `now` should wait before it asks again, without jitter.
///
/// `Retry-After` (RFC 9110 section 10.2.3) comes first. A point in time is compared with the answer's own
/// `Date`, so that a wrong local clock does no harm. `None` if the answer doesn't tell, or if it is longer
/// than a request should wait.
pub(crate) fn wait(answer: &HeaderMap, now: NumericDate) -> Option<Duration> {
    let server_now = clock::date(answer).unwrap_or(now);
    let text = |name: &str| answer.get(name).and_then(|value| value.to_str().ok()).map(str::trim);

    let retry_after = text(header::RETRY_AFTER.as_str()).and_then(|value| match value.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => clock::http_date(value).map(|date| date.since(server_now)),
    });
    let reset = || {
        let seconds = text(RESET)?.parse().ok()?;
        Some(NumericDate::from_seconds(seconds).since(server_now))
    };
    retry_after.or_else(reset).filter(|wait| *wait <= LONGEST_WAIT)
}

/// A random part of [`JITTER`].
pub(crate) fn jitter(random: &dyn Random) -> Result<Duration, RandomUnavailable> {
    let mut bytes = [0; 2];
    random.fill(&mut bytes)?;
    Ok(JITTER * u32::from(u16::from_be_bytes(bytes)) / u32::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::HeaderName;

    #[test]
    fn the_wait_is_what_the_server_says() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (fields, seconds, why) in [
            (&[("retry-after", "7")][..], Some(7), "seconds"),
            (&[("retry-after", "Sun, 06 Nov 1994 08:49:47 GMT"), ("date", date)], Some(10), "a date"),
            (&[("x-rate-limit-reset", "784111797"), ("date", date)], Some(20), "the reset by the Date"),
            (&[("x-rate-limit-reset", "1000000030")], Some(30), "the reset by the local clock"),
            (&[("x-rate-limit-reset", "784111777"), ("date", date)], Some(0), "reset just now"),
            (&[("x-rate-limit-reset", "1"), ("date", date)], Some(0), "reset long ago"),
            (&[("retry-after", "5"), ("x-rate-limit-reset", "1000000030")], Some(5), "Retry-After first"),
            (&[("retry-after", "soon"), ("x-rate-limit-reset", "1000000030")], Some(30), "no Retry-After"),
            (&[("retry-after", "90")], Some(90), "the longest wait"),
            (&[("retry-after", "91")], None, "too long"),
            (&[("x-rate-limit-reset", "18446744073709551615")], None, "never"),
            (&[("retry-after", "-1")], None, "negative"),
            (&[("retry-after", "99999999999999999999999")], None, "no number"),
            (&[][..], None, "nothing said"),
        ] {
            let answer = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            let waited = wait(&answer.collect(), NumericDate::from_seconds(1_000_000_000));
            assert_eq!(waited, seconds.map(Duration::from_secs), "{why}: {fields:?}");
        }
    }

    #[test]
    fn jitter_is_a_part_of_a_second() {
        struct Bytes(u8);
        impl Random for Bytes {
            fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
                bytes.fill(self.0);
                Ok(())
            }
        }
        assert_eq!(jitter(&Bytes(0)), Ok(Duration::ZERO));
        assert_eq!(jitter(&Bytes(255)), Ok(JITTER));
    }
}
