//! What the client costs beside the HTTP library that it stands on and the one signature that each call needs.
//!
//! 64 and 1,000 calls at a time go to a server of hyper on loopback, which has a thread of its own and answers
//! with a few bytes: by the client, and by bare reqwest with one raw ES256 signature, by the cryptographic library,
//! for each request and header fields of the same length. Both run on one thread, by the same connections over and
//! over, in turns within one run. What is compared is the time that a turn takes by the clock, and the time that
//! the client's thread has a processor; the figures are medians over the pairs.
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
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use keybound::exchange::ClientCredentials;
use keybound::proof::DpopKey;
use keybound::{Algorithm, SigningKey};
use keybound_client::{Client, System, TokenBinding, TokenSource};
use stopwatch::Stopwatch;

/// Pairs of turns, of which the median is taken.
const PAIRS: usize = 21;
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
        "{:>8} {:>12} {:>12} {:>18} {:>24}",
        "at once", "bare", "client", "throughput, ratio", "processor time, ratio"
    );
    for at_once in [64, 1_000] {
        let (bare, client) = (Bare::new(server), Ours::new(server));
        // Connections, the token, and what is warmed by use.
        runtime.block_on(async {
            turn(at_once, || bare.call()).await;
            turn(at_once, || client.call()).await;
        });
        let pairs: Vec<_> = (0..PAIRS)
            .map(|_| {
                let bare = runtime.block_on(turn(at_once, || bare.call()));
                (bare, runtime.block_on(turn(at_once, || client.call())))
            })
            .collect();
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / CALLS as f64;
        let figure = |of: &dyn Fn(&(Turn, Turn)) -> f64| median(pairs.iter().map(of).collect());
        println!(
            "{at_once:>8} {:>9.1} µs {:>9.1} µs {:>18.3} {:>24.3}",
            figure(&|(bare, _)| micros(bare.clock)),
            figure(&|(_, client)| micros(client.clock)),
            figure(&|(bare, client)| bare.clock.as_secs_f64() / client.clock.as_secs_f64()),
            figure(&|(bare, client)| bare.processor.as_secs_f64() / client.processor.as_secs_f64()),
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

/// The HTTP library, and a signature.
struct Bare {
    client: reqwest::Client,
    key: EcdsaKeyPair,
    random: SystemRandom,
    url: String,
    authorization: String,
    proof: String,
}

impl Bare {
    fn new(server: SocketAddr) -> Self {
        Self {
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            key: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            random: SystemRandom::new(),
            url: format!("http://{server}/things"),
            authorization: format!("DPoP {}", "t".repeat(TOKEN_BYTES)),
            proof: "p".repeat(SIGNED_BYTES + 87),
        }
    }

    async fn call(&self) {
        let signed = &self.proof.as_bytes()[..SIGNED_BYTES];
        black_box(self.key.sign(&self.random, black_box(signed)).unwrap());
        let request = self.client.get(&self.url).header("authorization", &self.authorization);
        let answer = request.header("dpop", &self.proof).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        black_box(answer.bytes().await.unwrap());
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
