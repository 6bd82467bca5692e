//! A point in time as the command line takes it: a date, a time, or a span back from now.

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use keybound::NumericDate;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    At(Timestamp),
    Ago(Duration),
}

impl Moment {
    /// As the log takes it: ISO 8601, UTC.
    pub(super) fn text(self, now: NumericDate) -> String {
        let time = match self {
            Self::At(time) => time,
            Self::Ago(span) => {
                let seconds = i64::try_from(now.before(span).seconds()).unwrap_or(i64::MAX);
                Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
            }
        };
        time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
    }
}

impl FromStr for Moment {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORMS: &str = "give a time (2026-11-01, 2026-11-01T12:00:00Z) or a span (90s, 10m, 1h, 7d)";

        if let Some(span) = span(text) {
            return Ok(Self::Ago(span));
        }
        let start_of_day = || TimeZone::UTC.to_timestamp(text.parse::<Date>().ok()?.at(0, 0, 0, 0)).ok();
        let time = text.parse().ok().or_else(start_of_day);
        time.map(Self::At).ok_or(FORMS)
    }
}

fn span(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let is_number = number.bytes().all(|digit| digit.is_ascii_digit());
    let number: u64 = if is_number { number.parse().ok()? } else { return None };
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_or_a_span_back_from_now() {
        // 2026-11-02T00:00:00Z
        let now = NumericDate::from_seconds(1_793_577_600);
        for (text, expected) in [
            ("0s", "2026-11-02T00:00:00.000Z"),
            ("90s", "2026-11-01T23:58:30.000Z"),
            ("10m", "2026-11-01T23:50:00.000Z"),
            ("1h", "2026-11-01T23:00:00.000Z"),
            ("7d", "2026-10-26T00:00:00.000Z"),
            ("999999999d", "1970-01-01T00:00:00.000Z"),
            ("2026-11-01", "2026-11-01T00:00:00.000Z"),
            ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00.000Z"),
            ("2026-11-01T12:00:00.123+02:00", "2026-11-01T10:00:00.123Z"),
        ] {
            assert_eq!(
                text.parse::<Moment>().map(|moment| moment.text(now)).as_deref(),
                Ok(expected),
                "{text}"
            );
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (text, why) in [
            ("", "nothing"),
            ("1", "no unit"),
            ("h", "no number"),
            ("+1h", "a sign"),
            ("-1h", "the future"),
            ("1y", "a unit whose length differs"),
            ("99999999999999999999s", "too large a number"),
            ("9999999999999999999d", "too long a span"),
            ("1é", "a character of two bytes"),
            ("2026-13-01", "no such month"),
            ("yesterday", "a word"),
        ] {
            assert!(text.parse::<Moment>().is_err(), "{why}: {text}");
        }
    }
}
