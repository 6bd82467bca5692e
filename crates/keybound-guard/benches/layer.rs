//! What the layer costs an API beside the one signature verification that cannot be avoided, and whether two
//! cores do twice the work of one.
//!
//! A router of axum that says hello answers the same requests in three ways, in turns: without the layer, with
//! it, and with no more than the raw ES256 verification of the request's proof, by the cryptographic library, in
//! its handler. Once in this process (`oneshot`) and once over HTTP/1.1 on loopback. What the layer adds is with
//! minus without; what it costs beside the signature is with minus raw in the handler. The same verifications one
//! after the other, with nothing between, are measured too: they are faster, since they find their code and tables
//! in the processor's caches. Every request has a proof of its own; the access token is verified once and
//! remembered, as in service. The figures are medians of rounds within one run.
//!
//! `cargo bench -p keybound-guard --bench layer`

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark may panic"
)]

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use keybound::proof::{AccessTokenHash, DpopKey, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::{Algorithm, NumericDate, Signer as _, SigningKey, TargetUri, UnsignedJws, base64url};
use keybound_guard::Guard;
use keybound_guard::extract::Caller;
use keybound_guard::layer::GuardLayer;
use keybound_guard::policy::Policy;
use serde_json::json;
use tower::ServiceExt as _;

const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
const HOST: &str = "api.example.com";
const PATH: &str = "/hello";
/// Rounds, of which the median is taken.
const ROUNDS: usize = 15;
/// Requests of one round.
const REQUESTS: usize = 1_000;
/// Requests that each thread answers where threads are compared.
const REQUESTS_OF_A_THREAD: usize = 6_000;

fn main() {
    let client = Client::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!(
        "{:<16} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "", "raw alone", "without", "raw", "with", "adds", "over raw", "alone"
    );
    print("in this process", &runtime.block_on(in_process(&client)));
    print("over loopback", &runtime.block_on(over_loopback(&client)));
    println!("microseconds a request; `raw` has the raw verification in its handler");
    println!("`adds` is with - without, `over raw` is with - raw, `alone` is adds - raw alone");
    two_threads(&client);
}

/// A client with a key, a token that is bound to it, and the issuer's key in a file.
struct Client {
    key: DpopKey,
    raw_key: ParsedPublicKey,
    access_token: String,
    hash: AccessTokenHash,
    target: TargetUri,
    files: tempfile::TempDir,
}

impl Client {
    fn new() -> Self {
        let issuer = SigningKey::generate(Algorithm::RS256).unwrap();
        let own = SigningKey::generate(Algorithm::ES256).unwrap();
        let files = tempfile::tempdir().unwrap();
        let keys = json!({"keys": [issuer.public_key().jwk()]});
        std::fs::write(files.path().join("jwks.json"), keys.to_string()).unwrap();
        let claims = json!({
            "iss": "https://login.example.com", "aud": "https://api.example.com", "sub": "0oa1",
            "client_id": "0oa1", "jti": "AT.1", "scope": "hello", "iat": NOW.seconds(),
            "exp": NOW.seconds() + 3600, "cnf": {"jkt": own.public_key().thumbprint().to_string()},
            "padding": "x".repeat(300),
        });
        let header = json!({"typ": "at+jwt", "alg": "RS256"});
        let access_token = UnsignedJws::new(header.to_string().as_bytes(), claims.to_string().as_bytes());
        let access_token = access_token.sign(&issuer).unwrap();
        let jwk = serde_json::to_value(own.public_key().jwk()).unwrap();
        let member = |name: &str| base64url::decode(jwk[name].as_str().unwrap()).unwrap();
        let point = [vec![4], member("x"), member("y")].concat();
        Self {
            raw_key: ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).unwrap(),
            key: DpopKey::new(Arc::new(own)),
            hash: AccessTokenHash::of(&access_token),
            access_token,
            target: TargetUri::parse(&format!("https://{HOST}{PATH}")).unwrap(),
            files,
        }
    }

    /// A guard that has not seen any proof.
    fn guard(&self) -> Guard {
        let policy = format!(
            "resources = [\"https://{HOST}\"]\n[replay]\nquota_per_key = 100000\n[[issuers]]\n\
             issuer = \"https://login.example.com\"\naudiences = [\"https://api.example.com\"]\n\
             jwks_file = \"{}/jwks.json\"\n",
            self.files.path().display()
        );
        let policy = Policy::from_toml(&policy).unwrap();
        Guard::builder(policy).clock(Arc::new(|| NOW)).build().unwrap()
    }

    fn proofs(&self, count: usize) -> Vec<String> {
        let access_token = Some(self.hash);
        let request = ProofRequest { method: &Method::GET, target: &self.target, access_token, nonce: None };
        (0..count).map(|_| self.key.prove(&request, NOW, &OperatingSystem).unwrap()).collect()
    }

    fn request<B>(&self, proof: &str, body: B) -> Request<B> {
        Request::get(PATH)
            .header("host", HOST)
            .header("authorization", format!("DPoP {}", self.access_token))
            .header("dpop", HeaderValue::from_str(proof).unwrap())
            .body(body)
            .unwrap()
    }

    /// The raw verifications of these proofs.
    fn raw(&self, proofs: &[String]) -> Raw {
        let split = |proof: &String| {
            let (message, signature) = proof.rsplit_once('.').unwrap();
            (message.as_bytes().to_vec(), base64url::decode(signature).unwrap())
        };
        let parts = proofs.iter().map(split).collect();
        Raw { key: self.raw_key.clone(), parts, next: AtomicUsize::new(0) }
    }
}

/// Raw verifications, prepared.
struct Raw {
    key: ParsedPublicKey,
    parts: Vec<(Vec<u8>, Vec<u8>)>,
    next: AtomicUsize,
}

impl Raw {
    fn verify_next(&self) {
        let (message, signature) = &self.parts[self.next.fetch_add(1, Ordering::Relaxed)];
        self.key.verify_sig(black_box(message), signature).unwrap();
    }

    fn verify_all(&self) -> Duration {
        let begin = Instant::now();
        self.parts.iter().for_each(|_| self.verify_next());
        begin.elapsed()
    }
}

fn without_layer() -> Router {
    Router::new().route(PATH, get(|| async { "hello" }))
}

fn with_raw_verification(raw: Raw) -> Router {
    let raw = Arc::new(raw);
    let hello = move || {
        raw.verify_next();
        async { "hello" }
    };
    Router::new().route(PATH, get(hello))
}

fn with_layer(guard: Guard) -> Router {
    let hello = |caller: Caller| async move {
        black_box(caller.subject());
        "hello"
    };
    Router::new().route(PATH, get(hello)).layer(GuardLayer::new(guard))
}

async fn in_process(client: &Client) -> Vec<Round> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let proofs = client.proofs(REQUESTS + 1);
        let (without, with) = (without_layer(), with_layer(client.guard()));
        let raw = with_raw_verification(client.raw(&proofs));
        // The token is verified and remembered before anything is measured.
        for router in [&without, &raw, &with] {
            answer_all(router, client, &proofs[..1]).await;
        }
        let proofs = &proofs[1..];
        rounds.push(Round {
            raw_alone: client.raw(proofs).verify_all(),
            without: answer_all(&without, client, proofs).await,
            raw: answer_all(&raw, client, proofs).await,
            with: answer_all(&with, client, proofs).await,
        });
    }
    rounds
}

/// The time that a router takes to answer a request with each proof.
async fn answer_all(router: &Router, client: &Client, proofs: &[String]) -> Duration {
    let requests: Vec<_> = proofs.iter().map(|proof| client.request(proof, Body::empty())).collect();
    let begin = Instant::now();
    for request in requests {
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        black_box(response);
    }
    begin.elapsed()
}

async fn over_loopback(client: &Client) -> Vec<Round> {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let proofs = client.proofs(REQUESTS + 1);
        let mut without = Connection::to(without_layer()).await;
        let mut raw = Connection::to(with_raw_verification(client.raw(&proofs))).await;
        let mut with = Connection::to(with_layer(client.guard())).await;
        for connection in [&mut without, &mut raw, &mut with] {
            connection.exchange_all(client, &proofs[..1]).await;
        }
        let proofs = &proofs[1..];
        rounds.push(Round {
            raw_alone: client.raw(proofs).verify_all(),
            without: without.exchange_all(client, proofs).await,
            raw: raw.exchange_all(client, proofs).await,
            with: with.exchange_all(client, proofs).await,
        });
    }
    rounds
}

/// One connection to a server that serves this router; both run on this thread.
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    tasks: [tokio::task::JoinHandle<()>; 2],
}

impl Connection {
    async fn to(router: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move { connection.await.unwrap() });
        Self { sender, tasks: [server, connection] }
    }

    async fn exchange_all(&mut self, client: &Client, proofs: &[String]) -> Duration {
        let requests: Vec<_> = proofs.iter().map(|proof| client.request(proof, Empty::new())).collect();
        let begin = Instant::now();
        for request in requests {
            self.sender.ready().await.unwrap();
            let response = self.sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            black_box(response.into_body().collect().await.unwrap());
        }
        begin.elapsed()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// The same work for each thread, by one thread and by two at once: behind one guard, and by raw verifications
/// alone, which tell what the machine's two cores give at the time.
fn two_threads(client: &Client) {
    const TIMES: usize = 9;
    let with = || with_layer(client.guard());
    let raw = || with_raw_verification(client.raw(&client.proofs(2 * REQUESTS_OF_A_THREAD)));
    let ratios: Vec<_> = (0..TIMES)
        .map(|_| {
            let ratio = |router: &dyn Fn() -> Router| {
                let one = requests_per_second(client, &router(), 1);
                requests_per_second(client, &router(), 2) / one
            };
            (ratio(&with), ratio(&raw))
        })
        .collect();
    let figure = |of: fn(&(f64, f64)) -> f64| median(ratios.iter().map(of).collect());
    println!("two threads answer {:.2} times as many requests as one", figure(|ratios| ratios.0));
    println!(
        "  with raw verifications {:.2} times; {:.2} of that",
        figure(|ratios| ratios.1),
        figure(|ratios| ratios.0 / ratios.1)
    );
}

fn requests_per_second(client: &Client, router: &Router, threads: usize) -> f64 {
    let work: Vec<_> = (0..threads).map(|_| client.proofs(REQUESTS_OF_A_THREAD)).collect();
    let barrier = Barrier::new(threads);
    let slowest = std::thread::scope(|scope| {
        let threads: Vec<_> = work
            .iter()
            .map(|proofs| {
                let (router, barrier) = (router.clone(), &barrier);
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    barrier.wait();
                    runtime.block_on(answer_all(&router, client, proofs))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).max().unwrap()
    });
    (threads * REQUESTS_OF_A_THREAD) as f64 / slowest.as_secs_f64()
}

#[derive(Clone, Copy)]
struct Round {
    raw_alone: Duration,
    without: Duration,
    raw: Duration,
    with: Duration,
}

/// Medians over rounds.
fn print(name: &str, rounds: &[Round]) {
    let each = |time: Duration| time.as_nanos() as f64 / 1000.0 / REQUESTS as f64;
    let figure = |of: &dyn Fn(&Round) -> f64| median(rounds.iter().map(of).collect());
    println!(
        "{name:<16} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
        figure(&|round| each(round.raw_alone)),
        figure(&|round| each(round.without)),
        figure(&|round| each(round.raw)),
        figure(&|round| each(round.with)),
        figure(&|round| each(round.with) - each(round.without)),
        figure(&|round| each(round.with) - each(round.raw)),
        figure(&|round| each(round.with) - each(round.without) - each(round.raw_alone)),
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
