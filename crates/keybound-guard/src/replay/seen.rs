//! The local filter: proofs that this guard has recorded in the store itself, so that replaying one to it
//! costs no question.
//!
//! It only ever refuses, and only what the store would refuse: a proof is in it from when the store said that
//! the record is made until the proof expires, which the record outlives. Of a record that another guard made
//! nobody says how long it lives, so its proofs are asked for each time. It may forget at any time, which
//! costs one question.

use std::sync::Mutex;

use keybound::NumericDate;
use keybound::replay::ReplayKey;

/// Proofs that are kept, at most: at 48 bytes each three quarters of a megabyte.
pub(super) const SEEN_PROOFS: usize = 16 * 1024;

/// Enough that two cores rarely meet in one.
const SHARDS: usize = 64;

const SLOTS_OF_A_SHARD: usize = SEEN_PROOFS / SHARDS;

/// Proofs that are known to be used.
pub(super) struct SeenProofs {
    shards: Vec<Mutex<Shard>>,
}

/// Each key has one place; a newer one takes it. Places are allocated with the first proof.
#[derive(Default)]
struct Shard {
    slots: Vec<Option<Seen>>,
}

#[derive(Clone, Copy)]
struct Seen {
    hash: [u8; 32],
    expires: NumericDate,
}

impl SeenProofs {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// Whether `key` is known to be used, by a record that the store still has.
    pub(super) fn contains(&self, key: &ReplayKey, now: NumericDate) -> bool {
        let (shard, slot) = place(key);
        let Some(Ok(shard)) = self.shards.get(shard).map(Mutex::lock) else { return false };
        let seen = shard.slots.get(slot).copied().flatten();
        seen.is_some_and(|seen| seen.hash == *key.as_bytes() && now <= seen.expires)
    }

    /// Notes that the store has `key`, at least until `expires` on every guard's clock.
    pub(super) fn insert(&self, key: &ReplayKey, expires: NumericDate) {
        let (shard, slot) = place(key);
        let Some(Ok(mut shard)) = self.shards.get(shard).map(Mutex::lock) else { return };
        if shard.slots.is_empty() {
            shard.slots.resize(SLOTS_OF_A_SHARD, None);
        }
        if let Some(place) = shard.slots.get_mut(slot) {
            *place = Some(Seen { hash: *key.as_bytes(), expires });
        }
    }
}

/// The key is a SHA-256 hash: any of its bytes will do. Who crowds a place on purpose makes the filter
/// forget, and pays with questions.
fn place(key: &ReplayKey) -> (usize, usize) {
    let [first, second, third, ..] = *key.as_bytes();
    (usize::from(first) % SHARDS, (usize::from(second) << 8 | usize::from(third)) % SLOTS_OF_A_SHARD)
}

#[cfg(test)]
mod tests {
    use keybound::{TargetUri, Thumbprint};

    use super::*;

    const EXPIRES: NumericDate = NumericDate::from_seconds(1_800_000_060);

    fn key(jwt_id: &str) -> ReplayKey {
        let thumbprint: Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse().unwrap();
        ReplayKey::new(thumbprint, &TargetUri::parse("https://server.example.com/token").unwrap(), jwt_id)
    }

    #[test]
    fn a_proof_is_known_from_its_record_to_its_expiry_and_no_other_is() {
        let seen = SeenProofs::new();
        assert!(!seen.contains(&key("a"), EXPIRES));
        seen.insert(&key("a"), EXPIRES);
        let cases = [(1_800_000_000, true), (1_800_000_060, true), (1_800_000_061, false)];
        for (now, expected) in cases {
            assert_eq!(seen.contains(&key("a"), NumericDate::from_seconds(now)), expected, "{now}");
        }
        let others = (0..10_000).filter(|number| seen.contains(&key(&number.to_string()), EXPIRES));
        assert_eq!(others.count(), 0);
    }

    #[test]
    fn it_keeps_so_many_proofs_and_no_more() {
        let seen = SeenProofs::new();
        let keys: Vec<_> = (0..4 * SEEN_PROOFS).map(|number| key(&number.to_string())).collect();
        for key in &keys {
            seen.insert(key, EXPIRES);
        }
        let kept = keys.iter().filter(|key| seen.contains(key, EXPIRES)).count();
        assert!(kept <= SEEN_PROOFS, "{kept}");
        assert!(kept > SEEN_PROOFS * 9 / 10, "{kept}");
    }
}
