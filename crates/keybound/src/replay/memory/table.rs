//! An open-addressing table of hashes that stand in their order: a sorted list with gaps.
//!
//! An entry's home follows from its high bits, so a larger entry has no earlier home, and each stands at
//! its home or in the first places behind it. A look-up stops at the first entry that is larger; a larger
//! table is filled from a smaller one by walking through both once.

use std::mem;
use std::num::NonZeroU128;

/// A hash of 128 bits that no client can foresee; none is zero, so an empty place takes no more room.
pub(super) type Entry = NonZeroU128;

/// Homes of the smallest table: smaller ones would save nothing that counts.
pub(super) const LEAST_HOMES: usize = 64;

/// Places behind the last home, for entries whose homes there are taken. Where they do not suffice the
/// table grows sooner, about once in ten thousand tables.
pub(super) const OVERHANG: usize = 32;

/// At most this many eighths of the homes are taken: beyond, a search for a gap becomes long.
const MOST_EIGHTHS: usize = 7;

/// A full table grows by this part of its homes, so that 7/9 of them are taken at least.
const GROWTH: usize = 8;

#[derive(Default)]
pub(super) struct Table {
    places: Vec<Option<Entry>>,
    len: usize,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Places that take memory.
    pub(super) fn places(&self) -> usize {
        self.places.capacity()
    }

    pub(super) fn contains(&self, entry: Entry) -> bool {
        let run = self.places.get(self.home(entry)..).unwrap_or_default();
        let found = run.iter().find(|place| place.is_none_or(|found| found >= entry));
        found.is_some_and(|place| *place == Some(entry))
    }

    /// Whether an entry can be inserted without growing.
    pub(super) fn has_room_for(&self, entry: Entry) -> bool {
        let run = self.places.get(self.home(entry)..).unwrap_or_default();
        self.len < self.homes() / 8 * MOST_EIGHTHS && run.contains(&None)
    }

    /// Inserts an entry that is not there; `false`, and nothing is done, where it has no place.
    pub(super) fn insert(&mut self, entry: Entry) -> bool {
        let home = self.home(entry);
        let run = self.places.get_mut(home..).unwrap_or_default();
        if !run.contains(&None) {
            return false;
        }
        let mut carried = entry;
        for place in run {
            match place {
                Some(found) if *found < carried => {}
                Some(found) => mem::swap(found, &mut carried),
                None => {
                    *place = Some(carried);
                    break;
                }
            }
        }
        self.len += 1;
        true
    }

    /// Places that the next larger table has.
    pub(super) fn places_when_grown(&self) -> usize {
        let homes = self.homes();
        (homes + homes.div_ceil(GROWTH)).max(LEAST_HOMES) + OVERHANG
    }

    /// The next larger table, with the same entries; `None` where there is no memory for it.
    pub(super) fn grown(&self) -> Option<Self> {
        let mut larger = Self { places: Vec::new(), len: self.len };
        larger.places.try_reserve_exact(self.places_when_grown()).ok()?;
        larger.places.resize(self.places_when_grown(), None);
        let mut next = 0;
        for entry in self.places.iter().flatten() {
            let at = larger.home(*entry).max(next);
            *larger.places.get_mut(at)? = Some(*entry);
            next = at + 1;
        }
        Some(larger)
    }

    fn homes(&self) -> usize {
        self.places.len().saturating_sub(OVERHANG)
    }

    /// In proportion to the entry's high bits.
    fn home(&self, entry: Entry) -> usize {
        let home = ((entry.get() >> 64) * self.homes() as u128) >> 64;
        usize::try_from(home).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn insert(table: &mut Table, entry: Entry) {
        while !table.has_room_for(entry) {
            *table = table.grown().unwrap();
        }
        assert!(table.insert(entry));
    }

    fn spread(number: u64) -> Entry {
        let mixed = u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
        Entry::new(mixed | 1).unwrap()
    }

    #[test]
    fn a_table_without_places_has_room_for_nothing_and_knows_nothing() {
        let mut table = Table::default();
        assert!(!table.has_room_for(spread(1)) && !table.contains(spread(1)) && !table.insert(spread(1)));
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
    fn entries_that_crowd_the_end_make_a_table_grow_and_are_found() {
        let mut table = Table::default();
        let last: Vec<_> = (0..200).map(|number| Entry::new(u128::MAX - number).unwrap()).collect();
        for entry in last.iter().take(OVERHANG + 1) {
            insert(&mut table, *entry);
        }
        assert_eq!(table.places(), LEAST_HOMES + OVERHANG);
        assert!(!table.has_room_for(last[OVERHANG + 1]) && !table.insert(last[OVERHANG + 1]));
        assert!(last.iter().take(OVERHANG + 1).all(|entry| table.contains(*entry)), "none was lost");
        assert_eq!(table.len(), OVERHANG + 1);
    }

    proptest! {
        #[test]
        fn a_table_is_a_set(numbers in prop::collection::vec((0_u128..4, 1_u128..200), 0..600)) {
            let (mut table, mut set) = (Table::default(), BTreeSet::new());
            for (quarter, low) in numbers {
                let entry = Entry::new(quarter << 126 | low << 120 | low).unwrap();
                prop_assert_eq!(table.contains(entry), set.contains(&entry));
                if set.insert(entry) {
                    insert(&mut table, entry);
                }
                prop_assert!(table.contains(entry));
                prop_assert_eq!(table.len(), set.len());
            }
            let in_order: Vec<_> = table.places.iter().flatten().copied().collect();
            prop_assert_eq!(in_order, set.into_iter().collect::<Vec<_>>());
        }
    }
}
