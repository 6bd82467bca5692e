//! What the local org does in a second of a core, and whether a list's last page takes longer than its first.
//!
//! The org is a process of its own; what counts is the time that it was on a core, by the kernel's own account, so that
//! its clients and other work on the machine do not count. Tokens: each request has an assertion and a proof of its own,
//! with the server's nonce, and gets a token that the org signs with RS256; beside it stands the raw signature of the
//! same kind. The client's keys are RSA, as those of Okta's sample and of its console, and then ES256. Users: a million,
//! in pages of 200, read by an administrator from the first to the last.
//!
//! `cargo bench -p keybound-org --bench org` (Linux); with `-- tokens` or `-- users` it measures one of the two.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    reason = "a benchmark may panic"
)]

#[path = "../../keybound/benches/stopwatch/mod.rs"]
mod stopwatch;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use keybound::assertion::CLIENT_ASSERTION_TYPE;
use keybound::proof::{DpopKey, ProofRequest};
use keybound::random::{OperatingSystem, jwt_id};
use keybound::{Algorithm, Nonce, NumericDate, PublicKey, Signer as _, SigningKey, TargetUri, UnsignedJws};
use keybound_org::{AdminRole, Data, LocalOrg, NewApp, OrgSettings, Scheme};
use mimalloc::MiMalloc;
use serde_json::{Value, json};
use stopwatch::Stopwatch;

/// That of the program, so that the org here costs what it costs there.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Turns, of which the median is taken.
const TURNS: usize = 5;
/// Tokens of one turn.
const TOKENS: usize = 2_000;
/// Connections of the clients.
const CONNECTIONS: usize = 8;
/// Users of the long list.
const USERS: usize = 1_000_000;
/// Users of a page, the most that Okta gives.
const USERS_OF_A_PAGE: usize = 200;
/// Ticks of a second in `/proc/PID/stat` on Linux.
const TICKS_PER_SECOND: f64 = 100.0;
const SCOPE: &str = "okta.users.read";

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--org") {
        return serve(arguments[at + 1].as_ref(), arguments[at + 2].parse().unwrap(), &arguments[at + 3]);
    }
    let is_asked = |part: &str| {
        let names: Vec<_> = arguments.iter().skip(1).filter(|argument| !argument.starts_with('-')).collect();
        names.is_empty() || names.iter().any(|name| *name == part)
    };
    if is_asked("tokens") {
        tokens(Algorithm::RS256);
        tokens(Algorithm::ES256);
    }
    if is_asked("users") {
        pages();
    }
}

/// Tokens of a client whose keys are of this algorithm.
fn tokens(algorithm: Algorithm) {
    let folder = tempfile::TempDir::new().unwrap();
    let client = Client::new(algorithm);
    let org = Org::start(folder.path(), 0, &client.key);
    let nonce = org.nonce(&client);
    org.ask(&client.token_requests(&org, Some(&nonce), TOKENS / 4));
    let turn = |_| {
        let requests = client.token_requests(&org, Some(&nonce), TOKENS);
        let before = org.on_core();
        org.ask(&requests);
        ((org.on_core() - before) * 1e6 / TOKENS as f64, raw_signature())
    };
    let turns: Vec<(f64, f64)> = (0..TURNS).map(turn).collect();
    let of = |part: fn(&(f64, f64)) -> f64| median(turns.iter().map(part).collect());
    let (token, raw) = (of(|turn| turn.0), of(|turn| turn.1));
    println!("assertion and proof with {}:", algorithm.name());
    println!("  a token with RS256: {token:.0} µs on a core, {:.0} a second of a core", 1e6 / token);
    println!("  a raw signature with RS256: {raw:.0} µs; a token takes {:.2} times that", token / raw);
}

fn pages() {
    let folder = tempfile::TempDir::new().unwrap();
    let org = Org::start(folder.path(), USERS, &Client::new(Algorithm::ES256).key);
    let mut path = format!("/api/v1/users?limit={USERS_OF_A_PAGE}");
    let mut stream = org.connect();
    let (mut users, mut shares, mut resident) = (0, Vec::new(), Vec::new());
    let share = USERS / USERS_OF_A_PAGE / 10;
    loop {
        let before = org.on_core();
        for _ in 0..share {
            let request = format!(
                "GET {path} HTTP/1.1\r\nHost: org\r\nAuthorization: SSWS {}\r\n\r\n",
                org.admin_token
            );
            let answer = exchange(&mut stream, &request);
            users += answer.body.as_array().unwrap().len();
            let Some(next) = answer.next else {
                path.clear();
                break;
            };
            next.strip_prefix(&org.url).unwrap().clone_into(&mut path);
        }
        shares.push((org.on_core() - before) * 1e6 / share as f64);
        resident.push(org.resident());
        if path.is_empty() {
            break;
        }
    }
    assert_eq!(users, USERS);
    println!("a page of {USERS_OF_A_PAGE} of a million users, by tenths of the list, µs on a core:");
    println!("  {}", shares.iter().map(|share| format!("{share:.0}")).collect::<Vec<_>>().join(" "));
    println!("  last tenth / first: {:.2}", shares[9] / shares[0]);
    println!("resident after each tenth, MiB:");
    println!("  {}", resident.iter().map(|bytes| format!("{bytes:.1}")).collect::<Vec<_>>().join(" "));
}

/// Microseconds on a core of one RS256 signature by the library alone.
fn raw_signature() -> f64 {
    const TIMES: u32 = 300;
    let key = SigningKey::generate(Algorithm::RS256).unwrap();
    let mut prepared: Vec<_> =
        (0..TIMES).map(|_| UnsignedJws::new(br#"{"alg":"RS256"}"#, &[b'a'; 400])).collect();
    let stopwatch = Stopwatch::start();
    for unsigned in prepared.drain(..) {
        std::hint::black_box(unsigned.sign(&key).unwrap());
    }
    stopwatch.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES)
}

/// An org as a process of its own, ended when this is dropped.
struct Org {
    child: Child,
    url: String,
    admin_token: String,
    client_id: String,
}

impl Drop for Org {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Org {
    fn start(folder: &Path, users: usize, key: &SigningKey) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("--org")
            .arg(folder)
            .arg(users.to_string())
            .arg(key.public_key().jwk().to_json())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| said[name].as_str().unwrap().to_owned();
        Self { child, url: text("url"), admin_token: text("admin_token"), client_id: text("client_id") }
    }

    /// Seconds that it was on a core: the fields `utime` and `stime` (proc(5)).
    fn on_core(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS_PER_SECOND
    }

    /// MiB that it has resident.
    fn resident(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The nonce that its token endpoint wants.
    fn nonce(&self, client: &Client) -> Nonce {
        let request = &client.token_requests(self, None, 1)[0];
        exchange(&mut self.connect(), request).nonce.unwrap()
    }

    /// Gets a token for each request, over some connections, one after the other on each.
    fn ask(&self, requests: &[String]) {
        thread::scope(|scope| {
            for share in requests.chunks(requests.len().div_ceil(CONNECTIONS)) {
                scope.spawn(move || {
                    let mut stream = self.connect();
                    for request in share {
                        let answer = exchange(&mut stream, request);
                        assert_eq!(answer.body["token_type"], "DPoP", "{}", answer.body);
                    }
                });
            }
        });
    }
}

struct Answer {
    nonce: Option<Nonce>,
    /// The URL of the next page.
    next: Option<String>,
    body: Value,
}

/// Sends a request and reads the answer, whose length is in its header.
fn exchange(stream: &mut TcpStream, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let (mut length, mut nonce, mut next) = (0, None, None);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        let Some((name, value)) = line.split_once(": ") else { continue };
        match name {
            "content-length" => length = value.parse().unwrap(),
            "dpop-nonce" => nonce = Some(Nonce::parse(value).unwrap()),
            "link" => {
                let url = value.strip_suffix(">; rel=\"next\"").and_then(|link| link.rsplit('<').next());
                next = url.map(str::to_owned).or(next);
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Answer { nonce, next, body: serde_json::from_slice(&body).unwrap() }
}

/// A service app and its keys.
struct Client {
    key: SigningKey,
    dpop_key: DpopKey,
}

impl Client {
    fn new(algorithm: Algorithm) -> Self {
        let generate = || SigningKey::generate(algorithm).unwrap();
        Self { key: generate(), dpop_key: DpopKey::new(Arc::new(generate())) }
    }

    /// Token requests as they are sent, each with an assertion and a proof of its own.
    fn token_requests(&self, org: &Org, nonce: Option<&Nonce>, count: usize) -> Vec<String> {
        let endpoint = format!("{}/oauth2/v1/token", org.url);
        let target = TargetUri::parse(&endpoint).unwrap();
        let request =
            ProofRequest { method: &http::Method::POST, target: &target, access_token: None, nonce };
        let one = |_| {
            let proof = self.dpop_key.prove(&request, now(), &OperatingSystem).unwrap();
            let form = url::form_urlencoded::Serializer::new(String::new())
                .append_pair("grant_type", "client_credentials")
                .append_pair("scope", SCOPE)
                .append_pair("client_assertion_type", CLIENT_ASSERTION_TYPE)
                .append_pair("client_assertion", &self.assertion(&org.client_id, &endpoint))
                .finish();
            format!(
                "POST /oauth2/v1/token HTTP/1.1\r\nHost: org\r\nContent-Type: application/x-www-form-urlencoded\r\n\
                 DPoP: {proof}\r\nContent-Length: {}\r\n\r\n{form}",
                form.len()
            )
        };
        (0..count).map(one).collect()
    }

    fn assertion(&self, client_id: &str, endpoint: &str) -> String {
        let (now, jti) = (now().seconds(), jwt_id(&OperatingSystem).unwrap());
        let header = json!({ "alg": self.key.algorithm().name() }).to_string();
        let claims = json!({ "iss": client_id, "sub": client_id, "aud": endpoint, "jti": jti, "iat": now, "exp": now + 300 });
        UnsignedJws::new(header.as_bytes(), claims.to_string().as_bytes()).sign(&self.key).unwrap()
    }
}

/// An org with an app of this key, until its standard input ends.
fn serve(folder: &Path, seed_users: usize, key: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let data = Data::Directory(folder.to_owned());
        let settings = OrgSettings {
            scheme: Scheme::Http,
            data,
            seed_users,
            requests_per_minute: u32::MAX,
            ..OrgSettings::default()
        };
        let org = LocalOrg::start(settings).await.unwrap();
        let app = NewApp {
            label: "job".to_owned(),
            public_keys: vec![PublicKey::from_jwk(key.as_bytes()).unwrap()],
            scopes: vec![SCOPE.to_owned()],
            roles: vec![AdminRole::ReadOnly],
            dpop_bound_access_tokens: true,
            ..NewApp::default()
        };
        let app = org.store().create_app(&app, now(), &OperatingSystem).unwrap();
        let line = json!({ "url": org.url(), "admin_token": org.admin_token(), "client_id": app.client_id });
        println!("{line}");
        let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let _ = end.await;
        org.stop().await;
    });
}

fn now() -> NumericDate {
    SystemTime::now().into()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
