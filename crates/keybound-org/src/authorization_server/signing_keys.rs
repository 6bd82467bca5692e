//! The keys of all servers, ready to sign and to verify.
//!
//! Which keys there are is read from the store at each request, since another process may rotate them; what a key is
//! made of is read once.
//!
//! To make a key takes a tenth of a second of a processor. Of the requests that find one missing, one makes it and the
//! others wait for that; between processes the store decides whose key is kept.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
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
    turns: Turns,
}

/// The key that a server signs with.
pub(crate) struct KeyInUse {
    pub(crate) key_id: String,
    pub(crate) since: NumericDate,
    pub(crate) until: NumericDate,
}

impl SigningKeys {
    pub(crate) fn new(store: Store, renewed_every: Duration) -> Self {
        Self { store, renewed_every, open: Mutex::default(), turns: Turns::default() }
    }

    /// The key that a server signs with now. The next one takes its place when its time is over.
    pub(super) fn active(&self, server: &ServerId, now: NumericDate) -> Result<Arc<SigningKey>, StoreError> {
        let missing = StoreError::Damaged { what: "a server has no key that signs" };
        let oldest = now.before(self.renewed_every);
        let is_old = |key: &KeptKey| key.state == KeyState::Active && key.since < oldest;
        let mut keys = self.signing(server, now)?;
        if keys.iter().any(is_old) {
            let _turn = self.turns.take(server);
            // Whoever had the turn before may have renewed it.
            if self.store.kept_keys(server, now)?.iter().any(is_old) {
                self.store.renew_signing_key(server, oldest, now)?;
            }
            keys = self.store.signing_keys(server, now)?;
        }
        self.open(keys.iter().find(|key| key.state == KeyState::Active).ok_or(missing)?)
    }

    /// The keys of a server, the active one among them; of the threads that find none, one makes it.
    fn signing(&self, server: &ServerId, now: NumericDate) -> Result<Vec<KeptKey>, StoreError> {
        let kept = self.store.kept_keys(server, now)?;
        if has(&kept, KeyState::Active) {
            return Ok(kept);
        }
        let _turn = self.turns.take(server);
        self.store.signing_keys(server, now)
    }

    /// The same with the one to come.
    fn publishable(&self, server: &ServerId, now: NumericDate) -> Result<Vec<KeptKey>, StoreError> {
        let kept = self.store.kept_keys(server, now)?;
        if has(&kept, KeyState::Active) && has(&kept, KeyState::Next) {
            return Ok(kept);
        }
        let _turn = self.turns.take(server);
        self.store.published_keys(server, now)
    }

    /// The keys that verify what a server signed.
    pub(crate) fn verifying(&self, server: &ServerId, now: NumericDate) -> Result<JwkSet, StoreError> {
        self.public(&self.signing(server, now)?)
    }

    /// The same with the one to come.
    pub(super) fn published(&self, server: &ServerId, now: NumericDate) -> Result<JwkSet, StoreError> {
        self.public(&self.publishable(server, now)?)
    }

    /// The keys of a server with what each is for, the one to come among them.
    pub(crate) fn listed(
        &self,
        server: &ServerId,
        now: NumericDate,
    ) -> Result<Vec<(KeyState, PublicKey)>, StoreError> {
        let kept = self.publishable(server, now)?;
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
        let opened = Arc::new(self.store.signing_key(key)?);
        open.insert(key.key_id.clone(), Arc::clone(&opened));
        Ok(opened)
    }
}

fn has(keys: &[KeptKey], state: KeyState) -> bool {
    keys.iter().any(|key| key.state == state)
}

/// Whose turn it is to make a key: of each server's, one thread at a time. Those that wait are threads for blocking
/// work.
#[derive(Default)]
struct Turns {
    taken: Mutex<HashSet<ServerId>>,
    ended: Condvar,
}

impl Turns {
    /// Waits for the turn, which ends when what is given is dropped.
    fn take(&self, server: &ServerId) -> Turn<'_> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while taken.contains(server) {
            taken = self.ended.wait(taken).unwrap_or_else(PoisonError::into_inner);
        }
        taken.insert(server.clone());
        Turn { turns: self, server: server.clone() }
    }
}

struct Turn<'t> {
    turns: &'t Turns,
    server: ServerId,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.turns.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.server);
        self.turns.ended.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber, subscriber};

    use super::*;

    const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);

    /// Counts the keys that are made, as the log tells.
    #[derive(Clone, Default)]
    struct Made(Arc<AtomicUsize>);

    impl Subscriber for Made {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            event.record(&mut self.clone());
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    impl Visit for Made {
        fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
            let is_made = format!("{value:?}") == "making a signing key";
            self.0.fetch_add(usize::from(is_made), Ordering::Relaxed);
        }
    }

    /// How many keys are made while eight threads do `work` at once.
    fn made_by_eight(work: impl Fn(usize) + Sync) -> usize {
        let (made, begin) = (Made::default(), Barrier::new(8));
        thread::scope(|scope| {
            for number in 0..8 {
                let (made, begin, work) = (made.clone(), &begin, &work);
                scope.spawn(move || {
                    subscriber::with_default(made, || {
                        begin.wait();
                        work(number);
                    });
                });
            }
        });
        made.0.load(Ordering::Relaxed)
    }

    #[test]
    fn of_many_that_find_a_key_missing_one_makes_it() {
        let folder = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(24 * 60 * 60);
        let keys = SigningKeys::new(Store::open(folder.path()).unwrap(), day);
        let org = ServerId::Org;
        assert_eq!(made_by_eight(|_| drop(keys.active(&org, NOW).unwrap())), 1, "the one that signs");
        assert_eq!(made_by_eight(|_| drop(keys.published(&org, NOW).unwrap())), 1, "the next");
        assert_eq!(made_by_eight(|_| drop(keys.published(&org, NOW).unwrap())), 0, "all are there");
        let later = NOW.after(2 * day);
        assert_eq!(
            made_by_eight(|_| drop(keys.active(&org, later).unwrap())),
            0,
            "the next, for one too old"
        );
        assert_eq!(made_by_eight(|_| drop(keys.published(&org, later).unwrap())), 1, "another next");
        assert_eq!(made_by_eight(|_| keys.rotate(&org, later).unwrap()), 7, "the first takes the next");
        let later = NOW.after(4 * day);
        assert_eq!(made_by_eight(|_| drop(keys.active(&org, later).unwrap())), 1, "there is no next");

        let servers = ["aus1", "aus2"].map(|id| ServerId::Custom(id.to_owned()));
        let of_two = made_by_eight(|number| {
            drop(keys.active(servers.get(number % 2).unwrap(), NOW).unwrap());
        });
        assert_eq!(of_two, 2, "each server's own");
    }
}
