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

use crate::authorization_client::AuthorizationClient;
use crate::token_source::TokenError;

/// Where refresh tokens are kept, so that the user need not be asked again after the program has ended.
pub trait RefreshTokenStore: Send + Sync {
    /// Keeps `token` in the place of the one before, and ends when it is kept. The one before is of no more
    /// use.
    fn keep<'a>(
        &'a self,
        token: &'a RefreshToken,
    ) -> Pin<Box<dyn Future<Output = Result<(), NotKept>> + Send + 'a>>;
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
        Self { token_endpoint, scopes: Vec::new(), held, store }
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
        let mut held = self.held.lock().await;
        if !held.is_kept {
            held.is_kept = self.keep(&held.token).await;
        }
        let grant = Grant::RefreshToken { token: held.token.clone(), scopes: self.scopes.clone() };
        let identity = client.registration().identity().clone();
        let request = TokenRequest::new(self.token_endpoint.clone(), identity, grant);
        let granted = client.token(&request).await?;
        if let Some(next) = &granted.refresh_token {
            *held = Held { is_kept: self.keep(next).await, token: next.clone() };
        }
        Ok(granted)
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
            .finish_non_exhaustive()
    }
}
