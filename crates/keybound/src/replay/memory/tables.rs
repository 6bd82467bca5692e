//! The tables of all shards that have one size, one behind the other in one piece of memory, which is there from the
//! first look at one of them on.

use std::sync::OnceLock;

use super::ReplayRefusal;
use super::table::Table;
use super::words::Words;

pub(super) struct Tables {
    shards: usize,
    words_of_each: usize,
    words: OnceLock<Words>,
}

impl Tables {
    /// A table for so many entries for each of so many shards.
    pub(super) const fn new(shards: usize, entries: usize) -> Self {
        Self { shards, words_of_each: Table::words_for(entries), words: OnceLock::new() }
    }

    /// Bytes that they take.
    pub(super) fn bytes(&self) -> usize {
        Words::bytes(self.all_words())
    }

    /// That of a shard, whose lock is held while it is used.
    pub(super) fn of(&self, shard: usize) -> Result<Table<'_>, ReplayRefusal> {
        let words = match self.words.get() {
            Some(words) => words,
            None => self.make_words()?,
        };
        let from = shard * self.words_of_each;
        let own = words.all().get(from..from + self.words_of_each);
        own.map(Table::new).ok_or(ReplayRefusal::Unavailable)
    }

    #[cold]
    fn make_words(&self) -> Result<&Words, ReplayRefusal> {
        let words = Words::new(self.all_words()).ok_or(ReplayRefusal::Full)?;
        // Another thread's, if it was first: nothing was put into these.
        Ok(self.words.get_or_init(|| words))
    }

    const fn all_words(&self) -> usize {
        self.shards.saturating_mul(self.words_of_each)
    }

    /// Bytes that they have by now.
    #[cfg(test)]
    pub(super) fn reserved(&self) -> usize {
        self.words.get().map_or(0, |words| size_of_val(words.all()))
    }
}
