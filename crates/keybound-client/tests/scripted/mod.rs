//! A server that answers by a script and remembers what it was asked, and a client whose clock and timer
//! stand still.
#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, Uri};
use keybound::exchange::ClientCredentials;
use keybound::proof::{AccessTokenHash, BoundToken, DpopKey, ProofContext, ProofPolicy, proof_header};
use keybound::{Algorithm, NumericDate, SigningKey, TargetUri, base64url};
use keybound_client::{
    Client, ClientOptions, Clock, Sleep, Stopwatch, System, TokenBinding, TokenCache, TokenSource,
    TransportOptions,
};
use serde_json::Value;
use tokio::sync::Semaphore;

/// The server's time: that of the examples of RFC 9110 section 5.6.7.
pub(crate) const NOW: NumericDate = NumericDate::from_seconds(784_111_777);
/// The same as a `Date`.
pub(crate) const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// A request as the server got it.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// How many requests to the same path came before.
    pub(crate) before: usize,
}

impl Asked {
    pub(crate) fn is_for_token(&self) -> bool {
        self.uri.path() == "/oauth2/v1/token"
    }

    pub(crate) fn authorization(&self) -> &str {
        self.headers["authorization"].to_str().unwrap()
    }

    /// The claims of the request's proof.
    pub(crate) fn proof(&self) -> Value {
        claims(proof_header(&self.headers).unwrap().unwrap())
    }

    pub(crate) fn nonce(&self) -> Option<String> {
        self.proof()["nonce"].as_str().map(str::to_owned)
    }

    /// The claims of the request's client assertion.
    pub(crate) fn assertion(&self) -> Value {
        let body = String::from_utf8(self.body.to_vec()).unwrap();
        let assertion = body.split('&').find_map(|pair| pair.strip_prefix("client_assertion="));
        claims(assertion.unwrap())
    }

    /// Holds the request's proof to every rule, as a server with the clock of [`NOW`] does.
    pub(crate) fn check_proof(
        &self,
        origin: &str,
        access_token: Option<&str>,
        key: &DpopKey,
    ) -> Result<(), String> {
        let target = TargetUri::parse(&format!("{origin}{}", self.uri)).unwrap();
        let context = ProofContext {
            method: &self.method,
            target: &target,
            access_token: access_token
                .map(|token| BoundToken { hash: AccessTokenHash::of(token), thumbprint: key.thumbprint() }),
            nonces: None,
            now: NOW,
        };
        let proof = proof_header(&self.headers).unwrap().unwrap();
        let verified =
            ProofPolicy::default().check(proof, &context).map_err(|refusal| refusal.to_string())?;
        assert_eq!(verified.thumbprint(), key.thumbprint());
        Ok(())
    }
}

fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64url::decode(payload).unwrap()).unwrap()
}

/// A server on a free port of the loopback interface; it ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Answers every request with what `script` makes of it.
    pub(crate) async fn start<F>(script: F) -> Self
    where
        F: Fn(&Asked) -> Response<String> + Send + Sync + 'static,
    {
        Self::start_gated(Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)), script).await
    }

    /// As [`start`](Self::start), and every answer takes a permit from `gate` before it goes out.
    pub(crate) async fn start_gated<F>(gate: Arc<Semaphore>, script: F) -> Self
    where
        F: Fn(&Asked) -> Response<String> + Send + Sync + 'static,
    {
        let asked = Arc::new(Mutex::new(Vec::<Asked>::new()));
        let (log, script) = (Arc::clone(&asked), Arc::new(script));
        let app = Router::new().fallback(move |request: Request| {
            let (log, script, gate) = (Arc::clone(&log), Arc::clone(&script), Arc::clone(&gate));
            async move {
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, usize::MAX).await.unwrap();
                let asked = {
                    let mut log = log.lock().unwrap();
                    let before = log.iter().filter(|asked| asked.uri.path() == parts.uri.path()).count();
                    let (method, uri, headers) = (parts.method, parts.uri, parts.headers);
                    log.push(Asked { method, uri, headers, body, before });
                    log.last().unwrap().clone()
                };
                gate.acquire().await.unwrap().forget();
                script(&asked).map(Body::from)
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { origin, asked }
    }

    /// Every request so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The requests to the token endpoint so far.
    pub(crate) fn asked_for_token(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(Asked::is_for_token).collect()
    }

    /// The other requests so far.
    pub(crate) fn called(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| !asked.is_for_token()).collect()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// An answer with a `Date` and these header fields.
pub(crate) fn answer(status: u16, fields: &[(&str, &str)], body: impl Into<String>) -> Response<String> {
    let mut response = Response::builder().status(status).header("date", DATE);
    for (name, value) in fields {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

/// A token that lives for an hour.
pub(crate) fn grant(token: &str, token_type: &str) -> Response<String> {
    let body = format!(r#"{{"token_type":"{token_type}","access_token":"{token}","expires_in":3600}}"#);
    answer(200, &[], body)
}

/// The refusal of an authorization server (RFC 6749 section 5.2).
pub(crate) fn refuse(status: u16, error: &str, fields: &[(&str, &str)]) -> Response<String> {
    answer(status, fields, format!(r#"{{"error":"{error}","error_description":"says the server"}}"#))
}

/// The refusal of a protected resource (RFC 9449 section 7.1).
pub(crate) fn challenge(error: &str, fields: &[(&str, &str)]) -> Response<String> {
    let challenge = format!(r#"DPoP error="{error}", error_description="says the server""#);
    let mut response = answer(401, fields, "");
    response.headers_mut().insert("www-authenticate", challenge.parse().unwrap());
    response
}

/// A clock and a stopwatch that show what they are set to.
pub(crate) struct SetClock {
    seconds: AtomicU64,
    elapsed_milliseconds: AtomicU64,
}

impl SetClock {
    pub(crate) fn at(date: NumericDate) -> Arc<Self> {
        Arc::new(Self { seconds: AtomicU64::new(date.seconds()), elapsed_milliseconds: AtomicU64::new(0) })
    }

    /// Time passes: both go on.
    pub(crate) fn advance(&self, duration: Duration) {
        let milliseconds = u64::try_from(duration.as_millis()).unwrap();
        self.elapsed_milliseconds.fetch_add(milliseconds, Ordering::Relaxed);
        self.seconds.fetch_add(duration.as_secs(), Ordering::Relaxed);
    }

    /// Somebody sets the clock, by this many seconds; the stopwatch doesn't notice.
    pub(crate) fn set_by(&self, seconds: i64) {
        let set = |shown: u64| Some(shown.saturating_add_signed(seconds));
        self.seconds.fetch_update(Ordering::Relaxed, Ordering::Relaxed, set).unwrap();
    }
}

impl Clock for SetClock {
    fn now(&self) -> NumericDate {
        NumericDate::from_seconds(self.seconds.load(Ordering::Relaxed))
    }
}

impl Stopwatch for SetClock {
    fn elapsed(&self) -> Duration {
        Duration::from_millis(self.elapsed_milliseconds.load(Ordering::Relaxed))
    }
}

/// A timer that notes how long it was to wait, and doesn't.
#[derive(Default)]
pub(crate) struct NotedSleep {
    noted: Mutex<Vec<Duration>>,
    at_each: Mutex<Option<Box<dyn FnMut() + Send>>>,
}

impl NotedSleep {
    pub(crate) fn noted(&self) -> Vec<Duration> {
        self.noted.lock().unwrap().clone()
    }

    /// Runs `action` in place of every wait.
    pub(crate) fn at_each(&self, action: impl FnMut() + Send + 'static) {
        *self.at_each.lock().unwrap() = Some(Box::new(action));
    }
}

impl Sleep for NotedSleep {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.noted.lock().unwrap().push(duration);
        if let Some(action) = self.at_each.lock().unwrap().as_mut() {
            action();
        }
        Box::pin(std::future::ready(()))
    }
}

/// A client with what it runs on.
pub(crate) struct Rig {
    pub(crate) client: Client,
    pub(crate) clock: Arc<SetClock>,
    pub(crate) timer: Arc<NotedSleep>,
    pub(crate) key: DpopKey,
}

/// What a [`Rig`] differs in from the usual.
pub(crate) struct Differently {
    pub(crate) clock: NumericDate,
    pub(crate) bearer: bool,
    pub(crate) transport: TransportOptions,
    pub(crate) options: ClientOptions,
    pub(crate) key: DpopKey,
    pub(crate) cache: Option<Arc<dyn TokenCache>>,
    /// In place of the one that notes and doesn't wait.
    pub(crate) timer: Option<Arc<dyn Sleep>>,
}

impl Default for Differently {
    fn default() -> Self {
        Self {
            clock: NOW,
            bearer: false,
            transport: TransportOptions::default(),
            options: ClientOptions::default(),
            key: DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap())),
            cache: None,
            timer: None,
        }
    }
}

impl Rig {
    /// A client of the authorization server at `origin`.
    pub(crate) fn new(origin: &str) -> Self {
        Self::with(origin, Differently::default())
    }

    pub(crate) fn with(origin: &str, differently: Differently) -> Self {
        let client_key = Arc::new(SigningKey::generate(Algorithm::ES256).unwrap());
        let (clock, timer) = (SetClock::at(differently.clock), Arc::new(NotedSleep::default()));
        let key = differently.key;
        let mut system = System::new(differently.transport);
        system.clock = clock.clone();
        system.stopwatch = clock.clone();
        system.timer = differently.timer.unwrap_or_else(|| timer.clone());
        let endpoint = format!("{origin}/oauth2/v1/token");
        let grant = ClientCredentials::new(&endpoint, "0oa1", ["things.read"]).unwrap();
        let binding = if differently.bearer { TokenBinding::Bearer } else { TokenBinding::Dpop(key.clone()) };
        let mut tokens = TokenSource::new(system, grant, client_key, binding);
        if let Some(cache) = differently.cache {
            tokens = tokens.with_cache(cache);
        }
        let client = Client::with_options(tokens, differently.options);
        Self { client, clock, timer, key }
    }

    pub(crate) async fn get(&self, url: &str) -> Result<http::Response<Bytes>, keybound_client::CallError> {
        self.client.send(http::Request::get(url).body(Bytes::new()).unwrap()).await
    }
}

/// Lets other tasks go on until `condition` holds; a test in which it never does has failed.
pub(crate) async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !condition().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), holds).await.unwrap();
}

/// Whether all of `values` differ.
pub(crate) fn all_differ(values: impl IntoIterator<Item = Value>) -> bool {
    let mut counts = HashMap::<String, usize>::new();
    values.into_iter().for_each(|value| *counts.entry(value.to_string()).or_default() += 1);
    counts.values().all(|count| *count == 1)
}
