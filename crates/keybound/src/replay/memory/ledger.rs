//! What the store has recorded, and the locks around it. Time comes as numbers of generations, a proof as
//! hashes, so that the model in `model/` can go through all orders in which threads may take the locks.
//!
//! A record holds two locks from the search to the insertion, that of its shard and, taken second, that
//! of its key's tally: always in this order, so that no two records wait for each other.

use super::shard::Shard;
use super::table::{Entry, Found, LABEL_BITS, Table, put};
use super::tables::Tables;
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
    /// Of those, the first, for which its small table has room.
    pub(super) first_of_shard: usize,
    pub(super) tallies: usize,
    /// Cells in a row of a tally.
    pub(super) columns: usize,
    /// Proofs of a key.
    pub(super) quota: u64,
}

impl Bounds {
    /// Bytes of everything.
    pub(super) fn bytes(&self) -> usize {
        let tables = self.small_tables().bytes().saturating_add(self.large_tables().bytes());
        let shards = self.shards.saturating_mul(size_of::<Mutex<Shard>>());
        let cells = self.columns.saturating_mul(ROWS * size_of::<Cell>());
        let tally = cells.saturating_add(size_of::<Mutex<Tally>>());
        tables.saturating_add(shards).saturating_add(self.tallies.saturating_mul(tally))
    }

    const fn small_tables(&self) -> Tables {
        Tables::new(self.shards, self.first_of_shard)
    }

    const fn large_tables(&self) -> Tables {
        Tables::new(self.shards, self.proofs_of_shard)
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
    /// Where the proofs of a shard are until these are full, so that a store with few takes little memory.
    small: Tables,
    large: Tables,
    shards: Box<[Mutex<Shard>]>,
    tallies: Box<[Mutex<Tally>]>,
}

impl Ledger {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            small: bounds.small_tables(),
            large: bounds.large_tables(),
            shards: (0..bounds.shards).map(|_| Mutex::new(Shard::default())).collect(),
            tallies: (0..bounds.tallies).map(|_| Mutex::new(Tally::default())).collect(),
        }
    }

    /// Records a proof that was not recorded before; `current` is the generation that now falls into.
    pub(super) fn record(&self, proof: &Fingerprint, current: u64) -> Result<(), ReplayRefusal> {
        let entry = entry(proof).ok_or(ReplayRefusal::Unavailable)?;
        let of_shard = number(proof.hash >> LABEL_BITS, self.shards.len());
        let mut shard = locked(&self.shards, of_shard)?;
        let mut tally = locked(&self.tallies, number(proof.client, self.tallies.len()))?;
        let table = if shard.is_large { &self.large } else { &self.small }.of(of_shard)?;
        table.approach(entry);
        let account = tally.account(proof.client, proof.generation, current, self.bounds.columns)?;
        shard.drop_generations_before(current, table);
        // The clock went back: the generation that would know of this proof was dropped.
        if !shard.remembers(proof.generation) {
            return Err(ReplayRefusal::Unavailable);
        }
        let table = self.with_room(&mut shard, of_shard, table)?;
        // The same identifier may have come with another expiry, and is found as well.
        let place = match table.find(entry).ok_or(ReplayRefusal::Full)? {
            Found::Free(place) => place,
            Found::Known => return Err(ReplayRefusal::Replayed),
        };
        if shard.len() >= self.bounds.proofs_of_shard {
            return Err(ReplayRefusal::Full);
        }
        tally.add(&account, self.bounds.quota)?;
        shard.add(proof.generation)?;
        put(place, entry);
        Ok(())
    }

    /// The table of a shard: its large one, to which all moves, once its small one is full.
    fn with_room<'t>(
        &'t self,
        shard: &mut Shard,
        of_shard: usize,
        table: Table<'t>,
    ) -> Result<Table<'t>, ReplayRefusal> {
        if shard.is_large || shard.len() < self.bounds.first_of_shard {
            return Ok(table);
        }
        let large = self.large.of(of_shard)?;
        table.move_to(large);
        shard.is_large = true;
        Ok(large)
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().map_or(0, |shard| shard.len())).sum()
    }
}

/// The number of the shard or tally that the low 32 bits of a hash choose; its other bits choose places.
#[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
fn number(hash: u128, parts: usize) -> usize {
    part(hash as u32, parts)
}

/// The number of that of so many parts which these bits choose.
pub(super) const fn part(bits: u32, parts: usize) -> usize {
    ((bits as u64 * parts as u64) >> 32) as usize
}

fn locked<T>(parts: &[Mutex<T>], number: usize) -> Result<MutexGuard<'_, T>, ReplayRefusal> {
    let part = parts.get(number).ok_or(ReplayRefusal::Unavailable)?;
    part.lock().map_err(|_| ReplayRefusal::Unavailable)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const BOUNDS: Bounds = Bounds {
        shards: 4,
        proofs_of_shard: 2_000,
        first_of_shard: 60,
        tallies: 2,
        columns: 16,
        quota: u64::MAX,
    };

    fn fingerprint(number: u64, generation: u64) -> Fingerprint {
        let mixed = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        Fingerprint { hash: mixed, client: mixed, generation }
    }

    fn reserved(ledger: &Ledger) -> usize {
        ledger.small.reserved() + ledger.large.reserved()
    }

    #[test]
    fn a_ledger_takes_memory_when_it_is_needed_and_fills_every_shard_to_its_share() {
        for width in 1..=GENERATIONS as u64 {
            let ledger = Ledger::new(BOUNDS);
            assert_eq!(reserved(&ledger), 0, "nothing before the first proof");
            let mut accepted = 0;
            for number in 1..=10_000 {
                let proof = fingerprint(number, 100 + number % width);
                accepted += usize::from(ledger.record(&proof, 100).is_ok());
                let is_needed = number > BOUNDS.shards as u64 * 60;
                assert!(ledger.large.reserved() == 0 || number > 60, "{number}");
                assert!(ledger.large.reserved() > 0 || !is_needed, "{number}");
            }
            assert_eq!(
                accepted,
                BOUNDS.shards * BOUNDS.proofs_of_shard,
                "however they spread over generations"
            );
            assert!(reserved(&ledger) < BOUNDS.bytes());
        }
    }

    #[test]
    fn an_expired_generation_gives_its_room_back() {
        let ledger = Ledger::new(BOUNDS);
        let accepted = |numbers: std::ops::Range<u64>, generation| {
            let proofs = numbers.map(|number| fingerprint(number, generation));
            proofs.filter(|proof| ledger.record(proof, generation).is_ok()).count()
        };
        let all = BOUNDS.shards * BOUNDS.proofs_of_shard;
        assert_eq!(accepted(1..10_000, 100), all);
        assert_eq!(accepted(10_000..10_100, 101), 100);
        assert_eq!(ledger.len(), 100);
        assert_eq!(accepted(20_000..30_000, 101), all - 100);
    }

    #[test]
    fn proofs_whose_hashes_lie_close_together_are_all_told_apart() {
        let ledger = Ledger::new(Bounds { shards: 1, proofs_of_shard: 3_000, ..BOUNDS });
        // They all choose the last group of the table, which no client can bring about.
        let crowd =
            |number: u128| Fingerprint { hash: u128::MAX - (number << LABEL_BITS), client: 1, generation: 1 };
        for number in 1..=3_000 {
            assert_eq!(ledger.record(&crowd(number), 1), Ok(()), "{number}");
        }
        assert_eq!(ledger.record(&crowd(3_001), 1), Err(ReplayRefusal::Full));
        for number in 1..=3_000 {
            assert_eq!(ledger.record(&crowd(number), 1), Err(ReplayRefusal::Replayed), "{number}");
        }
    }

    /// What a ledger of one shard and one tally has to answer.
    #[derive(Default)]
    struct Model {
        generations: BTreeMap<u64, u64>,
        oldest: u64,
    }

    impl Model {
        fn record(
            &mut self,
            number: u64,
            expires: u64,
            current: u64,
            most: usize,
        ) -> Result<(), ReplayRefusal> {
            self.oldest = self.oldest.max(current);
            self.generations.retain(|_, expires| *expires >= self.oldest);
            if expires < self.oldest {
                return Err(ReplayRefusal::Unavailable);
            }
            if self.generations.contains_key(&number) {
                return Err(ReplayRefusal::Replayed);
            }
            if self.generations.len() >= most {
                return Err(ReplayRefusal::Full);
            }
            self.generations.insert(number, expires);
            Ok(())
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// With few proofs the shard is full, and its table has few groups.
        #[test]
        fn a_ledger_answers_as_a_map_that_forgets_what_has_expired(
            proofs_of_shard in prop_oneof![1_usize..100, 1_000_usize..4_000],
            first_of_shard in 0_usize..200,
            // Numbers that come again, and how long they live; how often time goes on, and then how far: back, too.
            records in prop::collection::vec((0_u64..4_000, 0..GENERATIONS as u64), 1..5_000),
            period in 50_usize..3_000,
            steps in prop::collection::vec(-2_i64..7, 1..20),
        ) {
            let bounds = Bounds {
                shards: 1,
                tallies: 1,
                proofs_of_shard,
                first_of_shard,
                ..BOUNDS
            };
            let (ledger, mut model) = (Ledger::new(bounds), Model::default());
            let (mut current, mut steps) = (100_u64, steps.iter().cycle());
            for (at, (number, life)) in records.into_iter().enumerate() {
                if at % period == period - 1 {
                    current = current.saturating_add_signed(*steps.next().unwrap());
                }
                let proof = fingerprint(number + 1, current + life);
                let answer = model.record(number, current + life, current, proofs_of_shard);
                prop_assert_eq!(ledger.record(&proof, current), answer, "record {}", at);
            }
            prop_assert_eq!(ledger.len(), model.generations.len());
            prop_assert!(reserved(&ledger) < bounds.bytes());
        }
    }
}
