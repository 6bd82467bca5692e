//! JWK sets (RFC 7517 section 5): the keys that a server publishes, or that a client has registered.

use serde::Serialize;

use crate::algorithm::Algorithm;
use crate::json::{Object, Value};
use crate::jwk;
use crate::key::{KeyError, PublicKey};

/// Bytes of a JWK set, at most: 100 RSA keys with their certificates.
pub const MAX_JWK_SET_BYTES: usize = 256 * 1024;

/// Keys in a set, at most. Servers publish fewer than ten.
pub const MAX_JWK_SET_KEYS: usize = 100;

/// Public keys, to find the one that made a signature.
#[derive(Clone, Debug, Default)]
pub struct JwkSet {
    keys: Vec<PublicKey>,
}

impl JwkSet {
    /// Parses a JWK set. Keys that cannot verify signatures here are left out, as RFC 7517 section 5
    /// wants it: of an unknown type, reserved for encryption, too weak, malformed, or not public.
    pub fn parse(json: &[u8]) -> Result<Self, KeyError> {
        if json.len() > MAX_JWK_SET_BYTES {
            let limit = MAX_JWK_SET_BYTES;
            return Err(KeyError::TooLarge { container: "JWK set", found: json.len(), limit });
        }
        let set = Object::parse(json).map_err(KeyError::NotStrictJson)?;
        let Some(Value::Array(keys)) = set.get("keys") else { return Err(KeyError::NotAJwkSet) };
        if keys.len() > MAX_JWK_SET_KEYS {
            return Err(KeyError::TooManyKeys { found: keys.len(), limit: MAX_JWK_SET_KEYS });
        }
        Ok(Self { keys: keys.iter().filter_map(usable).collect() })
    }

    /// A set of these keys.
    pub fn from_keys(keys: Vec<PublicKey>) -> Self {
        Self { keys }
    }

    /// All keys, in the order of the set.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// The keys that may verify signatures of `algorithm`: those of the name `key_id` (`kid`) if one is
    /// given, else all that fit.
    pub fn find(&self, key_id: Option<&str>, algorithm: Algorithm) -> impl Iterator<Item = &PublicKey> {
        self.keys
            .iter()
            .filter(move |key| key_id.is_none() || key.key_id() == key_id)
            .filter(move |key| key.allow(algorithm).is_ok())
    }

    /// The JSON text of the set.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Set<'a> {
            keys: Vec<&'a jwk::PublicJwk>,
        }
        jwk::write(&Set { keys: self.keys.iter().map(PublicKey::jwk).collect() })
    }
}

fn usable(jwk: &Value<'_>) -> Option<PublicKey> {
    let Value::Object(jwk) = jwk else { return None };
    let key = PublicKey::from_jwk_object(jwk).ok()?;
    let verifies = |algorithm: Algorithm| key.allow(algorithm).is_ok();
    Algorithm::ALL.into_iter().any(verifies).then_some(key)
}
