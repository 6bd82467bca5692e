//! What the store has recorded, and the locks around it. Time comes as numbers of generations, a proof as
//! hashes, so that the model in `model/` can go through all orders in which threads may take the locks.
//!
//! A record holds two locks from the search to the insertion, that of its shard and, taken second, that
//! of its key's tally: always in this order, so that no two records wait for each other.

use std::mem;

use super::table::{Entry, LABEL_BITS, LEAST_HOMES, OVERHANG, Spot, Table};
use super::tally::{Cell, ROWS, Tally};
use super::{Mutex, MutexGuard, ReplayRefusal};

/// Generations that the longest life is cut into: more of them drop proofs sooner after their expiry, and
/// walk through the tables more often.
pub(super) const GENERATIONS_OF_A_LIFE: usize = 4;

/// Generations that live proofs can be in: those of a whole life, and the one that now falls into.
pub(super) const GENERATIONS: usize = GENERATIONS_OF_A_LIFE + 1;

/// How large the parts of a ledger may become.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) shards: usize,
    pub(super) proofs_of_shard: usize,
    pub(super) tallies: usize,
    /// Cells in a row of a tally.
    pub(super) columns: usize,
    /// Proofs of a key.
    pub(super) quota: u64,
}

impl Bounds {
    /// Places of a shard's table. One that has grown because it was full has 9/7 of its entries at most;
    /// one that has to grow for another reason may find this bound.
    fn places_of_shard(&self) -> usize {
        let of_entries = (self.proofs_of_shard / 7).saturating_mul(9).saturating_add(9);
        of_entries.saturating_add(LEAST_HOMES + OVERHANG)
    }

    /// Bytes of everything.
    pub(super) fn bytes(&self) -> usize {
        let places = self.places_of_shard().saturating_mul(size_of::<Option<Entry>>());
        let shard = places.saturating_add(size_of::<Mutex<Shard>>());
        let cells = self.columns.saturating_mul(ROWS * size_of::<Cell>());
        let tally = cells.saturating_add(size_of::<Mutex<Tally>>());
        self.shards.saturating_mul(shard).saturating_add(self.tallies.saturating_mul(tally))
    }
}

/// A proof as it is recorded.
#[derive(Clone, Copy)]
pub(super) struct Fingerprint {
    /// A keyed hash of what identifies it; all bits but the lowest [`LABEL_BITS`] count.
    pub(super) hash: u128,
    /// A keyed hash of the key that signed it.
    pub(super) client: u128,
    /// The generation in which it expires.
    pub(super) generation: u64,
}

pub(super) struct Ledger {
    bounds: Bounds,
    shards: Box<[Mutex<Shard>]>,
    tallies: Box<[Mutex<Tally>]>,
}

impl Ledger {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            shards: (0..bounds.shards).map(|_| Mutex::new(Shard::default())).collect(),
            tallies: (0..bounds.tallies).map(|_| Mutex::new(Tally::default())).collect(),
        }
    }

    /// Records a proof that was not recorded before; `current` is the generation that now falls into.
    pub(super) fn record(&self, proof: &Fingerprint, current: u64) -> Result<(), ReplayRefusal> {
        let mut shard = locked(&self.shards, proof.hash >> LABEL_BITS)?;
        let mut tally = locked(&self.tallies, proof.client)?;
        // The account is looked at before the table, so that the processor waits for both at once.
        let account = tally.account(proof.client, proof.generation, current, self.bounds.columns)?;
        shard.drop_generations_before(current);
        let entry = entry(proof).ok_or(ReplayRefusal::Unavailable)?;
        let spot = shard.spot(entry, proof.generation, &self.bounds)?;
        tally.add(&account, self.bounds.quota)?;
        shard.insert(entry, spot, proof.generation)
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().map_or(0, |shard| shard.table.len())).sum()
    }
}

/// The part that the low 32 bits of a hash choose; its other bits choose places.
fn locked<T>(parts: &[Mutex<T>], hash: u128) -> Result<MutexGuard<'_, T>, ReplayRefusal> {
    let low = hash & u128::from(u32::MAX);
    let chosen = usize::try_from((low * parts.len() as u128) >> 32).ok().and_then(|part| parts.get(part));
    chosen.ok_or(ReplayRefusal::Unavailable)?.lock().map_err(|_| ReplayRefusal::Unavailable)
}

/// The entry of a proof: its hash, labelled with its generation.
fn entry(proof: &Fingerprint) -> Option<Entry> {
    Entry::new(proof.hash >> LABEL_BITS << LABEL_BITS | (ring(proof.generation) as u128 + 1))
}

/// The place of a generation among [`GENERATIONS`] that follow each other.
#[expect(clippy::cast_possible_truncation, reason = "a remainder by a small number")]
pub(super) fn ring(generation: u64) -> usize {
    (generation % GENERATIONS as u64) as usize
}

#[derive(Default)]
pub(super) struct Shard {
    table: Table,
    /// Proofs in the table, by the number of their generation modulo their count.
    counts: [usize; GENERATIONS],
    /// All generations before this one have been dropped.
    oldest: u64,
}

impl Shard {
    fn drop_generations_before(&mut self, current: u64) {
        if current <= self.oldest {
            return;
        }
        let (mut dropped, mut is_expired) = (0, [false; GENERATIONS]);
        for generation in self.oldest..current.min(self.oldest.saturating_add(GENERATIONS as u64)) {
            if let Some(count) = self.counts.get_mut(ring(generation)) {
                dropped += mem::take(count);
            }
            if let Some(expired) = is_expired.get_mut(ring(generation)) {
                *expired = true;
            }
        }
        if dropped > 0 {
            let is_expired = |label: u32| is_expired.get((label as usize).wrapping_sub(1)) == Some(&true);
            self.table.sweep(|label| !is_expired(label));
        }
        self.oldest = current;
    }

    /// Where a proof that was not recorded before has its place; the table grows if it needs to.
    fn spot(&mut self, entry: Entry, generation: u64, bounds: &Bounds) -> Result<Spot, ReplayRefusal> {
        // The clock went back: the generation that would know of this proof was dropped.
        if generation < self.oldest {
            return Err(ReplayRefusal::Unavailable);
        }
        // The same identifier may have come with another expiry, and is found as well.
        let mut spot = self.table.spot(entry);
        if spot == Spot::Taken {
            return Err(ReplayRefusal::Replayed);
        }
        if self.table.len() >= bounds.proofs_of_shard {
            return Err(ReplayRefusal::Full);
        }
        while spot == Spot::NoRoom {
            if !self.table.grow(bounds.places_of_shard()) {
                return Err(ReplayRefusal::Full);
            }
            spot = self.table.spot(entry);
        }
        Ok(spot)
    }

    fn insert(&mut self, entry: Entry, spot: Spot, generation: u64) -> Result<(), ReplayRefusal> {
        let count = self.counts.get_mut(ring(generation)).ok_or(ReplayRefusal::Unavailable)?;
        if !self.table.insert(entry, spot) {
            return Err(ReplayRefusal::Full);
        }
        *count += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds =
        Bounds { shards: 4, proofs_of_shard: 2_000, tallies: 2, columns: 16, quota: u64::MAX };

    fn fingerprint(number: u64, generation: u64) -> Fingerprint {
        let mixed = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        Fingerprint { hash: mixed, client: mixed, generation }
    }

    fn places(ledger: &Ledger) -> usize {
        let of_shard = |shard: &Mutex<Shard>| {
            let places = shard.lock().unwrap().table.places();
            assert!(places <= BOUNDS.places_of_shard(), "{places}");
            places
        };
        ledger.shards.iter().map(of_shard).sum()
    }

    #[test]
    fn a_ledger_never_takes_more_than_its_bounds_however_proofs_are_spread_over_generations() {
        for width in 1..=GENERATIONS as u64 {
            let ledger = Ledger::new(BOUNDS);
            let mut accepted = 0;
            for number in 1..=10_000 {
                let proof = fingerprint(number, 100 + number % width);
                accepted += usize::from(ledger.record(&proof, 100).is_ok());
                if number % 16 == 0 {
                    places(&ledger);
                }
            }
            assert_eq!(accepted, BOUNDS.shards * BOUNDS.proofs_of_shard, "every shard came to its share");
            assert!(places(&ledger) * size_of::<Option<Entry>>() < BOUNDS.bytes());
        }
    }

    #[test]
    fn an_expired_generation_gives_its_memory_back() {
        let ledger = Ledger::new(BOUNDS);
        for number in 1..=8_000 {
            let _ = ledger.record(&fingerprint(number, 100), 100);
        }
        let full = places(&ledger);
        for number in 8_001..=8_100 {
            assert_eq!(ledger.record(&fingerprint(number, 101), 101), Ok(()));
        }
        assert!(places(&ledger) < full / 10);
        assert_eq!(ledger.len(), 100);
    }

    #[test]
    fn a_table_that_would_pass_the_bound_does_not_grow() {
        let bounds = Bounds { shards: 1, proofs_of_shard: 1_000, ..BOUNDS };
        let ledger = Ledger::new(bounds);
        // All hashes have the last home, which no client can bring about.
        let crowd =
            |number: u128| Fingerprint { hash: u128::MAX - (number << LABEL_BITS), client: 1, generation: 1 };
        let outcomes: Vec<_> = (1..=1_000).map(|number| ledger.record(&crowd(number), 1)).collect();
        let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(outcomes.last(), Some(&Err(ReplayRefusal::Full)));
        assert!(places_of(&ledger) <= bounds.places_of_shard());
        for number in 1..=accepted as u128 {
            assert_eq!(ledger.record(&crowd(number), 1), Err(ReplayRefusal::Replayed), "{number}");
        }
    }

    fn places_of(ledger: &Ledger) -> usize {
        ledger.shards[0].lock().unwrap().table.places()
    }
}
