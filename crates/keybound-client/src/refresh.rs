//! Keeps a user's access token fresh by the refresh token (RFC 6749 section 6), which the server may replace
//! each time (rotation, RFC 9700 section 4.14.2).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use keybound::endpoint::Endpoint;
use keybound::exchange::{Grant, GrantedToken, RefreshToken, TokenRequest};
use tokio::sync::Mutex;
use tracing::warn;

use crate::authorization_client::{AuthorizationClient, Granted};
use crate::token_cache::CacheLock;
use crate::token_source::TokenError;

/// Where refresh tokens are kept, so that the user need not be asked again after the program has ended.
pub trait RefreshTokenStore: Send + Sync {
    /// Comes before every refresh: what other processes have kept meanwhile, and the store for this process
    /// alone until the refresh is over. A store that is for one process needs neither.
    fn begin(&self) -> Pin<Box<dyn Future<Output = Result<Begun, NotKept>> + Send + '_>> {
        Box::pin(std::future::ready(Ok(Begun::default())))
    }

    /// Keeps `token` in the place of the one before, and ends when it is kept. The one before is of no more
    /// use.
    fn keep<'a>(
        &'a self,
        token: &'a RefreshToken,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + 'a>>;
}

/// A refresh that begins, as a store sees it.
#[derive(Default)]
pub struct Begun {
    /// The token that is kept; `None` where no other process can have changed it.
    pub token: Option<RefreshToken>,
    /// Keeps other processes from refreshing until it is dropped: a server that sees a refresh token twice
    /// takes it for stolen (RFC 9700 section 4.14.2).
    pub lock: Option<CacheLock>,
}

/// A refresh token could not be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the refresh token can't be kept: {reason}")]
pub struct NotKept {
    /// Why; without the token.
    pub reason: String,
}

/// Keeps nothing: the user is asked again when the program has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotStored;

impl RefreshTokenStore for NotStored {
    fn keep<'a>(
        &'a self,
        _token: &'a RefreshToken,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Gets access tokens by a refresh token, and takes the next one in its place.
pub struct Refresher {
    token_endpoint: Endpoint,
    /// The scopes to ask for, all that were granted if there are none (RFC 6749 section 6).
    pub scopes: Vec<String>,
    /// The resources that access tokens are for, of those that the user was asked for (RFC 8707 section 2.2).
    pub resources: Vec<String>,
    /// Whose tokens they are, by a name that no other user of the client has. Where there is none, access
    /// tokens are not kept in a [`TokenCache`](crate::TokenCache): it could not tell users apart.
    pub user: Option<String>,
    held: Mutex<Held>,
    store: Arc<dyn RefreshTokenStore>,
}

/// The refresh token that the server takes next.
struct Held {
    token: RefreshToken,
    /// Whether the store has it.
    is_kept: bool,
}

impl Refresher {
    /// Refreshes by `token`, which `store` has; what comes in its place is kept there.
    pub fn new(token_endpoint: Endpoint, token: RefreshToken, store: Arc<dyn RefreshTokenStore>) -> Self {
        let held = Mutex::new(Held { token, is_kept: true });
        let (scopes, resources) = (Vec::new(), Vec::new());
        Self { token_endpoint, scopes, resources, user: None, held, store }
    }

    /// The token endpoint.
    pub fn token_endpoint(&self) -> &Endpoint {
        &self.token_endpoint
    }

    /// A new access token. There is one exchange at a time: a server that sees a refresh token twice takes it
    /// for stolen.
    ///
    /// A new refresh token is given to the store before the old one is forgotten. If it can't be kept, the
    /// access token is of use all the same, and the next refresh begins by keeping it.
    ///
    /// If this future is dropped before it ends, a refresh token that the server has just replaced is lost
    /// with its successor: whoever may be cancelled runs it in a task of its own.
    pub async fn token(&self, client: &AuthorizationClient) -> Result<GrantedToken, TokenError> {
        self.exchange(client, &self.scopes).await.map(|granted| granted.token)
    }

    /// [`token`](Self::token) for these scopes, with the times that belong to it.
    pub(crate) async fn exchange(
        &self,
        client: &AuthorizationClient,
        scopes: &[String],
    ) -> Result<Granted, TokenError> {
        let mut held = self.held.lock().await;
        let _lock = self.begin(&mut held).await;
        let grant = Grant::RefreshToken { token: held.token.clone(), scopes: scopes.to_vec() };
        let identity = client.registration().identity().clone();
        let mut request = TokenRequest::new(self.token_endpoint.clone(), identity, grant);
        request.resources.clone_from(&self.resources);
        let granted = client.exchange(&request).await?;
        if let Some(next) = &granted.token.refresh_token {
            *held = Held { is_kept: self.keep(next).await, token: next.clone() };
        }
        Ok(granted)
    }

    /// Takes the store for this refresh, with the newest token: ours, if it is not kept yet.
    async fn begin(&self, held: &mut Held) -> Option<CacheLock> {
        let begun = self.store.begin().await.unwrap_or_else(|error| {
            warn!(%error, "going on with the refresh token that was read before");
            Begun::default()
        });
        match begun.token {
            Some(token) if held.is_kept => held.token = token,
            _ if !held.is_kept => held.is_kept = self.keep(&held.token).await,
            _ => {}
        }
        begun.lock
    }

    /// The refresh token that the server takes next.
    pub async fn refresh_token(&self) -> RefreshToken {
        self.held.lock().await.token.clone()
    }

    async fn keep(&self, token: &RefreshToken) -> bool {
        let kept = self.store.keep(token).await;
        if let Err(error) = &kept {
            warn!(%error, "the user will have to be asked again if the program ends now");
        }
        kept.is_ok()
    }
}

impl fmt::Debug for Refresher {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Refresher")
            .field("token_endpoint", &self.token_endpoint)
            .field("scopes", &self.scopes)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}
