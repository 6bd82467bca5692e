//! The inward flow: from a request to who sent it, or to the answer that refuses it.
//!
//! target → route → credentials → access token and proof → scope → replay → admitted
//!
//! Of a token that the guard remembers it knows whose proof there must be. Another one may have to be asked about over
//! the network: before that the request is held to all that does not depend on the answer, its scheme, and its
//! proof but for whose it is.
//!
//! What goes in and what comes out is here; the line is in `line.rs`, what a refusal becomes in `refusal.rs`, and how
//! a guard is made in `builder.rs`.

mod builder;
mod explain;
mod line;
mod refusal;

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use http::{HeaderMap, Method, Response, Uri};
use keybound::random::{OperatingSystem, Random};
use keybound::resource::{Admitted, Demands};
use keybound::{Clock, Nonce, Refusal, SystemClock, TargetUri};
use tracing::{Instrument as _, debug_span};

#[cfg(feature = "server")]
use crate::audit;
#[cfg(feature = "server")]
use crate::cors::{Cors, Reader};
use crate::metadata::{self, Metadata};
use crate::metrics::{self, Judgements};
use crate::nonces::OwnSecret;
use crate::policy::Policy;
use crate::replay::Replay;
use crate::routes::Routes;
use crate::target::Targets;
use crate::tokens::AccessTokens;

pub use builder::{GuardBuilder, GuardError};
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
    #[cfg(feature = "server")]
    cors: Option<Arc<Cors>>,
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

    /// The answer to a browser that asks whether a page of another origin may call, if `request` is such a preflight
    /// and the policy allows any page.
    #[cfg(feature = "server")]
    pub(crate) fn preflight(&self, request: &IncomingRequest<'_>) -> Option<Response<bytes::Bytes>> {
        let inner = self.inner.load();
        let answer = inner.cors.as_ref()?.preflight(request)?;
        if answer.is_allowed {
            metrics::preflight_allowed();
        } else {
            metrics::page_refused();
            audit::page_refused(request, || inner.targets.client(request), answer.response.status());
        }
        Some(answer.response)
    }

    /// Which page of another origin may read the answer to a request with these header fields; `None` where the policy
    /// says nothing of pages.
    #[cfg(feature = "server")]
    pub(crate) fn reader(&self, headers: &HeaderMap) -> Option<Reader> {
        let cors = Arc::clone(self.inner.load().cors.as_ref()?);
        Some(cors.reader(headers))
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
