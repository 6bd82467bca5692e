//! What the reverse proxy costs a request, beside nginx that only passes it on, before the same upstream.
//!
//! Beside both stand two proxies of hyper's server and client with nothing between them, in the clear and without
//! any limit, log or count: what a request costs in the HTTP library that the guard is built on. One of the two
//! does one raw verification for each request, so that it finds the processor's caches as the guard's does: it
//! takes longer there than one after the other with nothing between.
//!
//! Each proxy has one worker and keeps its connections; all get the same bytes: a request with an access token
//! and a fresh proof, which one of them checks. They are loaded in turns within one run. What counts is the time
//! that the proxy's process was on a core, by the kernel's own account, so that the client, the upstream and
//! other work on the machine do not count; the raw verification beside it is taken in the same way.
//!
//! `cargo bench -p keybound-guard --bench reverse_proxy` (Linux, with nginx in the path)

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_precision_loss,
    reason = "a benchmark may panic"
)]

#[path = "../../keybound/benches/stopwatch/mod.rs"]
mod stopwatch;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, ParsedPublicKey,
};
use http::uri::Authority;
use http::{Request, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keybound::proof::{AccessTokenHash, DpopKey, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::{Algorithm, JwkSet, NumericDate, Signer as _, SigningKey, TargetUri, UnsignedJws};
use keybound_guard::Guard;
use keybound_guard::policy::Policy;
use keybound_guard::reverse_proxy::{ReverseProxy, UpstreamSettings};
use keybound_guard::server::{Face, Server, ServerSettings};
use mimalloc::MiMalloc;
use serde_json::json;
use stopwatch::Stopwatch;

/// That of the program, so that the guard here costs what it costs there.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Turns, of which the median is taken.
const ROUNDS: usize = 9;
/// Requests of one turn.
const REQUESTS: usize = 8_000;
/// Connections of the client.
const CONNECTIONS: usize = 8;
/// Signatures that raw verifications have in turn.
const SIGNATURES: usize = 400;
/// Ticks of a second in `/proc/PID/stat` on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "--proxy") {
        Some(at) => serve(&arguments[at + 1], &arguments[at + 2]),
        None => measure(),
    }
}

fn measure() {
    let folder = tempfile::TempDir::new().unwrap();
    let caller = Caller::new(folder.path());
    let upstream = Process::nginx(folder.path(), "upstream", "location / { return 200 'hello'; }", None);
    let nginx = Process::nginx(
        folder.path(),
        "proxy",
        "location / { proxy_pass http://upstream; proxy_http_version 1.1; proxy_set_header Connection ''; }",
        Some(upstream.address),
    );
    let guard = Process::of_this_program(&folder.path().join("guard.toml"), upstream.address);
    let bare = Process::of_this_program(Path::new(BARE), upstream.address);
    let verifying = Process::of_this_program(Path::new(VERIFYING), upstream.address);
    for process in [&nginx, &bare, &verifying, &guard] {
        process.load(&caller.requests(REQUESTS / 4));
    }
    let turn = |_| Turn {
        nginx: nginx.load(&caller.requests(REQUESTS)),
        bare: bare.load(&caller.requests(REQUESTS)),
        verifying: verifying.load(&caller.requests(REQUESTS)),
        raw: raw_verification(),
        guard: guard.load(&caller.requests(REQUESTS)),
    };
    let turns: Vec<_> = (0..ROUNDS).map(turn).collect();
    let of = |part: &dyn Fn(&Turn) -> f64| median(turns.iter().map(part).collect());
    println!(
        "| µs a request | nginx | hyper alone | hyper and raw verification | guard | raw verification |"
    );
    println!("| --- | --: | --: | --: | --: | --: |");
    for (name, part) in
        [("on a core", (|cost| cost.cpu) as fn(Cost) -> f64), ("by the clock", |cost| cost.wall)]
    {
        println!(
            "| {name} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
            of(&|turn| part(turn.nginx)),
            of(&|turn| part(turn.bare)),
            of(&|turn| part(turn.verifying)),
            of(&|turn| part(turn.guard)),
            of(&|turn| turn.raw),
        );
    }
    println!("on a core, with {CONNECTIONS} connections:");
    println!(
        "  guard / (nginx + verification): {:.2}",
        of(&|turn| turn.guard.cpu / (turn.nginx.cpu + turn.raw))
    );
    println!("  guard / (hyper with verification): {:.2}", of(&|turn| turn.guard.cpu / turn.verifying.cpu));
    println!(
        "  a verification within hyper's proxy / one after the other: {:.2}",
        of(&|turn| (turn.verifying.cpu - turn.bare.cpu) / turn.raw)
    );
}

/// What stands in place of a policy for a proxy without a guard.
const BARE: &str = "bare";
const VERIFYING: &str = "verifying";

struct Turn {
    nginx: Cost,
    bare: Cost,
    verifying: Cost,
    raw: f64,
    guard: Cost,
}

/// What a request cost, in microseconds.
#[derive(Clone, Copy)]
struct Cost {
    cpu: f64,
    wall: f64,
}

/// A proxy or the upstream, ended when it is dropped.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn nginx(folder: &Path, name: &str, location: &str, upstream: Option<SocketAddr>) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let upstream = upstream
            .map(|address| format!("upstream upstream {{ server {address}; keepalive 64; }}"))
            .unwrap_or_default();
        let config = format!(
            "daemon off; master_process off; pid {name}.pid; error_log stderr crit;
             events {{ worker_connections 512; }}
             http {{
                 access_log off; keepalive_requests 10000000; large_client_header_buffers 4 32k;
                 client_body_temp_path {name}-b; proxy_temp_path {name}-p; fastcgi_temp_path {name}-f;
                 uwsgi_temp_path {name}-u; scgi_temp_path {name}-s;
                 {upstream}
                 server {{ listen {address}; {location} }}
             }}"
        );
        let file = folder.join(format!("{name}.conf"));
        fs::write(&file, config).unwrap();
        let child = Command::new("nginx").arg("-p").arg(folder).arg("-c").arg(&file).spawn().expect("nginx");
        let process = Self { child, address };
        process.wait_until_it_listens();
        process
    }

    /// This program, as a guard by `policy` or as a [`BARE`] proxy.
    fn of_this_program(policy: &Path, upstream: SocketAddr) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--proxy")
            .arg(policy)
            .arg(upstream.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap() }
    }

    fn wait_until_it_listens(&self) {
        for _ in 0..200 {
            if TcpStream::connect(self.address).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{} does not listen", self.address);
    }

    /// Seconds that it was on a core: the fields `utime` and `stime` (proc(5)).
    fn on_core(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS_PER_SECOND
    }

    /// Sends all requests over some connections, one after the other on each.
    fn load(&self, requests: &[String]) -> Cost {
        let (on_core, began) = (self.on_core(), Instant::now());
        thread::scope(|scope| {
            for share in requests.chunks(requests.len().div_ceil(CONNECTIONS)) {
                scope.spawn(move || call(self.address, share));
            }
        });
        let wall = began.elapsed().as_secs_f64();
        let each = 1e6 / requests.len() as f64;
        Cost { cpu: (self.on_core() - on_core) * each, wall: wall * each }
    }
}

fn call(address: SocketAddr, requests: &[String]) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut buffer = [0; 4096];
    for request in requests {
        stream.write_all(request.as_bytes()).unwrap();
        let mut length = 0;
        while !buffer[..length].ends_with(b"\r\n\r\nhello") {
            let read = stream.read(&mut buffer[length..]).unwrap();
            assert!(read > 0, "the connection ended: {}", String::from_utf8_lossy(&buffer[..length]));
            length += read;
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&buffer[..length]));
    }
}

/// A client with a token, and the policy that takes it.
struct Caller {
    key: DpopKey,
    token: String,
    target: TargetUri,
}

impl Caller {
    fn new(folder: &Path) -> Self {
        let issuer = SigningKey::generate(Algorithm::ES256).unwrap();
        let keys = JwkSet::from_keys(vec![issuer.public_key().clone()]);
        fs::write(folder.join("jwks.json"), keys.to_json()).unwrap();
        let policy = "resources = [\"https://api.example.com\"]\n[[issuers]]\nissuer = \"https://login.example.com\"\n\
                      audiences = [\"api\"]\nalgorithms = [\"ES256\"]\njwks_file = \"jwks.json\"\n\
                      [replay]\nquota_per_key = 1000000\n";
        fs::write(folder.join("guard.toml"), policy).unwrap();
        let key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()));
        let now = now().seconds();
        let header = json!({ "typ": "at+jwt", "alg": "ES256" });
        let claims = json!({
            "iss": "https://login.example.com", "aud": "api", "sub": "user", "client_id": "client", "iat": now,
            "exp": now + 3600, "jti": "1", "scope": "orders.read orders.write",
            "cnf": { "jkt": key.thumbprint().to_string() },
        });
        let unsigned = UnsignedJws::new(header.to_string().as_bytes(), claims.to_string().as_bytes());
        let token = unsigned.sign(&issuer).unwrap();
        Self { key, token, target: TargetUri::parse("https://api.example.com/orders").unwrap() }
    }

    /// Requests, each with a proof of its own.
    fn requests(&self, count: usize) -> Vec<String> {
        let hash = AccessTokenHash::of(&self.token);
        let one = |_| {
            let request = ProofRequest {
                method: &http::Method::GET,
                target: &self.target,
                access_token: Some(hash),
                nonce: None,
            };
            let proof = self.key.prove(&request, now(), &OperatingSystem).unwrap();
            format!(
                "GET /orders HTTP/1.1\r\nHost: api.example.com\r\nAccept: */*\r\nAuthorization: DPoP {}\r\n\
                 DPoP: {proof}\r\n\r\n",
                self.token
            )
        };
        (0..count).map(one).collect()
    }
}

/// The one verification that can't be avoided, by the library alone: of different signatures, as a guard meets
/// them, since the processor learns the way through one that comes again and again.
struct RawVerification {
    key: ParsedPublicKey,
    message: [u8; 400],
    signatures: Vec<Vec<u8>>,
    next: AtomicUsize,
}

impl RawVerification {
    fn prepared() -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let own = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).unwrap();
        let message = [7; 400];
        let sign = |_| own.sign(&random, &message).unwrap().as_ref().to_vec();
        let signatures = (0..SIGNATURES).map(sign).collect();
        let key = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, own.public_key()).unwrap();
        Self { key, message, signatures, next: AtomicUsize::new(0) }
    }

    fn verify(&self) {
        let signature = &self.signatures[self.next.fetch_add(1, Ordering::Relaxed) % SIGNATURES];
        self.key.verify_sig(std::hint::black_box(&self.message), signature).unwrap();
    }
}

/// Microseconds on a core of one of many, one after the other.
fn raw_verification() -> f64 {
    const TIMES: u32 = 2_000;
    let raw = RawVerification::prepared();
    let stopwatch = Stopwatch::start();
    for _ in 0..TIMES {
        raw.verify();
    }
    stopwatch.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
}

/// A proxy as a process of its own, with one worker, until its standard input ends.
fn serve(policy: &str, upstream: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let _server = if policy == BARE || policy == VERIFYING {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            println!("{}", listener.local_addr().unwrap());
            tokio::spawn(pass_on(listener, upstream.parse().unwrap(), policy == VERIFYING));
            None
        } else {
            let guard = Guard::new(Policy::from_file(policy.as_ref()).unwrap()).unwrap();
            let upstream = UpstreamSettings::new(format!("http://{upstream}").parse().unwrap());
            let face = Face::ReverseProxy(ReverseProxy::new(guard.clone(), upstream).unwrap());
            let server = Server::start(guard, face, ServerSettings::default()).await.unwrap();
            println!("{}", server.address());
            Some(server)
        };
        let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let _ = end.await;
    });
}

/// A proxy with nothing of its own.
async fn pass_on(listener: tokio::net::TcpListener, upstream: Authority, verifies: bool) {
    let raw = Arc::new(RawVerification::prepared());
    let client = Client::builder(TokioExecutor::new()).build_http();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (client, upstream, raw) = (client.clone(), upstream.clone(), Arc::clone(&raw));
        let service = service_fn(move |mut request: Request<Incoming>| {
            if verifies {
                raw.verify();
            }
            let path = request.uri().path_and_query().unwrap().clone();
            let uri = Uri::builder().scheme("http").authority(upstream.clone()).path_and_query(path);
            *request.uri_mut() = uri.build().unwrap();
            client.request(request)
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn now() -> NumericDate {
    SystemTime::now().into()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
