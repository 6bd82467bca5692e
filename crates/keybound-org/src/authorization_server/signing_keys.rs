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

    fn public(&self, keys: &[KeptKey]) -> Result<JwkSet, StoreError> {
        let named = |key: &KeptKey| -> Result<PublicKey, StoreError> {
            let public = self.open(key)?.public_key().clone();
            Ok(public.with_key_id(&key.key_id).with_algorithm(Algorithm::RS256))
        };
        Ok(JwkSet::from_keys(keys.iter().map(named).collect::<Result<_, _>>()?))
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
