//! What the store has recorded, and the locks around it. Time comes as numbers of generations, a proof as
//! hashes, so that the model in `model/` can go through all orders in which threads may take the locks.
//!
//! A record holds the lock of its shard from the search to the insertion, and within it, for a moment
//! each, the one under which tables grow and the one of its key's tally: always in this order, so that no
//! two records wait for each other.

use super::table::{Entry, LEAST_HOMES, OVERHANG, Table};
use super::tally::{Cell, ROWS, Tally};
use super::{Mutex, ReplayRefusal};

/// Generations that the longest life is cut into: more of them drop proofs sooner after their expiry, and
/// take more look-ups.
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
    /// Places of a shard's tables together. A table that has grown because it was full has 9/7 of its
    /// entries at most; one that has to grow for another reason may find this bound.
    fn places_of_shard(&self) -> usize {
        let of_entries = (self.proofs_of_shard / 7).saturating_mul(9).saturating_add(9);
        of_entries.saturating_add(GENERATIONS * (LEAST_HOMES + OVERHANG))
    }

    /// Bytes of everything. While a table grows it is there twice; one grows at a time.
    pub(super) fn bytes(&self) -> usize {
        let places = self.places_of_shard().saturating_mul(size_of::<Option<Entry>>());
        let shard = places.saturating_add(size_of::<Mutex<Shard>>());
        let cells = self.columns.saturating_mul(ROWS * size_of::<Cell>());
        let tally = cells.saturating_add(size_of::<Mutex<Tally>>());
        self.shards.saturating_mul(shard).saturating_add(self.tallies.saturating_mul(tally) + places)
    }
}

/// A proof as it is recorded.
#[derive(Clone, Copy)]
pub(super) struct Fingerprint {
    /// A keyed hash of what identifies it.
    pub(super) entry: Entry,
    /// A keyed hash of the key that signed it.
    pub(super) client: u128,
    /// The generation in which it expires.
    pub(super) generation: u64,
}

pub(super) struct Ledger {
    bounds: Bounds,
    shards: Box<[Mutex<Shard>]>,
    tallies: Box<[Mutex<Tally>]>,
    growth: Mutex<()>,
}

impl Ledger {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            shards: (0..bounds.shards).map(|_| Mutex::new(Shard::default())).collect(),
            tallies: (0..bounds.tallies).map(|_| Mutex::new(Tally::default())).collect(),
            growth: Mutex::new(()),
        }
    }

    /// Records a proof that was not recorded before; `current` is the generation that now falls into.
    pub(super) fn record(&self, proof: &Fingerprint, current: u64) -> Result<(), ReplayRefusal> {
        let shard = chosen(&self.shards, proof.entry.get()).ok_or(ReplayRefusal::Unavailable)?;
        let mut shard = shard.lock().map_err(|_| ReplayRefusal::Unavailable)?;
        shard.drop_generations_before(current);
        shard.does_not_have(proof)?;
        if shard.len() >= self.bounds.proofs_of_shard {
            return Err(ReplayRefusal::Full);
        }
        shard.make_room_for(proof, self.bounds.places_of_shard(), &self.growth)?;
        self.count(proof, current)?;
        let inserted = shard.table(proof.generation).is_some_and(|table| table.insert(proof.entry));
        if inserted { Ok(()) } else { Err(ReplayRefusal::Full) }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().map_or(0, |shard| shard.len())).sum()
    }

    fn count(&self, proof: &Fingerprint, current: u64) -> Result<(), ReplayRefusal> {
        let tally = chosen(&self.tallies, proof.client).ok_or(ReplayRefusal::Unavailable)?;
        let mut tally = tally.lock().map_err(|_| ReplayRefusal::Unavailable)?;
        tally.count(proof.client, proof.generation, current, (self.bounds.columns, self.bounds.quota))
    }
}

/// The part that the low 32 bits of a hash choose; its other bits choose places.
fn chosen<T>(parts: &[T], hash: u128) -> Option<&T> {
    let low = hash & u128::from(u32::MAX);
    parts.get(usize::try_from((low * parts.len() as u128) >> 32).ok()?)
}

/// The place of a generation among [`GENERATIONS`] that follow each other.
#[expect(clippy::cast_possible_truncation, reason = "a remainder by a small number")]
pub(super) fn ring(generation: u64) -> usize {
    (generation % GENERATIONS as u64) as usize
}

#[derive(Default)]
pub(super) struct Shard {
    tables: [Table; GENERATIONS],
    /// All generations before this one have been dropped.
    oldest: u64,
}

impl Shard {
    fn len(&self) -> usize {
        self.tables.iter().map(Table::len).sum()
    }

    fn table(&mut self, generation: u64) -> Option<&mut Table> {
        self.tables.get_mut(ring(generation))
    }

    fn drop_generations_before(&mut self, current: u64) {
        let expired = self.oldest..current.min(self.oldest.saturating_add(GENERATIONS as u64));
        for generation in expired {
            if let Some(table) = self.table(generation) {
                *table = Table::default();
            }
        }
        self.oldest = self.oldest.max(current);
    }

    fn does_not_have(&self, proof: &Fingerprint) -> Result<(), ReplayRefusal> {
        // The clock went back: the generation that would know of this proof was dropped.
        if proof.generation < self.oldest {
            return Err(ReplayRefusal::Unavailable);
        }
        // The same identifier may have come with another expiry. All tables are asked before any answer is
        // looked at, so that the processor waits for their memory once.
        if self.tables.iter().fold(false, |found, table| found | table.contains(proof.entry)) {
            return Err(ReplayRefusal::Replayed);
        }
        Ok(())
    }

    fn make_room_for(
        &mut self,
        proof: &Fingerprint,
        most_places: usize,
        growth: &Mutex<()>,
    ) -> Result<(), ReplayRefusal> {
        let taken: usize = self.tables.iter().map(Table::places).sum();
        let table = self.table(proof.generation).ok_or(ReplayRefusal::Unavailable)?;
        if table.has_room_for(proof.entry) {
            return Ok(());
        }
        if taken - table.places() + table.places_when_grown() > most_places {
            return Err(ReplayRefusal::Full);
        }
        let _one_at_a_time = growth.lock().map_err(|_| ReplayRefusal::Unavailable)?;
        *table = table.grown().ok_or(ReplayRefusal::Full)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU128;

    use super::*;

    const BOUNDS: Bounds =
        Bounds { shards: 4, proofs_of_shard: 2_000, tallies: 2, columns: 16, quota: u64::MAX };

    fn fingerprint(number: u64, generation: u64) -> Fingerprint {
        let mixed = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        Fingerprint { entry: NonZeroU128::new(mixed).unwrap(), client: mixed, generation }
    }

    fn places(ledger: &Ledger) -> usize {
        let of_shard = |shard: &Mutex<Shard>| {
            let places: usize = shard.lock().unwrap().tables.iter().map(Table::places).sum();
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
        let crowd = |number: u128| Fingerprint {
            entry: NonZeroU128::new(u128::MAX - number).unwrap(),
            client: 1,
            generation: 1,
        };
        let outcomes: Vec<_> = (1..=1_000).map(|number| ledger.record(&crowd(number), 1)).collect();
        let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(outcomes.last(), Some(&Err(ReplayRefusal::Full)));
        assert!(places_of(&ledger) <= bounds.places_of_shard());
        for number in 1..=accepted as u128 {
            assert_eq!(ledger.record(&crowd(number), 1), Err(ReplayRefusal::Replayed), "{number}");
        }
    }

    fn places_of(ledger: &Ledger) -> usize {
        ledger.shards[0].lock().unwrap().tables.iter().map(Table::places).sum()
    }
}
