//! The replay store in memory against a store that is too simple to be wrong, and under its bounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use keybound::proof::ProofPolicy;
use keybound::random::{OperatingSystem, Random, RandomUnavailable};
use keybound::replay::{MemoryReplayLimits, MemoryReplayStore, ReplayKey, ReplayRefusal, ReplayStore as _};
use keybound::{NumericDate, Thumbprint, base64url};
use proptest::prelude::*;
use support::{NOW, target};

const LIFE: u64 = 65;
/// Proofs live a quarter of the longest life longer than they need to, at most.
const SPAN: u64 = 17;

fn store(capacity: usize, quota: usize) -> MemoryReplayStore {
    let limits = MemoryReplayLimits { capacity, quota, longest_life: Duration::from_secs(LIFE) };
    MemoryReplayStore::new(limits, &Fixed).unwrap()
}

fn client(number: u8) -> Thumbprint {
    base64url::encode([number; 32]).parse().unwrap()
}

fn key(client_number: u8, jwt_id: impl std::fmt::Display) -> ReplayKey {
    ReplayKey::new(client(client_number), &target(), &jwt_id.to_string())
}

fn later(date: NumericDate, seconds: u64) -> NumericDate {
    date.after(Duration::from_secs(seconds))
}

/// The same store each time, so that what was found is found again.
struct Fixed;

impl Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        bytes.fill(7);
        Ok(())
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// A proof of a client, by its number, that is to live for some seconds.
    Record {
        client: u8,
        jwt_id: u8,
        life: u64,
    },
    Wait {
        seconds: u64,
    },
    /// The clock is set back.
    Back {
        seconds: u64,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let record = (0_u8..3, 0_u8..12, 0..=LIFE + 1).prop_map(|(client, jwt_id, life)| Step::Record {
        client,
        jwt_id,
        life,
    });
    let wait = (0..2 * SPAN).prop_map(|seconds| Step::Wait { seconds });
    let back = (0..LIFE).prop_map(|seconds| Step::Back { seconds });
    prop::collection::vec(prop_oneof![20 => record, 3 => wait, 1 => back], 0..300)
}

const QUOTA: usize = 6;

proptest! {
    #[test]
    fn no_live_proof_is_admitted_twice_and_no_bound_is_passed(steps in steps()) {
        let store = store(CAPACITY, QUOTA);
        let mut simple = SimpleStore { last: BTreeMap::new(), all: BTreeSet::new(), latest: NOW };
        let mut now = NOW;
        for step in steps {
            match step {
                Step::Wait { seconds } => now = later(now, seconds),
                Step::Back { seconds } => now = now.before(Duration::from_secs(seconds)),
                Step::Record { client, jwt_id, life } => {
                    let expires = later(now, life);
                    let outcome = store.record(&key(client, jwt_id), expires, now);
                    simple.latest = simple.latest.max(now);
                    simple.judge((client, jwt_id), expires, now, outcome)?;
                }
            }
            prop_assert!(store.len() <= CAPACITY);
        }
    }
}

const CAPACITY: usize = 640;

/// The expiry of every proof that was ever admitted, by its client and `jti`.
struct SimpleStore {
    last: BTreeMap<(u8, u8), NumericDate>,
    all: BTreeSet<((u8, u8), NumericDate)>,
    /// What the clock has been at most.
    latest: NumericDate,
}

impl SimpleStore {
    fn judge(
        &mut self,
        proof: (u8, u8),
        expires: NumericDate,
        now: NumericDate,
        outcome: Result<(), ReplayRefusal>,
    ) -> Result<(), TestCaseError> {
        let went_back = now < self.latest;
        let known = self.last.get(&proof).copied();
        match outcome {
            Ok(()) => {
                prop_assert!(known.is_none_or(|expires| expires < self.latest), "a live one admitted again");
                prop_assert!(self.held(proof.0, 0) < QUOTA, "more than the quota");
                prop_assert!(self.all.insert((proof, expires)), "the same one admitted again");
                self.last.insert(proof, expires);
            }
            // A generation is dropped whole, so some are known and counted for longer.
            Err(ReplayRefusal::Replayed) => {
                prop_assert!(known.is_some_and(|expires| later(expires, SPAN) > now));
            }
            Err(ReplayRefusal::QuotaExceeded) => {
                prop_assert!(went_back || self.held(proof.0, SPAN) >= QUOTA);
            }
            Err(ReplayRefusal::LivesTooLong) => prop_assert_eq!(expires, later(now, LIFE + 1)),
            Err(ReplayRefusal::Unavailable) => prop_assert!(went_back),
            Err(refusal) => prop_assert!(false, "{:?}", refusal),
        }
        Ok(())
    }

    /// Proofs of a client that have not expired, or not for longer than `margin`.
    fn held(&self, client: u8, margin: u64) -> usize {
        let holds = |((owner, _), expires): &(&(u8, u8), &NumericDate)| {
            *owner == client && later(**expires, margin) >= self.latest
        };
        self.last.iter().filter(holds).count()
    }
}

#[test]
fn a_key_has_its_quota_and_not_one_proof_more_until_some_expire() {
    let store = store(100_000, 1_000);
    for jwt_id in 0..1_000 {
        assert_eq!(store.record(&key(1, jwt_id), later(NOW, LIFE), NOW), Ok(()), "{jwt_id}");
    }
    let over = key(1, "over");
    assert_eq!(store.record(&over, later(NOW, LIFE), NOW), Err(ReplayRefusal::QuotaExceeded));
    assert_eq!(store.record(&key(1, 0), later(NOW, LIFE), NOW), Err(ReplayRefusal::Replayed), "told first");
    assert_eq!(store.record(&key(2, "other"), later(NOW, LIFE), NOW), Ok(()), "another key is not touched");
    let after = later(NOW, LIFE + SPAN);
    assert_eq!(store.record(&over, later(after, LIFE), after), Ok(()));
}

#[test]
fn a_key_without_a_quota_has_no_proof() {
    assert_eq!(store(100, 0).record(&key(1, "a"), NOW, NOW), Err(ReplayRefusal::QuotaExceeded));
}

#[test]
fn a_million_valid_proofs_of_one_client_leave_another_unharmed() {
    let limits = MemoryReplayLimits::default();
    let store = MemoryReplayStore::new(limits, &OperatingSystem).unwrap();
    let (mut accepted, mut over_quota) = (0, 0);
    for jwt_id in 0..1_000_000 {
        match store.record(&key(1, jwt_id), later(NOW, 60), NOW) {
            Ok(()) => accepted += 1,
            Err(ReplayRefusal::QuotaExceeded) => over_quota += 1,
            other => panic!("{other:?}"),
        }
        if jwt_id % 100 == 0 {
            assert_eq!(store.record(&key(2, jwt_id), later(NOW, 60), NOW), Ok(()), "{jwt_id}");
        }
    }
    assert_eq!(accepted, limits.quota, "a sixteenth of the store, which is its share");
    assert_eq!(accepted + over_quota, 1_000_000);
    assert_eq!(store.len(), limits.quota + 10_000);
    for jwt_id in (0..1_000_000).step_by(100) {
        let replayed = store.record(&key(2, jwt_id), later(NOW, 60), NOW);
        assert_eq!(replayed, Err(ReplayRefusal::Replayed), "nothing of the other's was pushed out");
    }
}

#[test]
fn a_store_fills_to_its_capacity_and_refuses_without_forgetting() {
    let capacity = 100_000;
    let store = store(capacity, usize::MAX);
    let accepted: Vec<_> = (0..2 * capacity)
        .map(|jwt_id| key(1, jwt_id))
        .filter(|key| store.record(key, later(NOW, LIFE), NOW).is_ok())
        .collect();
    assert!((capacity..capacity + 64).contains(&accepted.len()), "{}", accepted.len());
    assert_eq!(store.len(), accepted.len());
    for key in &accepted {
        assert_eq!(store.record(key, later(NOW, LIFE), NOW), Err(ReplayRefusal::Replayed));
    }
}

#[test]
fn the_bytes_of_a_store_are_bounded_by_its_limits() {
    let policy = ProofPolicy::default();
    for (capacity, megabytes) in [(0, 2), (1_000_000, 23), (10_000_000, 221), (usize::MAX, usize::MAX)] {
        let bytes = MemoryReplayLimits::for_policy(&policy).with_capacity(capacity).max_bytes();
        assert!(bytes <= megabytes.saturating_mul(1_000_000), "{capacity}: {bytes}");
        assert!(bytes >= capacity.saturating_mul(16), "{capacity}: {bytes}");
    }
}
