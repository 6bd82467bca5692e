//! The keys of all servers, ready to sign and to verify.
//!
//! Which keys there are is read from the store at each request, since another process may rotate them; what a key is
//! made of is read once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keybound::{Algorithm, JwkSet, NumericDate, PublicKey, Signer as _, SigningKey};

use crate::store::{KeptKey, KeyState, ServerId, Store, StoreError};

/// Keys that are kept ready; more are read anew.
const MAX_OPEN: usize = 64;

/// The signing keys of an org.
pub(crate) struct SigningKeys {
    store: Store,
    /// How long a key signs.
    renewed_every: Duration,
    open: Mutex<HashMap<String, Arc<SigningKey>>>,
}

/// The key that a server signs with.
pub(crate) struct KeyInUse {
    pub(crate) key_id: String,
    pub(crate) since: NumericDate,
    pub(crate) until: NumericDate,
}

impl SigningKeys {
    pub(crate) fn new(store: Store, renewed_every: Duration) -> Self {
        Self { store, renewed_every, open: Mutex::default() }
    }

    /// The key that a server signs with now. The next one takes its place when its time is over.
    pub(super) fn active(&self, server: &ServerId, now: NumericDate) -> Result<Arc<SigningKey>, StoreError> {
        let missing = StoreError::Damaged { what: "a server has no key that signs" };
        let is_active = |key: &KeptKey| key.state == KeyState::Active;
        let mut keys = self.store.signing_keys(server, now)?;
        let oldest = now.before(self.renewed_every);
        if keys.iter().any(|key| is_active(key) && key.since < oldest) {
            self.store.renew_signing_key(server, oldest, now)?;
            keys = self.store.signing_keys(server, now)?;
        }
        self.open(keys.iter().find(|key| is_active(key)).ok_or(missing)?)
    }

    /// The keys that verify what a server signed.
    pub(crate) fn verifying(&self, server: &ServerId, now: NumericDate) -> Result<JwkSet, StoreError> {
        self.public(&self.store.signing_keys(server, now)?)
    }

    /// The same with the one to come.
    pub(super) fn published(&self, server: &ServerId, now: NumericDate) -> Result<JwkSet, StoreError> {
        self.public(&self.store.published_keys(server, now)?)
    }

    /// The keys of a server with what each is for, the one to come among them.
    pub(crate) fn listed(
        &self,
        server: &ServerId,
        now: NumericDate,
    ) -> Result<Vec<(KeyState, PublicKey)>, StoreError> {
        let kept = self.store.published_keys(server, now)?;
        kept.iter().map(|key| Ok((key.state, self.named(key)?))).collect()
    }

    /// Takes the next key of a server into use, whatever the age of the one that signs.
    pub(crate) fn rotate(&self, server: &ServerId, now: NumericDate) -> Result<(), StoreError> {
        self.store.rotate_signing_key(server, now)
    }

    /// The id of the key that a server signs with, since when it does and until when it will; `None` if it has not
    /// signed yet. None is made for the question.
    pub(crate) fn in_use(&self, server: &ServerId, now: NumericDate) -> Result<Option<KeyInUse>, StoreError> {
        let kept = self.store.kept_keys(server, now)?.into_iter();
        let active = kept.rev().find(|key| key.state == KeyState::Active);
        Ok(active.map(|key| KeyInUse {
            since: key.since,
            until: key.since.after(self.renewed_every),
            key_id: key.key_id,
        }))
    }

    fn named(&self, key: &KeptKey) -> Result<PublicKey, StoreError> {
        let public = self.open(key)?.public_key().clone();
        Ok(public.with_key_id(&key.key_id).with_algorithm(Algorithm::RS256))
    }

    fn public(&self, keys: &[KeptKey]) -> Result<JwkSet, StoreError> {
        Ok(JwkSet::from_keys(keys.iter().map(|key| self.named(key)).collect::<Result<_, _>>()?))
    }

    fn open(&self, key: &KeptKey) -> Result<Arc<SigningKey>, StoreError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(&key.key_id) {
            return Ok(Arc::clone(known));
        }
        if open.len() >= MAX_OPEN {
            open.clear();
        }
        let opened = Arc::new(key.open()?);
        open.insert(key.key_id.clone(), Arc::clone(&opened));
        Ok(opened)
    }
}
