//! The hashes of a shard: a sorted list, and behind it the newest ones as they came.
//!
//! Entries come in batches, which are put at the end. When too many stand there to be searched one after the
//! other, they are sorted and merged into the list, where it is, in one walk from its end: so the processor
//! reads memory in order, and does not wait for each entry's place. There are no gaps.
//!
//! A look-up expects an entry in proportion to its high bits, which are spread evenly, and so looks at a few
//! places of the list.

use std::num::NonZeroU128;

/// A hash that no client can foresee. Its low [`LABEL_BITS`] are not part of the hash but a label, which
/// tells when the entry may go, and is not zero.
pub(super) type Entry = NonZeroU128;

/// Bits of an entry that are its label.
pub(super) const LABEL_BITS: u32 = 3;

/// Entries that stand unsorted, at most: more of them are merged less often, and take longer to search.
const MOST_UNSORTED: usize = 1_024;

/// A table that is swept down to less than this part of what it had gives the memory of the rest back.
const LEAST_KEPT: usize = 4;

/// Where a look-up first looks is wrong by a few places: it then goes on in steps of twice the last one.
const FIRST_STEP: usize = 4;

#[derive(Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    /// Of the entries, those that stand in order.
    sorted: usize,
    /// The most that it had since memory was last given back.
    touched: usize,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Entries for which memory is reserved.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Whether the same hash is there, under whatever label.
    pub(super) fn contains(&self, entry: Entry) -> bool {
        let (sorted, unsorted) = self.entries.split_at_checked(self.sorted).unwrap_or((&self.entries, &[]));
        is_in_order(sorted, entry) || is_among(unsorted, entry)
    }

    /// Takes entries that are not there; `false`, and nothing is done, if there would be more than `most`, or if
    /// there is no memory.
    pub(super) fn append(&mut self, batch: &[Entry], most: usize) -> bool {
        let room = most.saturating_sub(self.entries.len());
        // All that it may ever need is reserved at once, so that it never moves. The system gives memory for
        // what is touched alone.
        if batch.len() > room.min(MOST_UNSORTED) || self.entries.try_reserve_exact(room).is_err() {
            return false;
        }
        if self.entries.len() + batch.len() > self.sorted + MOST_UNSORTED {
            self.sort();
        }
        self.entries.extend_from_slice(batch);
        self.touched = self.touched.max(self.entries.len());
        true
    }

    /// Keeps the entries whose label `is_kept`, and gives memory back if few are left.
    pub(super) fn sweep(&mut self, is_kept: impl Fn(u32) -> bool) {
        self.sort();
        self.entries.retain(|entry| is_kept(label(*entry)));
        self.sorted = self.entries.len();
        if self.entries.len() < self.touched / LEAST_KEPT {
            self.entries.shrink_to_fit();
            self.touched = self.entries.len();
        }
    }

    /// Merges what stands unsorted into the list.
    fn sort(&mut self) {
        let mut newest = [Entry::MIN; MOST_UNSORTED];
        let Some((_, unsorted)) = self.entries.split_at_mut_checked(self.sorted) else { return };
        let Some(newest) = newest.get_mut(..unsorted.len()) else { return };
        unsorted.sort_unstable();
        newest.copy_from_slice(unsorted);
        // From the last one on, each goes to the end of what is not filled yet, behind the larger ones of the list.
        let (mut list, mut end) = (self.sorted, self.entries.len());
        for new in newest.iter().rev() {
            let rest = self.entries.get(..list).unwrap_or_default();
            let smaller = rest.iter().rposition(|older| older < new).map_or(0, |last| last + 1);
            end -= list - smaller;
            self.entries.copy_within(smaller..list, end);
            list = smaller;
            end -= 1;
            if let Some(place) = self.entries.get_mut(end) {
                *place = *new;
            }
        }
        self.sorted = self.entries.len();
    }
}

/// Whether the same hash is among entries in any order. Half of it tells nearly all apart, and is compared
/// faster than the whole.
pub(super) fn is_among(entries: &[Entry], entry: Entry) -> bool {
    let half = |entry: Entry| entry.get() >> 64;
    entries.iter().any(|found| half(*found) == half(entry) && hash(*found) == hash(entry))
}

/// Whether the same hash is among sorted entries.
fn is_in_order(entries: &[Entry], entry: Entry) -> bool {
    let is_less = |at: usize| entries.get(at).is_some_and(|found| hash(*found) < hash(entry));
    let (mut from, mut step) = (expected(entries, entry), FIRST_STEP);
    let mut to = from;
    // Those before `from` are less, those from `to` on are not.
    while from > 0 && !is_less(from - 1) {
        to = from - 1;
        from = from.saturating_sub(step);
        step *= 2;
    }
    while is_less(to) {
        from = to + 1;
        to = to.saturating_add(step).min(entries.len());
        step *= 2;
    }
    let between = entries.get(from..to).unwrap_or_default();
    let place = from + between.partition_point(|found| hash(*found) < hash(entry));
    entries.get(place).is_some_and(|found| hash(*found) == hash(entry))
}

/// About where an entry stands among sorted ones: in proportion to its hash, and from what stands there in
/// proportion to the difference.
fn expected(entries: &[Entry], entry: Entry) -> usize {
    let share =
        |of_all: u128| usize::try_from(((of_all >> 64) * entries.len() as u128) >> 64).unwrap_or_default();
    let first = share(entry.get());
    let Some(found) = entries.get(first) else { return 0 };
    let away = share(entry.get().abs_diff(found.get()));
    if entry > *found { first.saturating_add(away).min(entries.len()) } else { first.saturating_sub(away) }
}

/// The hash in an entry, without its label.
fn hash(entry: Entry) -> u128 {
    entry.get() >> LABEL_BITS
}

/// The label in an entry.
#[expect(clippy::cast_possible_truncation, reason = "a few low bits are wanted")]
pub(super) fn label(entry: Entry) -> u32 {
    entry.get() as u32 & ((1 << LABEL_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 1 << 20;

    fn spread(number: u64) -> Entry {
        labelled(number, 1)
    }

    fn labelled(number: u64, label: u128) -> Entry {
        let mixed = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        Entry::new(mixed >> LABEL_BITS << LABEL_BITS | label).unwrap()
    }

    fn append(table: &mut Table, entries: impl IntoIterator<Item = Entry>) {
        let entries: Vec<_> = entries.into_iter().collect();
        for batch in entries.chunks(64) {
            assert!(table.append(batch, MOST));
        }
    }

    #[test]
    fn an_empty_table_knows_nothing_and_takes_no_memory() {
        let mut table = Table::default();
        assert!(!table.contains(spread(1)));
        table.sweep(|_| true);
        assert_eq!((table.len(), table.capacity()), (0, 0));
    }

    #[test]
    fn a_table_takes_no_more_than_it_may_and_loses_nothing_by_refusing() {
        assert_eq!(size_of::<Entry>(), 16);
        let (mut table, most) = (Table::default(), 1_500);
        let batch = |from: u64, count: u64| (from..from + count).map(spread).collect::<Vec<_>>();
        for from in (0..1_500).step_by(100) {
            assert!(table.append(&batch(from, 100), most));
            assert_eq!(table.capacity(), most, "reserved at once, and never more");
        }
        assert!(!table.append(&batch(1_500, 1), most), "one too many");
        assert!(!table.append(&batch(1_500, MOST_UNSORTED as u64 + 1), MOST), "more than may stand unsorted");
        assert!(!table.append(&batch(1_500, 1), 0), "fewer allowed than there are");
        assert!(!table.append(&batch(1_500, 1), usize::MAX), "no memory for so many");
        assert_eq!(table.len(), most);
        assert!((0..1_500).all(|number| table.contains(spread(number))));
        assert!((1_500..9_000).all(|number| !table.contains(spread(number))));
    }

    #[test]
    fn a_table_is_sorted_before_too_many_stand_unsorted() {
        let mut table = Table::default();
        for number in 0..20_000 {
            append(&mut table, [spread(number)]);
            assert!(table.len() - table.sorted <= MOST_UNSORTED);
            if number % 64 == 0 {
                assert!(table.entries[..table.sorted].is_sorted() && table.contains(spread(number / 2)));
            }
        }
        assert!((0..20_000).all(|number| table.contains(labelled(number, 5))), "under whatever label");
    }

    #[test]
    fn entries_that_stand_nowhere_near_where_they_are_expected_are_found() {
        let close = |number: u128| Entry::new(number << LABEL_BITS | 1).unwrap();
        // All at one end of the range of hashes, which no client can bring about.
        for base in [0, 1 << 124, (1 << 125) - 10_000] {
            let mut table = Table::default();
            append(&mut table, (0..5_000).map(|number| close(base + 2 * number)));
            table.sweep(|_| true);
            for number in 0..5_000 {
                assert!(table.contains(close(base + 2 * number)), "{base} {number}");
                assert!(!table.contains(close(base + 2 * number + 1)), "{base} {number}");
            }
            assert!(!table.contains(spread(7)));
        }
    }

    #[test]
    fn a_table_that_is_nearly_emptied_gives_memory_back_and_can_grow_again() {
        let mut table = Table::default();
        append(&mut table, (0..10_000).map(|number| labelled(number, if number % 20 == 0 { 2 } else { 1 })));
        table.sweep(|label| label == 2);
        assert_eq!((table.len(), table.capacity()), (500, 500));
        for number in 0..10_000 {
            assert_eq!(table.contains(labelled(number, 1)), number % 20 == 0, "{number}");
        }
        append(&mut table, (0..10_000).filter(|number| number % 20 != 0).map(spread));
        assert!((0..10_000).all(|number| table.contains(labelled(number, 5))));
        table.sweep(|_| false);
        assert_eq!((table.len(), table.capacity()), (0, 0));
    }

    proptest! {
        #[test]
        fn a_table_is_a_set(
            batches in prop::collection::vec(
                (prop::collection::vec((0_u128..4, 1_u128..5_000, 1_u128..8), 0..64), 0_u32..9),
                0..60,
            ),
        ) {
            let (mut table, mut set) = (Table::default(), BTreeSet::new());
            let mut hashes = BTreeSet::new();
            for (batch, swept) in batches {
                let mut new = Vec::new();
                for (quarter, low, label) in batch {
                    let entry = Entry::new(quarter << 126 | low << 110 | low << LABEL_BITS | label).unwrap();
                    if hashes.insert(hash(entry)) {
                        prop_assert!(!table.contains(entry));
                        new.push(entry);
                    }
                }
                prop_assert!(table.append(&new, MOST));
                set.extend(new);
                // One of nine sweeps drops a label that there may be; others drop none, or are not made.
                if swept == 8 {
                    table.sweep(|label| label != 3);
                    set.retain(|entry| label(*entry) != 3);
                    hashes = set.iter().map(|entry| hash(*entry)).collect();
                }
                prop_assert_eq!(table.len(), set.len());
                prop_assert!(set.iter().all(|entry| table.contains(*entry)));
            }
            table.sweep(|_| true);
            prop_assert_eq!(table.entries(), set.into_iter().collect::<Vec<_>>());
        }
    }
}
