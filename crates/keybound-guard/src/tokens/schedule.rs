//! When an issuer is asked for what it publishes, and for how long that is used: a state machine without
//! clock or network.
//!
//! What was fetched is fresh, then stale, then too old. Fresh, it is used, and fetched anew in the background
//! before that ends. Stale, it is used only while the issuer does not answer. A failed fetch is tried again
//! ever more rarely, and a key that nobody knows makes the issuer be asked only so often.

use std::time::Duration;

use keybound::NumericDate;

/// How long after a fetch an unknown key is reason for another: strangers can name any key, and must not be
/// able to make the guard flood its issuer.
pub(super) const ASKED_ANEW_AFTER: Duration = Duration::from_secs(10);

/// After the first failure in a row, the issuer is left alone this long; after each further one twice as
/// long.
pub(super) const FIRST_RETRY: Duration = Duration::from_secs(1);

/// The longest that an issuer is left alone: so late at most is it noticed that it is back.
pub(super) const LAST_RETRY: Duration = Duration::from_secs(60);

/// The share of the fresh time at whose end the next fetch begins in the background: its last fifth, which
/// leaves room for some failures.
const AHEAD: u32 = 5;

/// A clock that is set back by more than this makes what was fetched stale: its age is not known any more.
const SET_BACK: Duration = Duration::from_secs(60);

/// For how long something that was fetched is used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    /// Without asking.
    pub(super) fresh_for: Duration,
    /// Beyond that, while the issuer does not answer.
    pub(super) stale_for: Duration,
}

/// What a caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// What may be used now.
    Usable,
    /// Something newer than what there is: it lacks what the caller looks for.
    Newer,
}

/// What a caller is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Use what there is.
    Use,
    /// Use what there is, and begin a fetch for those who come later.
    UseAndFetch,
    /// Begin a fetch, and wait for its end.
    Fetch,
    /// Wait for the end of the fetch that is under way.
    Wait,
    /// There is nothing to use, and it is too early to ask again.
    GiveUp,
}

/// What is known of the fetches so far.
#[derive(Debug)]
pub(super) struct Schedule {
    lifetimes: Lifetimes,
    /// When the last fetch that succeeded began: what it brought is at least as new.
    fetched: Option<NumericDate>,
    /// When the last fetch ended, however.
    ended: Option<NumericDate>,
    /// Failures since the last success.
    failures: u32,
    /// How long after the last failure the issuer is left alone.
    pause: Duration,
    under_way: Option<NumericDate>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    Fresh,
    Stale,
    TooOld,
}

impl Schedule {
    pub(super) fn new(lifetimes: Lifetimes) -> Self {
        Self { lifetimes, fetched: None, ended: None, failures: 0, pause: Duration::ZERO, under_way: None }
    }

    /// What a caller is to do that wants this at `now`.
    pub(super) fn step(&self, wanted: Wanted, now: NumericDate) -> Step {
        match wanted {
            Wanted::Usable => self.usable(now),
            Wanted::Newer if self.under_way.is_some() => Step::Wait,
            Wanted::Newer if self.may_ask(now) && self.passed(ASKED_ANEW_AFTER, now) => Step::Fetch,
            Wanted::Newer => Step::Use,
        }
    }

    fn usable(&self, now: NumericDate) -> Step {
        match (self.age(now), self.under_way.is_some()) {
            (Age::Fresh, true) => Step::Use,
            (Age::Fresh, false) if now < self.ahead() || !self.may_ask(now) => Step::Use,
            (Age::Fresh, false) => Step::UseAndFetch,
            // Of an issuer that is known to be down nobody waits for another failure.
            (Age::Stale, true) if self.is_failing() => Step::Use,
            (Age::Stale, false) if !self.may_ask(now) => Step::Use,
            (Age::Stale, false) if self.is_failing() => Step::UseAndFetch,
            (Age::Stale | Age::TooOld, true) => Step::Wait,
            (Age::TooOld, false) if !self.may_ask(now) => Step::GiveUp,
            (Age::Stale | Age::TooOld, false) => Step::Fetch,
        }
    }

    /// Whether what there is may be used at `now` by a caller that has waited in vain for something newer.
    pub(super) fn is_usable(&self, now: NumericDate) -> bool {
        self.age(now) != Age::TooOld
    }

    /// Whether the last fetch failed, so that the issuer may have published what is not known here.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Until then everyone who wants what is usable is told to use what there is. Callers look at this alone
    /// as long as it has not come.
    pub(super) fn settled_until(&self) -> NumericDate {
        let Some(fetched) = self.fetched else { return NumericDate::from_seconds(0) };
        let fresh_until = fetched.after(self.lifetimes.fresh_for);
        let too_old_from = fresh_until.after(self.lifetimes.stale_for);
        match (self.under_way, self.failures) {
            (None, 0) => self.ahead(),
            (Some(_), 0) => fresh_until,
            (None, _) => self.ahead().max(self.may_ask_from()).min(too_old_from),
            (Some(_), _) => too_old_from,
        }
    }

    /// A fetch begins.
    pub(super) fn begin(&mut self, now: NumericDate) {
        self.under_way = Some(now);
    }

    /// The fetch that was under way has brought what was asked for.
    pub(super) fn succeed(&mut self, now: NumericDate) {
        self.fetched = self.under_way.take().or(Some(now));
        self.ended = Some(now);
        self.failures = 0;
        self.pause = Duration::ZERO;
    }

    /// The fetch that was under way has failed. `chance`, a random byte, spreads the guards of a fleet over
    /// the second half of the pause.
    pub(super) fn fail(&mut self, now: NumericDate, chance: u8) {
        self.under_way = None;
        self.ended = Some(now);
        let doublings = self.failures.min(LAST_RETRY.as_secs().ilog2() + 1);
        let longest = FIRST_RETRY.saturating_mul(1 << doublings).min(LAST_RETRY).as_secs();
        let spread = (longest - longest.div_ceil(2) + 1) * u64::from(chance) / 256;
        self.pause = Duration::from_secs(longest.div_ceil(2) + spread);
        self.failures = self.failures.saturating_add(1);
    }

    fn age(&self, now: NumericDate) -> Age {
        let Some(fetched) = self.fetched else { return Age::TooOld };
        let Lifetimes { fresh_for, stale_for } = self.lifetimes;
        if fetched > now.after(SET_BACK) {
            return Age::Stale;
        }
        match now.since(fetched) {
            age if age < fresh_for => Age::Fresh,
            age if age < fresh_for.saturating_add(stale_for) => Age::Stale,
            _ => Age::TooOld,
        }
    }

    /// From then on what is fresh is fetched anew.
    fn ahead(&self) -> NumericDate {
        let fresh_for = self.lifetimes.fresh_for;
        self.fetched
            .map_or(NumericDate::from_seconds(0), |at| at.after(fresh_for.saturating_sub(fresh_for / AHEAD)))
    }

    fn may_ask(&self, now: NumericDate) -> bool {
        self.passed(self.pause, now)
    }

    fn may_ask_from(&self) -> NumericDate {
        self.ended.map_or(NumericDate::from_seconds(0), |ended| ended.after(self.pause))
    }

    /// Whether the last fetch ended this long ago, or there was none. A clock that was set back can't make
    /// anybody wait for it to catch up.
    fn passed(&self, duration: Duration, now: NumericDate) -> bool {
        self.ended.is_none_or(|ended| now >= ended.after(duration) || ended > now.after(SET_BACK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const LIFETIMES: Lifetimes =
        Lifetimes { fresh_for: Duration::from_secs(600), stale_for: Duration::from_secs(3600) };
    /// When every case begins.
    const START: u64 = 1_800_000_000;

    fn at(seconds: u64) -> NumericDate {
        NumericDate::from_seconds(START + seconds)
    }

    /// What happens to a schedule, with the second at which it does.
    #[derive(Clone, Copy, Debug)]
    enum Event {
        Begins(u64),
        Succeeds(u64),
        Fails(u64),
    }
    use Event::{Begins, Fails, Succeeds};

    fn after(events: &[Event]) -> Schedule {
        let mut schedule = Schedule::new(LIFETIMES);
        for event in events {
            match *event {
                Begins(second) => schedule.begin(at(second)),
                Succeeds(second) => schedule.succeed(at(second)),
                Fails(second) => schedule.fail(at(second), 255),
            }
        }
        schedule
    }

    #[test]
    fn who_wants_what_is_usable_is_told_what_to_do() {
        let fetched: &[Event] = &[Begins(0), Succeeds(3)];
        let failed = |second| [Begins(0), Succeeds(3), Begins(second), Fails(second + 5)];
        for (events, second, step, why) in [
            (&[] as &[Event], 0, Step::Fetch, "nothing there yet"),
            (&[Begins(0)], 0, Step::Wait, "the first fetch is under way"),
            (&[Begins(0), Fails(5)], 5, Step::GiveUp, "the first fetch has just failed"),
            (&[Begins(0), Fails(5)], 6, Step::Fetch, "and is tried again after a pause"),
            (fetched, 3, Step::Use, "fresh"),
            (fetched, 479, Step::Use, "fresh for a while yet"),
            (fetched, 480, Step::UseAndFetch, "fetched ahead"),
            (&[Begins(0), Succeeds(3), Begins(480)], 599, Step::Use, "fresh while it is fetched ahead"),
            (&[Begins(0), Succeeds(3), Begins(480)], 600, Step::Wait, "stale, and nothing says down"),
            (fetched, 600, Step::Fetch, "stale after a quiet time"),
            (fetched, 10_000, Step::Fetch, "too old after a quiet time"),
            (&failed(480), 485, Step::Use, "the issuer is down, and was asked just now"),
            (&failed(480), 486, Step::UseAndFetch, "fresh still, tried again behind the caller's back"),
            (&failed(595), 600, Step::Use, "stale use while the issuer is down"),
            (&failed(599), 605, Step::UseAndFetch, "tried again behind the caller's back"),
            (&[Begins(0), Succeeds(3), Begins(599), Fails(600), Begins(601)], 602, Step::Use, "meanwhile"),
            (&failed(4195), 4199, Step::Use, "the last second of stale use"),
            (&failed(4195), 4200, Step::GiveUp, "too old, and the issuer is down"),
            (&failed(4195), 4201, Step::Fetch, "and asked again by the next caller"),
            (&[Begins(900), Succeeds(900)], 0, Step::Fetch, "the clock was set back"),
            (&[Begins(30), Succeeds(30)], 0, Step::Use, "a caller that looked at the clock long ago"),
        ] {
            let schedule = after(events);
            assert_eq!(schedule.step(Wanted::Usable, at(second)), step, "{why}: {events:?} at {second}");
        }
    }

    #[test]
    fn an_unknown_key_is_a_reason_to_ask_only_so_often() {
        let fetched: &[Event] = &[Begins(0), Succeeds(3)];
        for (events, second, step, why) in [
            (&[] as &[Event], 0, Step::Fetch, "nothing there yet"),
            (fetched, 12, Step::Use, "less than ten seconds after the end of a fetch"),
            (fetched, 13, Step::Fetch, "ten seconds after it"),
            (&[Begins(0), Succeeds(3), Begins(13)], 13, Step::Wait, "a fetch is under way"),
            (&[Begins(0), Succeeds(3), Begins(13), Fails(14)], 23, Step::Use, "after a failure too"),
            (&[Begins(0), Succeeds(3), Begins(13), Fails(14)], 24, Step::Fetch, "ten seconds after it"),
        ] {
            let schedule = after(events);
            assert_eq!(schedule.step(Wanted::Newer, at(second)), step, "{why}: {events:?} at {second}");
        }
        let mut events = vec![Begins(0), Succeeds(0)];
        events.extend((0..10).flat_map(|_| [Begins(100), Fails(100)]));
        assert_eq!(after(&events).step(Wanted::Newer, at(120)), Step::Use, "a long pause goes before");
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_are_spread_over_their_second_half() {
        for (chance, pauses) in [(0, [1, 1, 2, 4, 8, 16, 30, 30]), (255, [1, 2, 4, 8, 16, 32, 60, 60])] {
            let mut schedule = Schedule::new(LIFETIMES);
            for pause in pauses {
                schedule.fail(at(0), chance);
                assert_eq!(schedule.pause, SECOND * pause, "chance {chance}");
            }
            schedule.begin(at(0));
            schedule.succeed(at(1));
            assert_eq!(schedule.pause, Duration::ZERO, "a success ends the pauses");
        }
        let mut down_for_years = Schedule::new(LIFETIMES);
        down_for_years.failures = u32::MAX;
        down_for_years.fail(at(0), 255);
        assert_eq!(down_for_years.pause, LAST_RETRY);
    }

    #[test]
    fn until_it_is_settled_everyone_is_told_to_use_what_there_is() {
        for (last, events) in [
            (0, &[] as &[Event]),
            (0, &[Begins(0)]),
            (3, &[Begins(0), Succeeds(3)]),
            (480, &[Begins(0), Succeeds(3), Begins(480)]),
            (14, &[Begins(0), Succeeds(3), Begins(13), Fails(14)]),
            (481, &[Begins(0), Succeeds(3), Begins(480), Fails(481)]),
            (601, &[Begins(0), Succeeds(3), Begins(590), Fails(600), Begins(601)]),
            (4199, &[Begins(0), Succeeds(3), Begins(4195), Fails(4199)]),
            (604, &[Begins(0), Succeeds(3), Begins(599), Fails(604)]),
        ] {
            let schedule = after(events);
            let settled_until = schedule.settled_until();
            let first = (last..5000).find(|second| schedule.step(Wanted::Usable, at(*second)) != Step::Use);
            match first {
                Some(first) if first > last => assert_eq!(settled_until, at(first), "{events:?}"),
                _ => assert!(settled_until <= at(last), "{events:?}"),
            }
        }
    }
}
