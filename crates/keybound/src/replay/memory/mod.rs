//! A replay store in the memory of one process.
//!
//! **Nothing live is forgotten.** Proofs are told apart in generations by the time at which they expire. A
//! generation is dropped whole when its last proof has expired, and nothing is dropped early: the first
//! record in a shard after that walks through it once. A store that has no room refuses.
//!
//! **Memory.** Proofs are spread over shards of 16,384 at most, each with a table of a fixed size, a quarter larger
//! than what may be in it, of 16 bytes a place. The first of a shard, a 32nd, have a small table. When it is full they move to
//! the large one, which is soon in use as a whole, since proofs come to all places alike. The tables of all shards are one
//! piece of memory for each of both sizes, in huge pages where the system gives some. A store for
//! [`MemoryReplayLimits::capacity`] never takes more than [`MemoryReplayLimits::max_bytes`].
//!
//! **What an insert waits for.** Nothing tells of a proof's place before, so it is far from the processor. It is one
//! line of the cache for most proofs, and nothing else that an insert needs is far away.
//!
//! **How long a request may wait.** Once in a generation the expired proofs of a shard are dropped, in a walk through
//! its table of 330 KB at most. Others that come to the same shard wait as long.
//!
//! **No client can aim.** An entry is the SipHash-1-3 of the replay key, 125 bits of it, under a secret
//! of the store: the variant that hash tables use against chosen collisions, since nobody ever sees a hash. The
//! replay key is a SHA-256 hash of what the client chose, so a client can choose that hash only
//! as far as it can search; what it becomes under the secret it can neither foresee nor see, and so cannot
//! crowd one shard or one place. Equal proofs have equal entries, so no replay is ever missed. Different
//! proofs have equal entries with a chance of 2^-125 for each pair, ten million live ones or not; the
//! later one would be refused.
//!
//! **One client cannot take the room of another.** A key has at most [`MemoryReplayLimits::quota`] live
//! proofs. They are counted in a sketch of bounded size that may count too many and never too few: with a
//! full store a key is taken to have about 128 more than it has. Small quotas are reached that much sooner.
//!
//! **What is not prevented.** Whoever has valid access tokens for many keys has as many quotas, and with
//! the default one fills the store with sixteen. It then refuses everybody's new proofs (503) for as long
//! as proofs live. It does not forget. What helps: an authorization server that does not bind any number
//! of tokens to any number of keys of one client, a limit on requests before this store, more capacity.
//!
//! A process that starts has an empty store: a proof that the process before accepted, and that is
//! still fresh, is accepted once more. Nonces made with a secret that is new at each start close that.
//!
//! A clock that jumps ahead and back drops what it should have kept. The store then refuses every proof
//! until the time is reached that it was told of: it cannot know which ones it has forgotten.

mod ledger;
mod shard;
mod table;
mod tables;
mod tally;
mod words;

use std::fmt;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use siphasher::sip128::SipHasher13;
use zeroize::Zeroizing;

use self::ledger::{Bounds, Fingerprint, GENERATIONS_OF_A_LIFE, Ledger};
use super::{ReplayKey, ReplayRefusal, ReplayStore};
use crate::numeric_date::NumericDate;
use crate::proof::ProofPolicy;
use crate::random::{Random, RandomUnavailable};

/// Bounds of a [`MemoryReplayStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryReplayLimits {
    /// Proofs that are remembered at once, at most, shared evenly by the shards. Since chance does not
    /// fill them evenly, the first refusal comes at about 95 % of it.
    pub capacity: usize,
    /// Live proofs of one key, at most; never more. In a full store a key is taken to have about 128 more
    /// than it has, so that a quota of a few hundred is reached sooner.
    pub quota: usize,
    /// The longest time from a proof's arrival to its expiry: `max_age` and `future_tolerance` of the
    /// [`ProofPolicy`](crate::proof::ProofPolicy) together. A proof that would have to be remembered for
    /// longer is refused.
    pub longest_life: Duration,
}

/// The part of the capacity that one key has by default: a client that sends a thousand requests a second
/// stays within it, and it takes sixteen keys to fill a store.
const SHARE_OF_A_KEY: usize = 16;

impl MemoryReplayLimits {
    /// A million proofs, a sixteenth of them for each key, with the lives that `policy` allows.
    pub fn for_policy(policy: &ProofPolicy) -> Self {
        let longest_life = policy.max_age.saturating_add(policy.future_tolerance);
        Self { capacity: 0, quota: 0, longest_life }.with_capacity(1_000_000)
    }

    /// The same for `capacity` proofs, a sixteenth of them for each key.
    #[must_use]
    pub fn with_capacity(self, capacity: usize) -> Self {
        Self { capacity, quota: capacity.div_ceil(SHARE_OF_A_KEY), ..self }
    }

    /// Bytes that a store of these limits takes, at most, beside what the allocator adds: 23 MB for a
    /// million proofs.
    pub fn max_bytes(&self) -> usize {
        self.bounds().bytes()
    }

    fn bounds(&self) -> Bounds {
        let shards = (self.capacity / PROOFS_OF_A_SHARD).clamp(LEAST_SHARDS, MOST_SHARDS).next_power_of_two();
        let proofs_of_shard = self.capacity.div_ceil(shards);
        Bounds {
            shards,
            proofs_of_shard,
            first_of_shard: proofs_of_shard.div_ceil(SHARE_OF_THE_FIRST),
            tallies: TALLIES,
            columns: (self.capacity / PROOFS_OF_A_COLUMN).clamp(LEAST_COLUMNS, MOST_COLUMNS) / TALLIES,
            quota: u64::try_from(self.quota).unwrap_or(u64::MAX),
        }
    }
}

impl Default for MemoryReplayLimits {
    /// The limits for the default policy.
    fn default() -> Self {
        Self::for_policy(&ProofPolicy::default())
    }
}

/// Enough that two cores rarely meet in one.
const LEAST_SHARDS: usize = 64;

/// Beyond this shards become larger instead of more.
const MOST_SHARDS: usize = 1 << 16;

/// So many proofs are walked through when a generation is dropped, at most.
const PROOFS_OF_A_SHARD: usize = 16_384;

/// The part of the capacity that is there at first: a store for four million proofs begins with 3 MB, which are
/// enough for two thousand requests a second.
const SHARE_OF_THE_FIRST: usize = 32;

/// Parts of the sketch that counts the proofs of keys, each with a lock.
const TALLIES: usize = 64;

/// A full store has so many proofs for each column of the sketch: what a key is counted too high.
const PROOFS_OF_A_COLUMN: usize = 128;

/// Columns of the sketch: a small store's is wide enough that no two of a dozen busy keys share all their
/// cells, with 1.3 MB for all rows; the largest is as wide as a place in it can be told.
const LEAST_COLUMNS: usize = 1 << 14;
const MOST_COLUMNS: usize = 1 << 24;

/// Remembers proofs in memory; never forgets a live one, refuses when it is full.
///
/// A key that has reached its quota is refused by itself (429), and leaves others their room. Whoever has
/// valid tokens for many keys has as many quotas and can fill the store: new proofs of everybody are then
/// refused (503) for as long as proofs live, and none is forgotten. A limit on requests before it, and on
/// the keys that an authorization server binds tokens to, keeps one client from that.
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
    proof_secret: HashSecret,
    client_secret: HashSecret,
    ledger: Ledger,
    longest_life: Duration,
    /// Seconds of expiry times that one generation holds.
    span: u64,
}

impl MemoryReplayStore {
    /// An empty store.
    pub fn new(limits: MemoryReplayLimits, random: &dyn Random) -> Result<Self, RandomUnavailable> {
        Ok(Self {
            proof_secret: HashSecret::generate(random)?,
            client_secret: HashSecret::generate(random)?,
            ledger: Ledger::new(limits.bounds()),
            longest_life: limits.longest_life,
            span: limits.longest_life.as_secs().div_ceil(GENERATIONS_OF_A_LIFE as u64).max(1),
        })
    }

    /// How many proofs are remembered, those included that expired since their shard was last used.
    pub fn len(&self) -> usize {
        self.ledger.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl ReplayStore for MemoryReplayStore {
    fn record(&self, key: &ReplayKey, expires: NumericDate, now: NumericDate) -> Result<(), ReplayRefusal> {
        if expires > now.after(self.longest_life) {
            return Err(ReplayRefusal::LivesTooLong);
        }
        let proof = Fingerprint {
            hash: self.proof_secret.hash(key.as_bytes()),
            client: self.client_secret.hash(key.thumbprint().as_bytes()),
            generation: expires.seconds() / self.span,
        };
        self.ledger.record(&proof, now.seconds() / self.span)
    }
}

impl fmt::Debug for MemoryReplayStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MemoryReplayStore({} proofs)", self.len())
    }
}

/// What makes hashes that no client can foresee.
struct HashSecret(Zeroizing<[u8; 16]>);

impl HashSecret {
    fn generate(random: &dyn Random) -> Result<Self, RandomUnavailable> {
        let mut bytes = Zeroizing::new([0; 16]);
        random.fill(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    fn hash(&self, bytes: &[u8; 32]) -> u128 {
        SipHasher13::new_with_key(&self.0).hash(bytes).as_u128()
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
        let limits = MemoryReplayLimits { capacity, quota: usize::MAX, longest_life: LIFE };
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
        let store = store(LEAST_SHARDS);
        let mut now = NOW;
        for _ in 0..5 {
            for jwt_id in 0..1_000 {
                let _ = store.record(&key(&format!("{now} {jwt_id}")), now.after(LIFE), now);
            }
            assert_eq!(store.len(), LEAST_SHARDS, "full, and not fuller");
            now = now.after(2 * LIFE);
        }
    }

    #[test]
    fn a_full_store_refuses_new_proofs_and_still_knows_the_old_ones() {
        let store = store(0);
        assert_eq!(store.record(&key("a"), NOW, NOW), Err(ReplayRefusal::Full));
        let store = self::store(LEAST_SHARDS);
        let accepted: Vec<_> = (0..10_000)
            .map(|jwt_id| key(&jwt_id.to_string()))
            .filter(|key| store.record(key, NOW.after(LIFE), NOW).is_ok())
            .collect();
        assert_eq!(accepted.len(), LEAST_SHARDS);
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
