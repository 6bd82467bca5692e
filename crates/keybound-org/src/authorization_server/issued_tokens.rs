//! The access tokens that the org's own server issued, as the management API is shown them.

use std::sync::Arc;

use keybound::NumericDate;
use keybound::access_token::{AccessToken, AccessTokenPolicy, AccessTokenRefusal};
use serde_json::Value;

use super::introspection::claims_of;
use super::{RevokedAtOnce, SigningKeys};
use crate::store::{ServerId, Store, StoreError};

/// What verifies access tokens.
pub(crate) struct IssuedTokens {
    pub(crate) policy: AccessTokenPolicy,
    pub(crate) keys: Arc<SigningKeys>,
    pub(crate) revoked: Arc<RevokedAtOnce>,
    pub(crate) store: Store,
}

impl IssuedTokens {
    /// Holds a token to every rule, and asks whether it still stands.
    pub(crate) fn verify(&self, token: &str, now: NumericDate) -> Result<AccessToken, AccessTokenRefusal> {
        verify(token, &self.policy, &ServerId::Org, &self.keys, &self.revoked, &self.store, now)
    }
}

/// The same for any server.
pub(super) fn verify(
    token: &str,
    policy: &AccessTokenPolicy,
    server: &ServerId,
    keys: &SigningKeys,
    revoked: &RevokedAtOnce,
    store: &Store,
    now: NumericDate,
) -> Result<AccessToken, AccessTokenRefusal> {
    let keys = keys.verifying(server, now).map_err(|error| untold(&error))?;
    let verified = policy.verify(token, &keys, now)?;
    if revoked.has(&verified) {
        return Err(AccessTokenRefusal::Revoked);
    }
    // Every token of ours has both.
    let jwt_id = verified.jwt_id.as_deref().ok_or(AccessTokenRefusal::Revoked)?;
    let client_id = verified.client_id.as_deref().ok_or(AccessTokenRefusal::Revoked)?;
    let claims = claims_of(token);
    let user_id = claims.get("uid").and_then(Value::as_str);
    if store.stands(jwt_id, client_id, user_id).map_err(|error| untold(&error))? {
        Ok(verified)
    } else {
        Err(AccessTokenRefusal::Revoked)
    }
}

/// Where nobody can tell whether a token is good, it is not.
fn untold(error: &StoreError) -> AccessTokenRefusal {
    tracing::error!(%error, "cannot tell whether an access token is good");
    AccessTokenRefusal::Revoked
}

/// The `jti` that a token of this org claims to have.
pub(crate) fn unverified_jwt_id(token: &str) -> Option<String> {
    claims_of(token).get("jti").and_then(Value::as_str).map(str::to_owned)
}

/// The id of the user whom a token of this org claims to be for; `None` if its app calls for itself.
pub(crate) fn unverified_user_id(token: &str) -> Option<String> {
    claims_of(token).get("uid").and_then(Value::as_str).map(str::to_owned)
}
