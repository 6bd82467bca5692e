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
pub(crate) struct RevokedAtOnce(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// The latest `iat` of all tokens so far, which is to come where the org's clock was ahead.
    latest: Option<NumericDate>,
    revocations: Vec<Revocation>,
}

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
    /// Revokes all tokens that were issued so far; `now` is the right time.
    pub(crate) fn all(&self, now: NumericDate) {
        let mut known = self.known();
        known.revocations = vec![Revocation::new(None, known.since(now))];
    }

    /// Revokes all that this client has got so far; `now` is the right time.
    pub(crate) fn of_client(&self, client_id: &str, now: NumericDate) -> Result<(), TooManyRevocations> {
        let mut known = self.known();
        let since = known.since(now);
        let over = now.before(*Lifetimes::ACCESS_TOKEN.end());
        known.revocations.retain(|known| known.client_id.as_deref() != Some(client_id) && known.since > over);
        if known.revocations.len() >= MAX_REVOCATIONS {
            return Err(TooManyRevocations);
        }
        known.revocations.push(Revocation::new(Some(client_id.to_owned()), since));
        Ok(())
    }

    /// Tells of a token that is issued.
    pub(super) fn issued(&self, jwt_id: &str, client_id: &str, issued: NumericDate) {
        let mut known = self.known();
        known.latest = known.latest.max(Some(issued));
        for revocation in &mut known.revocations {
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
        self.known().revocations.iter().any(|revocation| {
            revocation.is_of(client_id)
                && token.issued_at.is_none_or(|issued| issued <= revocation.since)
                && !revocation.later.contains(jwt_id)
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Up to when a revocation at `now` reaches.
    fn since(&self, now: NumericDate) -> NumericDate {
        self.latest.map_or(now, |latest| latest.max(now))
    }
}

impl Revocation {
    fn new(client_id: Option<String>, since: NumericDate) -> Self {
        Self { client_id, since, later: HashSet::new() }
    }

    fn is_of(&self, client_id: &str) -> bool {
        self.client_id.as_ref().is_none_or(|known| known == client_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(jwt_id: &str, issued: u64) -> AccessToken {
        let issued_at = NumericDate::from_seconds(issued);
        AccessToken {
            issuer: String::new(),
            audiences: Vec::new(),
            subject: String::new(),
            client_id: Some("0oa1".to_owned()),
            scopes: Vec::new(),
            issued_at: Some(issued_at),
            expires: issued_at,
            jwt_id: Some(jwt_id.to_owned()),
            thumbprint: None,
        }
    }

    #[test]
    fn what_was_issued_by_a_clock_that_was_ahead_is_revoked_as_well() {
        let at = NumericDate::from_seconds;
        for client_id in [None, Some("0oa1")] {
            let revoked = RevokedAtOnce::default();
            revoked.issued("before", "0oa1", at(5_000));
            match client_id {
                None => revoked.all(at(1_000)),
                Some(client_id) => revoked.of_client(client_id, at(1_000)).unwrap(),
            }
            revoked.issued("after", "0oa1", at(1_000));
            for (jwt_id, issued, expected) in
                [("before", 5_000, true), ("after", 1_000, false), ("later", 5_001, false)]
            {
                assert_eq!(revoked.has(&token(jwt_id, issued)), expected, "{client_id:?}: {jwt_id}");
            }
        }
    }
}
