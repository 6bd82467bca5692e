//! What is counted of a shard, a part of the recorded proofs behind one lock: how many are in each generation.
//!
//! Its table, in which they are, is lent to what needs it: those of all shards are in one piece of memory.

use std::mem;

use super::ReplayRefusal;
use super::ledger::{GENERATIONS, ring};
use super::table::Table;

#[derive(Default)]
pub(super) struct Shard {
    /// Proofs in the shard, by the number of their generation modulo their count.
    counts: [usize; GENERATIONS],
    /// All generations before this one have been dropped.
    oldest: u64,
    /// Whether they are in the large one of its tables.
    pub(super) is_large: bool,
}

impl Shard {
    pub(super) fn len(&self) -> usize {
        self.counts.iter().sum()
    }

    pub(super) fn drop_generations_before(&mut self, current: u64, table: Table<'_>) {
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
            table.sweep(|label| is_expired.get((label as usize).wrapping_sub(1)) != Some(&true));
        }
        self.oldest = current;
    }

    /// Whether a proof that expires in `generation` would be known here if it had come before.
    pub(super) const fn remembers(&self, generation: u64) -> bool {
        generation >= self.oldest
    }

    /// Counts one more proof that expires in `generation`.
    pub(super) fn add(&mut self, generation: u64) -> Result<(), ReplayRefusal> {
        let count = self.counts.get_mut(ring(generation)).ok_or(ReplayRefusal::Unavailable)?;
        *count += 1;
        Ok(())
    }
}
