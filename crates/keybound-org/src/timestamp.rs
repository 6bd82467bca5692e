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

/// The same of a time in milliseconds.
pub(crate) fn text_of_milliseconds(milliseconds: i64) -> String {
    utc_of_milliseconds(milliseconds).strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// `2013-06-24 16:39`, in UTC, for people.
pub(crate) fn for_people(date: NumericDate) -> String {
    utc(date).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The same of a time in milliseconds, to the second.
pub(crate) fn second_for_people(milliseconds: i64) -> String {
    utc_of_milliseconds(milliseconds).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The same as header fields have it: `Mon, 24 Jun 2013 16:39:18 GMT` (RFC 9110 section 5.6.7).
pub(crate) fn http_date(date: NumericDate) -> String {
    utc(date).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn utc_of_milliseconds(milliseconds: i64) -> DateTime {
    let timestamp = Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX);
    TimeZone::UTC.to_datetime(timestamp)
}

/// The milliseconds since 1970 of a time in ISO 8601. One without a zone is in UTC, and one without a time of
/// day its beginning.
pub(crate) fn milliseconds(text: &str) -> Option<i64> {
    let in_utc = |date: DateTime| TimeZone::UTC.to_timestamp(date).ok();
    let timestamp = text.parse::<Timestamp>().ok().or_else(|| in_utc(text.parse().ok()?));
    timestamp.map(Timestamp::as_millisecond)
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

    #[test]
    fn a_time_is_read_as_it_is_written_and_in_other_forms_of_iso_8601() {
        for (text, expected) in [
            ("2013-06-24T16:39:18.000Z", Some(1_372_091_958_000)),
            ("2013-06-24T16:39:18.25Z", Some(1_372_091_958_250)),
            ("2013-06-24T18:39:18+02:00", Some(1_372_091_958_000)),
            ("2013-06-24T16:39:18", Some(1_372_091_958_000)),
            ("2013-06-24", Some(1_372_032_000_000)),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text}");
        }
        assert_eq!(text_of_milliseconds(1_372_091_958_250), "2013-06-24T16:39:18.250Z");
        assert_eq!(second_for_people(1_372_091_958_250), "2013-06-24 16:39:18");
        assert_eq!(for_people(NumericDate::from_seconds(1_372_091_958)), "2013-06-24 16:39");
    }
}
