//! What the client costs beside the HTTP library that it stands on and the one signature that each call needs.
//!
//! 64 and 1,000 calls at a time go to a server of hyper on loopback, which has a thread of its own and answers
//! with a few bytes: by the client, by bare reqwest, and by hyper's own client, which the client stands on. The bare
//! ones make one raw ES256 signature, by the cryptographic library, for each request and send header fields of the
//! same length. All run on one thread, by the same connections over and over, in turns within one run. What is
//! compared is the time that a turn takes by the clock, and the time that the client's thread has a processor; the
//! figures are medians over the turns.
//!
//! `cargo bench -p keybound-client --bench calls`

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark may panic"
)]

#[allow(unreachable_pub, reason = "shared with other benchmarks")]
#[path = "../../keybound/benches/stopwatch/mod.rs"]
mod stopwatch;

use std::convert::Infallible;
use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keybound::exchange::ClientCredentials;
use keybound::proof::DpopKey;
use keybound::{Algorithm, SigningKey};
use keybound_client::{Client, System, TokenBinding, TokenSource};
use stopwatch::Stopwatch;

/// Turns of each side, of which the median is taken.
const ROUNDS: usize = 21;
/// Calls of one turn.
const CALLS: usize = 6_000;
/// What a proof's signature is over, about: header and claims in base64url.
const SIGNED_BYTES: usize = 480;
/// The length of a token that a server of the field grants.
const TOKEN_BYTES: usize = 800;

fn main() {
    let server = serve();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    println!(
        "{:>8} {:>12} {:>12} {:>12} {:>24} {:>24}",
        "at once", "reqwest", "hyper", "client", "throughput, of reqwest", "throughput, of hyper"
    );
    for at_once in [64, 1_000] {
        let (reqwest, hyper, client) = (BareReqwest::new(server), BareHyper::new(server), Ours::new(server));
        let turns = || {
            [
                runtime.block_on(turn(at_once, || reqwest.call())),
                runtime.block_on(turn(at_once, || hyper.call())),
                runtime.block_on(turn(at_once, || client.call())),
            ]
        };
        // Connections, the token, and what is warmed by use.
        turns();
        let rounds: Vec<_> = (0..ROUNDS).map(|_| turns()).collect();
        let figure = |of: &dyn Fn(&[Turn; 3]) -> f64| median(rounds.iter().map(of).collect());
        let micros = |side: usize| figure(&|turns| turns[side].clock.as_secs_f64() * 1e6 / CALLS as f64);
        let ratio = |side: usize, time: &dyn Fn(&Turn) -> Duration| {
            figure(&|turns| time(&turns[side]).as_secs_f64() / time(&turns[2]).as_secs_f64())
        };
        let ratios = |side| (ratio(side, &|turn| turn.clock), ratio(side, &|turn| turn.processor));
        let ((reqwest, reqwest_cpu), (hyper, hyper_cpu)) = (ratios(0), ratios(1));
        println!(
            "{at_once:>8} {:>9.1} µs {:>9.1} µs {:>9.1} µs {reqwest:>9.3} ({reqwest_cpu:.3} by cpu) {hyper:>9.3} ({hyper_cpu:.3} by cpu)",
            micros(0),
            micros(1),
            micros(2),
        );
    }
}

struct Turn {
    clock: Duration,
    processor: Duration,
}

/// Makes the calls of a turn, `at_once` at a time.
async fn turn<F: Future<Output = ()>>(at_once: usize, call: impl Fn() -> F) -> Turn {
    let (began, stopwatch) = (Instant::now(), Stopwatch::start());
    let workers = (0..at_once).map(|worker| {
        let share = CALLS / at_once + usize::from(worker < CALLS % at_once);
        let call = &call;
        async move {
            for _ in 0..share {
                call().await;
            }
        }
    });
    join_all(workers).await;
    Turn { clock: began.elapsed(), processor: stopwatch.elapsed() }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// What a call has beside the HTTP library: a signature, and header fields that are as long as the client's.
struct Signed {
    key: EcdsaKeyPair,
    random: SystemRandom,
    authorization: String,
    proof: String,
}

impl Signed {
    fn new() -> Self {
        Self {
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            random: SystemRandom::new(),
            authorization: format!("DPoP {}", "t".repeat(TOKEN_BYTES)),
            proof: "p".repeat(SIGNED_BYTES + 87),
        }
    }

    fn sign(&self) {
        let signed = &self.proof.as_bytes()[..SIGNED_BYTES];
        black_box(self.key.sign(&self.random, black_box(signed)).unwrap());
    }
}

/// An HTTP library that many use, and a signature.
struct BareReqwest {
    client: reqwest::Client,
    signed: Signed,
    url: String,
}

impl BareReqwest {
    fn new(server: SocketAddr) -> Self {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { client, signed: Signed::new(), url: format!("http://{server}/things") }
    }

    async fn call(&self) {
        self.signed.sign();
        let request = self.client.get(&self.url).header("authorization", &self.signed.authorization);
        let answer = request.header("dpop", &self.signed.proof).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        black_box(answer.bytes().await.unwrap());
    }
}

/// The HTTP library below, and a signature.
struct BareHyper {
    client: legacy::Client<HttpConnector, Full<Bytes>>,
    signed: Signed,
    url: String,
}

impl BareHyper {
    fn new(server: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
        Self { client, signed: Signed::new(), url: format!("http://{server}/things") }
    }

    async fn call(&self) {
        self.signed.sign();
        let request = Request::get(&self.url).header("authorization", &self.signed.authorization);
        let request = request.header("dpop", &self.signed.proof).header("accept", "*/*");
        let answer = self.client.request(request.body(Full::default()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        black_box(answer.into_body().collect().await.unwrap().to_bytes());
    }
}

/// The client.
struct Ours {
    client: Client,
    url: String,
}

impl Ours {
    fn new(server: SocketAddr) -> Self {
        let es256 = || Arc::new(SigningKey::generate(Algorithm::ES256).unwrap());
        let grant = ClientCredentials::new(&format!("http://{server}/token"), "client", ["things"]).unwrap();
        let binding = TokenBinding::Dpop(DpopKey::new(es256()));
        let client = Client::new(TokenSource::new(System::default(), grant, es256(), binding));
        Self { client, url: format!("http://{server}/things") }
    }

    async fn call(&self) {
        let request = Request::get(&self.url).body(Bytes::new()).unwrap();
        let answer = self.client.send(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        black_box(answer.into_body());
    }
}

/// A server on a thread of its own: grants tokens, and says hello.
fn serve() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let connection = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::spawn(connection);
            }
        });
    });
    told.recv().unwrap()
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = if request.uri().path() == "/token" {
        let token = "t".repeat(TOKEN_BYTES);
        format!(r#"{{"token_type":"DPoP","access_token":"{token}","expires_in":3600}}"#)
    } else {
        "hello".to_owned()
    };
    Ok(Response::new(Full::from(body)))
}
