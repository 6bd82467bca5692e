//! Access tokens: got by client credentials, kept until shortly before they expire, one exchange at a time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Response;
use keybound::exchange::{ClientCredentials, ExchangeError, GrantedToken, Progress, TokenExchange};
use keybound::proof::{AccessTokenHash, DpopKey};
use keybound::random::RandomUnavailable;
use keybound::{NumericDate, SignError, Signer};
use tokio::sync::Mutex;
use tracing::debug;
use zeroize::Zeroizing;

use crate::clock::ClockOffset;
use crate::servers::Servers;
use crate::system::System;
use crate::transport::TransportError;

/// A token is renewed this long before it expires, so that it doesn't expire on its way to the resource.
pub const RENEWED_BEFORE_EXPIRY: Duration = Duration::from_secs(60);

/// Of a token that lives shortly, so that [`RENEWED_BEFORE_EXPIRY`] would be much of its life, no more than
/// this part of it is left unused: a fifth.
const UNUSED_PART: u32 = 5;

/// Whether tokens are bound to a key.
#[derive(Clone, Debug)]
pub enum TokenBinding {
    /// Bound to this key: every request proves that its sender holds it (RFC 9449).
    Dpop(DpopKey),
    /// Not bound: whoever gets hold of a token can use it (RFC 6750).
    Bearer,
}

impl TokenBinding {
    /// The key that tokens are bound to, if they are.
    pub fn key(&self) -> Option<&DpopKey> {
        match self {
            Self::Dpop(key) => Some(key),
            Self::Bearer => None,
        }
    }
}

/// Gets tokens by client credentials (RFC 6749 section 4.4) with a `private_key_jwt` assertion (RFC 7523).
pub struct TokenSource {
    system: System,
    servers: Servers,
    grant: ClientCredentials,
    client_key: Arc<dyn Signer>,
    binding: TokenBinding,
    /// What the last exchange came to; locked while one is going on.
    last: Mutex<Option<Result<Arc<Token>, TokenError>>>,
    /// Exchanges that have ended.
    exchanges: AtomicU64,
}

/// An access token, and the key that it is bound to.
#[derive(Clone, Debug)]
pub struct Token {
    granted: GrantedToken,
    hash: AccessTokenHash,
    binding: TokenBinding,
    renewed_from: Option<NumericDate>,
}

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The network, or what a server may not do over it.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The authorization server granted none.
    #[error("{refusal}{}", in_brackets(.clock_offset.as_ref()))]
    Refused {
        /// What it answered.
        refusal: ExchangeError,
        /// How far the local clock is off, if it is: assertions and proofs are refused for their time, too.
        clock_offset: Option<ClockOffset>,
    },
    /// A key gave no signature.
    #[error("the token request can't be signed: {0}")]
    Sign(#[from] SignError),
    /// The operating system gave no randomness.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
}

impl TokenError {
    /// How far the local clock is off, if that explains why the request was refused.
    pub fn clock_offset(&self) -> Option<ClockOffset> {
        match self {
            Self::Refused { refusal: ExchangeError::Refused { error, .. }, clock_offset } => {
                let depends_on_time =
                    ["invalid_client", "invalid_grant", "invalid_request", "invalid_dpop_proof"];
                clock_offset.filter(|_| depends_on_time.contains(&error.as_str()))
            }
            _ => None,
        }
    }
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
        Self {
            system,
            servers: Servers::default(),
            grant,
            client_key,
            binding,
            last: Mutex::default(),
            exchanges: AtomicU64::new(0),
        }
    }

    /// The token that is held, or a new one if there is none or it is about to expire.
    ///
    /// There is one exchange at a time: who asks meanwhile waits for it and shares what comes of it.
    pub async fn token(&self) -> Result<Arc<Token>, TokenError> {
        self.token_other_than(None).await
    }

    /// A token in place of `refused`, which a resource did not take; the one that is held by now, if that
    /// is another.
    pub async fn renew(&self, refused: &Arc<Token>) -> Result<Arc<Token>, TokenError> {
        self.token_other_than(Some(refused)).await
    }

    async fn token_other_than(&self, refused: Option<&Arc<Token>>) -> Result<Arc<Token>, TokenError> {
        let exchanges_before = self.exchanges.load(Ordering::Acquire);
        let mut last = self.last.lock().await;
        match &*last {
            Some(Ok(token)) if !self.is_due(token) && refused.is_none_or(|old| !Arc::ptr_eq(old, token)) => {
                return Ok(Arc::clone(token));
            }
            // The exchange that was waited for has failed: another would fail as well.
            Some(Err(error)) if self.exchanges.load(Ordering::Acquire) != exchanges_before => {
                return Err(error.clone());
            }
            _ => {}
        }
        let outcome = self.obtain().await;
        self.exchanges.fetch_add(1, Ordering::Release);
        *last = Some(outcome.clone());
        outcome
    }

    /// An exchange, and another one if the first was refused by a clock that can be corrected.
    async fn obtain(&self) -> Result<Arc<Token>, TokenError> {
        match self.exchange().await {
            Err(refused)
                if refused
                    .clock_offset()
                    .is_some_and(|offset| self.servers.correct_clock(self.grant.target(), offset)) =>
            {
                debug!(%refused, "correcting the clock for this server");
                self.exchange().await
            }
            outcome => outcome,
        }
    }

    /// A token request, and another with the nonce that the server asks for (RFC 9449 section 8).
    async fn exchange(&self) -> Result<Arc<Token>, TokenError> {
        let (endpoint, key) = (self.grant.target(), self.binding.key());
        let mut exchange = TokenExchange::new(
            self.grant.clone(),
            self.client_key.algorithm(),
            key.map(|key| key.template().clone()),
            self.servers.nonce(endpoint),
        );
        loop {
            let attempt = exchange.attempt(self.now(), self.system.random.as_ref())?;
            let request = attempt.sign(self.client_key.as_ref(), key)?;
            let answer = self.system.transport.send(request.map(Into::into)).await?;
            self.servers.learn_nonce(endpoint, answer.headers());
            match exchange.receive(&answer) {
                Ok(Progress::AnswerChallenge) => debug!("answering a nonce challenge"),
                Ok(Progress::Wait(delay)) => self.system.timer.sleep(delay).await,
                Ok(Progress::Granted(granted)) => return Ok(Arc::new(self.hold(granted))),
                Err(refusal) => return Err(self.refused(refusal, &answer)),
            }
        }
    }

    fn hold(&self, granted: GrantedToken) -> Token {
        let renewed_from = granted.expires_at.map(|expires| {
            let unused = expires.since(self.now()) / UNUSED_PART;
            expires.before(unused.min(RENEWED_BEFORE_EXPIRY))
        });
        debug!(scheme = granted.scheme.name(), ?renewed_from, "access token granted");
        let hash = AccessTokenHash::of(&granted.access_token);
        Token { granted, hash, binding: self.binding.clone(), renewed_from }
    }

    fn refused<B>(&self, refusal: ExchangeError, answer: &Response<B>) -> TokenError {
        let clock_offset = ClockOffset::measure(answer.headers(), self.system.clock.now());
        TokenError::Refused { refusal, clock_offset }
    }

    fn is_due(&self, token: &Token) -> bool {
        token.renewed_from.is_some_and(|due| self.now() >= due)
    }

    /// The time at the authorization server, by which its tokens expire.
    fn now(&self) -> NumericDate {
        self.servers.now(self.grant.target(), self.system.clock.as_ref())
    }

    pub(crate) fn system(&self) -> &System {
        &self.system
    }

    pub(crate) fn servers(&self) -> &Servers {
        &self.servers
    }
}

impl Token {
    /// The token itself: a secret, the more so if it is bound to no key.
    pub fn secret(&self) -> &str {
        &self.granted.access_token
    }

    /// Its hash, by which proofs name it.
    pub(crate) fn hash(&self) -> AccessTokenHash {
        self.hash
    }

    /// The key that it is bound to, if it is.
    pub fn bound_to(&self) -> Option<&DpopKey> {
        self.binding.key()
    }

    /// The value of `Authorization` (RFC 9449 section 7.1, RFC 6750 section 2.1).
    pub fn authorization(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{} {}", self.granted.scheme.name(), self.secret()))
    }

    /// When it expires by the server's clock, if the server said.
    pub fn expires_at(&self) -> Option<NumericDate> {
        self.granted.expires_at
    }

    /// The scopes that were granted, if they are others than those asked for.
    pub fn scopes(&self) -> Option<&[String]> {
        self.granted.scopes.as_deref()
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TokenSource")
            .field("client_id", &self.grant.client_id)
            .field("endpoint", self.grant.target())
            .finish_non_exhaustive()
    }
}

fn in_brackets(clock_offset: Option<&ClockOffset>) -> String {
    clock_offset.map(|offset| format!(" (the local clock is {offset})")).unwrap_or_default()
}
