//! An open-addressing table of hashes that stand in their order: a sorted list with gaps.
//!
//! An entry's home follows from its high bits, so a larger entry has no earlier home, and each stands at
//! its home or in the first places behind it. A look-up stops at the first entry that is larger. Because
//! of the order a table grows, shrinks and is swept where it is, by walking through it: nothing is ever
//! there twice.

use std::num::NonZeroU128;

/// A hash that no client can foresee. Its low [`LABEL_BITS`] are not part of the hash but a label, which
/// tells when the entry may go, and is not zero: so an empty place takes no more room.
pub(super) type Entry = NonZeroU128;

/// Bits of an entry that are its label.
pub(super) const LABEL_BITS: u32 = 3;

/// Homes are the first of so many places, which fill a line of the processor's cache: a gap is found sooner
/// than if every place were a home.
const LINE: usize = 4;

/// Homes of the smallest table: smaller ones would save nothing that counts.
pub(super) const LEAST_HOMES: usize = 64;

/// Places behind the last home, for entries whose homes there are taken. Where they do not suffice the
/// table grows sooner, about once in ten thousand tables.
pub(super) const OVERHANG: usize = 32;

/// At most this many eighths of the homes are taken: beyond, a search for a gap becomes long.
const MOST_EIGHTHS: usize = 7;

/// A full table grows by this part of its homes, so that 7/9 of them are taken at least.
const GROWTH: usize = 8;

/// A table that is swept down to less than this part of its homes gives the memory of the others back.
const LEAST_TAKEN: usize = 4;

#[derive(Default)]
pub(super) struct Table {
    places: Vec<Option<Entry>>,
    homes: usize,
    len: usize,
}

/// What a table has for an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// The same hash is there, under whatever label.
    Taken,
    /// It belongs at `at`, and what stands there and behind moves on into `gap`.
    Free { at: usize, gap: usize },
    /// It is not there, and has no room unless the table grows.
    NoRoom,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Places that take memory. More are reserved, and not touched.
    #[cfg(test)]
    pub(super) fn places(&self) -> usize {
        self.places.len()
    }

    pub(super) fn spot(&self, entry: Entry) -> Spot {
        let home = self.home(entry);
        let run = self.places.get(home..).unwrap_or_default();
        let hash = hash(entry);
        let larger = run.iter().position(|place| place.is_none_or(|found| self::hash(found) >= hash));
        let Some(larger) = larger else { return Spot::NoRoom };
        let rest = run.get(larger..).unwrap_or_default();
        if rest.first().copied().flatten().is_some_and(|found| self::hash(found) == hash) {
            return Spot::Taken;
        }
        match rest.iter().position(Option::is_none) {
            Some(gap) if self.len < self.homes / 8 * MOST_EIGHTHS => {
                Spot::Free { at: home + larger, gap: home + larger + gap }
            }
            _ => Spot::NoRoom,
        }
    }

    /// Inserts an entry at the free spot that was found for it; `false`, and nothing is done, at another.
    pub(super) fn insert(&mut self, entry: Entry, spot: Spot) -> bool {
        let Spot::Free { at, gap } = spot else { return false };
        if at > gap || self.places.get(gap) != Some(&None) {
            return false;
        }
        self.places.copy_within(at..gap, at + 1);
        if let Some(place) = self.places.get_mut(at) {
            *place = Some(entry);
        }
        self.len += 1;
        true
    }

    /// Makes the table larger, up to `most` places; `false`, and nothing is done, where it cannot be.
    pub(super) fn grow(&mut self, most: usize) -> bool {
        let grown = (self.homes + self.homes.div_ceil(GROWTH)).max(LEAST_HOMES);
        let homes = grown.min(most.saturating_sub(OVERHANG)) / LINE * LINE;
        if homes <= self.homes {
            return false;
        }
        // After a sweep the end may be crowded beyond the usual: no entry may have to move further than its
        // home does.
        let old = self.places.len();
        let new = (homes + OVERHANG).max(old + (homes - self.homes));
        // All that it may ever need is reserved at once, so that it never moves. The system gives memory for
        // what is touched alone.
        if new > most || self.places.try_reserve_exact(most - old).is_err() {
            return false;
        }
        self.places.resize(new, None);
        self.homes = homes;
        self.push_to_the_end(old);
        self.settle(|_| true);
        true
    }

    /// Keeps the entries whose label `is_kept`, and gives memory back if few are left.
    pub(super) fn sweep(&mut self, is_kept: impl Fn(u32) -> bool) {
        self.settle(|entry| is_kept(label(entry)));
        if self.len >= self.homes / LEAST_TAKEN {
            return;
        }
        if self.len == 0 {
            *self = Self::default();
            return;
        }
        // Smaller homes are earlier ones, so that entries can only move forward.
        let homes = (self.len + self.len.div_ceil(3)).next_multiple_of(LINE);
        self.homes = homes.max(LEAST_HOMES).min(self.homes);
        let end = self.settle(|_| true);
        self.places.truncate(end.max(self.homes + OVERHANG));
        self.places.shrink_to_fit();
    }

    /// Moves all entries, which stand in the first `old` places, to the last ones, in their order.
    fn push_to_the_end(&mut self, old: usize) {
        let mut end = self.places.len();
        for from in (0..old).rev() {
            if let Some(entry) = self.places.get_mut(from).and_then(Option::take) {
                end -= 1;
                if let Some(place) = self.places.get_mut(end) {
                    *place = Some(entry);
                }
            }
        }
    }

    /// Puts every entry that is kept to its home or the first place behind; gives the end of the last one.
    ///
    /// No entry is put where one stands that is still to be moved: all that follow have their places
    /// between there and the end of the table, where they stand now.
    fn settle(&mut self, is_kept: impl Fn(Entry) -> bool) -> usize {
        let mut next = 0;
        self.len = 0;
        for from in 0..self.places.len() {
            let Some(entry) = self.places.get_mut(from).and_then(Option::take) else { continue };
            if is_kept(entry) {
                let to = self.home(entry).max(next);
                if let Some(place) = self.places.get_mut(to) {
                    *place = Some(entry);
                }
                next = to + 1;
                self.len += 1;
            }
        }
        next
    }

    /// The first place of a line, which lies in proportion to the entry's high bits.
    fn home(&self, entry: Entry) -> usize {
        let home = ((entry.get() >> 64) * self.homes as u128) >> 64;
        usize::try_from(home).unwrap_or(usize::MAX) / LINE * LINE
    }
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
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    const MOST: usize = 1 << 20;

    fn insert(table: &mut Table, entry: Entry) {
        while table.spot(entry) == Spot::NoRoom {
            assert!(table.grow(MOST));
        }
        let spot = table.spot(entry);
        assert!(table.insert(entry, spot));
    }

    fn contains(table: &Table, entry: Entry) -> bool {
        table.spot(entry) == Spot::Taken
    }

    fn spread(number: u64) -> Entry {
        let mixed = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        Entry::new(mixed | 1).unwrap()
    }

    #[test]
    fn a_table_without_places_has_room_for_nothing_and_knows_nothing() {
        let mut table = Table::default();
        assert_eq!(table.spot(spread(1)), Spot::NoRoom);
        assert!(
            !table.insert(spread(1), Spot::NoRoom) && !table.insert(spread(1), Spot::Free { at: 0, gap: 0 })
        );
        assert_eq!((table.len(), table.places()), (0, 0));
    }

    #[test]
    fn a_table_takes_sixteen_bytes_a_place_and_has_few_gaps() {
        assert_eq!(size_of::<Option<Entry>>(), 16);
        let mut table = Table::default();
        for number in 0..20_000 {
            insert(&mut table, spread(number));
            assert!(table.places() <= table.len() * 9 / 7 + LEAST_HOMES + OVERHANG, "{}", table.len());
        }
    }

    #[test]
    fn a_table_never_has_more_places_than_it_may() {
        let (mut table, most) = (Table::default(), 1_000);
        while table.grow(most) {
            assert!(table.places() <= most);
        }
        assert!(table.places() > most - LINE);
        assert!(!Table::default().grow(0));
    }

    #[test]
    fn entries_that_crowd_the_end_make_a_table_grow_and_are_found() {
        let mut table = Table::default();
        let last: Vec<_> =
            (0..200).map(|number| Entry::new(u128::MAX - (number << LABEL_BITS)).unwrap()).collect();
        let (last_line, rest) = last.split_at(OVERHANG + LINE);
        for entry in last_line {
            insert(&mut table, *entry);
        }
        assert_eq!(table.places(), LEAST_HOMES + OVERHANG);
        let spot = table.spot(rest[0]);
        assert!(spot == Spot::NoRoom && !table.insert(rest[0], spot));
        assert!(last_line.iter().all(|entry| contains(&table, *entry)), "none was lost");
        assert_eq!(table.len(), OVERHANG + LINE);
        while table.grow(MOST) {
            assert!(last_line.iter().all(|entry| contains(&table, *entry)), "none is lost in growing");
            assert_eq!(table.spot(rest[0]), Spot::NoRoom, "however large it is");
        }
    }

    #[test]
    fn a_table_that_is_nearly_emptied_gives_memory_back_and_can_grow_again() {
        let labelled = |number: u64, label: u128| Entry::new(spread(number).get() >> 3 << 3 | label).unwrap();
        let mut table = Table::default();
        for number in 0..10_000 {
            insert(&mut table, labelled(number, if number % 20 == 0 { 2 } else { 1 }));
        }
        let full = table.places();
        table.sweep(|label| label == 2);
        assert_eq!(table.len(), 500);
        assert!(table.places() < full / 10 && table.places.capacity() < full / 10);
        for number in 0..10_000 {
            assert_eq!(contains(&table, labelled(number, 1)), number % 20 == 0, "{number}");
        }
        for number in (0..10_000).filter(|number| number % 20 != 0) {
            insert(&mut table, labelled(number, 1));
        }
        assert!((0..10_000).all(|number| contains(&table, labelled(number, 5))));
        table.sweep(|_| false);
        assert_eq!((table.len(), table.places()), (0, 0));
    }

    proptest! {
        #[test]
        fn a_table_is_a_set(
            numbers in prop::collection::vec((0_u128..4, 1_u128..200, 1_u128..8), 0..600),
            swept in 1_u32..8,
            also_swept in 0_u32..8,
        ) {
            let (mut table, mut set) = (Table::default(), BTreeSet::new());
            let mut hashes = BTreeSet::new();
            for (quarter, low, label) in numbers {
                let entry = Entry::new(quarter << 126 | low << 120 | low << LABEL_BITS | label).unwrap();
                prop_assert_eq!(contains(&table, entry), hashes.contains(&hash(entry)));
                if hashes.insert(hash(entry)) {
                    set.insert(entry);
                    insert(&mut table, entry);
                }
                prop_assert!(contains(&table, entry));
                prop_assert_eq!(table.len(), set.len());
            }
            let in_order = |table: &Table| table.places.iter().flatten().copied().collect::<Vec<_>>();
            prop_assert_eq!(in_order(&table), set.iter().copied().collect::<Vec<_>>());
            table.sweep(|label| label != swept && label < also_swept);
            let kept = |entry: &Entry| label(*entry) != swept && label(*entry) < also_swept;
            for entry in &set {
                prop_assert_eq!(contains(&table, *entry), kept(entry));
            }
            prop_assert_eq!(in_order(&table), set.into_iter().filter(kept).collect::<Vec<_>>());
            prop_assert_eq!(table.len(), in_order(&table).len());
        }
    }
}
