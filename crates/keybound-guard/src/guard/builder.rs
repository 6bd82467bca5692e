//! A guard made from its policy, and from the guard before it where there is one.

use std::sync::Arc;

use arc_swap::ArcSwap;
use keybound::Clock;
use keybound::proof::ProofPolicy;
use keybound::random::{Random, RandomUnavailable};
use keybound::resource::Demands;

use super::{Guard, Inner};
use crate::metadata;
use crate::metrics::Judgements;
use crate::nonces::{self, OwnSecret};
use crate::policy::{Policy, PolicyError};
use crate::replay::{Replay, ReplayError, SharedReplayStore};
use crate::routes::Routes;
use crate::target::Targets;
use crate::tokens::{AccessTokens, TokensError};

/// What a guard is made of beside its policy.
pub struct GuardBuilder {
    pub(super) policy: Policy,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
    pub(super) store: Option<Arc<dyn SharedReplayStore>>,
}

impl GuardBuilder {
    /// Takes the time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes randomness from `random`.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Remembers proofs in `store`, whatever the policy says of it.
    #[must_use]
    pub fn replay_store(mut self, store: Arc<dyn SharedReplayStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Makes the guard. Reads the files that the policy names; asks nobody over the network: a store or an
    /// issuer that is down is no reason not to start.
    pub fn build(self) -> Result<Guard, GuardError> {
        let inner = Arc::new(ArcSwap::from_pointee(self.inner(None)?));
        Ok(Guard { inner, reloading: Arc::default() })
    }

    pub(super) fn inner(self, before: Option<&Inner>) -> Result<Inner, GuardError> {
        let Self { policy, clock, random, store } = self;
        policy.check()?;
        let replay = match store {
            Some(store) => Replay::shared(&policy, store, Arc::clone(&clock)),
            None => Replay::by_policy(&policy, before.map(|before| &before.replay), &clock, random.as_ref())?,
        };
        let tokens = AccessTokens::by_policy(
            &policy,
            before.map(|before| &before.tokens),
            Arc::clone(&clock),
            Arc::clone(&random),
        )?;
        let demands = Demands {
            proofs: ProofPolicy::from(&policy.proofs),
            known_keys: before.map(|before| Arc::clone(&before.demands.known_keys)).unwrap_or_default(),
            nonces: None,
            accept_bearer_for_unbound_tokens: policy.accept_bearer_for_unbound_tokens,
        };
        let own_secret = match before {
            Some(before) => before.own_secret.clone(),
            None => OwnSecret::generate(random.as_ref())?,
        };
        let nonces = nonces::by_policy(&policy.nonces, &own_secret)?;
        Ok(Inner {
            targets: Targets::by_policy(&policy),
            routes: Routes::by_policy(&policy.routes)?,
            tokens,
            demands_with_nonce: Demands { nonces: Some(Arc::new(nonces)), ..demands.clone() },
            demands,
            replay,
            own_secret,
            metadata: metadata::by_policy(&policy),
            #[cfg(feature = "server")]
            cors: crate::cors::Cors::by_policy(&policy.cors).map(Arc::new),
            judgements: Judgements::default(),
            policy: Arc::new(policy),
            clock,
            random,
        })
    }
}

/// Why a guard can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The policy makes no sense.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// What is to verify tokens can't be made.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The replay store can't be made.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// No randomness for a secret.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}
