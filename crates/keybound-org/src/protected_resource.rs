//! What is served to whoever shows an access token of the org: the management API, and userinfo. Both demand the same,
//! and refuse in the same way.

use std::sync::Arc;

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue};
use keybound::proof::ProofPolicy;
use keybound::resource::{Demands, ProtectedResource};
use keybound::{ChallengeContext, Refusal};

use crate::okta_algorithms::OKTA_ALGORITHMS;
use crate::store::Store;

/// What is demanded of requests.
pub(crate) fn protected_resource(store: &Store) -> ProtectedResource {
    ProtectedResource {
        demands: Demands {
            proofs: proof_policy(),
            nonces: None,
            known_keys: Arc::default(),
            accept_bearer_for_unbound_tokens: true,
        },
        replay: Arc::new(store.clone()),
    }
}

/// What Okta takes in a proof.
pub(crate) fn proof_policy() -> ProofPolicy {
    ProofPolicy { algorithms: OKTA_ALGORITHMS.to_vec(), ..ProofPolicy::default() }
}

/// The challenges of a refusal, and when to try again (RFC 6750 section 3, RFC 9449 section 7.1).
pub(crate) fn refusal_fields(refusal: &Refusal) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let context = ChallengeContext { algorithms: &OKTA_ALGORITHMS, accepts_bearer: true, metadata_uri: None };
    let challenges = refusal.challenges(&context).into_iter();
    let challenges = challenges.map(|challenge| (WWW_AUTHENTICATE, challenge));
    let retry_after = refusal.at_resource().retry_after;
    challenges.chain(retry_after.map(|after| (RETRY_AFTER, HeaderValue::from(after.as_secs()))))
}
