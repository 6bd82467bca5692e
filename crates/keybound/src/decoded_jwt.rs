//! A JWT, decoded to be looked at and not believed.

use serde_json::{Map, Value};

use crate::base64url;
use crate::excerpt::{NAME, excerpt};
use crate::key::PublicKey;

/// What stands in the place of a value that may be a secret.
const REMOVED: &str = "[removed]";

/// Members whose values are shown, wherever they stand: those of headers, of claims and of public keys that are known
/// to be no secrets. A list of what is private would miss what nobody thought of.
const SHOWN: &[&str] = &[
    // Headers (RFC 7515, RFC 7797).
    "typ",
    "cty",
    "alg",
    "kid",
    "crit",
    "b64",
    // Public keys (RFC 7517, RFC 7518; `pub` of an AKP).
    "kty",
    "crv",
    "x",
    "y",
    "n",
    "e",
    "pub",
    "use",
    "key_ops",
    "ext",
    "x5t",
    "x5t#S256",
    "jkt",
    // Claims (RFC 7519, RFC 9068, RFC 9449, RFC 8693, OpenID Connect Core), and Okta's.
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "htm",
    "ath",
    "nonce",
    "azp",
    "client_id",
    "cid",
    "uid",
    "ver",
    "scope",
    "scp",
    "auth_time",
    "acr",
    "amr",
    "at_hash",
    "c_hash",
    "s_hash",
    "groups",
    "roles",
    "entitlements",
];

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

    /// The header, to be shown: of members that are not known to be harmless, the private ones of a `jwk` among them,
    /// there is the name and `[removed]`.
    pub fn header(&self) -> Option<Value> {
        self.header.as_ref().map(shown)
    }

    /// The claims, to be shown as the header is.
    pub fn claims(&self) -> Option<Value> {
        self.claims.as_ref().map(shown)
    }

    /// All claims with their values, for whoever has brought the JWT and asks what it says; only private members of
    /// keys are `[removed]`.
    pub fn claims_in_full(&self) -> Option<Value> {
        self.claims.as_ref().map(|claims| without_private_keys(&Value::Object(claims.clone())))
    }

    /// A claim as it came.
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

fn shown(members: &Map<String, Value>) -> Value {
    let shown = |(name, value): (&String, &Value)| (excerpt(name, NAME), shown_value(name, value));
    Value::Object(members.iter().map(shown).collect())
}

/// Only members that are objects by their specification are looked into.
fn shown_value(name: &str, value: &Value) -> Value {
    match (name, value) {
        ("jwk" | "jwks" | "cnf" | "act", Value::Object(members)) => shown(members),
        ("keys", Value::Array(keys)) => {
            keys.iter().map(|key| key.as_object().map_or(REMOVED.into(), shown)).collect()
        }
        ("htu", Value::String(uri)) => without_query(uri).into(),
        _ if SHOWN.contains(&name) && is_plain(value) => value.clone(),
        _ => REMOVED.into(),
    }
}

/// The value with all that it has, but for private members of what is a key by its `kty`.
fn without_private_keys(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let is_key = members.contains_key("kty");
            let shown = |(name, value): (&String, &Value)| {
                let is_private = is_key && PublicKey::is_private_member(name);
                (name.clone(), if is_private { REMOVED.into() } else { without_private_keys(value) })
            };
            Value::Object(members.iter().map(shown).collect())
        }
        Value::Array(items) => items.iter().map(without_private_keys).collect(),
        value => value.clone(),
    }
}

/// The URI without what must not be there (RFC 9449 section 4.2), and may be a secret.
fn without_query(uri: &str) -> String {
    match uri.find(['?', '#']) {
        Some(end) => format!("{}{REMOVED}", uri.get(..=end).unwrap_or_default()),
        None => uri.to_owned(),
    }
}

fn is_plain(value: &Value) -> bool {
    let is_scalar = |value: &Value| !value.is_object() && !value.is_array();
    is_scalar(value) || value.as_array().is_some_and(|items| items.iter().all(is_scalar))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn decoded(header: &Value, claims: &Value) -> DecodedJwt {
        let part = |json: &Value| base64url::encode(json.to_string().as_bytes());
        DecodedJwt::decode(&format!("{}.{}.s", part(header), part(claims)))
    }

    #[test]
    fn in_full_all_is_shown_but_private_members_of_keys() {
        let jwt = decoded(
            &json!({}),
            &json!({"tier": "gold", "d": 1, "deep": [{"kty": "EC", "x": "AQ", "d": "secret"}, {"k": "v"}]}),
        );
        let expected =
            json!({"tier": "gold", "d": 1, "deep": [{"kty": "EC", "x": "AQ", "d": REMOVED}, {"k": "v"}]});
        assert_eq!(jwt.claims_in_full(), Some(expected));
    }

    #[test]
    fn of_what_is_not_known_to_be_harmless_the_name_is_shown_in_the_header_and_in_the_claims() {
        let removed = json!(REMOVED);
        for (came, expected) in [
            (
                json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AQ", "d": "secret"}}),
                json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AQ", "d": removed}}),
            ),
            (
                json!({"jwk": {"kty": "RSA", "n": "AQ", "e": "AQAB", "p": "secret", "q": "secret", "dp": "secret", "dq": "secret", "qi": "secret", "oth": [{"r": "secret"}]}}),
                json!({"jwk": {"kty": "RSA", "n": "AQ", "e": "AQAB", "p": removed, "q": removed, "dp": removed, "dq": removed, "qi": removed, "oth": removed}}),
            ),
            (json!({"jwk": {"kty": "oct", "k": "secret"}}), json!({"jwk": {"kty": "oct", "k": removed}})),
            (
                json!({"jwk": {"kty": "AKP", "pub": "AQ", "priv": "secret"}}),
                json!({"jwk": {"kty": "AKP", "pub": "AQ", "priv": removed}}),
            ),
            (json!({"jwk": [{"d": "secret"}]}), json!({"jwk": removed})),
            (json!({"jwk": "{\"d\":\"secret\"}"}), json!({"jwk": removed})),
            (json!({"jwks": "secret"}), json!({"jwks": removed})),
            (
                json!({"jwks": {"keys": [{"kty": "EC", "d": "secret"}, "secret"]}}),
                json!({"jwks": {"keys": [{"kty": "EC", "d": removed}, removed]}}),
            ),
            (json!({"d": "secret", "alg": "ES256"}), json!({"d": removed, "alg": "ES256"})),
            (
                json!({"cnf": {"jkt": "t", "jwk": {"d": "secret"}}}),
                json!({"cnf": {"jkt": "t", "jwk": {"d": removed}}}),
            ),
            (
                json!({"cnf": "secret", "sub": {"password": "secret"}, "aud": [["secret"]]}),
                json!({"cnf": removed, "sub": removed, "aud": removed}),
            ),
            (
                json!({"client_secret": "secret", "password": "secret", "refresh_token": "secret", "code": "secret"}),
                json!({"client_secret": removed, "password": removed, "refresh_token": removed, "code": removed}),
            ),
            (
                json!({"access_token": "secret", "assertion": "secret", "x5c": ["secret"], "of a kind that nobody knows": "secret"}),
                json!({"access_token": removed, "assertion": removed, "x5c": removed, "of a kind that nobody knows": removed}),
            ),
            (
                json!({"htu": "https://a.example/b?code=secret"}),
                json!({"htu": "https://a.example/b?[removed]"}),
            ),
            (
                json!({"htu": "https://a.example/b#secret", "aud": ["a", "b"]}),
                json!({"htu": "https://a.example/b#[removed]", "aud": ["a", "b"]}),
            ),
            (json!({"x".repeat(1000): 1}), json!({"x".repeat(NAME): removed})),
        ] {
            let decoded = decoded(&came, &came);
            for (part, shown) in [("header", decoded.header()), ("claims", decoded.claims())] {
                assert_eq!(shown.as_ref(), Some(&expected), "{part}: {came}");
            }
        }
    }
}
