//! Used proofs, remembered in this process or for a whole fleet (RFC 9449 section 11.1).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use keybound::NumericDate;
use keybound::proof::ProofPolicy;
use keybound::random::{Random, RandomUnavailable};
use keybound::replay::{MemoryReplayLimits, MemoryReplayStore, ReplayKey, ReplayRefusal, ReplayStore as _};

use crate::policy::{Policy, PolicyError, ReplayStoreKind};

/// What becomes of a record: a future, since a shared store is asked over a network.
pub type Recorded<'a> = Pin<Box<dyn Future<Output = Result<(), ReplayRefusal>> + Send + 'a>>;

/// Remembers proofs for several guards.
pub trait SharedReplayStore: Send + Sync {
    /// Records the proof `key`, which no check accepts after `expires`; refuses if it is there already.
    ///
    /// Of any number of concurrent calls with one key at all guards that share the store, at most one
    /// succeeds. A call that can't tell fails.
    fn record<'a>(&'a self, key: &'a ReplayKey, expires: NumericDate, now: NumericDate) -> Recorded<'a>;
}

/// The used proofs of a guard.
#[derive(Clone)]
pub struct Replay {
    store: Store,
}

#[derive(Clone)]
enum Store {
    Memory(Arc<MemoryReplayStore>),
    Shared(Arc<dyn SharedReplayStore>),
}

/// Why there is no store as the policy wants it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The policy makes no sense.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// No randomness for the store's secret.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}

impl Replay {
    /// As `policy` wants it. `before` is the store of the guard that this one takes over from: it is kept
    /// where the policy's rules for it are the same.
    pub fn by_policy(
        policy: &Policy,
        before: Option<&Self>,
        random: &dyn Random,
    ) -> Result<Self, ReplayError> {
        match (policy.replay.store, before) {
            (_, Some(before)) => Ok(before.clone()),
            (ReplayStoreKind::Memory, None) => {
                let proofs = ProofPolicy::from(&policy.proofs);
                let limits = MemoryReplayLimits {
                    capacity: policy.replay.capacity,
                    ..MemoryReplayLimits::for_policy(&proofs)
                };
                let store = MemoryReplayStore::new(limits, random)?;
                Ok(Self { store: Store::Memory(Arc::new(store)) })
            }
            (ReplayStoreKind::Redis, None) => {
                Err(PolicyError::field("replay.store", "redis is not built in").into())
            }
        }
    }

    /// In this store.
    pub fn shared(store: Arc<dyn SharedReplayStore>) -> Self {
        Self { store: Store::Shared(store) }
    }

    /// Records a proof, or refuses it.
    pub async fn record(
        &self,
        key: &ReplayKey,
        expires: NumericDate,
        now: NumericDate,
    ) -> Result<(), ReplayRefusal> {
        match &self.store {
            Store::Memory(store) => store.record(key, expires, now),
            Store::Shared(store) => store.record(key, expires, now).await,
        }
    }
}

impl fmt::Debug for Replay {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Replay(..)")
    }
}
