//! The org authorization server: metadata, keys, and the token endpoint.

mod access_token;
mod form;
mod grant_event;
mod metadata;
mod refusal;
mod token;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use keybound::assertion::AssertionPolicy;
use keybound::proof::ProofPolicy;
use keybound::random::Random;
use keybound::{Clock, NoncePolicy, NonceSecret, Nonces, NumericDate, SigningKey, TargetUri, TargetUriError};

use crate::okta_algorithms::OKTA_ALGORITHMS;
use crate::store::Store;

/// Where the token endpoint is.
const TOKEN_PATH: &str = "/oauth2/v1/token";
/// Where the server's public keys are.
const KEYS_PATH: &str = "/oauth2/v1/keys";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// As Okta's: renewed every day, accepted until the third.
const NONCES: NoncePolicy = NoncePolicy { renewed_every: DAY, accepted_for: DAY.saturating_mul(3) };

/// The authorization server of one org.
pub(crate) struct AuthorizationServer {
    /// The org's URL.
    issuer: String,
    token_endpoint: TargetUri,
    signing_key: Arc<SigningKey>,
    nonces: Nonces,
    assertions: AssertionPolicy,
    proofs: ProofPolicy,
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl AuthorizationServer {
    /// The server of the org at `url`.
    pub(crate) fn new(
        url: &TargetUri,
        signing_key: Arc<SigningKey>,
        nonce_secret: NonceSecret,
        store: Store,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self, TargetUriError> {
        let issuer = url.origin().to_owned();
        let token_endpoint = format!("{issuer}{TOKEN_PATH}");
        let mut assertions = AssertionPolicy::new(vec![token_endpoint, issuer.clone()]);
        assertions.algorithms = OKTA_ALGORITHMS.to_vec();
        Ok(Self {
            token_endpoint: url.with_path(TOKEN_PATH)?,
            issuer,
            signing_key,
            nonces: Nonces::new(NONCES, nonce_secret),
            assertions,
            proofs: proof_policy(),
            store,
            clock,
            random,
        })
    }

    /// Its endpoints.
    pub(crate) fn routes(self) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(metadata::openid_configuration))
            .route("/.well-known/oauth-authorization-server", get(metadata::authorization_server))
            .route(KEYS_PATH, get(metadata::keys))
            .route(TOKEN_PATH, post(token::endpoint))
            .with_state(Arc::new(self))
    }

    fn now(&self) -> NumericDate {
        self.clock.now()
    }
}

/// What Okta takes in a proof.
pub(crate) fn proof_policy() -> ProofPolicy {
    ProofPolicy { algorithms: OKTA_ALGORITHMS.to_vec(), ..ProofPolicy::default() }
}
