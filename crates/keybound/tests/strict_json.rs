//! The bounds of what is read as JSON: how many members an object has, and how late a date is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use keybound::NumericDate;
use keybound::json::{MemberError, Object};

#[test]
fn an_object_has_128_members_at_most() {
    for (members, taken) in [(0, true), (128, true), (129, false)] {
        let text = (0..members).map(|name| format!("\"{name}\":0")).collect::<Vec<_>>().join(",");
        assert_eq!(Object::parse(format!("{{{text}}}").as_bytes()).is_ok(), taken, "{members} members");
        let nested = format!("{{\"cnf\":{{{text}}}}}");
        assert_eq!(Object::parse(nested.as_bytes()).is_ok(), taken, "{members} members further down");
    }
}

/// RFC 7519 section 2 lets a date have a fraction. A number with one is read as a floating point number,
/// which has no room for all seconds beyond 2^53.
#[test]
fn a_date_with_a_fraction_is_refused_beyond_the_seconds_that_a_float_can_tell_apart() {
    for (text, seconds) in [
        ("0.0", Some(0)),
        ("1800000000.9", Some(1_800_000_000)),
        ("9007199254740992.0", Some(9_007_199_254_740_992)),
        ("9007199254740994.0", None),
        ("18446744073709551615", Some(u64::MAX)),
        ("18446744073709551616", None),
        ("-1", None),
        ("-0.5", None),
    ] {
        let text = format!("{{\"exp\":{text}}}");
        let wrong = MemberError::WrongType { name: "exp", expected: "a number of seconds since 1970" };
        let expected = seconds.map(NumericDate::from_seconds).ok_or(wrong);
        assert_eq!(Object::parse(text.as_bytes()).unwrap().date("exp"), expected, "{text}");
    }
}
