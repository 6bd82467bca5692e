//! What was recorded, within its bounds: the newest exchanges, and those that somebody keeps.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::recording::Recording;

/// Bytes of all exchanges that are remembered, at most.
pub const MAX_REMEMBERED_BYTES: usize = 32 * 1024 * 1024;

/// Exchanges that are kept although newer ones came, at most.
pub const MAX_KEPT: usize = 200;

/// Bytes of those, at most.
pub const MAX_KEPT_BYTES: usize = 8 * 1024 * 1024;

/// Exchanges by their numbers.
pub(super) struct Journal {
    max_count: usize,
    max_bytes: usize,
    /// In the order of their numbers.
    recent: VecDeque<Arc<Recording>>,
    recent_bytes: usize,
    kept: BTreeMap<u64, Arc<Recording>>,
    kept_bytes: usize,
}

/// There is no room for more that is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no more can be kept: {MAX_KEPT} exchanges or {MAX_KEPT_BYTES} bytes are; download what matters and forget the rest"
)]
#[non_exhaustive]
pub struct KeptFull;

impl Journal {
    pub(super) const fn new(max_count: usize, max_bytes: usize) -> Self {
        Self {
            max_count,
            max_bytes,
            recent: VecDeque::new(),
            recent_bytes: 0,
            kept: BTreeMap::new(),
            kept_bytes: 0,
        }
    }

    /// Whether anything that is added is remembered.
    pub(super) const fn holds_any(&self) -> bool {
        self.max_count > 0
    }

    pub(super) fn add(&mut self, recording: Recording) {
        let bytes = recording.bytes();
        if bytes > self.max_bytes || self.max_count == 0 {
            return;
        }
        // An answer may come after that to a later request, but never long after.
        let later = self.recent.iter().rev().take_while(|other| other.id > recording.id).count();
        self.recent.insert(self.recent.len() - later, Arc::new(recording));
        self.recent_bytes += bytes;
        while self.recent.len() > self.max_count || self.recent_bytes > self.max_bytes {
            let Some(oldest) = self.recent.pop_front() else { return };
            self.recent_bytes -= oldest.bytes();
        }
    }

    pub(super) fn get(&self, id: u64) -> Option<Arc<Recording>> {
        let recent = self.recent.binary_search_by_key(&id, |recording| recording.id).ok();
        recent.and_then(|index| self.recent.get(index)).or_else(|| self.kept.get(&id)).map(Arc::clone)
    }

    /// All of them, in the order of their numbers.
    pub(super) fn all(&self) -> Vec<Arc<Recording>> {
        let mut all: Vec<_> = self.kept.values().chain(&self.recent).map(Arc::clone).collect();
        all.sort_by_key(|recording| recording.id);
        all
    }

    pub(super) fn is_kept(&self, id: u64) -> bool {
        self.kept.contains_key(&id)
    }

    /// Keeps all of these, or none of them.
    pub(super) fn keep(&mut self, ids: &[u64]) -> Result<(), KeptFull> {
        let is_new = |recording: &&Arc<Recording>| ids.contains(&recording.id);
        let count = self.recent.iter().filter(is_new).count();
        let bytes: usize = self.recent.iter().filter(is_new).map(|recording| recording.bytes()).sum();
        if self.kept.len() + count > MAX_KEPT || self.kept_bytes + bytes > MAX_KEPT_BYTES {
            return Err(KeptFull);
        }
        for recording in self.recent.iter().filter(is_new) {
            self.kept.insert(recording.id, Arc::clone(recording));
        }
        self.recent.retain(|recording| !ids.contains(&recording.id));
        self.recent_bytes -= bytes;
        self.kept_bytes += bytes;
        Ok(())
    }

    /// Forgets these, kept or not.
    pub(super) fn forget(&mut self, ids: &[u64]) {
        self.recent.retain(|recording| !ids.contains(&recording.id));
        self.kept.retain(|id, _| !ids.contains(id));
        self.recent_bytes = self.recent.iter().map(|recording| recording.bytes()).sum();
        self.kept_bytes = self.kept.values().map(|recording| recording.bytes()).sum();
    }

    pub(super) fn clear(&mut self) {
        *self = Self::new(self.max_count, self.max_bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::{Method, Uri};
    use keybound::{NoncePolicy, NonceSecret, Nonces, NumericDate};

    use super::super::recording::{Fields, RecordedBody};
    use super::*;

    fn recording(id: u64, body_bytes: usize) -> Recording {
        let mut body = RecordedBody::empty();
        body.push(&Bytes::from(vec![0; body_bytes]));
        Recording {
            id,
            at: NumericDate::from_seconds(0),
            duration: Duration::ZERO,
            client: None,
            method: Method::GET,
            target: Uri::from_static("/"),
            fields: Fields::default(),
            body,
            status: None,
            answer_fields: Fields::default(),
            answer_body: RecordedBody::empty(),
            refused: None,
            nonces: nonces(),
            replay_of: None,
            conversation: std::sync::OnceLock::new(),
        }
    }

    fn nonces() -> Arc<Nonces> {
        Arc::new(Nonces::new(NoncePolicy::default(), NonceSecret::from_bytes(&[0; 32])))
    }

    fn ids(journal: &Journal) -> Vec<u64> {
        journal.all().iter().map(|recording| recording.id).collect()
    }

    #[test]
    fn the_oldest_make_room_by_count_and_by_bytes() {
        let mut journal = Journal::new(3, 10_000);
        for (id, bytes, expected) in [
            (1, 10, &[1][..]),
            (2, 10, &[1, 2]),
            (3, 10, &[1, 2, 3]),
            (4, 10, &[2, 3, 4]),
            (5, 8_000, &[3, 4, 5]),
            (6, 1_500, &[6]),
            (7, 10_000, &[6]),
        ] {
            journal.add(recording(id, bytes));
            assert_eq!(ids(&journal), expected, "after {id}");
            assert!(journal.recent_bytes <= 10_000, "after {id}");
        }
    }

    #[test]
    fn what_is_answered_late_stands_in_its_place() {
        let mut journal = Journal::new(10, 100_000);
        for id in [2, 5, 3, 4, 1] {
            journal.add(recording(id, 0));
        }
        assert_eq!(ids(&journal), [1, 2, 3, 4, 5]);
        assert_eq!(journal.get(3).map(|found| found.id), Some(3));
        assert!(journal.get(6).is_none());
    }

    #[test]
    fn what_is_kept_stays_and_is_bounded_too() {
        let mut journal = Journal::new(2, 100_000_000);
        for id in 1..=2 {
            journal.add(recording(id, 0));
        }
        assert_eq!(journal.keep(&[1, 99]), Ok(()));
        for id in 3..=5 {
            journal.add(recording(id, 0));
        }
        assert_eq!(ids(&journal), [1, 4, 5]);
        assert!(journal.is_kept(1) && !journal.is_kept(4));
        journal.forget(&[1, 4]);
        assert_eq!((ids(&journal), journal.kept_bytes), (vec![5], 0));

        let mut journal = Journal::new(2_000, usize::MAX);
        let all: Vec<_> = (1..=201).collect();
        for id in &all {
            journal.add(recording(*id, 0));
        }
        assert_eq!(journal.keep(&all), Err(KeptFull), "all or none");
        assert!(!journal.is_kept(1));
        assert_eq!(journal.keep(all.get(..200).unwrap()), Ok(()));
        assert_eq!(journal.keep(&[201]), Err(KeptFull));
        journal.clear();
        assert_eq!((ids(&journal), journal.recent_bytes, journal.kept_bytes), (vec![], 0, 0));

        for id in 1..=130 {
            let mut large = recording(id, 0);
            large.body.push(&Bytes::from(vec![0; 64 * 1024]));
            journal.add(large);
        }
        let all: Vec<_> = (1..=130).collect();
        assert_eq!(journal.keep(&all), Err(KeptFull), "the bytes");
    }
}
