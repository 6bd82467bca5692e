//! The access tokens that the org's own server issued, as the management API is shown them.

use std::sync::Arc;

use keybound::NumericDate;
use keybound::access_token::{AccessToken, AccessTokenPolicy, AccessTokenRefusal};

use super::SigningKeys;
use crate::store::{ServerId, Store, StoreError};

/// What verifies access tokens.
pub(crate) struct IssuedTokens {
    pub(crate) policy: AccessTokenPolicy,
    pub(crate) keys: Arc<SigningKeys>,
    pub(crate) store: Store,
}

impl IssuedTokens {
    /// Holds a token to every rule, and asks whether it was revoked.
    pub(crate) fn verify(&self, token: &str, now: NumericDate) -> Result<AccessToken, AccessTokenRefusal> {
        verify(token, &self.policy, &ServerId::Org, &self.keys, &self.store, now)
    }
}

/// The same for any server.
pub(super) fn verify(
    token: &str,
    policy: &AccessTokenPolicy,
    server: &ServerId,
    keys: &SigningKeys,
    store: &Store,
    now: NumericDate,
) -> Result<AccessToken, AccessTokenRefusal> {
    let keys = keys.verifying(server, now).map_err(|error| untold(&error))?;
    let token = policy.verify(token, &keys, now)?;
    // Every token of ours has a `jti`.
    let jwt_id = token.jwt_id.as_deref().ok_or(AccessTokenRefusal::Revoked)?;
    if store.is_revoked(jwt_id).map_err(|error| untold(&error))? {
        return Err(AccessTokenRefusal::Revoked);
    }
    Ok(token)
}

/// Where nobody can tell whether a token is good, it is not.
fn untold(error: &StoreError) -> AccessTokenRefusal {
    tracing::error!(%error, "cannot tell whether an access token is good");
    AccessTokenRefusal::Revoked
}
