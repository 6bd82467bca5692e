//! From one policy to the next without forgetting a live proof.
//!
//! Two changes would let a used proof in again. A store that is replaced takes its memory with it: so the old
//! one is asked too, until its last proof has expired. A longer `max_age` makes proofs acceptable again whose
//! records are gone, since they were made for the shorter one: so proofs that were issued before the change
//! go by the shorter one still.

use std::sync::Arc;
use std::time::Duration;

use keybound::NumericDate;
use keybound::replay::{MemoryReplayStore, ReplayKey, ReplayRefusal, ReplayStore as _};

use crate::policy::ProofRules;

/// Changes that can be under way at once. Each lasts as long as a proof lives.
pub(super) const MAX_HANDOVERS: usize = 4;

/// A change of policy, as long as proofs live that were used before it.
#[derive(Clone)]
pub(super) struct Handover {
    /// When.
    at: NumericDate,
    /// The ages of proofs before.
    old: ProofRules,
    /// How far ahead a client's clock may be, before or after.
    tolerance: Duration,
    /// When the last proof of before has expired by both rules.
    over: NumericDate,
    /// The memory of before, if another took its place, and for how long a life it was made.
    memory: Option<(Arc<MemoryReplayStore>, Duration)>,
}

impl Handover {
    pub(super) fn new(
        at: NumericDate,
        old: &ProofRules,
        new: &ProofRules,
        memory: Option<(Arc<MemoryReplayStore>, Duration)>,
    ) -> Self {
        let tolerance = old.future_tolerance.max(new.future_tolerance);
        let over = at.after(tolerance).after(old.max_age.max(new.max_age));
        Self { at, old: old.clone(), tolerance, over, memory }
    }

    pub(super) fn is_over(&self, now: NumericDate) -> bool {
        now > self.over
    }

    /// Refuses a proof that may have been used before the change. `max_age` is the one that `expires` was
    /// reckoned with.
    pub(super) fn check(
        &self,
        key: &ReplayKey,
        max_age: Duration,
        expires: NumericDate,
        now: NumericDate,
    ) -> Result<(), ReplayRefusal> {
        if self.is_over(now) {
            return Ok(());
        }
        let issued = expires.before(max_age);
        let is_of_before = issued <= self.at.after(self.tolerance);
        if is_of_before && now > issued.after(self.old.max_age) {
            return Err(ReplayRefusal::Unavailable);
        }
        match &self.memory {
            // It would refuse a longer life than it was made for, and need not remember a proof of after.
            Some((memory, life)) => memory.record(key, expires.min(now.after(*life)), now),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use keybound::random::OperatingSystem;
    use keybound::replay::MemoryReplayLimits;
    use keybound::{TargetUri, Thumbprint};

    use super::*;

    const CHANGE: u64 = 1_800_000_000;

    fn date(offset: i64) -> NumericDate {
        NumericDate::from_seconds(CHANGE.checked_add_signed(offset).unwrap())
    }

    fn ages(max_age: u64) -> ProofRules {
        ProofRules {
            max_age: Duration::from_secs(max_age),
            future_tolerance: Duration::from_secs(5),
            ..ProofRules::default()
        }
    }

    fn key(jwt_id: &str) -> ReplayKey {
        let thumbprint: Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse().unwrap();
        ReplayKey::new(thumbprint, &TargetUri::parse("https://server.example.com/token").unwrap(), jwt_id)
    }

    #[test]
    fn a_proof_from_before_a_longer_age_goes_by_the_shorter_one() {
        let handover = Handover::new(date(0), &ages(60), &ages(300), None);
        let max_age = Duration::from_secs(300);
        let cases = [
            ("issued before, young enough for both", -30, 30, true),
            ("issued before, too old for the old rule", -30, 31, false),
            ("issued by a clock that is ahead", 5, 66, false),
            ("issued after", 6, 300, true),
            ("issued long before, just after the change", -200, 1, false),
            ("when nothing of before can be fresh", 5, 306, true),
        ];
        for (name, issued, now, admitted) in cases {
            let expires = date(issued).after(max_age);
            let checked = handover.check(&key("a"), max_age, expires, date(now));
            let expected = if admitted { Ok(()) } else { Err(ReplayRefusal::Unavailable) };
            assert_eq!(checked, expected, "{name}");
        }
    }

    #[test]
    fn a_proof_that_the_old_memory_knows_is_refused() {
        let life = Duration::from_secs(65);
        let limits = MemoryReplayLimits { longest_life: life, ..MemoryReplayLimits::default() };
        let memory = Arc::new(MemoryReplayStore::new(limits, &OperatingSystem).unwrap());
        memory.record(&key("used"), date(60), date(0)).unwrap();
        let handover = Handover::new(date(0), &ages(60), &ages(300), Some((memory, life)));
        let check = |jwt_id, issued: i64, now| {
            let max_age = Duration::from_secs(300);
            handover.check(&key(jwt_id), max_age, date(issued).after(max_age), date(now))
        };
        assert_eq!(check("used", 0, 60), Err(ReplayRefusal::Replayed));
        assert_eq!(check("new", 0, 60), Ok(()));
        assert_eq!(check("new", 0, 60), Err(ReplayRefusal::Replayed));
        assert_eq!(check("much later", 20, 20), Ok(()), "a life that is longer than the old memory's");
    }
}
