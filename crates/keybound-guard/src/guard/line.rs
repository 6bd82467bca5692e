//! The line itself: one request, held to every rule in turn.

use std::sync::Arc;
use std::time::Instant;

use keybound::access_token::AccessToken;
use keybound::credentials::Credentials;
use keybound::proof::AccessTokenHash;
use keybound::resource::{Demands, ResourceRequest};
use keybound::{NumericDate, Refusal};

use super::{Admission, IncomingRequest, Inner, Refused};
use crate::audit;
use crate::policy::NoncesRequired;
use crate::routes::Covered;

impl Inner {
    pub(super) async fn judge(&self, request: &IncomingRequest<'_>) -> Result<Admission, Refused> {
        let began = Instant::now();
        let now = self.clock.now();
        let mut known = None;
        let result = self.decide(request, now, &mut known).await;
        let outcome = result.map_err(|refusal| self.refused(request, refusal, known.as_deref(), now));
        if outcome.is_ok() {
            audit::admitted(request, || self.targets.client(request), known.as_deref());
        }
        self.judgements.record(&outcome, began.elapsed());
        outcome
    }

    /// The line itself. `known` becomes what the access token says once it is verified, for the log.
    async fn decide(
        &self,
        request: &IncomingRequest<'_>,
        now: NumericDate,
        known: &mut Option<Arc<AccessToken>>,
    ) -> Result<Admission, Refusal> {
        let target = self.targets.of(request)?;
        let covered = self.routes.covering(request.method, request.uri.path(), &target)?;
        if covered.admits_without_token() {
            return Ok(Admission { admitted: None, nonce: None, target });
        }
        let Credentials { scheme, access_token } =
            Credentials::of_request(request.headers, request.uri.query())?;
        let hash = AccessTokenHash::of(access_token);
        let demands = self.demands(&covered);
        let presented = ResourceRequest {
            method: request.method,
            target: &target,
            query: request.uri.query(),
            headers: request.headers,
        };
        let verified = if let Some(token) = self.tokens.remembered(&hash, now) {
            *known = Some(Arc::clone(&token));
            demands.verify(&presented, scheme, hash, token, now)?
        } else {
            let proven = demands.present(&presented, scheme, hash, now)?;
            let token = self.tokens.verify(access_token, hash, now).await?;
            *known = Some(Arc::clone(&token));
            demands.bind(proven, token, now)?
        };
        covered.require_scope(verified.access_token())?;
        let recorded = match verified.proof() {
            Some(proof) => self.replay.record(proof.replay_key(), proof.expires(), now).await,
            None => Ok(()),
        };
        let admitted = verified.recorded(recorded)?;
        let nonce = demands.nonces.as_ref().map(|nonces| nonces.current(now));
        Ok(Admission { admitted: Some(admitted), nonce, target })
    }

    pub(super) fn demands(&self, covered: &Covered<'_>) -> &Demands {
        let with_nonce = match self.policy.nonces.required {
            NoncesRequired::Never => false,
            NoncesRequired::Always => true,
            NoncesRequired::ByRoute => covered.nonce(),
        };
        if with_nonce { &self.demands_with_nonce } else { &self.demands }
    }
}
