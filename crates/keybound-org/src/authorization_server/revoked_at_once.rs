//! Access tokens that were revoked all at once: those of a client, or of all.
//!
//! Tokens of service apps are kept nowhere, so there is no list to strike them from. Instead it is kept when they were
//! revoked, and which tokens were issued after that though their `iat` does not say so: it has whole seconds, and the
//! org's clock can be set back. This ends with the process.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keybound::NumericDate;
use keybound::access_token::AccessToken;

use crate::store::Lifetimes;

/// Clients whose tokens were revoked, at most.
const MAX_REVOCATIONS: usize = 1_000;

/// Tokens that are known to be issued later, at most for each revocation; more of the same second are worth nothing.
const MAX_LATER: usize = 10_000;

/// What was revoked at once.
#[derive(Default)]
pub(crate) struct RevokedAtOnce(Mutex<Vec<Revocation>>);

struct Revocation {
    /// Whose tokens; everybody's, if it is not said.
    client_id: Option<String>,
    since: NumericDate,
    /// The `jti` of tokens that were issued after it.
    later: HashSet<String>,
}

/// Tokens of more clients were revoked than can be remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooManyRevocations;

impl RevokedAtOnce {
    /// Revokes all tokens that were issued so far.
    pub(crate) fn all(&self, now: NumericDate) {
        *self.revocations() = vec![Revocation { client_id: None, since: now, later: HashSet::new() }];
    }

    /// Revokes all that this client has got so far.
    pub(crate) fn of_client(&self, client_id: &str, now: NumericDate) -> Result<(), TooManyRevocations> {
        let mut revocations = self.revocations();
        let over = now.before(*Lifetimes::ACCESS_TOKEN.end());
        revocations.retain(|known| known.client_id.as_deref() != Some(client_id) && known.since > over);
        if revocations.len() >= MAX_REVOCATIONS {
            return Err(TooManyRevocations);
        }
        let client_id = Some(client_id.to_owned());
        revocations.push(Revocation { client_id, since: now, later: HashSet::new() });
        Ok(())
    }

    /// Tells of a token that is issued.
    pub(super) fn issued(&self, jwt_id: &str, client_id: &str, issued: NumericDate) {
        for revocation in self.revocations().iter_mut() {
            if revocation.is_of(client_id) && issued <= revocation.since && revocation.later.len() < MAX_LATER
            {
                revocation.later.insert(jwt_id.to_owned());
            }
        }
    }

    /// Whether a token that is good by itself was revoked with others.
    pub(super) fn has(&self, token: &AccessToken) -> bool {
        let client_id = token.client_id.as_deref().unwrap_or_default();
        let jwt_id = token.jwt_id.as_deref().unwrap_or_default();
        self.revocations().iter().any(|revocation| {
            revocation.is_of(client_id)
                && token.issued_at.is_none_or(|issued| issued <= revocation.since)
                && !revocation.later.contains(jwt_id)
        })
    }

    fn revocations(&self) -> MutexGuard<'_, Vec<Revocation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Revocation {
    fn is_of(&self, client_id: &str) -> bool {
        self.client_id.as_ref().is_none_or(|known| known == client_id)
    }
}
