//! What the replay store in memory does under its locks, over locks of which loom tries every order.
//!
//! The files are those of `keybound`, unchanged: the `super::Mutex` that they use is loom's here, and the words of the
//! tables, which are used under such a lock alone, come from the heap.

#![allow(dead_code, reason = "what only a user of the store asks for")]

use loom::sync::{Mutex, MutexGuard};

#[path = "../../crates/keybound/src/replay/refusal.rs"]
mod refusal;
pub use refusal::ReplayRefusal;

#[path = "../../crates/keybound/src/replay/memory/ledger.rs"]
mod ledger;
#[path = "../../crates/keybound/src/replay/memory/shard.rs"]
mod shard;
#[path = "../../crates/keybound/src/replay/memory/table.rs"]
mod table;
#[path = "../../crates/keybound/src/replay/memory/tables.rs"]
mod tables;
#[path = "../../crates/keybound/src/replay/memory/tally.rs"]
mod tally;

/// The memory of the tables, from the heap alone.
mod words {
    use std::sync::atomic::AtomicU64;

    pub(super) struct Words(Vec<AtomicU64>);

    impl Words {
        pub(super) fn new(count: usize) -> Option<Self> {
            Some(Self((0..count).map(|_| AtomicU64::new(0)).collect()))
        }

        pub(super) fn all(&self) -> &[AtomicU64] {
            &self.0
        }

        pub(super) const fn bytes(count: usize) -> usize {
            count * size_of::<AtomicU64>()
        }
    }
}

/// A store of two shards and one tally. The second proof of a shard moves the first to its large table.
pub struct Store(ledger::Ledger);

/// A proof: its number, that of the client who sends it, and the generation in which it expires. Proofs of
/// odd numbers fall on one shard, those of even numbers on the other.
#[derive(Clone, Copy)]
pub struct Proof {
    pub number: u128,
    pub client: u128,
    pub expires: u64,
}

impl Store {
    pub fn new(proofs_of_shard: usize, quota: u64) -> Self {
        Self(ledger::Ledger::new(ledger::Bounds {
            shards: 2,
            proofs_of_shard,
            first_of_shard: 1,
            tallies: 1,
            columns: 4,
            quota,
        }))
    }

    /// Records a proof in the generation `current`.
    pub fn record(&self, proof: Proof, current: u64) -> Result<(), ReplayRefusal> {
        let fingerprint = ledger::Fingerprint {
            hash: proof.number << 64 | (proof.number & 1) << 34,
            client: proof.client << 32,
            generation: proof.expires,
        };
        self.0.record(&fingerprint, current)
    }

    /// Proofs that are remembered.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}
