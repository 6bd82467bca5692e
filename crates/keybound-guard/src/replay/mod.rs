//! Used proofs, remembered in this process or for a whole fleet (RFC 9449 section 11.1).

#[cfg(feature = "redis")]
mod breaker;
mod fallback;
mod handover;
mod lifetime;
pub mod metric;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod seen;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use keybound::proof::ProofPolicy;
use keybound::random::{Random, RandomUnavailable};
use keybound::replay::{MemoryReplayLimits, MemoryReplayStore, ReplayKey, ReplayRefusal, ReplayStore as _};
use keybound::{Clock, NumericDate};

use self::fallback::FallbackToMemory;
use self::handover::{Handover, LatestTime, MAX_HANDOVERS};
use crate::policy::{Policy, PolicyError, ProofRules, ReplayRules, ReplayStoreKind, WhenStoreIsDown};

pub use self::lifetime::{CLOCK_MARGIN, time_to_live};
#[cfg(feature = "redis")]
pub use self::redis::{RedisError, RedisReplayStore};

/// What becomes of a record: a future, since a shared store is asked over a network.
pub type Recorded<'a> = Pin<Box<dyn Future<Output = Result<(), ReplayRefusal>> + Send + 'a>>;

/// Remembers proofs for several guards.
pub trait SharedReplayStore: Send + Sync {
    /// Records the proof `key`, which no check accepts after `expires`; refuses if it is there already.
    ///
    /// Of any number of concurrent calls with one key at all guards that share the store, at most one
    /// succeeds. A call that can't tell fails, with [`ReplayRefusal::Unavailable`].
    ///
    /// The record must last until no guard accepts the proof any more, whose clock may be behind:
    /// [`time_to_live`] says how long that is.
    fn record<'a>(&'a self, key: &'a ReplayKey, expires: NumericDate, now: NumericDate) -> Recorded<'a>;
}

/// The used proofs of a guard.
#[derive(Clone)]
pub struct Replay {
    store: Store,
    clock: Arc<dyn Clock>,
    rules: Rules,
    handovers: Vec<Handover>,
    /// No proof that was admitted by the rules before these was issued later.
    issued_until: NumericDate,
    /// The end of the last handover that is forgotten: what was used before is not known until then.
    forgotten_until: Option<NumericDate>,
    /// That of all policies that follow each other.
    latest: Arc<LatestTime>,
}

#[derive(Clone, PartialEq, Eq)]
struct Rules {
    replay: ReplayRules,
    proofs: ProofRules,
}

#[derive(Clone)]
enum Store {
    /// With the longest life that it was made for.
    Memory(Arc<MemoryReplayStore>, Duration),
    Shared(Arc<dyn SharedReplayStore>),
    /// One that the caller brought, whatever the policy says.
    Brought(Arc<dyn SharedReplayStore>),
}

/// Why there is no store as the policy wants it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The policy makes no sense, or can't follow the one before without a restart.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// No randomness for the store's secret.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}

impl Replay {
    /// As `policy` wants it. `before` is the store of the guard that this one takes over from: no proof that
    /// it knows is forgotten. What would need that is an error.
    pub fn by_policy(
        policy: &Policy,
        before: Option<&Self>,
        clock: &Arc<dyn Clock>,
        random: &dyn Random,
    ) -> Result<Self, ReplayError> {
        let rules = Rules::from(policy);
        match before {
            None => {
                let store = rules.store(None, random)?;
                Ok(Self::first(rules, store, Arc::clone(clock)))
            }
            Some(before) => before.succeeded_by(rules, random),
        }
    }

    /// In `store`, whatever `policy` says of stores.
    pub fn shared(policy: &Policy, store: Arc<dyn SharedReplayStore>, clock: Arc<dyn Clock>) -> Self {
        Self::first(Rules::from(policy), Store::Brought(store), clock)
    }

    fn first(rules: Rules, store: Store, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            rules,
            handovers: Vec::new(),
            issued_until: NumericDate::from_seconds(0),
            forgotten_until: None,
            latest: Arc::default(),
        }
    }

    /// Records a proof, or refuses it. `now` is when it was checked.
    ///
    /// A shared store may take long to answer, and the guard may have been stopped meanwhile. Its word counts
    /// only while the proof would still be accepted: later, the record of another guard may have expired that
    /// should have refused this one. The store's record then outlives every admission, by the clock alone.
    pub async fn record(
        &self,
        key: &ReplayKey,
        expires: NumericDate,
        now: NumericDate,
    ) -> Result<(), ReplayRefusal> {
        self.latest.with(now);
        // The clock went back.
        if self.forgotten_until.is_some_and(|until| now <= until) {
            return Err(ReplayRefusal::Unavailable);
        }
        let issued = expires.before(self.rules.proofs.max_age);
        let needed = self.handovers.iter().filter_map(|handover| handover.needs_record_until(issued, now));
        let kept = needed.fold(expires, NumericDate::max);
        for handover in &self.handovers {
            handover.check(key, issued, kept, now)?;
        }
        match &self.store {
            // Made for the old age too, or the old rules look elsewhere, which is in the handover.
            Store::Memory(store, life) => store.record(key, kept.min(now.after(*life)).max(expires), now),
            Store::Shared(store) | Store::Brought(store) => {
                store.record(key, kept, now).await?;
                if self.clock.now() > expires { Err(ReplayRefusal::Unavailable) } else { Ok(()) }
            }
        }
    }

    fn succeeded_by(&self, rules: Rules, random: &dyn Random) -> Result<Self, ReplayError> {
        let old = &self.rules;
        if *old == rules {
            return Ok(self.clone());
        }
        let store = rules.store(Some((old, &self.store)), random)?;
        let replaced = match (&self.store, &store) {
            (Store::Memory(old, life), Store::Memory(new, _)) if !Arc::ptr_eq(old, new) => {
                Some((Arc::clone(old), *life))
            }
            (Store::Memory(old, life), Store::Shared(_)) => Some((Arc::clone(old), *life)),
            _ => None,
        };
        let now = self.clock.now();
        // A moment later, so that what the old rules admit until the new ones are in force belongs to before.
        let at = self.latest.with(now).after(CLOCK_MARGIN);
        let issued_until = self.issued_until.max(at.after(old.proofs.future_tolerance));
        let (over, mut handovers): (Vec<_>, Vec<_>) =
            self.handovers.iter().cloned().partition(|handover| handover.is_over(now));
        let forgotten_until = over.iter().map(Handover::over).max().max(self.forgotten_until);
        let (old_age, new_age) = (old.proofs.max_age, rules.proofs.max_age);
        if replaced.is_some() || old_age != new_age {
            handovers.push(Handover::new(issued_until, old_age, new_age, replaced));
        }
        if handovers.len() > MAX_HANDOVERS {
            let reason = "it changed too often within the life of a proof; wait, or restart";
            return Err(PolicyError::field("replay", reason).into());
        }
        let (clock, latest) = (Arc::clone(&self.clock), Arc::clone(&self.latest));
        Ok(Self { store, clock, rules, handovers, issued_until, forgotten_until, latest })
    }
}

impl From<&Policy> for Rules {
    fn from(policy: &Policy) -> Self {
        Self { replay: policy.replay.clone(), proofs: policy.proofs.clone() }
    }
}

impl Rules {
    /// The store by these rules, which may be the one `before`.
    fn store(&self, before: Option<(&Self, &Store)>, random: &dyn Random) -> Result<Store, ReplayError> {
        match (self.replay.store, before) {
            (_, Some((_, Store::Brought(store)))) => Ok(Store::Brought(Arc::clone(store))),
            (ReplayStoreKind::Memory, Some((_, Store::Shared(_)))) => Err(restart("store")),
            (ReplayStoreKind::Memory, before) => {
                let limits = self.memory_limits();
                match before {
                    Some((old, Store::Memory(store, life))) if old.memory_serves(self, *life) => {
                        Ok(Store::Memory(Arc::clone(store), *life))
                    }
                    _ => {
                        let store = Arc::new(MemoryReplayStore::new(limits, random)?);
                        Ok(Store::Memory(store, limits.longest_life))
                    }
                }
            }
            (ReplayStoreKind::Redis, Some((old, Store::Shared(store)))) => {
                self.replay.same_records(&old.replay).map_err(restart)?;
                if self.replay == old.replay && !self.needs_longer_memory(old) {
                    return Ok(Store::Shared(Arc::clone(store)));
                }
                if old.replay.when_down == WhenStoreIsDown::AdmitOncePerGuard {
                    // Its memory may know of proofs that Redis does not.
                    return Err(restart("when_down"));
                }
                Ok(Store::Shared(self.redis(random)?))
            }
            (ReplayStoreKind::Redis, _) => Ok(Store::Shared(self.redis(random)?)),
        }
    }

    fn needs_longer_memory(&self, old: &Self) -> bool {
        self.replay.when_down == WhenStoreIsDown::AdmitOncePerGuard
            && self.memory_limits().longest_life > old.memory_limits().longest_life
    }

    /// Whether the memory that was made by these rules, for proofs of `life`, does for `new` ones.
    fn memory_serves(&self, new: &Self, life: Duration) -> bool {
        self.replay.capacity == new.replay.capacity
            && self.replay.quota_per_key == new.replay.quota_per_key
            && new.memory_limits().longest_life <= life
    }

    fn memory_limits(&self) -> MemoryReplayLimits {
        let proofs = ProofPolicy::from(&self.proofs);
        let limits = MemoryReplayLimits::for_policy(&proofs).with_capacity(self.replay.capacity);
        MemoryReplayLimits { quota: self.replay.quota_of_a_key(), ..limits }
    }

    #[cfg(feature = "redis")]
    fn redis(&self, random: &dyn Random) -> Result<Arc<dyn SharedReplayStore>, ReplayError> {
        let redis = Arc::new(RedisReplayStore::new(&self.replay)?);
        self.with_fallback(redis, random)
    }

    #[cfg(not(feature = "redis"))]
    #[expect(clippy::unused_self, reason = "it is used where Redis is built in")]
    fn redis(&self, _: &dyn Random) -> Result<Arc<dyn SharedReplayStore>, ReplayError> {
        let reason = "Redis is not built in (feature `redis` of keybound-guard)";
        Err(PolicyError::field("replay.store", reason).into())
    }

    #[cfg_attr(not(feature = "redis"), allow(dead_code))]
    fn with_fallback(
        &self,
        store: Arc<dyn SharedReplayStore>,
        random: &dyn Random,
    ) -> Result<Arc<dyn SharedReplayStore>, ReplayError> {
        match self.replay.when_down {
            WhenStoreIsDown::Refuse => Ok(store),
            WhenStoreIsDown::AdmitOncePerGuard => {
                Ok(Arc::new(FallbackToMemory::new(store, self.memory_limits(), random)?))
            }
        }
    }
}

fn restart(field: &str) -> ReplayError {
    let reason = "proofs that are remembered would be forgotten by this change and let in again; restart the \
                  guard, and know that this is what a restart does (docs/replay.md)";
    PolicyError::field(format!("replay.{field}"), reason).into()
}

impl fmt::Debug for Replay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Replay(..)")
    }
}
