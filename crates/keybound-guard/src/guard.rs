//! The inward flow: from a request to who sent it, or to the answer that refuses it.
//!
//! target → route → credentials → access token and proof → scope → replay → admitted
//!
//! Of a token that the guard remembers it knows whose proof there must be. Another one may have to be asked about over
//! the network: before that the request is held to all that does not depend on the answer, its scheme, and its
//! proof but for whose it is.

mod explain;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwap;
use http::{HeaderMap, Method, Response, Uri};
use keybound::access_token::AccessToken;
use keybound::credentials::Credentials;
use keybound::proof::{AccessTokenHash, ProofPolicy};
use keybound::random::{OperatingSystem, Random, RandomUnavailable};
use keybound::resource::{Admitted, Demands, ResourceRequest};
use keybound::{ChallengeContext, Clock, Nonce, NumericDate, Refusal, SystemClock, TargetUri};
use tracing::{Instrument as _, debug_span};

use crate::metadata::{self, Metadata};
use crate::metrics::Judgements;
use crate::nonces::{self, OwnSecret};
use crate::policy::{NoncesRequired, Policy, PolicyError};
use crate::replay::{Replay, ReplayError, SharedReplayStore};
use crate::routes::{Covered, Routes};
use crate::target::Targets;
use crate::tokens::{AccessTokens, TokensError};
use crate::{answer, audit, metrics};

pub use explain::{Explanation, Step, Verdict};

/// Admits requests by a policy. Cheap to clone; all clones are one guard, and go by a new policy together
/// ([`Guard::reload`]).
#[derive(Clone)]
pub struct Guard {
    inner: Arc<ArcSwap<Inner>>,
    /// Each policy takes over from the one before it, so they come one after the other.
    reloading: Arc<Mutex<()>>,
}

struct Inner {
    targets: Targets,
    routes: Routes,
    tokens: AccessTokens,
    demands: Demands,
    demands_with_nonce: Demands,
    replay: Replay,
    own_secret: OwnSecret,
    metadata: Vec<Metadata>,
    judgements: Judgements,
    policy: Arc<Policy>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

/// A request as far as its admission depends on it.
#[derive(Clone, Copy)]
pub struct IncomingRequest<'r> {
    /// The method.
    pub method: &'r Method,
    /// The path and query, perhaps with scheme and authority (HTTP/2).
    pub uri: &'r Uri,
    /// The header fields.
    pub headers: &'r HeaderMap,
    /// Who sent it to this server: the client, or a proxy before the guard. `None` if it is not known: no proxy is
    /// trusted then.
    pub peer: Option<IpAddr>,
    /// Whether it came over TLS to this server.
    pub secure: bool,
}

/// A request that is let in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Admission {
    /// Who was let in; `None` on a route that admits without a token.
    pub admitted: Option<Admitted>,
    /// The nonce for the client's next proof, to be sent as `DPoP-Nonce` with the answer (RFC 9449 section
    /// 8.2); `None` where none is needed.
    pub nonce: Option<Nonce>,
    /// The URI that the request is for, as it is known outside, in normal form.
    pub target: TargetUri,
}

/// A request that is refused.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// The whole answer: status, challenges, nonce, body. The same at every face.
    pub response: Response<bytes::Bytes>,
}

impl Guard {
    /// A guard by `policy`, with the system's clock and randomness. Issuers are not asked before the first
    /// token of theirs comes.
    pub fn new(policy: Policy) -> Result<Self, GuardError> {
        Self::builder(policy).build()
    }

    /// To give a guard another clock, randomness or replay store.
    pub fn builder(policy: Policy) -> GuardBuilder {
        GuardBuilder { policy, clock: Arc::new(SystemClock), random: Arc::new(OperatingSystem), store: None }
    }

    /// The policy that this guard goes by now.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.inner.load().policy)
    }

    /// Goes by `policy` from now on; requests under way end by the one before. What is remembered is kept:
    /// used proofs above all, without which a new policy would let each of them in once more, and the nonces
    /// that were given. With a policy that can't be used, everything stays as it is.
    pub fn reload(&self, policy: Policy) -> Result<(), GuardError> {
        // Nothing is behind the lock that could be left half done.
        let _one_at_a_time = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.inner.load_full();
        let builder = GuardBuilder {
            policy,
            clock: Arc::clone(&before.clock),
            random: Arc::clone(&before.random),
            store: None,
        };
        self.inner.store(Arc::new(builder.inner(Some(&before))?));
        Ok(())
    }

    /// Admits `request`, or refuses it by the first rule that does not hold. A refusal is a line in the log of
    /// the target `keybound::audit`, whatever face asks.
    pub async fn admit(&self, request: &IncomingRequest<'_>) -> Result<Admission, Refused> {
        let span = debug_span!("admit", method = %request.method, path = request.uri.path());
        self.inner.load_full().judge(request).instrument(span).await
    }

    /// The answer to a request that is refused for a reason of the caller's: by the API itself after it was
    /// admitted (`admission`), or before it could be judged at all. It has its line in the log as [`Guard::admit`]
    /// has it, and is counted as a refusal.
    pub fn refuse(
        &self,
        request: &IncomingRequest<'_>,
        admission: Option<&Admission>,
        refusal: Refusal,
    ) -> Refused {
        let inner = self.inner.load_full();
        let admitted = admission.and_then(|admission| admission.admitted.as_ref());
        let token = admitted.map(Admitted::access_token);
        let refused = inner.refused(request, refusal, token, inner.clock.now());
        metrics::refused(&refused);
        refused
    }

    /// The answer to a request for the metadata of the resource (RFC 9728 section 3), which needs no token;
    /// `None` for any other request.
    pub fn metadata(&self, request: &IncomingRequest<'_>) -> Option<Response<bytes::Bytes>> {
        if !request.uri.path().starts_with(metadata::WELL_KNOWN_PATH) {
            return None;
        }
        let inner = self.inner.load();
        let target = inner.targets.base(request).ok()?.with_path(request.uri.path()).ok()?;
        let metadata = inner.metadata.iter().find(|metadata| metadata.uri == target)?;
        Some(metadata.answer(request.method))
    }

    /// What this guard takes the time from.
    #[cfg(feature = "server")]
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.inner.load().clock)
    }

    /// Whether what this peer says of a request is believed.
    #[cfg(feature = "server")]
    pub(crate) fn trusts(&self, peer: Option<IpAddr>) -> bool {
        self.inner.load().targets.trusts(peer)
    }
}

impl Inner {
    async fn judge(&self, request: &IncomingRequest<'_>) -> Result<Admission, Refused> {
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

    fn demands(&self, covered: &Covered<'_>) -> &Demands {
        let with_nonce = match self.policy.nonces.required {
            NoncesRequired::Never => false,
            NoncesRequired::Always => true,
            NoncesRequired::ByRoute => covered.nonce(),
        };
        if with_nonce { &self.demands_with_nonce } else { &self.demands }
    }

    fn refused(
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
    fn answer(
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

/// What a guard is made of beside its policy.
pub struct GuardBuilder {
    policy: Policy,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    store: Option<Arc<dyn SharedReplayStore>>,
}

impl GuardBuilder {
    /// Takes the time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Takes randomness from `random`.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Remembers proofs in `store`, whatever the policy says of it.
    #[must_use]
    pub fn replay_store(mut self, store: Arc<dyn SharedReplayStore>) -> Self {
        self.store = Some(store);
        self
    }

    /// Makes the guard. Reads the files that the policy names; asks nobody over the network: a store or an
    /// issuer that is down is no reason not to start.
    pub fn build(self) -> Result<Guard, GuardError> {
        let inner = Arc::new(ArcSwap::from_pointee(self.inner(None)?));
        Ok(Guard { inner, reloading: Arc::default() })
    }

    fn inner(self, before: Option<&Inner>) -> Result<Inner, GuardError> {
        let Self { policy, clock, random, store } = self;
        policy.check()?;
        let replay = match store {
            Some(store) => Replay::shared(&policy, store, Arc::clone(&clock)),
            None => Replay::by_policy(&policy, before.map(|before| &before.replay), &clock, random.as_ref())?,
        };
        let tokens = AccessTokens::by_policy(
            &policy,
            before.map(|before| &before.tokens),
            Arc::clone(&clock),
            Arc::clone(&random),
        )?;
        let demands = Demands {
            proofs: ProofPolicy::from(&policy.proofs),
            known_keys: before.map(|before| Arc::clone(&before.demands.known_keys)).unwrap_or_default(),
            nonces: None,
            accept_bearer_for_unbound_tokens: policy.accept_bearer_for_unbound_tokens,
        };
        let own_secret = match before {
            Some(before) => before.own_secret.clone(),
            None => OwnSecret::generate(random.as_ref())?,
        };
        let nonces = nonces::by_policy(&policy.nonces, &own_secret)?;
        Ok(Inner {
            targets: Targets::by_policy(&policy),
            routes: Routes::by_policy(&policy.routes)?,
            tokens,
            demands_with_nonce: Demands { nonces: Some(Arc::new(nonces)), ..demands.clone() },
            demands,
            replay,
            own_secret,
            metadata: metadata::by_policy(&policy),
            judgements: Judgements::default(),
            policy: Arc::new(policy),
            clock,
            random,
        })
    }
}

/// Why a guard can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardError {
    /// The policy makes no sense.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// What is to verify tokens can't be made.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// The replay store can't be made.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// No randomness for a secret.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}

impl fmt::Debug for IncomingRequest<'_> {
    /// Without the header fields and the query, which have secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "IncomingRequest({} {})", self.method, self.uri.path())
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Guard").field("policy", &self.inner.load().policy).finish_non_exhaustive()
    }
}
