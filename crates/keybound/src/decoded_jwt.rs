//! A JWT, decoded to be looked at and not believed.

use serde_json::{Map, Value};

use crate::base64url;
use crate::key::PublicKey;

/// Members of a JWK that are private; a proof that has one is shown without its value.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// What a JWT says, whether it may be believed or not. Nothing here is verified: it is for people to read.
pub struct DecodedJwt {
    header: Option<Map<String, Value>>,
    claims: Option<Map<String, Value>>,
}

impl DecodedJwt {
    /// Decodes what can be decoded of `text`.
    pub fn decode(text: &str) -> Self {
        let mut parts = text.split('.').map(|part| {
            let json = base64url::decode(part).ok()?;
            serde_json::from_slice(&json).ok()
        });
        Self { header: parts.next().flatten(), claims: parts.next().flatten() }
    }

    /// The header, without the private members that its `jwk` must not have.
    pub fn header(&self) -> Option<Value> {
        let mut header = self.header.clone()?;
        if let Some(Value::Object(jwk)) = header.get_mut("jwk") {
            for name in PRIVATE_MEMBERS {
                if let Some(value) = jwk.get_mut(name) {
                    *value = "[private, not shown]".into();
                }
            }
        }
        Some(Value::Object(header))
    }

    /// The claims.
    pub fn claims(&self) -> Option<Value> {
        self.claims.clone().map(Value::Object)
    }

    /// A claim.
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    /// A claim that is a string.
    pub fn text_claim(&self, name: &str) -> Option<&str> {
        self.claim(name)?.as_str()
    }

    /// The claim `aud`, a string or an array of strings (RFC 7519 section 4.1.3).
    pub fn audiences(&self) -> Vec<String> {
        match self.claim("aud") {
            Some(Value::String(audience)) => vec![audience.clone()],
            Some(Value::Array(audiences)) => {
                audiences.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The thumbprint of a proof's key, or of the key that a token is bound to.
    pub fn thumbprint(&self) -> Option<String> {
        if let Some(jwk) = self.header.as_ref().and_then(|header| header.get("jwk")) {
            let jwk = serde_json::to_vec(jwk).ok()?;
            return PublicKey::from_jwk(&jwk).ok().map(|key| key.thumbprint().to_string());
        }
        self.claim("cnf")?.get("jkt")?.as_str().map(str::to_owned)
    }
}
