//! A local org over real HTTP, an app of it with its keys, and JWTs of any header and claims.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use keybound::assertion::CLIENT_ASSERTION_TYPE;
use keybound::{Algorithm, NumericDate, PrivateKey, Signer as _, SigningKey, UnsignedJws, base64url};
use keybound_org::{AdminRole, Data, LocalOrg, NewApp, OrgSettings, Scheme};
use serde_json::{Map, Value, json};

pub const NOW: u64 = 1_800_000_000;
pub const READ: &str = "okta.users.read";
pub const MANAGE: &str = "okta.users.manage";

/// Making an RSA key takes long, so the orgs of one test file share theirs.
static ORG_KEY: LazyLock<String> = LazyLock::new(|| {
    let key = SigningKey::generate(Algorithm::RS256).unwrap();
    key.private_key().to_pkcs8_pem().unwrap().to_string()
});

pub fn es256() -> SigningKey {
    SigningKey::generate(Algorithm::ES256).unwrap()
}

/// What the org answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub json: Value,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn text(&self, pointer: &str) -> &str {
        self.json.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// An org on a clock that stands still.
pub struct TestOrg {
    pub org: LocalOrg,
    pub http: reqwest::Client,
    clock: Arc<AtomicU64>,
}

impl TestOrg {
    pub async fn start() -> Self {
        Self::start_with(OrgSettings::default()).await
    }

    pub async fn start_in(data: Data) -> Self {
        Self::start_with(OrgSettings { data, ..OrgSettings::default() }).await
    }

    /// Over http, with a clock that stands still at [`NOW`] and a key that is there.
    pub async fn start_with(settings: OrgSettings) -> Self {
        Self::start_watched(settings, || {}).await
    }

    /// The same; `looked` is called whenever the org looks at its clock, which it does between what it reads and what it
    /// writes.
    pub async fn start_watched(settings: OrgSettings, looked: impl Fn() + Send + Sync + 'static) -> Self {
        let clock = Arc::new(AtomicU64::new(NOW));
        let hands = Arc::clone(&clock);
        let key = PrivateKey::from_pem(&ORG_KEY).unwrap();
        let org = LocalOrg::start(OrgSettings {
            scheme: Scheme::Http,
            signing_key: Some(SigningKey::new(key, Algorithm::RS256).unwrap()),
            clock: Arc::new(move || {
                looked();
                NumericDate::from_seconds(hands.load(Ordering::Relaxed))
            }),
            ..settings
        });
        Self { org: org.await.unwrap(), http: reqwest::Client::new(), clock }
    }

    pub fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub fn wait(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.org.url())
    }

    pub fn token_endpoint(&self) -> String {
        self.url("/oauth2/v1/token")
    }

    /// An app with DPoP required, one key, and these scopes and roles.
    pub fn app(&self, scopes: &[&str], roles: &[AdminRole]) -> TestApp {
        self.app_that(true, scopes, roles)
    }

    pub fn app_that(&self, requires_dpop: bool, scopes: &[&str], roles: &[AdminRole]) -> TestApp {
        let client_key = es256();
        let app = NewApp {
            label: "An app".to_owned(),
            public_keys: vec![client_key.public_key().clone()],
            scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
            roles: roles.to_vec(),
            dpop_bound_access_tokens: requires_dpop,
            ..NewApp::default()
        };
        let now = NumericDate::from_seconds(self.now());
        let app = self.org.store().create_app(&app, now, &keybound::random::OperatingSystem).unwrap();
        TestApp { client_id: app.client_id, scope: scopes[0].to_owned(), client_key, dpop_key: es256() }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await.unwrap();
        let json = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Answer { status, headers, json }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(self.url(path))).await
    }

    /// A request to the token endpoint.
    pub async fn ask(&self, form: &[(&str, &str)], proof: Option<&str>) -> Answer {
        let mut request = self
            .http
            .post(self.token_endpoint())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(url_encoded(form));
        if let Some(proof) = proof {
            request = request.header("dpop", proof);
        }
        self.send(request).await
    }

    /// The nonce that the org gives now.
    pub async fn nonce(&self, app: &TestApp) -> String {
        let assertion = app.assertion(self).sign(&app.client_key);
        let proof = app.token_proof(self, None).sign(&app.dpop_key);
        let answer = self.ask(&grant(&app.scope, &assertion), Some(&proof)).await;
        assert_eq!(answer.text("/error"), "use_dpop_nonce", "{answer:?}");
        answer.header("dpop-nonce").to_owned()
    }

    /// An access token for the app: bound to its DPoP key, whether it must be or not.
    pub async fn token(&self, app: &TestApp, scope: &str) -> String {
        let nonce = self.nonce(app).await;
        let assertion = app.assertion(self).sign(&app.client_key);
        let proof = app.token_proof(self, Some(&nonce)).sign(&app.dpop_key);
        let answer = self.ask(&grant(scope, &assertion), Some(&proof)).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        answer.text("/access_token").to_owned()
    }

    /// An access token that is bound to nothing.
    pub async fn bearer_token(&self, app: &TestApp, scope: &str) -> String {
        let assertion = app.assertion(self).sign(&app.client_key);
        let answer = self.ask(&grant(scope, &assertion), None).await;
        assert_eq!(answer.text("/token_type"), "Bearer", "{answer:?}");
        answer.text("/access_token").to_owned()
    }

    /// A call of the management API as it should be made.
    pub async fn call(&self, app: &TestApp, token: &str, method: Method, path: &str) -> Answer {
        let proof = app.call_proof(self, &method, path, token).sign(&app.dpop_key);
        let request = self.http.request(method, self.url(path));
        self.send(request.header(AUTHORIZATION, format!("DPoP {token}")).header("dpop", proof)).await
    }

    /// A call by the administrator.
    pub async fn administer(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.http.request(method, self.url(path));
        request = request.header(AUTHORIZATION, format!("SSWS {}", self.org.admin_token()));
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        self.send(request).await
    }
}

/// An app of the org, as its developer has it.
pub struct TestApp {
    pub client_id: String,
    /// The first of its scopes.
    pub scope: String,
    pub client_key: SigningKey,
    pub dpop_key: SigningKey,
}

impl TestApp {
    pub fn assertion(&self, org: &TestOrg) -> Draft {
        Draft {
            header: json!({"alg": self.client_key.algorithm().name()}),
            claims: json!({
                "iss": self.client_id, "sub": self.client_id, "aud": org.token_endpoint(),
                "jti": fresh_id(), "iat": org.now(), "exp": org.now() + 300,
            }),
        }
    }

    pub fn token_proof(&self, org: &TestOrg, nonce: Option<&str>) -> Draft {
        let proof = proof(org, &self.dpop_key, "POST", &org.token_endpoint());
        match nonce {
            Some(nonce) => proof.claim("nonce", json!(nonce)),
            None => proof,
        }
    }

    pub fn call_proof(&self, org: &TestOrg, method: &Method, path: &str, token: &str) -> Draft {
        let path = path.split('?').next().unwrap();
        proof(org, &self.dpop_key, method.as_str(), &org.url(path)).claim("ath", json!(ath(token)))
    }
}

pub fn proof(org: &TestOrg, key: &SigningKey, method: &str, url: &str) -> Draft {
    Draft {
        header: json!({"typ": "dpop+jwt", "alg": key.algorithm().name(), "jwk": key.public_key().jwk()}),
        claims: json!({"jti": fresh_id(), "htm": method, "htu": url, "iat": org.now()}),
    }
}

pub fn ath(token: &str) -> String {
    keybound::proof::AccessTokenHash::of(token).to_string()
}

pub fn fresh_id() -> String {
    keybound::random::jwt_id(&keybound::random::OperatingSystem).unwrap()
}

/// The form of a token request.
pub fn grant<'a>(scope: &'a str, assertion: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "client_credentials"),
        ("scope", scope),
        ("client_assertion_type", CLIENT_ASSERTION_TYPE),
        ("client_assertion", assertion),
    ]
}

pub fn url_encoded(form: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish()
}

/// The claims of a token that was issued.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64url::decode(payload).unwrap()).unwrap()
}

/// The same key once more: keys are not cloned where they matter.
pub fn copy_of(key: &SigningKey) -> SigningKey {
    let pem = key.private_key().to_pkcs8_pem().unwrap();
    SigningKey::new(PrivateKey::from_pem(&pem).unwrap(), key.algorithm()).unwrap()
}

pub fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap()
}

/// A JWT in the making: a good one that a test spoils in one way.
#[derive(Clone)]
pub struct Draft {
    pub header: Value,
    pub claims: Value,
}

impl Draft {
    pub fn header(mut self, name: &str, value: Value) -> Self {
        members(&mut self.header).insert(name.to_owned(), value);
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

    pub fn sign(&self, key: &SigningKey) -> String {
        let (header, claims) = (self.header.to_string(), self.claims.to_string());
        UnsignedJws::new(header.as_bytes(), claims.as_bytes()).sign(key).unwrap()
    }
}

fn members(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().unwrap()
}
