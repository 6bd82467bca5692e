//! When a token is renewed, and how long nobody tries after a failure. Both are spread at random, so that
//! clients that started together don't come back together.

use std::time::Duration;

use keybound::NumericDate;
use keybound::random::Random;

use crate::clock::Moment;
use crate::token_source::TokenError;

/// A token is renewed in the first half of a window before its expiry, which is this long at most; the
/// second half is left for a server that can't be reached at once.
pub const RENEWAL_WINDOW: Duration = Duration::from_secs(10 * 60);

/// Of a token that lives shortly, the window is this part of its life: a fifth.
pub const RENEWAL_PART: u32 = 5;

/// A token is no longer handed out this long before it expires, so that it doesn't expire on its way to the
/// resource; or a quarter of its window before, if that is less.
pub const TRAVEL_TIME: Duration = Duration::from_secs(5);

/// The pause after a first failure; it doubles with each failure that follows.
pub const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause while callers have no token: when the server is back, they notice within this time.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause while the token is still good and nobody waits.
pub const LONGEST_RENEWAL_PAUSE: Duration = Duration::from_secs(60);

/// How long a token is good for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    /// When the request for it was sent, by the local clock. The server counts from a moment that is no
    /// earlier, so that what expires here has not expired there.
    pub(crate) from: NumericDate,
    pub(crate) lifetime: Duration,
    /// From here on it is to be renewed.
    pub(crate) due: Moment,
    /// From here on it is not used any more.
    pub(crate) ends: Moment,
}

impl Life {
    /// The life at `now` of a token that was asked for `age` ago and lives for `lifetime` from then on.
    pub(crate) fn new(now: Moment, age: Duration, lifetime: Duration, random: &dyn Random) -> Self {
        let window = (lifetime / RENEWAL_PART).min(RENEWAL_WINDOW);
        let renewed_before = window / 2 + random_part(window / 2, Some(random));
        let unused = (window / 4).min(TRAVEL_TIME);
        let left_until = |before: Duration| lifetime.saturating_sub(before).saturating_sub(age);
        Self {
            from: now.date.before(age),
            lifetime,
            due: now.after(left_until(renewed_before)),
            ends: now.after(left_until(unused)),
        }
    }
}

/// The last exchange's failure, for those who come after it.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    error: TokenError,
    /// Which it is of those without a success in between.
    number: u32,
    /// Until when callers without a token share it, by the stopwatch.
    shared_until: Duration,
    /// Until when no token that is still good is tried to be renewed.
    renewal_after: Duration,
}

impl Failure {
    /// A failure at `now`, by the stopwatch, after `previous`. Its pauses are no shorter than the server asked
    /// for; without `random` they are as long as they can be.
    pub(crate) fn new(
        error: TokenError,
        previous: Option<&Self>,
        now: Duration,
        random: Option<&dyn Random>,
    ) -> Self {
        let number = previous.map_or(1, |previous| previous.number.saturating_add(1));
        let asked_for = error.retry_after().unwrap_or_default();
        let end = |longest| now.saturating_add(pause(number, longest, random).max(asked_for));
        Self { error, number, shared_until: end(LONGEST_PAUSE), renewal_after: end(LONGEST_RENEWAL_PAUSE) }
    }

    /// What a caller without a token is told at `now`, if it is too early for another exchange.
    pub(crate) fn shared(&self, now: Duration) -> Option<TokenError> {
        (now < self.shared_until && self.error.is_shared()).then(|| self.error.clone())
    }

    /// Whether it is too early at `now` to renew a token that is still good.
    pub(crate) fn holds_back_renewal(&self, now: Duration) -> bool {
        now < self.renewal_after
    }
}

/// The pause after the failure of this number: twice as long each time, of which the second half is random.
fn pause(number: u32, longest: Duration, random: Option<&dyn Random>) -> Duration {
    let doublings = number.saturating_sub(1).min(31);
    let pause = FIRST_PAUSE.saturating_mul(1 << doublings).min(longest);
    pause / 2 + random_part(pause / 2, random)
}

/// A random part of `whole`; all of it if there is no randomness.
fn random_part(whole: Duration, random: Option<&dyn Random>) -> Duration {
    let mut bytes = [u8::MAX; 2];
    match random.map(|random| random.fill(&mut bytes)) {
        Some(Ok(())) => whole.saturating_mul(u32::from(u16::from_be_bytes(bytes))) / u32::from(u16::MAX),
        None | Some(Err(_)) => whole,
    }
}

#[cfg(test)]
mod tests {
    use keybound::random::RandomUnavailable;
    use proptest::prelude::*;

    use super::*;

    struct Bytes(u16);

    impl Random for Bytes {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
            bytes.copy_from_slice(&self.0.to_be_bytes());
            Ok(())
        }
    }

    const NOW: Moment = Moment { date: NumericDate::from_seconds(1_000_000), elapsed: Duration::ZERO };

    #[test]
    fn a_token_is_renewed_in_the_first_half_of_its_window() {
        for (lifetime, earliest, latest, ends, why) in [
            (3600, 3000, 3300, 3595, "an hour: ten to five minutes before"),
            (100, 80, 90, 95, "a short life: a fifth to a tenth of it before"),
            (86_400, 85_800, 86_100, 86_395, "a day: as an hour"),
            (10, 8, 9, 9, "seconds: half a second of travel, and the clock shows whole ones"),
            (0, 0, 0, 0, "no life at all"),
        ] {
            let life = |random| Life::new(NOW, Duration::ZERO, Duration::from_secs(lifetime), &Bytes(random));
            let seconds = |moment: Moment| moment.date.since(NOW.date).as_secs();
            assert_eq!(seconds(life(u16::MAX).due), earliest, "{why}");
            assert_eq!(seconds(life(0).due), latest, "{why}");
            assert_eq!(seconds(life(0).ends), ends, "{why}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_of_renewal_is_within_the_window(
            lifetime in 0..=u64::from(u32::MAX),
            age in 0..=u64::from(u32::MAX),
            random: u16,
        ) {
            let (lifetime, age) = (Duration::from_secs(lifetime), Duration::from_secs(age));
            let life = Life::new(NOW, Duration::ZERO, lifetime, &Bytes(random));
            let window = (lifetime / RENEWAL_PART).min(RENEWAL_WINDOW);
            prop_assert!(life.due.elapsed + window >= lifetime);
            prop_assert!(life.due.elapsed + window / 2 <= lifetime);
            prop_assert!(life.due.elapsed <= life.ends.elapsed && life.ends.elapsed <= lifetime);
            prop_assert!(life.ends.elapsed + TRAVEL_TIME >= lifetime);

            let later = Life::new(NOW.after(age), age, lifetime, &Bytes(random));
            prop_assert_eq!(later.from, life.from, "the same token, seen later");
            prop_assert_eq!(later.ends.elapsed, life.ends.elapsed.max(age));
            prop_assert_eq!(later.due.elapsed, life.due.elapsed.max(age));
        }

        #[test]
        fn pauses_grow_within_bounds(number in 1..200_u32, random: u16) {
            for longest in [LONGEST_PAUSE, LONGEST_RENEWAL_PAUSE] {
                let [shortest, this, most] = [0, random, u16::MAX].map(|part| pause(number, longest, Some(&Bytes(part))));
                prop_assert!(shortest <= this && this <= most && most <= longest);
                prop_assert!(shortest >= FIRST_PAUSE / 2 && shortest * 2 >= most);
                prop_assert!(pause(number + 1, longest, Some(&Bytes(random))) >= this);
            }
        }
    }

    #[test]
    fn a_failure_is_shared_for_a_pause_if_it_would_come_again() {
        let refused = TokenError::Transport(crate::TransportError::Connect {
            origin: "https://as.example".to_owned(),
            detail: "refused".to_owned(),
        });
        let ours = TokenError::Transport(crate::TransportError::NotSecure {
            origin: "http://as.example".to_owned(),
        });
        let milliseconds = Duration::from_millis;
        let first = Failure::new(refused.clone(), None, Duration::ZERO, None);
        let second = Failure::new(refused.clone(), Some(&first), Duration::ZERO, None);
        for (failure, pause) in [(&first, 100), (&second, 200)] {
            assert_eq!(failure.shared(milliseconds(pause - 1)), Some(refused.clone()));
            assert_eq!(failure.shared(milliseconds(pause)), None);
            assert!(failure.holds_back_renewal(milliseconds(pause - 1)));
            assert!(!failure.holds_back_renewal(milliseconds(pause)));
        }
        let ours = Failure::new(ours, None, Duration::ZERO, None);
        assert_eq!(ours.shared(Duration::ZERO), None, "nothing was sent");
        assert!(ours.holds_back_renewal(Duration::ZERO), "and nobody needs it at once");
    }
}
