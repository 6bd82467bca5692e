//! An access token as it is held: the secret, the key that it is bound to, how long it is good for.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use keybound::exchange::GrantedToken;
use keybound::metadata::ServerMetadata;
use keybound::proof::{AccessTokenHash, DpopKey};
use keybound::{Algorithm, NumericDate, SigningKey};
use zeroize::Zeroizing;

use crate::clock::Moment;
use crate::renewal::Life;
use crate::token_source::TokenError;

/// Whether tokens are bound to a key.
#[derive(Clone, Debug)]
pub enum TokenBinding {
    /// Bound to this key: every request proves that its sender holds it (RFC 9449).
    Dpop(DpopKey),
    /// The same with a key that is made for this alone, once it is known which algorithms the server takes.
    FreshDpop(FreshDpopKey),
    /// Not bound: whoever gets hold of a token can use it (RFC 6750).
    Bearer,
}

impl TokenBinding {
    /// A key that is made when it is needed.
    pub fn fresh() -> Self {
        Self::FreshDpop(FreshDpopKey::default())
    }

    /// Whether tokens are bound to a key.
    pub const fn is_bound(&self) -> bool {
        !matches!(self, Self::Bearer)
    }

    /// The key that tokens are bound to, if they are; a fresh one once it is made.
    pub fn key(&self) -> Option<&DpopKey> {
        match self {
            Self::Dpop(key) => Some(key),
            Self::FreshDpop(key) => key.get(),
            Self::Bearer => None,
        }
    }

    /// The key that a server is asked with which says this of itself, if it says anything: a fresh one is made now, one
    /// that is there already is held to the server's list (`dpop_signing_alg_values_supported`, RFC 9449 section 5.1).
    pub fn key_for(&self, metadata: Option<&ServerMetadata>) -> Result<Option<&DpopKey>, TokenError> {
        let key = match self {
            Self::Bearer => return Ok(None),
            Self::Dpop(key) => key,
            Self::FreshDpop(fresh) => fresh.made_for(metadata)?,
        };
        metadata.map_or(Ok(()), |metadata| metadata.allow_proof_algorithm(key.algorithm()))?;
        Ok(Some(key))
    }
}

/// A DPoP key that is made once, when the server has said of which algorithms it takes proofs. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct FreshDpopKey(Arc<OnceLock<DpopKey>>);

impl FreshDpopKey {
    /// The key, if it is made.
    pub fn get(&self) -> Option<&DpopKey> {
        self.0.get()
    }

    /// The key, which is made now if there is none yet: of ES256 for a server that does not say what it takes, since
    /// every server that does DPoP has that, and it signs in microseconds.
    fn made_for(&self, metadata: Option<&ServerMetadata>) -> Result<&DpopKey, TokenError> {
        if let Some(key) = self.get() {
            return Ok(key);
        }
        let algorithm = match metadata {
            Some(metadata) => metadata.choose_proof_algorithm()?,
            None => Algorithm::ES256,
        };
        let made = SigningKey::generate(algorithm)?;
        Ok(self.0.get_or_init(|| DpopKey::new(Arc::new(made))))
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
