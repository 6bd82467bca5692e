//! An access token as it is held: the secret, the key that it is bound to, how long it is good for.

use std::time::Duration;

use keybound::NumericDate;
use keybound::exchange::GrantedToken;
use keybound::proof::{AccessTokenHash, DpopKey};
use zeroize::Zeroizing;

use crate::clock::Moment;
use crate::renewal::Life;

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

/// An access token, and the key that it is bound to. `Debug` doesn't show the token.
#[derive(Clone, Debug)]
pub struct Token {
    granted: GrantedToken,
    hash: AccessTokenHash,
    binding: TokenBinding,
    /// `None` if the server didn't say how long the token lives.
    life: Option<Life>,
}

impl Token {
    /// `granted` for the key of `binding`; good for `life`.
    pub(crate) fn new(granted: GrantedToken, binding: TokenBinding, life: Option<Life>) -> Self {
        let hash = AccessTokenHash::of(&granted.access_token);
        Self { granted, hash, binding, life }
    }

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

    /// When the request for it was sent by the local clock, and how long it lives from then on, if the
    /// server said.
    pub(crate) fn lifetime(&self) -> Option<(NumericDate, Duration)> {
        self.life.map(|life| (life.from, life.lifetime))
    }

    /// Whether it is to be renewed.
    pub(crate) fn is_due(&self, now: Moment) -> bool {
        self.life.is_some_and(|life| now.has_reached(life.due))
    }

    /// Whether it can still be used.
    pub(crate) fn is_good(&self, now: Moment) -> bool {
        self.life.is_none_or(|life| !now.has_reached(life.ends))
    }
}
