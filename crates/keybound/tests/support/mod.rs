//! A workshop for tests: tokens of any header and any claims, signed or forged.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use keybound::{
    Algorithm, NumericDate, PublicKey, Signer as _, SigningKey, TargetUri, UnsignedJws, base64url,
};
use serde_json::{Map, Value, json};

pub const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
pub const TARGET: &str = "https://api.example.com/api/v1/users";
pub const TOKEN: &str = "an.access.token";

/// Two keys of the kinds that most proofs have; making an RSA key takes long, so it is made once.
pub static ES256: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::ES256).unwrap());
pub static RS256: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::RS256).unwrap());

pub fn target() -> TargetUri {
    TargetUri::parse(TARGET).unwrap()
}

pub fn jwk(key: &PublicKey) -> Value {
    serde_json::to_value(key.jwk()).unwrap()
}

/// A JWT in the making: a good one that each test spoils in one way.
#[derive(Clone)]
pub struct Draft {
    pub header: Value,
    pub claims: Value,
}

impl Draft {
    /// A proof for `GET` of [`TARGET`] by [`ES256`].
    pub fn proof() -> Self {
        Self {
            header: json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(ES256.public_key())}),
            claims: json!({"jti": "-BwC3ESc6acc2lTc", "htm": "GET", "htu": TARGET, "iat": NOW.seconds()}),
        }
    }

    pub fn header(mut self, name: &str, value: Value) -> Self {
        members(&mut self.header).insert(name.to_owned(), value);
        self
    }

    pub fn without_header(mut self, name: &str) -> Self {
        members(&mut self.header).remove(name);
        self
    }

    pub fn claim(mut self, name: &str, value: Value) -> Self {
        members(&mut self.claims).insert(name.to_owned(), value);
        self
    }

    pub fn without_claim(mut self, name: &str) -> Self {
        members(&mut self.claims).remove(name);
        self
    }

    /// The header's `jwk` with one member changed.
    pub fn jwk_member(mut self, name: &str, value: Value) -> Self {
        members(&mut self.header["jwk"]).insert(name.to_owned(), value);
        self
    }

    pub fn without_jwk_member(mut self, name: &str) -> Self {
        members(&mut self.header["jwk"]).remove(name);
        self
    }

    /// What anyone can read in a JWS, signed or not yet.
    pub fn read(jws: &str) -> Self {
        let mut parts =
            jws.split('.').map(|part| serde_json::from_slice(&base64url::decode(part).unwrap()).unwrap());
        Self { header: parts.next().unwrap(), claims: parts.next().unwrap() }
    }

    pub fn sign(&self, key: &SigningKey) -> String {
        sign_texts(&self.header.to_string(), &self.claims.to_string(), key)
    }
}

/// A JWS of these texts, which need not be JSON.
pub fn sign_texts(header: &str, claims: &str, key: &SigningKey) -> String {
    UnsignedJws::new(header.as_bytes(), claims.as_bytes()).sign(key).unwrap()
}

fn members(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().unwrap()
}
