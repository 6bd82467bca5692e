//! Tokens and proofs of any header and any claims, signed or forged, and the guards that judge them.

use std::fs;
use std::sync::{Arc, LazyLock};

use http::Method;
use keybound::proof::AccessTokenHash;
use keybound::replay::{ReplayKey, ReplayRefusal};
use keybound::{
    Algorithm, NoncePolicy, NonceSecret, Nonces, NumericDate, PublicKey, Signer as _, SigningKey,
    UnsignedJws, base64url,
};
use keybound_guard::Guard;
use keybound_guard::policy::Policy;
use keybound_guard::replay::{Recorded, SharedReplayStore};
use serde_json::{Map, Value, json};

pub const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
pub const HOST: &str = "api.example.com";
pub const OTHER_HOST: &str = "files.example.com";
pub const PATH: &str = "/orders/1";
pub const TARGET: &str = "https://api.example.com/orders/1";
pub const ISSUER: &str = "https://login.example.com";
pub const AUDIENCE: &str = "https://api.example.com";

/// The client's key.
pub static ES256: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::ES256).unwrap());
/// The issuer's key.
pub static RS256: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::RS256).unwrap());
/// The token that most requests carry.
pub static TOKEN: LazyLock<String> = LazyLock::new(|| Draft::token().sign(&RS256));
/// The files that policies name.
static FILES: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let mut key = jwk(RS256.public_key());
    key["kid"] = json!("k");
    fs::write(folder.path().join("jwks.json"), json!({"keys": [key]}).to_string()).unwrap();
    fs::write(folder.path().join("nonce"), base64url::encode([7; 32])).unwrap();
    folder
});

/// The nonces of every guard here.
pub fn nonces() -> Nonces {
    Nonces::new(NoncePolicy::default(), NonceSecret::from_bytes(&[7; 32]))
}

pub fn jwk(key: &PublicKey) -> Value {
    serde_json::to_value(key.jwk()).unwrap()
}

/// What a guard is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Setting {
    /// The defaults.
    Strict,
    /// Bearer tokens that are bound to no key are taken too.
    Bearer,
    /// Proofs need a nonce.
    Nonces,
    /// Paths have scopes, one is open, one wants nonces.
    Routes,
    /// Two hosts.
    TwoHosts,
    /// The replay store cannot be asked.
    StoreDown,
    /// The client has used up its share of the replay store.
    StoreBusy,
}

impl Setting {
    pub const ALL: [Self; 7] = [
        Self::Strict,
        Self::Bearer,
        Self::Nonces,
        Self::Routes,
        Self::TwoHosts,
        Self::StoreDown,
        Self::StoreBusy,
    ];

    pub fn policy(self) -> Policy {
        let mut resources = r#"["https://api.example.com"]"#;
        let (mut fields, mut tables) = ("", "");
        match self {
            Self::Bearer => fields = "accept_bearer_for_unbound_tokens = true",
            Self::Nonces => tables = "required = \"always\"",
            Self::Routes => tables = "required = \"by_route\"",
            Self::TwoHosts => resources = r#"["https://api.example.com", "https://files.example.com"]"#,
            Self::Strict | Self::StoreDown | Self::StoreBusy => {}
        }
        let routes = if self == Self::Routes { ROUTES } else { "" };
        let folder = FILES.path().display();
        Policy::from_toml(&format!(
            r#"
            resources = {resources}
            trusted_proxies = ["127.0.0.1/32"]
            {fields}
            [nonces]
            secret_files = ["{folder}/nonce"]
            {tables}
            [[issuers]]
            issuer = "{ISSUER}"
            audiences = ["{AUDIENCE}"]
            jwks_file = "{folder}/jwks.json"
            {routes}
            "#
        ))
        .unwrap()
    }

    /// A guard of its own, at [`NOW`].
    pub fn guard(self) -> Guard {
        let builder = Guard::builder(self.policy()).clock(Arc::new(|| NOW));
        let broken = match self {
            Self::StoreDown => Some(ReplayRefusal::Unavailable),
            Self::StoreBusy => Some(ReplayRefusal::QuotaExceeded),
            _ => None,
        };
        match broken {
            Some(reason) => builder.replay_store(Arc::new(Broken(reason))).build().unwrap(),
            None => builder.build().unwrap(),
        }
    }
}

const ROUTES: &str = r#"
    [[routes]]
    path = "/health"
    admit_without_token = true
    [[routes]]
    path = "/orders/*"
    methods = ["GET"]
    scopes = ["orders.read", "orders.admin"]
    [[routes]]
    path = "/orders/*"
    methods = ["DELETE"]
    scopes = ["orders.admin"]
    [[routes]]
    path = "/payments"
    nonce = true
"#;

struct Broken(ReplayRefusal);

impl SharedReplayStore for Broken {
    fn record<'a>(&'a self, _: &'a ReplayKey, _: NumericDate, _: NumericDate) -> Recorded<'a> {
        Box::pin(std::future::ready(Err(self.0.clone())))
    }
}

/// A request as a client sends it.
#[derive(Clone, Debug)]
pub struct ClientRequest {
    pub method: Method,
    pub host: &'static str,
    /// With the query.
    pub path: String,
    pub headers: Vec<(&'static str, Vec<u8>)>,
}

impl ClientRequest {
    pub fn get(path: &str) -> Self {
        Self { method: Method::GET, host: HOST, path: path.to_owned(), headers: Vec::new() }
    }

    pub fn header(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub fn authorization(self, value: impl Into<Vec<u8>>) -> Self {
        self.header("authorization", value)
    }

    /// A good token, and this proof.
    pub fn with_proof(proof: impl Into<Vec<u8>>) -> Self {
        Self::get(PATH).authorization(format!("DPoP {}", *TOKEN)).header("dpop", proof)
    }

    /// This token, with a good proof for it.
    pub fn with_token(token: &str) -> Self {
        Self::get(PATH)
            .authorization(format!("DPoP {token}"))
            .header("dpop", Draft::proof_for(token).sign(&ES256))
    }

    /// A good request for another target.
    pub fn to(method: Method, host: &'static str, path: &str, token: &str, nonce: Option<&str>) -> Self {
        let bare = path.split('?').next().unwrap();
        let mut proof = Draft::proof_for(token)
            .claim("htm", json!(method.as_str()))
            .claim("htu", json!(format!("https://{host}{bare}")));
        if let Some(nonce) = nonce {
            proof = proof.claim("nonce", json!(nonce));
        }
        Self { method, host, ..Self::get(path) }
            .authorization(format!("DPoP {token}"))
            .header("dpop", proof.sign(&ES256))
    }
}

/// A JWT in the making: a good one that each case spoils in one way.
#[derive(Clone)]
pub struct Draft {
    pub header: Value,
    pub claims: Value,
}

impl Draft {
    /// An access token of the issuer, bound to the client's key.
    pub fn token() -> Self {
        Self {
            header: json!({"typ": "at+jwt", "alg": "RS256", "kid": "k"}),
            claims: json!({
                "iss": ISSUER, "aud": AUDIENCE, "sub": "user 1", "client_id": "0oa1", "jti": "AT.1",
                "scope": "orders.read profile", "iat": NOW.seconds(), "exp": NOW.seconds() + 3600,
                "cnf": {"jkt": ES256.public_key().thumbprint().to_string()},
            }),
        }
    }

    /// A proof for `GET` of [`TARGET`] with [`TOKEN`].
    pub fn proof() -> Self {
        Self::proof_for(&TOKEN)
    }

    pub fn proof_for(token: &str) -> Self {
        let jwt_id = keybound::random::jwt_id(&keybound::random::OperatingSystem).unwrap();
        Self {
            header: json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(ES256.public_key())}),
            claims: json!({
                "jti": jwt_id, "htm": "GET", "htu": TARGET, "iat": NOW.seconds(),
                "ath": AccessTokenHash::of(token).to_string(),
            }),
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

    pub fn jwk_member(mut self, name: &str, value: Value) -> Self {
        members(&mut self.header["jwk"]).insert(name.to_owned(), value);
        self
    }

    pub fn without_jwk_member(mut self, name: &str) -> Self {
        members(&mut self.header["jwk"]).remove(name);
        self
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
