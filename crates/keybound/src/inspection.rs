//! What is found where something is held to every rule, and nothing stops at the first that is broken.

use std::time::Duration;

/// How something stands by one rule, where `R` says in what way it breaks it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome<R> {
    /// The rule holds.
    Passed,
    /// The rule is broken.
    Failed(R),
    /// It cannot be told, because of this.
    NotChecked(&'static str),
}

/// All that a check refuses, though it stops at the first.
pub(crate) struct Refusals<R> {
    pub(crate) all: Vec<R>,
    /// Whether there may be more behind the last one.
    pub(crate) stopped: bool,
}

impl<R: PartialEq> Refusals<R> {
    /// Asks `check` again and again, each time with what it refused relaxed, until it refuses nothing, or
    /// something that cannot be relaxed.
    pub(crate) fn find<P>(
        policy: &mut P,
        check: impl Fn(&P) -> Option<R>,
        relax: impl Fn(&mut P, &R) -> bool,
    ) -> Self {
        let mut all = Vec::new();
        while let Some(refusal) = check(policy) {
            let stopped = all.contains(&refusal) || !relax(policy, &refusal);
            all.push(refusal);
            if stopped {
                return Self { all, stopped };
            }
        }
        Self { all, stopped: false }
    }
}

/// Longer than any clock is off, and short enough not to overflow: relaxes every rule about time.
pub(crate) const ANY_TIME: Duration = Duration::from_secs(1 << 40);
