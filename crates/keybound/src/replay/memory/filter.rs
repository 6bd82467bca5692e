//! What tells of most new proofs that they are new, without a look at the table: a Bloom filter of which a
//! look-up reads one word. The filters of a store together are small, so that this word is likely in the
//! processor's cache, where a place of the table is not.
//!
//! It never denies an entry that was added. It may take another for one that was added: about one of eighty
//! when it has as many entries as it is made for, fewer before. Whoever asks then looks the entry up.

use std::sync::atomic::{AtomicU64, Ordering};

use super::table::Entry;

/// Entries for each word, so that each has thirteen bits: fewer would be mistaken more often, and more would
/// find less room in the cache.
const ENTRIES_OF_A_WORD: usize = 5;

/// Bits that an entry sets in its word; some may coincide.
const BITS_OF_AN_ENTRY: u32 = 3;

/// The filter of a shard, in its part of the words of all shards. Only who holds the shard's lock uses it: its words
/// are atomic so that they can be shared, and no order among them is asked for.
#[derive(Clone, Copy)]
pub(super) struct Filter<'w> {
    words: &'w [AtomicU64],
}

impl<'w> Filter<'w> {
    /// Words of a filter that is made for so many entries.
    pub(super) fn words_for(entries: usize) -> usize {
        entries.div_ceil(ENTRIES_OF_A_WORD)
    }

    pub(super) fn new(words: &'w [AtomicU64]) -> Self {
        Self { words }
    }

    /// Whether the entry may have been added: a filter without words can deny nothing.
    pub(super) fn may_contain(self, entry: Entry) -> bool {
        let bits = bits(entry);
        self.words.get(self.place(entry)).is_none_or(|word| word.load(Ordering::Relaxed) & bits == bits)
    }

    pub(super) fn add(self, entry: Entry) {
        if let Some(word) = self.words.get(self.place(entry)) {
            word.store(word.load(Ordering::Relaxed) | bits(entry), Ordering::Relaxed);
        }
    }

    pub(super) fn clear(self) {
        for word in self.words {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// The word of an entry, by 32 bits of its hash that choose no shard.
    fn place(self, entry: Entry) -> usize {
        let chosen = (entry.get() >> 64) & u128::from(u32::MAX);
        usize::try_from((chosen * self.words.len() as u128) >> 32).unwrap_or(usize::MAX)
    }
}

/// The bits of an entry in its word, by six other bits of its hash each.
fn bits(entry: Entry) -> u64 {
    let chosen = entry.get() >> 96;
    (0..BITS_OF_AN_ENTRY).fold(0, |bits, bit| bits | 1 << ((chosen >> (6 * bit)) & 63))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(count: usize) -> Vec<AtomicU64> {
        (0..count).map(|_| AtomicU64::new(0)).collect()
    }

    fn spread(number: u64) -> Entry {
        let mixed = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        Entry::new(mixed | 1).unwrap()
    }

    #[test]
    fn a_filter_without_words_denies_nothing() {
        let filter = Filter::new(&[]);
        filter.add(spread(1));
        filter.clear();
        assert!(filter.may_contain(spread(1)) && filter.may_contain(spread(2)));
    }

    #[test]
    fn a_full_filter_takes_few_others_for_its_own() {
        let words = words(Filter::words_for(16_384));
        assert!(words.len() * 64 <= 16_384 * 13, "thirteen bits for each");
        let filter = Filter::new(&words);
        for number in 0..16_384 {
            filter.add(spread(number));
        }
        let mistaken = (16_384..116_384).filter(|number| filter.may_contain(spread(*number))).count();
        assert!((300..2_000).contains(&mistaken), "{mistaken} of 100,000");
        filter.clear();
        assert!((0..116_384).all(|number| !filter.may_contain(spread(number))));
    }

    proptest! {
        #[test]
        fn what_was_added_is_never_denied(
            words in 1_usize..200,
            entries in prop::collection::vec(1_u128.., 1..500),
            label in 1_u128..8,
        ) {
            let words = super::tests::words(words);
            let filter = Filter::new(&words);
            for (at, entry) in entries.iter().enumerate() {
                filter.add(Entry::new(*entry).unwrap());
                for entry in &entries[..=at] {
                    // Under whatever label.
                    prop_assert!(filter.may_contain(Entry::new(entry >> 3 << 3 | label).unwrap()));
                }
            }
        }
    }
}
