//! Public keys as JSON Web Keys (RFC 7517, RFC 7518 section 6, RFC 8037 section 2), as they are written.

use std::sync::Arc;

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::json::{Object, Value};
use crate::key::{Components, Curve, KeyError, RsaNumbers};
use crate::thumbprint::Thumbprint;

/// A public key as a JWK, in its one canonical spelling: the required members, then `kid`, `use`, `alg`
/// and `key_ops` where they are there.
///
/// It serialises as a JSON object with the members always in the same order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicJwk {
    required: Arc<RequiredMembers>,
    pub(crate) attributes: Attributes,
}

impl PublicJwk {
    pub(crate) fn new(components: &Components, attributes: Attributes) -> Self {
        Self { required: Arc::new(RequiredMembers::new(components)), attributes }
    }

    /// The members that make the key, without `kid`, `use`, `alg` and `key_ops`.
    pub fn required_members(&self) -> impl Serialize {
        &*self.required
    }

    pub(crate) fn thumbprint(&self) -> Thumbprint {
        self.required.thumbprint()
    }

    /// Whether the required members of `jwk` are these, letter by letter: then it is the same key.
    pub(crate) fn is_spelt_as(&self, jwk: &Object<'_>) -> bool {
        self.required.members().all(|(name, value)| jwk.get(name).and_then(Value::as_str) == Some(value))
    }

    /// The name that the key's owner gave it (`kid`).
    pub fn key_id(&self) -> Option<&str> {
        self.attributes.key_id.as_deref()
    }

    /// The algorithm that the key is reserved for (`alg`).
    pub fn algorithm(&self) -> Option<&str> {
        self.attributes.algorithm.as_deref()
    }

    /// The JSON text.
    pub fn to_json(&self) -> String {
        write(self)
    }
}

impl Serialize for PublicJwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.required.members() {
            map.serialize_entry(name, value)?;
        }
        let Attributes { key_id, key_use, algorithm, key_operations } = &self.attributes;
        for (name, value) in [("kid", key_id), ("use", key_use), ("alg", algorithm)] {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        if let Some(operations) = key_operations {
            map.serialize_entry("key_ops", operations)?;
        }
        map.end()
    }
}

/// The members that make a key, in the lexical order in which its thumbprint is taken (RFC 7638
/// section 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
enum RequiredMembers {
    Rsa { e: String, n: String },
    Elliptic { curve: Curve, x: String, y: String },
    Ed25519 { x: String },
}

impl RequiredMembers {
    fn new(components: &Components) -> Self {
        match components {
            Components::Rsa(RsaNumbers { modulus, exponent }) => {
                Self::Rsa { e: base64url::encode(exponent), n: base64url::encode(modulus) }
            }
            Components::Elliptic(point) => {
                let (x, y) = point.coordinates();
                Self::Elliptic { curve: point.curve(), x: base64url::encode(x), y: base64url::encode(y) }
            }
            Components::Ed25519(x) => Self::Ed25519 { x: base64url::encode(x) },
        }
    }

    fn members(&self) -> impl Iterator<Item = (&'static str, &str)> {
        match self {
            Self::Rsa { e, n } => [Some(("e", e.as_str())), Some(("kty", "RSA")), Some(("n", n)), None],
            Self::Elliptic { curve, x, y } => {
                [Some(("crv", curve.name())), Some(("kty", "EC")), Some(("x", x)), Some(("y", y))]
            }
            Self::Ed25519 { x } => [Some(("crv", "Ed25519")), Some(("kty", "OKP")), Some(("x", x)), None],
        }
        .into_iter()
        .flatten()
    }

    fn thumbprint(&self) -> Thumbprint {
        thumbprint_of_members(self.members())
    }
}

/// The thumbprint of a JWK as its members are spelt, whether they make a key or not. `None` if some are
/// missing, or have characters that no key's members have. Every key has one spelling alone, so that this
/// is the thumbprint of the key, if it is one.
pub(crate) fn thumbprint_as_spelt(jwk: &Object<'_>) -> Option<Thumbprint> {
    let names: &[&'static str] = match jwk.get("kty")?.as_str()? {
        "RSA" => &["e", "kty", "n"],
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        _ => return None,
    };
    let is_plain =
        |value: &&str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let member = |name: &&'static str| Some((*name, jwk.get(name)?.as_str().filter(is_plain)?));
    let members: Vec<_> = names.iter().map(member).collect::<Option<_>>()?;
    Some(thumbprint_of_members(members.into_iter()))
}

/// No value needs an escape, so the canonical text is put together as it is.
fn thumbprint_of_members<'a>(members: impl Iterator<Item = (&'static str, &'a str)>) -> Thumbprint {
    /// Room for the names, the quotes and an RSA key of 2048 bits.
    const USUAL_BYTES: usize = 512;
    let mut text = String::with_capacity(USUAL_BYTES);
    let mut separator = '{';
    for (name, value) in members {
        text.push(separator);
        for part in ["\"", name, "\":\"", value, "\""] {
            text.push_str(part);
        }
        separator = ',';
    }
    text.push('}');
    Thumbprint::of_canonical_jwk(&text)
}

impl Serialize for RequiredMembers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.members())
    }
}

/// What a JWK says about its key beside the key itself (RFC 7517 sections 4.2 to 4.5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) key_id: Option<String>,
    pub(crate) key_use: Option<String>,
    pub(crate) algorithm: Option<String>,
    pub(crate) key_operations: Option<Vec<String>>,
}

impl Attributes {
    /// Refuses a purpose that the key's owner has excluded.
    pub(crate) fn allow(&self, algorithm: Algorithm) -> Result<(), KeyError> {
        let is_algorithm =
            |name: &String| name.parse().is_ok_and(|reserved: Algorithm| reserved.is_same_as(algorithm));
        let member = if !self.algorithm.as_ref().is_none_or(is_algorithm) {
            "alg"
        } else if self.key_use.as_ref().is_some_and(|key_use| key_use != "sig") {
            "use"
        } else if self.key_operations.as_ref().is_some_and(|all| !all.iter().any(|one| one == "verify")) {
            "key_ops"
        } else {
            return Ok(());
        };
        Err(KeyError::ReservedForOther { member, algorithm })
    }
}

/// The JSON text of a key or of a set of keys.
#[expect(clippy::expect_used, reason = "only maps with other keys than strings cannot be written")]
pub(crate) fn write(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("maps of strings are written")
}
