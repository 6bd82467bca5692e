//! The hashes of a shard: a hash table of a fixed size, in its part of the memory of all shards.
//!
//! Its places stand in groups of four, each of which is one line of the processor's cache. An entry is in the
//! group that its hash chooses or, where that is full, in the next that is not. A look-up walks from group to
//! group and ends at the first free place, where the entry may be put: mostly it reads one line, and that is what
//! an insert waits for.
//!
//! No entry is ever taken out by itself, which would leave a gap that ends other look-ups too soon: those that have
//! expired go in one walk, which closes the gaps.

use std::hint::black_box;
use std::num::NonZeroU128;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ledger::part;

/// A hash that no client can foresee. Its low [`LABEL_BITS`] are not part of the hash but a label, which
/// tells when the entry may go, and is not zero.
pub(super) type Entry = NonZeroU128;

/// Bits of an entry that are its label.
pub(super) const LABEL_BITS: u32 = 3;

/// The low half of an entry and its high half; zeros where there is none.
type Place = [AtomicU64; 2];

/// What the processor reads at once, 64 bytes. Its places are taken in order.
type Group = [Place; PLACES_OF_A_GROUP];
const PLACES_OF_A_GROUP: usize = 4;

/// For so many entries a table has one place to spare: look-ups in a fuller one walk further, and an emptier one takes
/// more memory for an entry.
const ENTRIES_FOR_A_SPARE_PLACE: usize = 4;

/// The table of a shard. Only who holds the shard's lock uses it: its words are atomic so that they can be shared, and
/// no order among them is asked for.
#[derive(Clone, Copy)]
pub(super) struct Table<'w> {
    groups: &'w [Group],
}

/// What a look-up came to.
pub(super) enum Found<'w> {
    /// The same hash, under whatever label.
    Known,
    /// The place for it.
    Free(&'w Place),
}

impl<'w> Table<'w> {
    /// Words of a table that is made for so many entries.
    pub(super) const fn words_for(entries: usize) -> usize {
        let places = entries.saturating_add(entries / ENTRIES_FOR_A_SPARE_PLACE);
        let groups = places / PLACES_OF_A_GROUP + 1;
        groups.saturating_mul(size_of::<Group>() / size_of::<AtomicU64>())
    }

    pub(super) fn new(words: &'w [AtomicU64]) -> Self {
        Self { groups: words.as_chunks().0.as_chunks().0 }
    }

    /// Looks for the hash of an entry; `None` if neither it nor a free place is there.
    pub(super) fn find(self, entry: Entry) -> Option<Found<'w>> {
        let (before, from_its_own) = self.groups.split_at_checked(self.own_group(entry))?;
        for place in from_its_own.iter().chain(before).flatten() {
            match read(place) {
                None => return Some(Found::Free(place)),
                Some(other) if hash(other) == hash(entry) => return Some(Found::Known),
                Some(_) => {}
            }
        }
        None
    }

    /// Has the processor fetch an entry's own group, so that it has arrived when the entry is looked for.
    pub(super) fn approach(self, entry: Entry) {
        if let Some([[low, _], ..]) = self.groups.get(self.own_group(entry)) {
            black_box(low.load(Ordering::Relaxed));
        }
    }

    /// Drops the entries whose label is not one that `is_kept`.
    pub(super) fn sweep(self, is_kept: impl Fn(u32) -> bool) {
        // No look-up walks past a group that has a free place. So what stands behind it was put there from a group
        // behind it, and each entry moves towards its own group, over what this walk has passed.
        let Some(with_room) = self.groups.iter().position(has_room) else { return };
        let Some((before, behind)) = self.groups.split_at_checked(with_room + 1) else { return };
        for place in behind.iter().chain(before).flatten() {
            if let Some(entry) = take(place).filter(|entry| is_kept(label(*entry))) {
                self.put_back(entry);
            }
        }
    }

    /// Moves all entries to another table, which has none.
    pub(super) fn move_to(self, other: Table<'_>) {
        for place in self.groups.iter().flatten() {
            if let Some(entry) = take(place) {
                other.put_back(entry);
            }
        }
    }

    /// Puts an entry that was taken from its place to where it is found from now on.
    fn put_back(self, entry: Entry) {
        if let Some(Found::Free(place)) = self.find(entry) {
            put(place, entry);
        }
    }

    /// The number of the group that an entry's hash chooses, by 32 of its bits that choose no shard.
    #[expect(clippy::cast_possible_truncation, reason = "some bits are wanted")]
    fn own_group(self, entry: Entry) -> usize {
        part((entry.get() >> 64) as u32, self.groups.len())
    }
}

/// Puts an entry at the place that was found for it.
pub(super) fn put(place: &Place, entry: Entry) {
    write(place, Some(entry));
}

fn take(place: &Place) -> Option<Entry> {
    let entry = read(place);
    write(place, None);
    entry
}

fn has_room(group: &Group) -> bool {
    group.last().is_none_or(|place| read(place).is_none())
}

fn read([low, high]: &Place) -> Option<Entry> {
    let half = |half: &AtomicU64| u128::from(half.load(Ordering::Relaxed));
    Entry::new(half(high) << 64 | half(low))
}

#[expect(clippy::cast_possible_truncation, reason = "two halves are wanted")]
fn write([low, high]: &Place, entry: Option<Entry>) {
    let bits = entry.map_or(0, Entry::get);
    low.store(bits as u64, Ordering::Relaxed);
    high.store((bits >> 64) as u64, Ordering::Relaxed);
}

/// The hash in an entry, without its label.
fn hash(entry: Entry) -> u128 {
    entry.get() >> LABEL_BITS
}

/// The label in an entry.
#[expect(clippy::cast_possible_truncation, reason = "a few low bits are wanted")]
fn label(entry: Entry) -> u32 {
    entry.get() as u32 & ((1 << LABEL_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn words(entries: usize) -> Vec<AtomicU64> {
        (0..Table::words_for(entries)).map(|_| AtomicU64::new(0)).collect()
    }

    fn entry(hash: u128, label: u128) -> Entry {
        Entry::new(hash << LABEL_BITS | label).unwrap()
    }

    /// An entry whose own group is the one at this part of the table, in 2^32.
    fn at(part: u128, number: u128) -> Entry {
        entry((part << 64 | number) >> LABEL_BITS, 1)
    }

    /// Puts it there if it is not.
    fn add(table: Table<'_>, entry: Entry) -> bool {
        match table.find(entry) {
            Some(Found::Free(place)) => put(place, entry),
            Some(Found::Known) | None => return false,
        }
        true
    }

    fn knows(table: Table<'_>, entry: Entry) -> bool {
        matches!(table.find(entry), Some(Found::Known))
    }

    fn count(table: Table<'_>) -> usize {
        table.groups.iter().flatten().filter(|place| read(place).is_some()).count()
    }

    #[test]
    fn a_table_has_room_for_what_it_is_made_for_and_more() {
        for entries in [0, 1, 3, 4, 5, 1_000, 16_384] {
            let words = words(entries);
            let table = Table::new(&words);
            let places = table.groups.len() * PLACES_OF_A_GROUP;
            assert!((entries + 1..=entries * 5 / 4 + 4).contains(&places), "{entries}: {places}");
            for number in 0..places as u128 {
                assert!(add(table, at(number << 10, number)), "{entries}: {number}");
            }
            assert!(table.find(at(7, u128::from(u64::MAX) - 1)).is_none(), "no place is left");
            assert!((0..places as u128).all(|number| knows(table, at(number << 10, number))));
        }
        assert_eq!(Table::words_for(usize::MAX), usize::MAX, "which there is no memory for");
    }

    #[test]
    fn a_table_without_groups_knows_nothing_and_takes_nothing() {
        assert!(Table::new(&[]).find(at(0, 1)).is_none());
        Table::new(&[]).sweep(|_| true);
    }

    #[test]
    fn a_group_is_a_line_of_the_cache() {
        assert_eq!((size_of::<Group>(), size_of::<Entry>()), (64, 16));
    }

    #[test]
    fn a_hash_is_known_under_whatever_label() {
        let words = words(10);
        let table = Table::new(&words);
        assert!(add(table, entry(1 << 90, 1)));
        assert!((1..8).all(|label| knows(table, entry(1 << 90, label))));
        assert!(!knows(table, entry(1 << 90 | 1, 1)));
    }

    /// What stood behind others in a crowd is found when those are gone, also across the table's end.
    #[test]
    fn a_sweep_leaves_no_gap_in_a_crowd() {
        const LAST: u128 = u32::MAX as u128;
        for part in [0, 1 << 31, LAST] {
            for kept in 1..4_u128 {
                let words = words(64);
                let table = Table::new(&words);
                let crowd = |number: u128| entry((part << 64 | number << 4) >> LABEL_BITS, 1 + number % 3);
                assert!((1..60).all(|number| add(table, crowd(number))));
                table.sweep(|label| u128::from(label) == kept);
                for number in 1..60 {
                    assert_eq!(knows(table, crowd(number)), 1 + number % 3 == kept, "{part} {kept} {number}");
                }
                assert_eq!(count(table), (1..60).filter(|number| 1 + number % 3 == kept).count());
            }
        }
    }

    proptest! {
        /// Few places, and hashes that choose one of a few groups, so that they crowd.
        #[test]
        fn a_table_is_a_set(
            entries in 0_usize..100,
            steps in prop::collection::vec((0_u128..6, 0_u128..60, 1_u128..8, 0_u32..40), 0..600),
        ) {
            let words = words(entries);
            let table = Table::new(&words);
            let places = table.groups.len() * PLACES_OF_A_GROUP;
            let mut set = BTreeMap::new();
            for (part, number, expiring, sweep) in steps {
                let hash = ((part * 0x3333_3333) << 64 | number << 4) >> LABEL_BITS;
                if set.len() + 1 < places {
                    let is_new = !set.contains_key(&hash);
                    prop_assert_eq!(add(table, entry(hash, expiring)), is_new);
                    set.entry(hash).or_insert(expiring);
                }
                if sweep == 0 {
                    table.sweep(|label| u128::from(label) != expiring);
                    set.retain(|_, label| *label != expiring);
                    prop_assert!(set.iter().all(|(hash, label)| knows(table, entry(*hash, *label))));
                }
                prop_assert_eq!(count(table), set.len());
            }
            prop_assert!(set.iter().all(|(hash, label)| knows(table, entry(*hash, *label))));
        }
    }
}
