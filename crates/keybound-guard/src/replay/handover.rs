//! From one policy to the next without forgetting a live proof.
//!
//! Three changes would let a used proof in again. A store that is replaced takes its memory with it: so the old
//! one is asked too, until its last proof has expired. A longer `max_age` makes proofs acceptable again whose
//! records are gone, since they were made for the shorter one: so proofs that may have been used before the
//! change go by the shorter one still. A shorter `max_age` makes records that are gone while a request that was
//! under way at the change still has the longer one: so records are made for the longer one for a while.
//!
//! Which proofs were used before is told by their dates: none was issued later than the latest time of before,
//! the [`CLOCK_MARGIN`](super::CLOCK_MARGIN), and the tolerance of the rules it was admitted by. The latest time
//! is that of any request, so a clock that was ahead and is set back hides nothing. What is assumed is that no
//! request reads the clock for the policy of before when more than the margin has passed since the change, by a
//! step of the clock or since the guard was stopped in that very moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use keybound::NumericDate;
use keybound::replay::{MemoryReplayStore, ReplayKey, ReplayRefusal, ReplayStore as _};

/// Changes that can be under way at once. Each lasts as long as a proof lives.
pub(super) const MAX_HANDOVERS: usize = 4;

/// A change of policy, as long as proofs live that were used before it.
#[derive(Clone)]
pub(super) struct Handover {
    /// No proof that was used before was issued later.
    issued_until: NumericDate,
    /// How old proofs could be before.
    old_age: Duration,
    /// When the last proof of before has expired by both rules.
    over: NumericDate,
    /// The memory of before, if another took its place, and for how long a life it was made.
    memory: Option<(Arc<MemoryReplayStore>, Duration)>,
}

impl Handover {
    pub(super) fn new(
        issued_until: NumericDate,
        old_age: Duration,
        new_age: Duration,
        memory: Option<(Arc<MemoryReplayStore>, Duration)>,
    ) -> Self {
        let over = issued_until.after(old_age.max(new_age));
        Self { issued_until, old_age, over, memory }
    }

    pub(super) const fn over(&self) -> NumericDate {
        self.over
    }

    pub(super) fn is_over(&self, now: NumericDate) -> bool {
        now > self.over
    }

    /// Until when a record has to last so that a request that is still judged by the old rules finds it.
    pub(super) fn needs_record_until(&self, issued: NumericDate, now: NumericDate) -> Option<NumericDate> {
        (!self.is_over(now)).then(|| issued.after(self.old_age))
    }

    /// Refuses a proof that may have been used before the change; else it is recorded until `kept` where the
    /// old rules look.
    pub(super) fn check(
        &self,
        key: &ReplayKey,
        issued: NumericDate,
        kept: NumericDate,
        now: NumericDate,
    ) -> Result<(), ReplayRefusal> {
        if self.is_over(now) {
            return Ok(());
        }
        if issued <= self.issued_until && now > issued.after(self.old_age) {
            return Err(ReplayRefusal::Unavailable);
        }
        match &self.memory {
            // It would refuse a longer life than it was made for, and need not remember a proof of after.
            Some((memory, life)) => memory.record(key, kept.min(now.after(*life)), now),
            None => Ok(()),
        }
    }
}

/// The latest time that any request was judged at, whatever the clock says since.
#[derive(Debug, Default)]
pub(super) struct LatestTime(AtomicU64);

impl LatestTime {
    /// `now` is the time; the latest that ever was.
    pub(super) fn with(&self, now: NumericDate) -> NumericDate {
        let before = self.0.load(Ordering::Relaxed);
        // It changes once a second: no request writes what all others read without need.
        if before >= now.seconds() {
            return NumericDate::from_seconds(before);
        }
        self.0.fetch_max(now.seconds(), Ordering::AcqRel);
        now
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt as _;
    use keybound::random::OperatingSystem;
    use keybound::{Clock, TargetUri, Thumbprint};

    use super::super::{CLOCK_MARGIN, Replay};
    use super::*;
    use crate::policy::Policy;

    const START: u64 = 1_800_000_000;

    fn date(offset: i64) -> NumericDate {
        NumericDate::from_seconds(START.checked_add_signed(offset).unwrap())
    }

    fn key(jwt_id: &str) -> ReplayKey {
        let thumbprint: Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse().unwrap();
        ReplayKey::new(thumbprint, &TargetUri::parse("https://server.example.com/token").unwrap(), jwt_id)
    }

    #[test]
    fn a_proof_from_before_a_longer_age_goes_by_the_shorter_one() {
        let handover = Handover::new(date(5), Duration::from_secs(60), Duration::from_secs(300), None);
        let cases = [
            ("issued before, young enough for both", -30, 30, true),
            ("issued before, too old for the old rule", -30, 31, false),
            ("issued by a clock that is ahead", 5, 66, false),
            ("issued after", 6, 300, true),
            ("issued long before, just after the change", -200, 1, false),
            ("when nothing of before can be fresh", 5, 306, true),
        ];
        for (name, issued, now, admitted) in cases {
            let kept = date(issued).after(Duration::from_secs(300));
            let checked = handover.check(&key("a"), date(issued), kept, date(now));
            let expected = if admitted { Ok(()) } else { Err(ReplayRefusal::Unavailable) };
            assert_eq!(checked, expected, "{name}");
        }
    }

    #[derive(Debug)]
    enum Step {
        /// By the clock at so many seconds the policy has this `max_age`, tolerance and capacity.
        Policy { clock: i64, max_age: u64, tolerance: u64, capacity: usize },
        /// The proof of this name, issued then, is judged then by the policy of that number, the first being 0;
        /// one that is not the last is that of a request under way. Was it admitted?
        Proof { by: usize, name: &'static str, issued: i64, judged: i64, outcome: Outcome },
        /// So many others are admitted then by the policy of that number that each shard drops what has expired.
        Others { by: usize, judged: i64 },
    }
    use Step::Others;
    type Outcome = Result<(), ReplayRefusal>;

    const USED: Outcome = Err(ReplayRefusal::Replayed);
    /// It may have been used, and no record would tell.
    const UNSURE: Outcome = Err(ReplayRefusal::Unavailable);

    const OTHERS: usize = 500;

    /// Room for the others, and few shards.
    const CAPACITY: usize = 10 * OTHERS;

    const fn policy(clock: i64, max_age: u64, tolerance: u64) -> Step {
        Step::Policy { clock, max_age, tolerance, capacity: CAPACITY }
    }

    const fn larger(clock: i64, max_age: u64, tolerance: u64) -> Step {
        Step::Policy { clock, max_age, tolerance, capacity: 2 * CAPACITY }
    }

    /// A proof of this name that the policy of that number judges at so many seconds.
    const fn proof(by: usize, name: &'static str, issued: i64, judged: i64, outcome: Outcome) -> Step {
        Step::Proof { by, name, issued, judged, outcome }
    }

    fn rules(max_age: u64, tolerance: u64, capacity: usize) -> Policy {
        Policy::from_toml(&format!(
            "resources = ['https://api.example.com']\n[[issuers]]\nissuer = 'https://as.example.com'\n\
             [proofs]\nmax_age_seconds = {max_age}\nfuture_tolerance_seconds = {tolerance}\n\
             [replay]\ncapacity = {capacity}"
        ))
        .unwrap()
    }

    fn recorded((policy, replay): &(Policy, Replay), name: &str, issued: i64, judged: i64) -> Outcome {
        let expires = date(issued).after(policy.proofs.max_age);
        replay.record(&key(name), expires, date(judged)).now_or_never().unwrap()
    }

    fn run(name: &str, steps: &[Step]) {
        let time = Arc::new(Mutex::new(date(0)));
        let told = Arc::clone(&time);
        let clock: Arc<dyn Clock> = Arc::new(move || *told.lock().unwrap());
        let mut guards: Vec<(Policy, Replay)> = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            match *step {
                Step::Policy { clock: now, max_age, tolerance, capacity } => {
                    *time.lock().unwrap() = date(now);
                    let policy = rules(max_age, tolerance, capacity);
                    let before = guards.last().map(|(_, replay)| replay);
                    let replay = Replay::by_policy(&policy, before, &clock, &OperatingSystem).unwrap();
                    guards.push((policy, replay));
                }
                Step::Proof { by, name: proof, issued, judged, ref outcome } => {
                    let (policy, _) = &guards[by];
                    let is_too_old = date(judged) > date(issued).after(policy.proofs.max_age);
                    let is_early = date(issued) > date(judged).after(policy.proofs.future_tolerance);
                    assert!(!is_too_old && !is_early, "{name}, step {number}: the check before refuses it");
                    let recorded = recorded(&guards[by], proof, issued, judged);
                    assert_eq!(recorded, *outcome, "{name}, step {number}: {step:?}");
                }
                Others { by, judged } => {
                    for other in 0..OTHERS {
                        let recorded = recorded(&guards[by], &format!("{number} {other}"), judged, judged);
                        assert_eq!(recorded, Ok(()), "{name}, step {number}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_longer_age_lets_no_proof_in_again_whatever_policies_were_before() {
        assert_eq!(CLOCK_MARGIN.as_secs(), 60);
        let cases = [
            (
                "a longer age, and one more later",
                vec![
                    policy(0, 60, 5),
                    proof(0, "used", 0, 0, Ok(())),
                    policy(10, 120, 5),
                    policy(20, 600, 5),
                    proof(2, "used", 0, 50, USED),
                    proof(2, "used", 0, 110, UNSURE),
                    proof(2, "used", 0, 500, UNSURE),
                    proof(2, "new", 100, 500, Ok(())),
                ],
            ),
            (
                "a smaller tolerance, soon after it a longer age",
                vec![
                    policy(0, 60, 300),
                    proof(0, "from ahead", 300, 0, Ok(())),
                    policy(10, 60, 5),
                    policy(20, 600, 5),
                    proof(2, "from ahead", 300, 359, USED),
                    Others { by: 2, judged: 500 },
                    proof(2, "from ahead", 300, 500, UNSURE),
                ],
            ),
            (
                "a smaller tolerance, between two longer ages",
                vec![
                    policy(0, 30, 300),
                    proof(0, "from ahead", 300, 0, Ok(())),
                    policy(10, 60, 5),
                    policy(20, 600, 5),
                    Others { by: 2, judged: 500 },
                    proof(2, "from ahead", 300, 345, UNSURE),
                    proof(2, "from ahead", 300, 500, UNSURE),
                ],
            ),
        ];
        for (name, steps) in cases {
            run(name, &steps);
        }
    }

    #[test]
    fn a_shorter_age_or_another_memory_lets_no_request_under_way_use_a_proof_again() {
        let cases = [
            (
                "a shorter age, with a request of the longer one under way",
                vec![
                    policy(0, 300, 5),
                    policy(54, 60, 5),
                    proof(1, "used", 0, 55, Ok(())),
                    Others { by: 1, judged: 150 },
                    proof(0, "used", 0, 54, USED),
                ],
            ),
            (
                "a shorter age, and the request under way comes first",
                vec![
                    policy(0, 300, 5),
                    policy(54, 60, 5),
                    proof(0, "used", 0, 54, Ok(())),
                    proof(1, "used", 0, 55, USED),
                ],
            ),
            (
                "a shorter age and a larger memory, with a request under way",
                vec![
                    policy(0, 300, 5),
                    larger(54, 60, 5),
                    proof(1, "used", 0, 55, Ok(())),
                    Others { by: 1, judged: 150 },
                    proof(0, "used", 0, 54, USED),
                ],
            ),
            (
                "a shorter age, then a larger memory, with a request under way since before both",
                vec![
                    policy(0, 300, 5),
                    policy(50, 60, 5),
                    larger(52, 60, 5),
                    proof(2, "used", 0, 55, Ok(())),
                    Others { by: 2, judged: 150 },
                    proof(0, "used", 0, 49, USED),
                    proof(1, "used", 0, 51, USED),
                ],
            ),
            (
                "a shorter age with a larger tolerance: no record is longer than the memory can have it",
                vec![
                    policy(0, 300, 5),
                    policy(10, 60, 100),
                    proof(1, "from ahead", 105, 10, Ok(())),
                    proof(1, "from ahead", 105, 160, USED),
                ],
            ),
            (
                "a larger memory",
                vec![
                    policy(0, 60, 5),
                    proof(0, "used", 0, 0, Ok(())),
                    larger(10, 60, 5),
                    proof(1, "used", 0, 60, USED),
                    proof(1, "new", 0, 60, Ok(())),
                    proof(1, "new", 0, 60, USED),
                    proof(0, "new", 0, 60, USED),
                ],
            ),
        ];
        for (name, steps) in cases {
            run(name, &steps);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_or_jumps_lets_no_proof_in_again() {
        let cases = [
            (
                "ahead by a thousand seconds until just before the change",
                vec![
                    policy(1_000, 60, 5),
                    proof(0, "used", 1_000, 1_000, Ok(())),
                    policy(0, 600, 5),
                    Others { by: 1, judged: 1_100 },
                    proof(1, "used", 1_000, 1_100, UNSURE),
                ],
            ),
            (
                "ahead between two changes, of which the first is over by it",
                vec![
                    policy(0, 60, 5),
                    proof(0, "used", 0, 0, Ok(())),
                    policy(10, 600, 5),
                    policy(5_000, 600, 6),
                    proof(2, "used", 0, 100, UNSURE),
                    proof(2, "issued since", 500, 500, UNSURE),
                    proof(2, "when the first change is over by any clock", 676, 676, Ok(())),
                ],
            ),
            (
                "behind by a thousand seconds until just before the change",
                vec![
                    policy(-1_000, 60, 5),
                    proof(0, "used", -995, -1_000, Ok(())),
                    policy(0, 3_600, 5),
                    Others { by: 1, judged: 10 },
                    proof(1, "used", -995, 10, UNSURE),
                ],
            ),
        ];
        for (name, steps) in cases {
            run(name, &steps);
        }
    }
}
