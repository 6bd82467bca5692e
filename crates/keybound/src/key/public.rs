//! Public keys.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::components::Components;
use super::{KeyError, KeyKind, VerifyingKey};
use crate::algorithm::Algorithm;
use crate::jwk::{Attributes, PublicJwk};
use crate::thumbprint::Thumbprint;

/// A public key that has been checked: strong enough, and on its curve. A clone shares what is large.
///
/// ```
/// use keybound::{Algorithm, PrivateKey, PublicKey, KeyKind};
///
/// let key = PrivateKey::generate(KeyKind::P256)?.public_key().clone().with_key_id("2026-11");
/// let read = PublicKey::from_jwk(key.jwk().to_json().as_bytes())?;
/// assert_eq!(read.thumbprint(), key.thumbprint());
/// assert_eq!(read.key_id(), Some("2026-11"));
/// # Ok::<(), keybound::KeyError>(())
/// ```
#[derive(Clone)]
pub struct PublicKey {
    kind: KeyKind,
    thumbprint: Thumbprint,
    jwk: PublicJwk,
    pub(super) components: Arc<Components>,
    /// As the cryptographic library has it, for the algorithm that it was first asked for: a key is used
    /// with one algorithm (RFC 8725 section 3.1). Elliptic curve keys have it from the start.
    parsed: Arc<OnceLock<VerifyingKey>>,
}

impl PublicKey {
    pub(super) fn new(components: Components, attributes: Attributes) -> Result<Self, KeyError> {
        let kind = components.kind()?;
        let parsed = OnceLock::new();
        if let Some(algorithm) = only_algorithm(kind) {
            let verifying_key = VerifyingKey::from_parsed(components.parse(algorithm)?, algorithm);
            let _ = parsed.set(verifying_key);
        }
        let jwk = PublicJwk::new(&components, attributes);
        Ok(Self {
            kind,
            thumbprint: jwk.thumbprint(),
            jwk,
            components: Arc::new(components),
            parsed: Arc::new(parsed),
        })
    }

    pub(super) fn with_attributes(mut self, attributes: Attributes) -> Self {
        self.jwk.attributes = attributes;
        self
    }

    /// What the key is.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The thumbprint (RFC 7638), made once.
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// The key as a JWK, with `kid`, `use`, `alg` and `key_ops` if it was read with them.
    pub fn jwk(&self) -> &PublicJwk {
        &self.jwk
    }

    /// The name that the key's owner gave it (`kid`).
    pub fn key_id(&self) -> Option<&str> {
        self.jwk.key_id()
    }

    /// The same key under this name (`kid`).
    #[must_use]
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.jwk.attributes.key_id = Some(key_id.into());
        self
    }

    /// The same key, reserved for signatures of this algorithm (`alg`, and `use` of `sig`).
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.jwk.attributes.algorithm = Some(algorithm.name().to_owned());
        self.jwk.attributes.key_use = Some("sig".to_owned());
        self
    }

    /// Refuses an algorithm that is not for keys of this kind, and one that the JWK's `alg`, `use` or
    /// `key_ops` exclude (RFC 7517 sections 4.2 to 4.4).
    pub fn allow(&self, algorithm: Algorithm) -> Result<(), KeyError> {
        if !algorithm.fits(self.kind) {
            return Err(KeyError::DoesNotFit { algorithm, kind: self.kind });
        }
        self.jwk.attributes.allow(algorithm)
    }

    /// As the cryptographic library has it, kept from the first time.
    pub(super) fn verifying_key(&self, algorithm: Algorithm) -> Result<VerifyingKey, KeyError> {
        match self.parsed.get() {
            Some(parsed) if parsed.algorithm().is_same_as(algorithm) => Ok(parsed.clone()),
            _ => {
                let verifying_key = VerifyingKey::from_parsed(self.components.parse(algorithm)?, algorithm);
                // Another algorithm may have come first; its form stays.
                let _ = self.parsed.set(verifying_key.clone());
                Ok(verifying_key)
            }
        }
    }
}

/// The algorithm of an elliptic curve key; RSA keys have several.
const fn only_algorithm(kind: KeyKind) -> Option<Algorithm> {
    match kind {
        KeyKind::Rsa { .. } => None,
        KeyKind::P256 => Some(Algorithm::ES256),
        KeyKind::P384 => Some(Algorithm::ES384),
        KeyKind::P521 => Some(Algorithm::ES512),
        KeyKind::Ed25519 => Some(Algorithm::EdDSA),
    }
}

impl PartialEq for PublicKey {
    /// Whether they are the same key, by whatever name.
    fn eq(&self, other: &Self) -> bool {
        self.thumbprint == other.thumbprint
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({}, {})", self.kind, self.thumbprint)
    }
}
