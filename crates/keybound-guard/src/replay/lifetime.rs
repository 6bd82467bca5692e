//! How long a shared store keeps a record: longer than any guard of the fleet accepts its proof.

use std::time::Duration;

use keybound::NumericDate;

/// How far apart the clocks of any two guards may be, and the clocks of Redis's servers may be apart or jump
/// ahead, both together, without a proof being forgotten while some guard still accepts it. Far more than
/// machines with a time service differ, and still less than what a record takes in memory anyway.
pub const CLOCK_MARGIN: Duration = Duration::from_secs(60);

/// Dates are whole seconds: a proof is accepted until its last second is over.
const LAST_SECOND: Duration = Duration::from_secs(1);

/// How long the record of a proof lives that no check accepts after `expires`, made at `now`.
///
/// A guard admits only while its own clock has not passed `expires` when Redis's answer is in
/// ([`Replay::record`](super::Replay::record)), however long the way there took. So all commands for
/// a proof that can admit it reach Redis before `expires` is over on the clock of the guard that sends it.
/// On the clock of the guard that made the record this is at most [`CLOCK_MARGIN`] later, and the record is
/// there until then.
pub fn time_to_live(expires: NumericDate, now: NumericDate) -> Duration {
    expires.since(now).saturating_add(LAST_SECOND).saturating_add(CLOCK_MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_lives_until_no_clock_within_the_margin_accepts_the_proof() {
        let date = NumericDate::from_seconds;
        let cases = [
            ("just made", 1_060, 1_000, 60 + 1 + 60),
            ("from a client whose clock is ahead", 1_065, 1_000, 65 + 1 + 60),
            ("in its last second", 1_000, 1_000, 1 + 60),
            ("expired", 900, 1_000, 1 + 60),
        ];
        for (name, expires, now, seconds) in cases {
            assert_eq!(time_to_live(date(expires), date(now)), Duration::from_secs(seconds), "{name}");
        }
        assert_eq!(time_to_live(date(u64::MAX), date(0)), Duration::MAX, "it saturates");
    }
}
