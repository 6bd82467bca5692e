//! Access tokens, verified: by the issuer's keys (RFC 9068) or by asking the issuer (RFC 7662).

use std::sync::Arc;

use keybound::access_token::{AccessToken, AccessTokenRefusal};
use keybound::proof::AccessTokenHash;
use keybound::{NumericDate, Refusal};

use crate::policy::{Policy, PolicyError};

/// Verifies the access tokens of a policy's issuers.
pub struct AccessTokens {}

/// Why tokens can't be verified by a policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokensError {
    /// The policy makes no sense.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl AccessTokens {
    /// By `policy`, taking over what `before` has verified and fetched as far as the policy still allows it.
    pub fn by_policy(_policy: &Policy, _before: Option<&Self>) -> Result<Self, TokensError> {
        Ok(Self {})
    }

    /// What `token` says, once it is verified. `hash` is its hash.
    pub async fn verify(
        &self,
        _token: &str,
        _hash: AccessTokenHash,
        _now: NumericDate,
    ) -> Result<Arc<AccessToken>, Refusal> {
        std::future::ready(()).await;
        Err(AccessTokenRefusal::NoSuchKey.into())
    }
}
