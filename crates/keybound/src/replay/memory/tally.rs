//! How many live proofs each key has: a count-min sketch, which may count too many and never too few.
//!
//! A key has one cell in each of four rows, chosen by a keyed hash of its thumbprint. Its count is the
//! least of them, so it is too high only if all four are shared with other keys. A cell counts each
//! generation by itself, so that the counts of an expired one are dropped with it.

use super::ReplayRefusal;
use super::ledger::{GENERATIONS, part, ring};

pub(super) const ROWS: usize = 4;

/// The live proofs of the keys that fall on a cell, by the number of their generation modulo their count.
pub(super) type Cell = [u32; GENERATIONS];

#[derive(Default)]
pub(super) struct Tally {
    /// Row after row; nothing until the first proof.
    cells: Vec<Cell>,
    /// All generations before this one have been dropped.
    oldest: u64,
}

/// What a tally has of a key.
pub(super) struct Account {
    places: [usize; ROWS],
    /// Live proofs, or more.
    live: u64,
    /// The generation of the proof that is to be added.
    generation: u64,
}

impl Tally {
    /// The account of `client`, a hash, to which a proof that expires in `generation` may be added.
    pub(super) fn account(
        &mut self,
        client: u128,
        generation: u64,
        current: u64,
        columns: usize,
    ) -> Result<Account, ReplayRefusal> {
        self.drop_generations_before(current);
        // The clock went back: what was counted for this generation was dropped.
        if generation < self.oldest {
            return Err(ReplayRefusal::Unavailable);
        }
        self.make_cells(columns)?;
        let places = places(client, columns);
        let count = |place: &usize| self.cells.get(*place).map_or(u64::MAX, sum);
        let live = places.iter().map(count).min().unwrap_or(u64::MAX);
        Ok(Account { places, live, generation })
    }

    /// Counts one more proof for `account`; refuses if it has `quota` already.
    pub(super) fn add(&mut self, account: &Account, quota: u64) -> Result<(), ReplayRefusal> {
        if account.live >= quota {
            return Err(ReplayRefusal::QuotaExceeded);
        }
        for place in account.places {
            let counted = self.cells.get_mut(place).and_then(|cell| counter(cell, account.generation));
            if let Some(counted) = counted {
                *counted = counted.saturating_add(1);
            }
        }
        Ok(())
    }

    fn make_cells(&mut self, columns: usize) -> Result<(), ReplayRefusal> {
        if self.cells.is_empty() {
            self.cells.try_reserve_exact(ROWS * columns).map_err(|_| ReplayRefusal::Full)?;
            self.cells.resize(ROWS * columns, Cell::default());
        }
        Ok(())
    }

    fn drop_generations_before(&mut self, current: u64) {
        let expired = self.oldest..current.min(self.oldest.saturating_add(GENERATIONS as u64));
        for generation in expired {
            for counted in self.cells.iter_mut().filter_map(|cell| counter(cell, generation)) {
                *counted = 0;
            }
        }
        self.oldest = self.oldest.max(current);
    }
}

fn sum(cell: &Cell) -> u64 {
    cell.iter().map(|counted| u64::from(*counted)).sum()
}

fn counter(cell: &mut Cell, generation: u64) -> Option<&mut u32> {
    cell.get_mut(ring(generation))
}

/// The place of a key in each row, from 24 bits of its hash each; the bits below choose its tally.
#[expect(clippy::cast_possible_truncation, reason = "some bits are wanted")]
fn places(client: u128, columns: usize) -> [usize; ROWS] {
    std::array::from_fn(|row| row * columns + part(((client >> (32 + 24 * row)) as u32) << 8, columns))
}
