//! The circuit breaker: while a store does not answer, requests are refused at once instead of each waiting
//! for its own time-out, and now and then one of them tries again.
//!
//! A state machine without a clock of its own: the caller says what time it is.

use std::time::{Duration, Instant};

/// Questions in a row that fail before the breaker opens: more than one lost packet, fewer than a
/// client's patience.
pub(super) const FAILURES_TO_OPEN: u32 = 5;

/// How long an open breaker refuses before it lets one question through: so the service is back within this
/// time and one question of the store being back.
pub(super) const OPEN_FOR: Duration = Duration::from_millis(500);

/// How long the one question of a half-open breaker may be without result before another is let through: it
/// may have been dropped with its request, and then nobody reports.
pub(super) const PROBE_PATIENCE: Duration = Duration::from_secs(2);

/// Whether a store is asked.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// All questions are let through; so many of the last ones failed.
    Closed { failures: u32 },
    /// None is.
    Open { since: Instant },
    /// One is under way.
    HalfOpen { since: Instant },
}

/// What a result did to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened,
    /// The one question that a half-open breaker let through failed too.
    StaysOpen,
    Closed,
}

impl Breaker {
    pub(super) const fn new() -> Self {
        Self { state: State::Closed { failures: 0 } }
    }

    /// Whether the store may be asked now. Who is let through says how it went, by
    /// [`Breaker::answered`] or [`Breaker::failed`].
    pub(super) fn permits(&mut self, now: Instant) -> bool {
        let waited = |since, wait| now.saturating_duration_since(since) >= wait;
        match self.state {
            State::Closed { .. } => true,
            State::Open { since } if !waited(since, OPEN_FOR) => false,
            State::HalfOpen { since } if !waited(since, PROBE_PATIENCE) => false,
            State::Open { .. } | State::HalfOpen { .. } => {
                self.state = State::HalfOpen { since: now };
                true
            }
        }
    }

    /// Whether it refuses, or lets one question through at most.
    pub(super) const fn is_open(&self) -> bool {
        !matches!(self.state, State::Closed { .. })
    }

    /// The store answered, whatever it said.
    pub(super) fn answered(&mut self) -> Change {
        let before = std::mem::replace(&mut self.state, State::Closed { failures: 0 });
        if matches!(before, State::Closed { .. }) { Change::None } else { Change::Closed }
    }

    /// The store did not answer, or not what was asked.
    pub(super) fn failed(&mut self, now: Instant) -> Change {
        match self.state {
            State::Closed { failures } if failures + 1 < FAILURES_TO_OPEN => {
                self.state = State::Closed { failures: failures + 1 };
                Change::None
            }
            State::Closed { .. } => {
                self.state = State::Open { since: now };
                Change::Opened
            }
            State::HalfOpen { .. } => {
                self.state = State::Open { since: now };
                Change::StaysOpen
            }
            // One that was under way when it opened: it tells nothing new, and must not keep it open.
            State::Open { .. } => Change::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// At so many milliseconds: is a question let through?
        Permits(u64, bool),
        Answered(Change),
        Failed(u64, Change),
    }
    use Step::{Answered, Failed, Permits};

    fn failures(count: u32) -> Vec<Step> {
        (0..count).map(|_| Failed(0, Change::None)).collect()
    }

    fn opened() -> Vec<Step> {
        [failures(FAILURES_TO_OPEN - 1), vec![Failed(0, Change::Opened)]].concat()
    }

    fn half_open() -> Vec<Step> {
        [opened(), vec![Permits(500, true)]].concat()
    }

    fn run(name: &str, steps: &[Step]) {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut breaker = Breaker::new();
        for (number, step) in steps.iter().enumerate() {
            match *step {
                Permits(time, expected) => {
                    assert_eq!(breaker.permits(at(time)), expected, "{name}, step {number}: {step:?}");
                }
                Answered(expected) => assert_eq!(breaker.answered(), expected, "{name}, step {number}"),
                Failed(time, expected) => {
                    assert_eq!(breaker.failed(at(time)), expected, "{name}, step {number}: {step:?}");
                }
            }
        }
    }

    #[test]
    fn the_breaker_opens_after_failures_in_a_row_and_closes_by_one_answer() {
        assert_eq!((FAILURES_TO_OPEN, OPEN_FOR.as_millis(), PROBE_PATIENCE.as_millis()), (5, 500, 2000));
        let cases = [
            ("a new one lets through", vec![Permits(0, true), Permits(0, true)]),
            ("four failures don't open it", [failures(4), vec![Permits(0, true)]].concat()),
            ("the fifth does", [opened(), vec![Permits(0, false), Permits(499, false)]].concat()),
            (
                "an answer between starts the count anew",
                [failures(4), vec![Answered(Change::None)], failures(4), vec![Permits(0, true)]].concat(),
            ),
            ("half a second later one is let through", [half_open(), vec![Permits(501, false)]].concat()),
            ("its answer closes", [half_open(), vec![Answered(Change::Closed), Permits(501, true)]].concat()),
            (
                "its failure opens for as long again",
                [
                    half_open(),
                    vec![Failed(600, Change::StaysOpen), Permits(1099, false), Permits(1100, true)],
                ]
                .concat(),
            ),
            (
                "without its result another one is let through",
                [half_open(), vec![Permits(2499, false), Permits(2500, true), Permits(2501, false)]].concat(),
            ),
            (
                "a late failure does not keep it open",
                [opened(), vec![Failed(400, Change::None), Permits(500, true)]].concat(),
            ),
            ("a late answer closes", [opened(), vec![Answered(Change::Closed), Permits(1, true)]].concat()),
            (
                "after closing it counts from the start",
                [half_open(), vec![Answered(Change::Closed)], failures(4), vec![Permits(600, true)]].concat(),
            ),
        ];
        for (name, steps) in cases {
            run(name, &steps);
        }
    }
}
