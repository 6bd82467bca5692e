//! What faults do to the org itself: new nonces, new keys, tokens that are worth nothing.

use std::sync::Arc;

use http::HeaderMap;
use keybound::Clock;
use keybound::credentials::Credentials;
use keybound::random::Random;

use super::fault::{Effect, OldKey, OldNonces, RevokedTokens};
use super::limits::FaultError;
use crate::authorization_server::{OrgNonces, RevokedAtOnce, TooManyRevocations, unverified_jwt_id};
use crate::background;
use crate::store::{Lifetimes, ServerId, Store};

/// The parts of the org that faults reach into.
pub(crate) struct Levers {
    pub(crate) nonces: Arc<OrgNonces>,
    pub(crate) revoked: Arc<RevokedAtOnce>,
    pub(crate) store: Store,
    /// The org's clock, which may be wrong.
    pub(crate) clock: Arc<dyn Clock>,
    /// The right time: what is done holds beyond the fault that has set the org's clock.
    pub(crate) right_clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Levers {
    /// Refuses a fault of what the org does not have.
    pub(super) async fn know(&self, kind: &Effect) -> Result<(), FaultError> {
        let Effect::RotateKey { server: ServerId::Custom(id), .. } = kind else { return Ok(()) };
        let (store, asked) = (self.store.clone(), id.clone());
        let found = background::run(move || store.authorization_server(&asked)).await??;
        found.map(drop).ok_or_else(|| FaultError::UnknownServer(id.clone()))
    }

    /// Does it; `headers` are those of the request that is struck.
    pub(super) async fn act(&self, kind: &Effect, headers: Option<&HeaderMap>) -> Result<(), FaultError> {
        match kind {
            Effect::RotateNonce { old } => {
                Ok(self.nonces.rotate(*old == OldNonces::Accepted, self.random.as_ref())?)
            }
            Effect::RotateKey { server, old } => self.rotate_key(server.clone(), *old).await,
            Effect::RevokeToken(which) => self.revoke(which, headers).await,
            _ => Ok(()),
        }
    }

    async fn rotate_key(&self, server: ServerId, old: OldKey) -> Result<(), FaultError> {
        let (store, now) = (self.store.clone(), self.right_clock.now());
        let rotated = background::run(move || {
            store.rotate_signing_key(&server, now)?;
            if old == OldKey::Gone { store.forget_retired_keys(&server) } else { Ok(()) }
        });
        Ok(rotated.await??)
    }

    async fn revoke(&self, which: &RevokedTokens, headers: Option<&HeaderMap>) -> Result<(), FaultError> {
        let now = self.right_clock.now();
        let jwt_id = match which {
            RevokedTokens::All => {
                self.revoked.all(now);
                return Ok(());
            }
            RevokedTokens::OfClient(client_id) => {
                return self
                    .revoked
                    .of_client(client_id, now)
                    .map_err(|TooManyRevocations| FaultError::TooManyRevocations);
            }
            RevokedTokens::Identified(jwt_id) => jwt_id.clone(),
            RevokedTokens::Presented => match headers.and_then(presented_jwt_id) {
                Some(jwt_id) => jwt_id,
                None => return Ok(()),
            },
        };
        // When it expires is not known; longer than the longest life of a token nobody takes it, by either clock.
        let latest = now.max(self.clock.now());
        let (store, expires) = (self.store.clone(), latest.after(*Lifetimes::ACCESS_TOKEN.end()));
        Ok(background::run(move || store.revoke_token(&jwt_id, expires, now)).await??)
    }
}

/// The `jti` of the access token that a request carries.
fn presented_jwt_id(headers: &HeaderMap) -> Option<String> {
    unverified_jwt_id(Credentials::of_request(headers, None).ok()?.access_token)
}
