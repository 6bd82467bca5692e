//! A compact JWS, decoded to be looked at and not believed.

use keybound::PublicKey;
use keybound::base64url;
use serde_json::{Map, Value};

/// Members of a JWK that are private; a proof that has one is shown without its value.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

pub(super) struct Document<'t> {
    pub(super) text: &'t str,
    header: Option<Map<String, Value>>,
    claims: Option<Map<String, Value>>,
}

impl<'t> Document<'t> {
    pub(super) fn decode(text: &'t str) -> Self {
        let mut parts = text.split('.').map(|part| {
            let json = base64url::decode(part).ok()?;
            serde_json::from_slice(&json).ok()
        });
        Self { text, header: parts.next().flatten(), claims: parts.next().flatten() }
    }

    /// The header without the private members that a `jwk` must not have.
    pub(super) fn shown_header(&self) -> Option<Value> {
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

    pub(super) fn claims(&self) -> Option<Value> {
        self.claims.clone().map(Value::Object)
    }

    pub(super) fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    pub(super) fn text_claim(&self, name: &str) -> Option<&str> {
        self.claim(name)?.as_str()
    }

    pub(super) fn header_text(&self, name: &str) -> Option<&str> {
        self.header.as_ref()?.get(name)?.as_str()
    }

    /// The claim `aud`, a text or a list of texts.
    pub(super) fn audiences(&self) -> Vec<String> {
        match self.claim("aud") {
            Some(Value::String(audience)) => vec![audience.clone()],
            Some(Value::Array(audiences)) => {
                audiences.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The thumbprint of a proof's key, or of the key that a token is bound to.
    pub(super) fn thumbprint(&self) -> Option<String> {
        if let Some(jwk) = self.header.as_ref().and_then(|header| header.get("jwk")) {
            let jwk = serde_json::to_vec(jwk).ok()?;
            return PublicKey::from_jwk(&jwk).ok().map(|key| key.thumbprint().to_string());
        }
        self.claim("cnf")?.get("jkt")?.as_str().map(str::to_owned)
    }

    pub(super) fn looks_like_proof(&self) -> bool {
        let has_key = self.header.as_ref().is_some_and(|header| header.contains_key("jwk"));
        let typed = self.header_text("typ").is_some_and(|typ| typ.eq_ignore_ascii_case("dpop+jwt"));
        typed || has_key || self.claim("htm").is_some()
    }

    /// A client speaks of itself: `iss` and `sub` are one (RFC 7523 section 3).
    pub(super) fn looks_like_assertion(&self) -> bool {
        self.text_claim("iss").is_some() && self.text_claim("iss") == self.text_claim("sub")
    }
}
