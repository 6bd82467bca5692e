//! The nonces of an org's authorization servers, which can be renewed before their time.

use std::sync::{Arc, PoisonError, RwLock};

use keybound::random::{Random, RandomUnavailable};
use keybound::{NoncePolicy, NonceSecret, Nonces};

/// Secrets whose nonces are taken beside those of the newest, at most. A nonce of one before counts as unknown.
const MAX_OLDER: usize = 16;

/// The nonces of all authorization servers of an org.
pub(crate) struct OrgNonces {
    policy: NoncePolicy,
    now: RwLock<Generation>,
}

struct Generation {
    nonces: Arc<Nonces>,
    newest: NonceSecret,
    /// From the newest to the oldest.
    older: Vec<NonceSecret>,
}

impl OrgNonces {
    pub(crate) fn new(policy: NoncePolicy, secret: NonceSecret) -> Self {
        Self { policy, now: RwLock::new(Generation::new(policy, secret, Vec::new())) }
    }

    /// Those that are given out and taken now.
    pub(crate) fn now(&self) -> Arc<Nonces> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner).nonces)
    }

    /// Makes new ones. Those before are taken as long as they would have been, if `old_are_accepted`, or not at all.
    /// The new secret ends with the process: an org that starts again takes the nonces of before.
    pub(crate) fn rotate(
        &self,
        old_are_accepted: bool,
        random: &dyn Random,
    ) -> Result<(), RandomUnavailable> {
        let newest = NonceSecret::generate(random)?;
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let mut older = Vec::new();
        if old_are_accepted {
            older.push(copy(&now.newest));
            older.extend(now.older.iter().take(MAX_OLDER - 1).map(copy));
        }
        *now = Generation::new(self.policy, newest, older);
        Ok(())
    }
}

impl Generation {
    fn new(policy: NoncePolicy, newest: NonceSecret, older: Vec<NonceSecret>) -> Self {
        let nonces = older
            .iter()
            .fold(Nonces::new(policy, copy(&newest)), |nonces, secret| nonces.also_accepting(copy(secret)));
        Self { nonces: Arc::new(nonces), newest, older }
    }
}

fn copy(secret: &NonceSecret) -> NonceSecret {
    NonceSecret::from_bytes(secret.expose())
}

#[cfg(test)]
mod tests {
    use keybound::NumericDate;
    use keybound::random::OperatingSystem;

    use super::*;

    const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);

    #[test]
    fn a_nonce_of_before_is_taken_if_it_is_to_be() {
        let nonces = OrgNonces::new(NoncePolicy::default(), NonceSecret::generate(&OperatingSystem).unwrap());
        let first = nonces.now().current(NOW);
        nonces.rotate(true, &OperatingSystem).unwrap();
        let second = nonces.now().current(NOW);
        assert_ne!(first, second);
        nonces.rotate(true, &OperatingSystem).unwrap();
        for nonce in [&first, &second] {
            assert!(nonces.now().check(nonce.as_str(), NOW).is_ok());
        }
        nonces.rotate(false, &OperatingSystem).unwrap();
        for nonce in [&first, &second] {
            assert!(nonces.now().check(nonce.as_str(), NOW).is_err());
        }
    }

    #[test]
    fn not_more_secrets_are_kept_than_there_may_be() {
        let nonces = OrgNonces::new(NoncePolicy::default(), NonceSecret::generate(&OperatingSystem).unwrap());
        let first = nonces.now().current(NOW);
        for _ in 0..MAX_OLDER {
            nonces.rotate(true, &OperatingSystem).unwrap();
        }
        assert!(nonces.now().check(first.as_str(), NOW).is_ok());
        nonces.rotate(true, &OperatingSystem).unwrap();
        assert!(nonces.now().check(first.as_str(), NOW).is_err());
    }
}
