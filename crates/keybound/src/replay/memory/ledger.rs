//! What the store has recorded, and the locks around it. Time comes as numbers of generations, a proof as
//! hashes, so that the model in `model/` can go through all orders in which threads may take the locks.
//!
//! A record holds two locks from the search to the insertion, that of its shard and, taken second, that
//! of its key's tally: always in this order, so that no two records wait for each other.

use std::sync::OnceLock;

use super::filter::Filter;
use super::shard::Shard;
use super::table::{Entry, LABEL_BITS};
use super::tally::{Cell, ROWS, Tally};
use super::words::Words;
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
    /// Of those, the ones that are not in its table yet; one at least.
    pub(super) pending_of_shard: usize,
    pub(super) words_of_filter: usize,
    pub(super) tallies: usize,
    /// Cells in a row of a tally.
    pub(super) columns: usize,
    /// Proofs of a key.
    pub(super) quota: u64,
}

impl Bounds {
    /// Bytes of everything.
    pub(super) fn bytes(&self) -> usize {
        let shard = Shard::bytes(self).saturating_add(size_of::<Mutex<Shard>>());
        let filters = Words::bytes(self.words_of_filters());
        let cells = self.columns.saturating_mul(ROWS * size_of::<Cell>());
        let tally = cells.saturating_add(size_of::<Mutex<Tally>>());
        let [shards, tallies] = [self.shards.saturating_mul(shard), self.tallies.saturating_mul(tally)];
        shards.saturating_add(filters).saturating_add(tallies)
    }

    fn words_of_filters(&self) -> usize {
        self.shards.saturating_mul(self.words_of_filter)
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
    /// Those of the filters of all shards, one behind the other; nothing until the first proof.
    words: OnceLock<Words>,
    shards: Box<[Mutex<Shard>]>,
    tallies: Box<[Mutex<Tally>]>,
}

impl Ledger {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            words: OnceLock::new(),
            shards: (0..bounds.shards).map(|_| Mutex::new(Shard::default())).collect(),
            tallies: (0..bounds.tallies).map(|_| Mutex::new(Tally::default())).collect(),
        }
    }

    /// Records a proof that was not recorded before; `current` is the generation that now falls into.
    pub(super) fn record(&self, proof: &Fingerprint, current: u64) -> Result<(), ReplayRefusal> {
        let of_shard = number(proof.hash >> LABEL_BITS, self.shards.len());
        let filter = self.filter(of_shard)?;
        let mut shard = locked(&self.shards, of_shard)?;
        let mut tally = locked(&self.tallies, number(proof.client, self.tallies.len()))?;
        let entry = entry(proof).ok_or(ReplayRefusal::Unavailable)?;
        // The filter and the account are looked at before either is needed, so that the processor waits for
        // both at once. A generation that is dropped in between makes the filter know less, not more.
        let may_be_known = filter.may_contain(entry);
        let account = tally.account(proof.client, proof.generation, current, self.bounds.columns)?;
        shard.drop_generations_before(current, filter);
        // The clock went back: the generation that would know of this proof was dropped.
        if !shard.remembers(proof.generation) {
            return Err(ReplayRefusal::Unavailable);
        }
        // The same identifier may have come with another expiry, and is found as well.
        if may_be_known && shard.contains(entry) {
            return Err(ReplayRefusal::Replayed);
        }
        shard.make_room(&self.bounds)?;
        tally.add(&account, self.bounds.quota)?;
        shard.insert(entry, proof.generation, filter)
    }

    /// The filter of a shard, whose lock is taken before it is used.
    fn filter(&self, shard: usize) -> Result<Filter<'_>, ReplayRefusal> {
        let words = match self.words.get() {
            Some(words) => words,
            None => self.make_words()?,
        };
        let from = shard * self.bounds.words_of_filter;
        let own = words.all().get(from..from + self.bounds.words_of_filter);
        own.map(Filter::new).ok_or(ReplayRefusal::Unavailable)
    }

    #[cold]
    fn make_words(&self) -> Result<&Words, ReplayRefusal> {
        let words = Words::new(self.bounds.words_of_filters()).ok_or(ReplayRefusal::Full)?;
        // Another thread's, if it was first: nothing was put into these.
        Ok(self.words.get_or_init(|| words))
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().map_or(0, |shard| shard.len())).sum()
    }
}

/// The number of that of so many parts which the low 32 bits of a hash choose; its other bits choose places.
fn number(hash: u128, parts: usize) -> usize {
    let low = hash & u128::from(u32::MAX);
    usize::try_from((low * parts as u128) >> 32).unwrap_or_default()
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
        pending_of_shard: 64,
        words_of_filter: 250,
        tallies: 2,
        columns: 16,
        quota: u64::MAX,
    };

    fn fingerprint(number: u64, generation: u64) -> Fingerprint {
        let mixed = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        Fingerprint { hash: mixed, client: mixed, generation }
    }

    /// What the shards and filters have reserved, and each shard no more than it may.
    fn reserved(ledger: &Ledger) -> usize {
        let of_shard = |shard: &Mutex<Shard>| {
            let reserved = shard.lock().unwrap().reserved();
            assert!(reserved <= Shard::bytes(&ledger.bounds), "{reserved}");
            reserved
        };
        let filters = ledger.words.get().map_or(0, |words| size_of_val(words.all()));
        ledger.shards.iter().map(of_shard).sum::<usize>() + filters
    }

    #[test]
    fn a_ledger_never_takes_more_than_its_bounds_however_proofs_are_spread_over_generations() {
        for width in 1..=GENERATIONS as u64 {
            let ledger = Ledger::new(BOUNDS);
            assert_eq!(reserved(&ledger), 0, "nothing before the first proof");
            let mut accepted = 0;
            for number in 1..=10_000 {
                let proof = fingerprint(number, 100 + number % width);
                accepted += usize::from(ledger.record(&proof, 100).is_ok());
                if number % 16 == 0 {
                    reserved(&ledger);
                }
            }
            assert_eq!(accepted, BOUNDS.shards * BOUNDS.proofs_of_shard, "every shard came to its share");
            assert!(reserved(&ledger) < BOUNDS.bytes());
        }
    }

    #[test]
    fn an_expired_generation_gives_its_memory_back() {
        let ledger = Ledger::new(BOUNDS);
        for number in 1..=8_000 {
            let _ = ledger.record(&fingerprint(number, 100), 100);
        }
        for number in 8_001..=8_100 {
            assert_eq!(ledger.record(&fingerprint(number, 101), 101), Ok(()));
        }
        // What is left is pending, and memory for as many as may be, and the filters, are kept.
        let kept = 64 * size_of::<Entry>() + 250 * size_of::<u64>();
        assert_eq!((ledger.len(), reserved(&ledger)), (100, BOUNDS.shards * kept));
    }

    #[test]
    fn proofs_whose_hashes_lie_close_together_are_all_told_apart() {
        let bounds = Bounds { shards: 1, proofs_of_shard: 3_000, words_of_filter: 1, ..BOUNDS };
        let ledger = Ledger::new(bounds);
        // They all set the same bits of the filter, too, which no client can bring about.
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
        /// With few words in the filter nearly every new proof is looked up; with few proofs the shard is full;
        /// with few pending ones they move at every other record, and with many a drop finds them pending.
        #[test]
        fn a_ledger_answers_as_a_map_that_forgets_what_has_expired(
            words_of_filter in prop_oneof![Just(1_usize), 2_usize..500],
            proofs_of_shard in prop_oneof![1_usize..100, 1_000_usize..4_000],
            pending_of_shard in prop_oneof![1_usize..4, 30_usize..100],
            // Numbers that come again, and how long they live; how often time goes on, and then how far: back, too.
            records in prop::collection::vec((0_u64..4_000, 0..GENERATIONS as u64), 1..5_000),
            period in 50_usize..3_000,
            steps in prop::collection::vec(-2_i64..7, 1..20),
        ) {
            let bounds = Bounds {
                shards: 1,
                tallies: 1,
                proofs_of_shard,
                pending_of_shard: pending_of_shard.min(proofs_of_shard),
                words_of_filter,
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
            prop_assert!(reserved(&ledger) <= Shard::bytes(&bounds) + Words::bytes(words_of_filter));
        }
    }
}
