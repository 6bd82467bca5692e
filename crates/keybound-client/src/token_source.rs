//! Access tokens: got by client credentials or by a user's refresh token, kept, renewed in the background before they
//! expire, and one exchange at a time.
//!
//! Whoever asks for a token gets the one that is held while it is good. From a moment in the window before its
//! expiry on, the next call starts a renewal in a task of its own and doesn't wait for it; should that fail,
//! later calls start another, after pauses that grow. Only where there is no good token do callers wait, all
//! for the same exchange. A caller that gives up takes nothing away from the others.
//!
//! After a failure there is a pause as well ([`FIRST_PAUSE`](crate::FIRST_PAUSE) to
//! [`LONGEST_PAUSE`](crate::LONGEST_PAUSE)), in which callers without a token are told what the last exchange
//! was told, without another. So a server that is down or restarts isn't met by an exchange for each call,
//! and one that refuses the client (`invalid_client`) doesn't lock it out for asking without end; when the
//! cause is gone, callers have a token within seconds, or when the server said (`Retry-After`). Where nothing was
//! sent (no signature, no randomness, no `https`), nobody is harmed by another try, and it is made at once.
//!
//! What a caller does follows from what is held (`state.rs`); how an exchange ends is in `landing.rs`.

mod error;
mod landing;
mod state;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use keybound::exchange::{ClientCredentials, GrantedToken};
use keybound::proof::AccessTokenHash;
use keybound::{Signer, TargetUri};
use tracing::{Instrument as _, debug, debug_span};

use crate::authorization_client::{AuthorizationClient, Granted};
use crate::kept_token::{self, KeptToken};
use crate::refresh::Refresher;
use crate::renewal::Life;
use crate::servers::Servers;
use crate::service::{Service, ServiceGrant};
use crate::service_credential::ServiceCredential;
use crate::system::System;
use crate::token_cache::{CacheKey, CacheServer, TokenCache};
use crate::token_metrics;

pub(crate) use crate::token::{Token, TokenBinding};
pub use error::TokenError;
use landing::Landing;
use state::{FIRST, Outcome, Started, State, Step};

/// Exchanges that a caller waits for, at most, if the task of one is stopped before it ends.
const FLIGHTS_WAITED_FOR: u8 = 2;

/// Gets tokens by client credentials (RFC 6749 section 4.4), with a `private_key_jwt` assertion (RFC 7523) or a secret, or
/// by a user's refresh token (section 6). Clones share what they hold.
#[derive(Clone)]
pub struct TokenSource {
    inner: Arc<Inner>,
}

/// What a source shares with its exchanges, which run in tasks of their own.
struct Inner {
    client: AuthorizationClient,
    means: Means,
    kept: OnceLock<KeptToken>,
    state: Mutex<State>,
}

/// What tokens are got by.
#[derive(Clone)]
enum Means {
    /// The client's own credentials.
    Credentials(Box<Service>),
    /// A user's leave.
    Refreshing { refresher: Arc<Refresher>, scopes: Vec<String> },
}

impl TokenSource {
    /// A source of tokens for `grant`, whose client authenticates with `client_key`.
    ///
    /// The key of the client and the key that tokens are bound to should be two (RFC 9449 section 2).
    pub fn new(
        system: System,
        grant: ClientCredentials,
        client_key: Arc<dyn Signer>,
        binding: TokenBinding,
    ) -> Self {
        Self::of_service(system, grant.into(), client_key, binding)
    }

    /// The same for a server that may be known by its issuer alone, and for a client that may have a secret in place of a
    /// key. Nothing is sent before the first token is asked for; then the server is asked for its metadata, once for this
    /// source and those that are made of it. It is asked again when its token endpoint is not there any more.
    pub fn of_service(
        system: System,
        grant: ServiceGrant,
        credential: impl Into<ServiceCredential>,
        binding: TokenBinding,
    ) -> Self {
        let credential = credential.into();
        let client = AuthorizationClient::new(system, credential.registration(&grant), binding);
        Self::of(client, Means::Credentials(Box::new(Service::new(grant, credential))))
    }

    /// A source of tokens that a user has given leave for. A refresh token is for one source and those that
    /// are made of it, since it is good once.
    pub fn refreshing(client: AuthorizationClient, refresher: Refresher) -> Self {
        let scopes = refresher.scopes.clone();
        Self::of(client, Means::Refreshing { refresher: Arc::new(refresher), scopes })
    }

    /// Another source, whose tokens are for `scopes`. It shares what is known of the server, its nonce and its
    /// clock, so that it costs no challenge more; and the cache and a user's refresh token, if there are any.
    /// Of a user's scopes none can be asked for beyond those that were granted (RFC 6749 section 6).
    #[must_use]
    pub fn with_scopes(&self, scopes: Vec<String>) -> Self {
        let inner = &self.inner;
        let source = Self::of(inner.client.clone(), inner.means.with_scopes(scopes));
        match inner.kept.get() {
            Some(kept) => source.with_cache(Arc::clone(kept.cache())),
            None => source,
        }
    }

    fn of(client: AuthorizationClient, means: Means) -> Self {
        let (kept, state) = (OnceLock::new(), Mutex::default());
        Self { inner: Arc::new(Inner { client, means, kept, state }) }
    }

    /// The same source, which keeps its token in `cache` between runs, too. The first cache stays.
    ///
    /// Bearer tokens are not kept: whoever reads one can use it. Those of a fresh key are not: it is gone in the next run.
    /// A user's tokens are not, unless the [`Refresher`] says whose they are.
    #[must_use]
    pub fn with_cache(self, cache: Arc<dyn TokenCache>) -> Self {
        if let Some(key) = self.inner.cache_key() {
            // A second cache is dropped: exchanges may be using the first.
            let _ = self.inner.kept.set(KeptToken::new(cache, key));
        } else {
            debug!(
                "Bearer tokens, those of a fresh key, and those of a user without a name are not kept in a token cache"
            );
        }
        self
    }

    /// Holds `token` from now on, and keeps it in the cache, if there is one: for a token that came with a sign-in, so
    /// that the first call need not refresh. It has to be one that was granted to this client and for its key.
    pub async fn begin_with(&self, token: GrantedToken) {
        let (sent, server_time) = (self.system().moment(), self.inner.client.now(self.inner.endpoint()));
        let token = Arc::new(self.inner.hold(Granted { token, sent, server_time }));
        if let Some(kept) = self.inner.kept.get() {
            kept.store(&token, self.inner.nonces()).await;
        }
        self.inner.lock().token = Some(token);
    }

    /// The token that is held while it is good, or a new one.
    ///
    /// A token that is due is handed out and renewed in the background. Without a good one there is one
    /// exchange at a time: who asks meanwhile waits for it and shares what comes of it, as do those who ask
    /// shortly after it failed. Dropping the future stops the waiting, not the exchange.
    ///
    /// Exchanges run in tasks of the tokio runtime, which has to be there.
    pub async fn token(&self) -> Result<Arc<Token>, TokenError> {
        self.token_other_than(None).await
    }

    /// A token in place of `refused`, which a resource did not take; the one that is held by now, if that
    /// is another.
    pub async fn renew(&self, refused: &Arc<Token>) -> Result<Arc<Token>, TokenError> {
        self.token_other_than(Some(refused)).await
    }

    /// Writes the newest nonces to the cache, if there is one and it has the token that is held: for a
    /// program that is about to end, so that its next run begins without a challenge.
    pub async fn save(&self) {
        let held = self.inner.lock().token.clone();
        if let (Some(kept), Some(token)) = (self.inner.kept.get(), held)
            && let Some(_lock) = kept.try_lock().await
            && let Some(cached) = kept.load().await
            && is(&cached.access_token, token.hash())
            && cached.nonces != kept_token::kept(self.inner.nonces())
        {
            kept.store(&token, self.inner.nonces()).await;
        }
    }

    async fn token_other_than(&self, refused: Option<&Arc<Token>>) -> Outcome {
        for _ in 0..FLIGHTS_WAITED_FOR {
            match self.inner.next_step(refused) {
                Step::Return(outcome) => return outcome,
                Step::Wait(mut flight) => {
                    // An error means that the task is gone, and what is awaited with it.
                    if let Ok(outcome) = flight.wait_for(Option::is_some).await
                        && let Some(outcome) = outcome.clone()
                    {
                        return outcome;
                    }
                }
            }
        }
        Err(TokenError::Stopped)
    }

    pub(crate) fn system(&self) -> &System {
        self.inner.client.system()
    }

    pub(crate) fn servers(&self) -> &Servers {
        self.inner.client.servers()
    }
}

impl Inner {
    /// What a caller does now; starts the exchange that it waits for, or that nobody waits for yet.
    fn next_step(self: &Arc<Self>, refused: Option<&Arc<Token>>) -> Step {
        let now = self.system().moment();
        let mut state = self.lock();
        let (step, started) = state.next_step(now, refused);
        drop(state);
        // Not while the state is locked: a runtime that shuts down drops the task at once, which locks it too.
        if let Some(started) = started {
            self.launch(started);
        }
        step
    }

    /// Runs an exchange in a task of its own, so that no caller who leaves can stop it.
    fn launch(self: &Arc<Self>, Started { reason, outcome }: Started) {
        if reason != FIRST {
            token_metrics::renewing(reason);
        }
        let landing =
            Landing { inner: Arc::clone(self), outcome, launched: self.system().stopwatch.elapsed() };
        let (client_id, endpoint) = (self.client_id(), self.endpoint());
        let span = debug_span!("token_exchange", reason, %client_id, %endpoint);
        tokio::spawn(async move { landing.land(landing.inner.obtain().await) }.instrument(span));
    }

    /// A token from the cache, or from an exchange that no other process makes at the same time.
    async fn obtain(&self) -> Outcome {
        let Some(kept) = self.kept.get() else { return self.exchange().await };
        if let Some(token) = self.recall(kept).await {
            return Ok(token);
        }
        let _lock = kept.lock(self.system().timer.as_ref()).await;
        if let Some(token) = self.recall(kept).await {
            return Ok(token);
        }
        let token = self.exchange().await?;
        kept.store(&token, self.nonces()).await;
        Ok(token)
    }

    /// The token of the cache, if it is another than the one that is to be replaced, and good for a while.
    async fn recall(&self, kept: &KeptToken) -> Option<Arc<Token>> {
        let cached = kept.load().await?;
        for (origin, nonce) in &cached.nonces {
            self.client.servers().recall_nonce(origin, nonce.clone());
        }
        let (held, refused) = {
            let state = self.lock();
            (state.token.as_ref().map(|token| token.hash()), state.refused)
        };
        if refused.is_some_and(|refused| is(&cached.access_token, refused)) {
            kept.forget().await;
            return None;
        }
        if held.is_some_and(|held| is(&cached.access_token, held)) {
            return None;
        }
        let now = self.system().moment();
        let life = kept_token::life(&cached, now, self.system().random.as_ref())?;
        let expires_at = cached.expires_at.since(now.date);
        let token = Token::new(
            kept_token::granted(cached, self.client.now(self.endpoint()).after(expires_at)),
            self.client.binding().clone(),
            Some(life),
        );
        if token.is_due(now) {
            debug!("the token of the cache is about to expire");
            return None;
        }
        debug!(expires_in = expires_at.as_secs(), "access token taken from the cache");
        token_metrics::cache_hit();
        Some(Arc::new(token))
    }

    async fn exchange(&self) -> Outcome {
        let granted = match &self.means {
            Means::Credentials(service) => service.exchange(&self.client).await,
            Means::Refreshing { refresher, scopes } => refresher.exchange(&self.client, scopes).await,
        }?;
        Ok(Arc::new(self.hold(granted)))
    }

    /// From here on the life of a token is measured by our own clock and stopwatch, whatever is learnt of the
    /// server's later.
    fn hold(&self, Granted { token, sent, server_time }: Granted) -> Token {
        let now = self.system().moment();
        let age = now.elapsed.saturating_sub(sent.elapsed);
        let random = self.system().random.as_ref();
        let life = token.expires_at.map(|expires| Life::new(now, age, expires.since(server_time), random));
        let lifetime = life.map(|life| life.lifetime.as_secs());
        debug!(scheme = token.scheme.name(), lifetime, "access token granted");
        Token::new(token, self.client.binding().clone(), life)
    }

    fn system(&self) -> &System {
        self.client.system()
    }

    fn client_id(&self) -> &str {
        &self.client.registration().identity().id
    }

    /// The token endpoint, or the issuer that says where it is.
    fn endpoint(&self) -> &TargetUri {
        match &self.means {
            Means::Credentials(service) => service.grant.server.target(),
            Means::Refreshing { refresher, .. } => refresher.token_endpoint().target(),
        }
    }

    /// What tokens are kept under; `None` if they are of use to whoever reads them or to nobody, or if nobody can tell
    /// whose they are.
    fn cache_key(&self) -> Option<CacheKey> {
        let TokenBinding::Dpop(dpop_key) = self.client.binding() else { return None };
        let thumbprint = dpop_key.thumbprint();
        let key = |server, scopes| CacheKey::new(server, self.client_id(), scopes, thumbprint);
        match &self.means {
            Means::Credentials(service) => {
                let ServiceGrant { server, scopes, resources, audience, .. } = &service.grant;
                let (resources, audience) = (resources.clone(), audience.clone());
                Some(CacheKey { resources, audience, ..key(server.in_cache(), scopes) })
            }
            Means::Refreshing { refresher, scopes } => {
                let server = CacheServer::TokenEndpoint(self.endpoint().as_str().to_owned());
                let (user, resources) = (Some(refresher.user.clone()?), refresher.resources.clone());
                Some(CacheKey { resources, user, ..key(server, scopes) })
            }
        }
    }

    fn nonces(&self) -> Vec<(String, keybound::Nonce)> {
        self.client.servers().nonces(self.endpoint())
    }

    /// A thread that panicked while it held the lock left a whole state: nothing in between can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Means {
    fn with_scopes(&self, scopes: Vec<String>) -> Self {
        match self {
            Self::Credentials(service) => Self::Credentials(Box::new(service.with_scopes(scopes))),
            Self::Refreshing { refresher, .. } => {
                Self::Refreshing { refresher: Arc::clone(refresher), scopes }
            }
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenSource")
            .field("client_id", &self.inner.client_id())
            .field("endpoint", self.inner.endpoint())
            .finish_non_exhaustive()
    }
}

/// Whether `access_token` is the one of this hash.
fn is(access_token: &str, hash: AccessTokenHash) -> bool {
    AccessTokenHash::of(access_token) == hash
}
