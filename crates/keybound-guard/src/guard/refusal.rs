//! What a refusal becomes: the answer to the client, and a line in the log.

use http::Response;
use keybound::access_token::AccessToken;
use keybound::{ChallengeContext, NumericDate, Refusal, TargetUri};

use super::{IncomingRequest, Inner, Refused};
use crate::metadata::Metadata;
use crate::{answer, audit};

impl Inner {
    pub(super) fn refused(
        &self,
        request: &IncomingRequest<'_>,
        refusal: Refusal,
        known: Option<&AccessToken>,
        now: NumericDate,
    ) -> Refused {
        let response = self.answer(request, &refusal, now);
        audit::refused(request, || self.targets.client(request), known, &refusal, response.status());
        Refused { refusal, response }
    }

    /// The answer that `refusal` becomes.
    pub(super) fn answer(
        &self,
        request: &IncomingRequest<'_>,
        refusal: &Refusal,
        now: NumericDate,
    ) -> Response<bytes::Bytes> {
        let context = ChallengeContext {
            algorithms: &self.policy.proofs.algorithms,
            accepts_bearer: self.policy.accept_bearer_for_unbound_tokens,
            metadata_uri: self.metadata_uri(request),
        };
        let nonce = || self.demands_with_nonce.nonces.as_ref().map(|nonces| nonces.current(now));
        answer::refusal(refusal, &context, nonce)
    }

    /// Where the metadata of the resource is that the request is for; of the first, if that can't be told.
    fn metadata_uri(&self, request: &IncomingRequest<'_>) -> Option<&str> {
        let first = self.metadata.first()?;
        let metadata = match self.metadata.as_slice() {
            [only] => only,
            several => {
                let base = self.targets.base(request).ok();
                let is_named =
                    |named: &TargetUri, metadata: &&Metadata| metadata.resource.origin() == named.origin();
                base.and_then(|base| several.iter().find(|one| is_named(&base, one))).unwrap_or(first)
            }
        };
        Some(metadata.uri.as_str())
    }
}
