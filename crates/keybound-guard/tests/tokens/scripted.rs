//! An issuer that answers by a script and remembers what it was asked, tokens of its own, and a guard's
//! verification of them whose clock stands still.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use keybound::access_token::AccessToken;
use keybound::proof::AccessTokenHash;
use keybound::random::{Random, RandomUnavailable};
use keybound::{
    Algorithm, Clock, JwkSet, NumericDate, PublicKey, Refusal, Signer, SigningKey, TargetUri, UnsignedJws,
};
use keybound_guard::policy::{self, Policy};
use keybound_guard::tokens::{AccessTokens, TokensError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

pub(crate) const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
pub(crate) const RESOURCE: &str = "https://api.example.com";
pub(crate) const JKT: &str = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
pub(crate) const METADATA: &str = "/.well-known/oauth-authorization-server";
pub(crate) const OPENID: &str = "/.well-known/openid-configuration";
pub(crate) const KEYS: &str = "/keys";
pub(crate) const INTROSPECT: &str = "/introspect";

/// What an issuer sends.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// A status and a JSON text.
    Json(u16, String),
    /// These bytes, whatever they are.
    Raw(Vec<u8>),
    /// A byte now and then of an answer without end.
    Drip,
    /// Nothing, and the connection stays.
    Silence,
    /// Nothing, and the connection ends: what a server that is down looks like.
    Down,
}

/// A request as the issuer got it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) form: HashMap<String, String>,
}

type Script = Box<dyn Fn(&Asked) -> Answer + Send>;

/// An issuer on a free port of the loopback interface; it ends with the test's runtime.
pub(crate) struct Issuer {
    pub(crate) name: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Mutex<Script>>,
    /// One for each answer that may be sent.
    gate: Arc<Semaphore>,
}

impl Issuer {
    /// One that answers every request with what `script` makes of it and of the issuer's name.
    pub(crate) async fn start(script: impl Fn(&str, &Asked) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let name = format!("http://{}", listener.local_addr().unwrap());
        let issuer = Self {
            name,
            asked: Arc::default(),
            script: Arc::new(Mutex::new(Box::new(|_| Answer::Down))),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
        };
        issuer.go_by(script);
        let (asked, script, gate) = (issuer.asked.clone(), issuer.script.clone(), issuer.gate.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, asked.clone(), script.clone(), gate.clone()));
            }
        });
        issuer
    }

    /// One that publishes `keys` and answers nothing else.
    pub(crate) async fn with_keys(keys: &[&Key]) -> Self {
        let issuer = Self::start(|_, _| Answer::Down).await;
        issuer.publish(keys);
        issuer
    }

    /// Answers by `script` from now on.
    pub(crate) fn go_by(&self, script: impl Fn(&str, &Asked) -> Answer + Send + 'static) {
        let name = self.name.clone();
        *self.script.lock().unwrap() = Box::new(move |asked| script(&name, asked));
    }

    pub(crate) fn publish(&self, keys: &[&Key]) {
        let jwks = jwks(keys);
        self.go_by(move |name, asked| match asked.path.as_str() {
            METADATA => metadata(name),
            KEYS => Answer::Json(200, jwks.clone()),
            _ => Answer::Json(404, "{}".to_owned()),
        });
    }

    pub(crate) fn go_down(&self) {
        self.go_by(|_, _| Answer::Down);
    }

    /// From now on requests come in, and answers wait for [`Issuer::open`].
    pub(crate) fn close(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn open(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS - self.gate.available_permits());
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often `path` was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.path == path).count()
    }

    /// In a policy, by the safe choices but for the algorithm of [`Key`].
    pub(crate) fn policy(&self) -> policy::Issuer {
        policy::Issuer { algorithms: vec![Algorithm::ES256], ..policy::Issuer::new(self.name.clone()) }
    }
}

pub(crate) fn metadata(name: &str) -> Answer {
    let metadata = json!({
        "issuer": name,
        "jwks_uri": format!("{name}{KEYS}"),
        "introspection_endpoint": format!("{name}{INTROSPECT}"),
    });
    Answer::Json(200, metadata.to_string())
}

pub(crate) fn jwks(keys: &[&Key]) -> String {
    JwkSet::from_keys(keys.iter().map(|key| key.public()).collect()).to_json()
}

async fn serve(
    mut stream: TcpStream,
    log: Arc<Mutex<Vec<Asked>>>,
    script: Arc<Mutex<Script>>,
    gate: Arc<Semaphore>,
) {
    let Some(asked) = read(&mut stream).await else { return };
    log.lock().unwrap().push(asked.clone());
    gate.acquire().await.unwrap().forget();
    let answer = (script.lock().unwrap())(&asked);
    let bytes = match answer {
        Answer::Json(status, text) => format!(
            "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{text}",
            text.len()
        )
        .into_bytes(),
        Answer::Raw(bytes) => bytes,
        Answer::Drip => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n{").await;
            while stream.write_all(b" ").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            return;
        }
        Answer::Silence => return std::future::pending().await,
        Answer::Down => return,
    };
    // A guard that has read enough is gone by now.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8(bytes.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("content-length: ")
                    .map(|length| length.parse().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                let path = head.split(' ').nth(1).unwrap().to_owned();
                let form = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
                return Some(Asked { path, head: head.to_owned(), form });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// A key that signs tokens.
pub(crate) struct Key {
    signing: SigningKey,
    id: String,
}

impl Key {
    pub(crate) fn named(id: &str) -> Self {
        Self { signing: SigningKey::generate(Algorithm::ES256).unwrap(), id: id.to_owned() }
    }

    fn public(&self) -> PublicKey {
        self.signing.public_key().clone().with_key_id(self.id.clone())
    }

    /// A JWT of these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(&json!({"typ": "at+jwt", "alg": "ES256", "kid": self.id}), claims)
    }

    pub(crate) fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let jws = UnsignedJws::new(header.to_string().as_bytes(), claims.to_string().as_bytes());
        jws.sign(&self.signing).unwrap()
    }

    /// An access token of `issuer` that is good for an hour.
    pub(crate) fn token(&self, issuer: &Issuer) -> String {
        self.sign(&claims(&issuer.name))
    }
}

pub(crate) fn claims(issuer: &str) -> Value {
    json!({
        "iss": issuer, "aud": RESOURCE, "sub": "alice", "client_id": "c1", "scope": "read",
        "iat": NOW.seconds(), "exp": NOW.seconds() + 3600, "cnf": {"jkt": JKT},
    })
}

/// A clock that shows what it is set to.
#[derive(Clone)]
pub(crate) struct SetClock(Arc<AtomicU64>);

impl Clock for SetClock {
    fn now(&self) -> NumericDate {
        NumericDate::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

/// The longest pauses, always.
struct AllOnes;

impl Random for AllOnes {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        bytes.fill(u8::MAX);
        Ok(())
    }
}

/// The verification of tokens by a policy.
pub(crate) struct Rig {
    pub(crate) tokens: Arc<AccessTokens>,
    clock: SetClock,
}

pub(crate) fn policy(issuers: Vec<policy::Issuer>) -> Policy {
    Policy { resources: vec![TargetUri::parse(RESOURCE).unwrap()], issuers, ..Policy::default() }
}

impl Rig {
    pub(crate) fn new(issuers: Vec<policy::Issuer>) -> Self {
        Self::with(&policy(issuers))
    }

    pub(crate) fn with(policy: &Policy) -> Self {
        Self::by(policy, None).unwrap()
    }

    pub(crate) fn by(policy: &Policy, before: Option<&Self>) -> Result<Self, TokensError> {
        policy.check()?;
        let clock = match before {
            Some(before) => before.clock.clone(),
            None => SetClock(Arc::new(AtomicU64::new(NOW.seconds()))),
        };
        let tokens = before.map(|before| before.tokens.as_ref());
        let tokens = AccessTokens::by_policy(policy, tokens, Arc::new(clock.clone()), Arc::new(AllOnes))?;
        Ok(Self { tokens: Arc::new(tokens), clock })
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) async fn verify(&self, token: &str) -> Result<Arc<AccessToken>, Refusal> {
        self.tokens.verify(token, AccessTokenHash::of(token), self.clock.now()).await
    }
}

/// Waits for `condition`, which comes about soon or never.
pub(crate) async fn until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    let met = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), met).await.expect("the condition never came about");
}
