//! Times as Okta's management API writes them: ISO 8601, UTC, with milliseconds.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use keybound::NumericDate;

/// The date and the time of day in UTC. What lies beyond the year 9999 is its last second.
pub(crate) fn utc(date: NumericDate) -> DateTime {
    let seconds = i64::try_from(date.seconds()).unwrap_or(i64::MAX);
    let timestamp = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    TimeZone::UTC.to_datetime(timestamp)
}

/// `2013-06-24T16:39:18.000Z`.
pub(crate) fn text(date: NumericDate) -> String {
    utc(date).strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_written_in_utc_with_milliseconds() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_372_091_958, "2013-06-24T16:39:18.000Z"),
            (u64::MAX, "9999-12-30T22:00:00.000Z"),
        ] {
            assert_eq!(text(NumericDate::from_seconds(seconds)), expected);
        }
    }
}
