//! A replay store in the memory of one process.
//!
//! Proofs are kept in generations by the time at which they expire. A generation is dropped whole when
//! its last proof has expired, so nothing is swept and nothing is dropped early. Shards keep requests
//! from waiting for each other. An entry is 16 bytes, a hash keyed with a secret of the store, so that
//! no client can choose identifiers that crowd one place of a table.
//!
//! A process that starts has an empty store: a proof that the process before accepted, and that is
//! still fresh, is accepted once more. Nonces made with a secret that is new at each start close that.
//!
//! A clock that jumps ahead and back drops what it should have kept. The store then refuses every proof
//! until the time is reached that it was told of: it cannot know which ones it has forgotten.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Mutex;
use std::time::Duration;

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::{ReplayKey, ReplayRefusal, ReplayStore};
use crate::numeric_date::NumericDate;
use crate::proof::ProofPolicy;
use crate::random::{Random, RandomUnavailable};

/// Bounds of a [`MemoryReplayStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryReplayLimits {
    /// Proofs that are remembered at once, at most, shared evenly by the shards. One takes 20 to
    /// 40 bytes.
    pub capacity: usize,
    /// The longest time from a proof's arrival to its expiry: `max_age` and `future_tolerance` of the
    /// [`ProofPolicy`](crate::proof::ProofPolicy) together. A proof that would have to be remembered for
    /// longer is refused.
    pub longest_life: Duration,
}

impl MemoryReplayLimits {
    /// A million proofs (at most 40 MB) with the lives that `policy` allows.
    pub fn for_policy(policy: &ProofPolicy) -> Self {
        let longest_life = policy.max_age.saturating_add(policy.future_tolerance);
        Self { capacity: 1_000_000, longest_life }
    }
}

impl Default for MemoryReplayLimits {
    /// The limits for the default policy.
    fn default() -> Self {
        Self::for_policy(&ProofPolicy::default())
    }
}

/// Enough that two cores rarely meet in one.
const SHARDS: usize = 64;

/// Generations that the longest life is cut into: more of them drop proofs sooner after their expiry, and
/// take more look-ups.
const GENERATIONS_OF_A_LIFE: u64 = 4;

/// Remembers proofs in memory; never forgets a live one, refuses when it is full.
///
/// ```
/// use keybound::random::OperatingSystem;
/// use keybound::replay::{MemoryReplayLimits, MemoryReplayStore, ReplayKey, ReplayRefusal, ReplayStore};
/// use keybound::{NumericDate, TargetUri, Thumbprint};
///
/// let store = MemoryReplayStore::new(MemoryReplayLimits::default(), &OperatingSystem)?;
/// let thumbprint: Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse()?;
/// let target = TargetUri::parse("https://server.example.com/token")?;
/// let key = ReplayKey::new(thumbprint, &target, "-BwC3ESc6acc2lTc");
/// let (expires, now) = (NumericDate::from_seconds(1_562_262_676), NumericDate::from_seconds(1_562_262_616));
/// assert_eq!(store.record(&key, expires, now), Ok(()));
/// assert_eq!(store.record(&key, expires, now), Err(ReplayRefusal::Replayed));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct MemoryReplayStore {
    secret: hmac::Key,
    shards: Vec<Mutex<Shard>>,
    capacity_of_shard: usize,
    longest_life: Duration,
    /// Seconds of expiry times that one generation holds.
    span: u64,
}

impl MemoryReplayStore {
    /// An empty store.
    pub fn new(limits: MemoryReplayLimits, random: &dyn Random) -> Result<Self, RandomUnavailable> {
        let mut secret = Zeroizing::new([0; 32]);
        random.fill(secret.as_mut_slice())?;
        Ok(Self {
            secret: hmac::Key::new(hmac::HMAC_SHA256, secret.as_slice()),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            capacity_of_shard: limits.capacity.div_ceil(SHARDS),
            longest_life: limits.longest_life,
            span: limits.longest_life.as_secs().div_ceil(GENERATIONS_OF_A_LIFE).max(1),
        })
    }

    /// How many proofs are remembered, those included that expired since their shard was last used.
    pub fn len(&self) -> usize {
        let length = |shard: &Mutex<Shard>| shard.lock().map_or(0, |shard| shard.len());
        self.shards.iter().map(length).sum()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entry(&self, key: &ReplayKey) -> u128 {
        let tag = hmac::sign(&self.secret, key.as_bytes());
        tag.as_ref().iter().take(16).fold(0, |entry, byte| entry << 8 | u128::from(*byte))
    }
}

impl ReplayStore for MemoryReplayStore {
    fn record(&self, key: &ReplayKey, expires: NumericDate, now: NumericDate) -> Result<(), ReplayRefusal> {
        if expires > now.after(self.longest_life) {
            return Err(ReplayRefusal::LivesTooLong);
        }
        let entry = self.entry(key);
        // The high bits choose the shard, the low ones the place in a table.
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
        let shard = (entry >> 64) as usize % SHARDS;
        let shard = self.shards.get(shard).ok_or(ReplayRefusal::Unavailable)?;
        let mut shard = shard.lock().map_err(|_| ReplayRefusal::Unavailable)?;
        shard.record(entry, expires.seconds() / self.span, now.seconds() / self.span, self.capacity_of_shard)
    }
}

impl fmt::Debug for MemoryReplayStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MemoryReplayStore({} proofs)", self.len())
    }
}

type Entries = HashSet<u128, BuildHasherDefault<AlreadyHashed>>;

#[derive(Default)]
struct Shard {
    /// Live entries by the number of their generation.
    generations: BTreeMap<u64, Entries>,
    /// All generations before this one have been dropped.
    oldest: u64,
}

impl Shard {
    fn len(&self) -> usize {
        self.generations.values().map(HashSet::len).sum()
    }

    fn record(
        &mut self,
        entry: u128,
        number: u64,
        current: u64,
        capacity: usize,
    ) -> Result<(), ReplayRefusal> {
        self.drop_generations_before(current);
        // The clock went back: the generation that would know of this proof was dropped.
        if number < self.oldest {
            return Err(ReplayRefusal::Unavailable);
        }
        if self.generations.values().any(|entries| entries.contains(&entry)) {
            return Err(ReplayRefusal::Replayed);
        }
        if self.len() >= capacity {
            return Err(ReplayRefusal::Full);
        }
        let entries = self.generations.entry(number).or_default();
        entries.try_reserve(1).map_err(|_| ReplayRefusal::Full)?;
        entries.insert(entry);
        Ok(())
    }

    fn drop_generations_before(&mut self, current: u64) {
        self.oldest = self.oldest.max(current);
        while self.generations.first_key_value().is_some_and(|(number, _)| *number < self.oldest) {
            self.generations.pop_first();
        }
    }
}

/// Entries are hashes under a secret already.
#[derive(Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0 << 8 | u64::from(*byte);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half of a hash is a hash")]
    fn write_u128(&mut self, entry: u128) {
        self.0 = entry as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::htu::TargetUri;
    use crate::random::OperatingSystem;
    use crate::thumbprint::Thumbprint;

    const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
    const LIFE: Duration = Duration::from_secs(65);

    fn store(capacity: usize) -> MemoryReplayStore {
        let limits = MemoryReplayLimits { capacity, longest_life: LIFE };
        MemoryReplayStore::new(limits, &OperatingSystem).unwrap()
    }

    fn key(jwt_id: &str) -> ReplayKey {
        let thumbprint: Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse().unwrap();
        ReplayKey::new(thumbprint, &TargetUri::parse("https://server.example.com/token").unwrap(), jwt_id)
    }

    #[test]
    fn a_proof_is_refused_again_at_every_second_until_it_expires() {
        for life in 0..=LIFE.as_secs() {
            let store = store(1_000);
            let expires = NOW.after(Duration::from_secs(life));
            assert_eq!(store.record(&key("a"), expires, NOW), Ok(()));
            for second in 0..=life {
                let now = NOW.after(Duration::from_secs(second));
                assert_eq!(
                    store.record(&key("a"), expires, now),
                    Err(ReplayRefusal::Replayed),
                    "life {life}, second {second}"
                );
            }
        }
    }

    #[test]
    fn a_jti_is_refused_again_in_a_proof_with_another_expiry() {
        let store = store(1_000);
        assert_eq!(store.record(&key("a"), NOW.after(LIFE), NOW), Ok(()));
        assert_eq!(store.record(&key("a"), NOW, NOW), Err(ReplayRefusal::Replayed));
    }

    #[test]
    fn expired_proofs_make_room() {
        let store = store(SHARDS);
        let mut now = NOW;
        for _ in 0..5 {
            for jwt_id in 0..1_000 {
                let _ = store.record(&key(&format!("{now} {jwt_id}")), now.after(LIFE), now);
            }
            assert_eq!(store.len(), SHARDS, "full, and not fuller");
            now = now.after(2 * LIFE);
        }
    }

    #[test]
    fn a_full_store_refuses_new_proofs_and_still_knows_the_old_ones() {
        let store = store(0);
        assert_eq!(store.record(&key("a"), NOW, NOW), Err(ReplayRefusal::Full));
        let store = self::store(SHARDS);
        let accepted: Vec<_> = (0..10_000)
            .map(|jwt_id| key(&jwt_id.to_string()))
            .filter(|key| store.record(key, NOW.after(LIFE), NOW).is_ok())
            .collect();
        assert_eq!(accepted.len(), SHARDS);
        for key in accepted {
            assert_eq!(store.record(&key, NOW.after(LIFE), NOW), Err(ReplayRefusal::Replayed));
        }
    }

    #[test]
    fn a_proof_that_lives_longer_than_the_store_remembers_is_refused() {
        let expires = NOW.after(LIFE + Duration::from_secs(1));
        assert_eq!(store(10).record(&key("a"), expires, NOW), Err(ReplayRefusal::LivesTooLong));
    }

    #[test]
    fn a_clock_that_goes_back_cannot_revive_a_proof() {
        let store = store(1_000);
        let expires = NOW.after(Duration::from_secs(10));
        assert_eq!(store.record(&key("a"), expires, NOW), Ok(()));
        // Every shard drops what has expired when it is next used.
        for jwt_id in 0..1_000 {
            let later = NOW.after(10 * LIFE);
            let _ = store.record(&key(&format!("later {jwt_id}")), later, later);
        }
        assert_eq!(store.record(&key("a"), expires, NOW), Err(ReplayRefusal::Unavailable));
    }

    #[test]
    fn of_many_concurrent_duplicates_exactly_one_is_accepted() {
        let store = store(100_000);
        for round in 0..200 {
            let key = key(&round.to_string());
            let accepted: usize = std::thread::scope(|scope| {
                let record = || usize::from(store.record(&key, NOW.after(LIFE), NOW).is_ok());
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(record)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).sum()
            });
            assert_eq!(accepted, 1, "round {round}");
        }
    }
}
