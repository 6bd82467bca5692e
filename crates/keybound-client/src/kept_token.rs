//! The token of one source in a [`TokenCache`]: read and written off the threads that run async tasks, and
//! judged before it is used.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use keybound::credentials::Scheme;
use keybound::exchange::GrantedToken;
use keybound::random::Random;
use keybound::{Nonce, NumericDate};
use tracing::{debug, warn};

use crate::clock::{ClockOffset, Moment, Sleep};
use crate::renewal::Life;
use crate::token::Token;
use crate::token_cache::{CacheKey, CacheLock, CachedToken, MAX_CACHED_NONCES, TokenCache};

/// How long another process is waited for that makes the same exchange: longer than an exchange takes. One
/// that hangs is passed by then; two exchanges do no harm.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// How often a lock is tried that another process holds.
const LOCK_POLL: Duration = Duration::from_millis(20);

/// A place in a cache.
pub(crate) struct KeptToken {
    cache: Arc<dyn TokenCache>,
    key: Arc<CacheKey>,
}

impl KeptToken {
    /// The place that is named by `key`.
    pub(crate) fn new(cache: Arc<dyn TokenCache>, key: CacheKey) -> Self {
        Self { cache, key: Arc::new(key) }
    }

    /// The cache that it is a place in.
    pub(crate) fn cache(&self) -> &Arc<dyn TokenCache> {
        &self.cache
    }

    /// What is there, if it is for our key.
    pub(crate) async fn load(&self) -> Option<CachedToken> {
        let cached = self.off_thread("load", |cache, key| cache.load(key)).await.flatten()?;
        if cached.thumbprint != self.key.thumbprint {
            debug!(found = %cached.thumbprint, "the token of the cache is bound to another key");
            return None;
        }
        Some(cached)
    }

    /// Keeps `token` and the nonces, if anybody can tell when it expires and it is of no use without its key.
    pub(crate) async fn store(&self, token: &Token, nonces: Vec<(String, Nonce)>) {
        let (Some((granted_at, lifetime)), Some(key)) = (token.lifetime(), token.bound_to()) else {
            return;
        };
        let cached = CachedToken {
            access_token: token.secret().to_owned().into(),
            thumbprint: key.thumbprint(),
            granted_at,
            expires_at: granted_at.after(lifetime),
            scopes: token.scopes().map(<[String]>::to_vec),
            nonces: kept(nonces),
        };
        self.off_thread("store", move |cache, key| cache.store(key, &cached)).await;
    }

    /// Drops what is there.
    pub(crate) async fn forget(&self) {
        self.off_thread("forget", |cache, key| cache.forget(key)).await;
    }

    /// The lock, if no other process has it.
    pub(crate) async fn try_lock(&self) -> Option<CacheLock> {
        self.off_thread("lock", |cache, key| cache.try_lock(key)).await.flatten()
    }

    /// The lock, once no other process has it; `None` if one hangs, or if there is no lock to be had.
    pub(crate) async fn lock(&self, timer: &dyn Sleep) -> Option<CacheLock> {
        let mut waited = Duration::ZERO;
        loop {
            // What went wrong is logged: waiting would not help.
            if let Some(lock) = self.off_thread("lock", |cache, key| cache.try_lock(key)).await? {
                return Some(lock);
            }
            if waited >= LOCK_PATIENCE {
                warn!(?waited, "another process holds the lock of the token cache; going on without it");
                return None;
            }
            timer.sleep(LOCK_POLL).await;
            waited += LOCK_POLL;
        }
    }

    /// What `work` comes to; what went wrong is logged and does no harm.
    async fn off_thread<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&dyn TokenCache, &CacheKey) -> io::Result<T> + Send + 'static,
    ) -> Option<T> {
        let (cache, key) = (Arc::clone(&self.cache), Arc::clone(&self.key));
        let outcome = tokio::task::spawn_blocking(move || work(cache.as_ref(), &key)).await;
        outcome
            .map_err(io::Error::other)
            .flatten()
            .inspect_err(|error| debug!(%error, what, "the token cache is of no use"))
            .ok()
    }
}

/// Those of `nonces`, the most wanted first, that are kept.
pub(crate) fn kept(mut nonces: Vec<(String, Nonce)>) -> Vec<(String, Nonce)> {
    nonces.truncate(MAX_CACHED_NONCES);
    nonces
}

/// How long a token of the cache is good for, seen from `now`; `None` if its dates make no sense by the local
/// clock.
pub(crate) fn life(cached: &CachedToken, now: Moment, random: &dyn Random) -> Option<Life> {
    if cached.granted_at > now.date.after(ClockOffset::TOLERATED) {
        debug!("the token of the cache is from the future: the clock was set back");
        return None;
    }
    let lifetime = cached.expires_at.since(cached.granted_at);
    Some(Life::new(now, now.date.since(cached.granted_at), lifetime, random))
}

/// A token of the cache as it was granted; `expires_at` is by the server's clock.
pub(crate) fn granted(cached: CachedToken, expires_at: NumericDate) -> GrantedToken {
    let CachedToken { access_token, scopes, .. } = cached;
    let mut granted = GrantedToken::new(access_token, Scheme::Dpop);
    (granted.expires_at, granted.scopes) = (Some(expires_at), scopes);
    granted
}
