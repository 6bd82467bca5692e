//! What holds in whatever order threads come to the locks of the replay store.

use std::sync::Arc;

use keybound_model::{Proof, ReplayRefusal as Refusal, Store};
use loom::thread;

type Outcome = Result<(), Refusal>;

/// The outcomes of records that are made at once, each with its current generation.
fn at_once(store: &Arc<Store>, records: &[(Proof, u64)]) -> Vec<Outcome> {
    let record = |(proof, current): &(Proof, u64)| {
        let (store, proof, current) = (Arc::clone(store), *proof, *current);
        thread::spawn(move || store.record(proof, current))
    };
    let threads: Vec<_> = records.iter().map(record).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn count(outcomes: &[Outcome], outcome: &Outcome) -> usize {
    outcomes.iter().filter(|one| *one == outcome).count()
}

const PROOF: Proof = Proof { number: 1, client: 1, expires: 10 };

#[test]
fn of_concurrent_duplicates_exactly_one_is_accepted() {
    loom::model(|| {
        let store = Arc::new(Store::new(10, 10));
        let later = Proof { expires: 11, ..PROOF };
        let outcomes = at_once(&store, &[(PROOF, 10), (later, 10), (PROOF, 10)]);
        assert_eq!(count(&outcomes, &Ok(())), 1, "{outcomes:?}");
        assert_eq!(count(&outcomes, &Err(Refusal::Replayed)), 2, "{outcomes:?}");
    });
}

#[test]
fn a_generation_that_is_dropped_meanwhile_lets_nothing_in_twice() {
    loom::model(|| {
        let store = Arc::new(Store::new(10, 10));
        let newer = Proof { number: 3, client: 2, expires: 20 };
        let outcomes = at_once(&store, &[(PROOF, 10), (newer, 20), (PROOF, 10)]);
        assert_eq!(outcomes[1], Ok(()), "a drop keeps no other proof out");
        let accepted = [&outcomes[0], &outcomes[2]].into_iter().filter(|outcome| outcome.is_ok()).count();
        assert!(accepted <= 1, "{outcomes:?}");
        assert_eq!(store.record(PROOF, 10), Err(Refusal::Unavailable), "its generation is gone");
        assert_eq!(store.record(newer, 20), Err(Refusal::Replayed));
    });
}

#[test]
fn a_key_never_has_more_than_its_quota() {
    loom::model(|| {
        let store = Arc::new(Store::new(10, 2));
        let proofs: Vec<_> =
            (1..=3).map(|number| (Proof { number, expires: 9 + number as u64, ..PROOF }, 10)).collect();
        let outcomes = at_once(&store, &proofs);
        assert_eq!(count(&outcomes, &Ok(())), 2, "{outcomes:?}");
        assert_eq!(count(&outcomes, &Err(Refusal::QuotaExceeded)), 1, "{outcomes:?}");
        assert_eq!(store.count(), 2);
        let other = Proof { number: 4, client: 1 << 23, ..PROOF };
        assert_eq!(store.record(other, 10), Ok(()), "another key is not touched by it");
    });
}

#[test]
fn a_shard_never_has_more_than_its_share() {
    loom::model(|| {
        let store = Arc::new(Store::new(1, 10));
        let proofs: Vec<_> = [1, 3, 5].map(|number| (Proof { number, client: number, ..PROOF }, 10)).into();
        let outcomes = at_once(&store, &proofs);
        assert_eq!(count(&outcomes, &Ok(())), 1, "{outcomes:?}");
        assert_eq!(count(&outcomes, &Err(Refusal::Full)), 2, "{outcomes:?}");
        assert_eq!(store.count(), 1);
    });
}
