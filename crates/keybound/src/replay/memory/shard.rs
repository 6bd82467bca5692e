//! A part of the recorded proofs, behind one lock.
//!
//! A new proof is put where memory is in the processor's cache: among a few pending ones, and into the filter.
//! When those are as many as may be, they go to the table in one batch, so that it waits for the table's memory
//! once for all of them. Nothing is ever at no place in between: they are pending until they are in the table.

use std::mem;

use super::ReplayRefusal;
use super::filter::Filter;
use super::ledger::{Bounds, GENERATIONS, ring};
use super::table::{Entry, Table, is_among, label};

/// Its filter, which has all entries that are pending or in the table, is lent to what needs it: those of all shards
/// are in one piece of memory.
#[derive(Default)]
pub(super) struct Shard {
    /// The newest entries; memory for all that may be pending is there with the first one.
    pending: Vec<Entry>,
    table: Table,
    /// Proofs in the shard, by the number of their generation modulo their count.
    counts: [usize; GENERATIONS],
    /// All generations before this one have been dropped.
    oldest: u64,
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.pending.len() + self.table.len()
    }

    pub(super) fn contains(&self, entry: Entry) -> bool {
        is_among(&self.pending, entry) || self.table.contains(entry)
    }

    pub(super) fn drop_generations_before(&mut self, current: u64, filter: Filter<'_>) {
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
            self.sweep(filter, |label| is_expired.get((label as usize).wrapping_sub(1)) != Some(&true));
        }
        self.oldest = current;
    }

    /// Keeps the entries whose label `is_kept`, and makes the filter anew: it can't forget single ones.
    fn sweep(&mut self, filter: Filter<'_>, is_kept: impl Fn(u32) -> bool) {
        self.pending.retain(|entry| is_kept(label(*entry)));
        self.table.sweep(is_kept);
        if self.len() == 0 {
            (self.pending, self.table) = Default::default();
        }
        filter.clear();
        for entry in self.pending.iter().chain(self.table.entries()) {
            filter.add(*entry);
        }
    }

    /// Whether a proof that expires in `generation` would be known here if it had come before.
    pub(super) fn remembers(&self, generation: u64) -> bool {
        generation >= self.oldest
    }

    /// Makes room for one more entry.
    pub(super) fn make_room(&mut self, bounds: &Bounds) -> Result<(), ReplayRefusal> {
        if self.len() >= bounds.proofs_of_shard {
            return Err(ReplayRefusal::Full);
        }
        if self.pending.len() >= bounds.pending_of_shard {
            if !self.table.append(&self.pending, bounds.proofs_of_shard) {
                return Err(ReplayRefusal::Full);
            }
            self.pending.clear();
        }
        let room = bounds.pending_of_shard.saturating_sub(self.pending.len());
        self.pending.try_reserve_exact(room).map_err(|_| ReplayRefusal::Full)
    }

    /// Adds an entry that is not here, for which room was made.
    pub(super) fn insert(
        &mut self,
        entry: Entry,
        generation: u64,
        filter: Filter<'_>,
    ) -> Result<(), ReplayRefusal> {
        let count = self.counts.get_mut(ring(generation)).ok_or(ReplayRefusal::Unavailable)?;
        filter.add(entry);
        self.pending.push(entry);
        *count += 1;
        Ok(())
    }

    /// Bytes that a shard takes beside its filter, at most.
    pub(super) fn bytes(bounds: &Bounds) -> usize {
        let entries = bounds.proofs_of_shard.saturating_add(bounds.pending_of_shard);
        entries.saturating_mul(size_of::<Entry>())
    }

    /// Bytes that it has reserved.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> usize {
        let entries = self.table.capacity() + self.pending.capacity();
        entries * size_of::<Entry>()
    }
}
