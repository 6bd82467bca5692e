//! A guard that runs until it is dropped, an upstream for it, and a client with a token.

#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use keybound::proof::{AccessTokenHash, DpopKey, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::{Algorithm, JwkSet, NumericDate, Signer as _, SigningKey, TargetUri, UnsignedJws};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::support::Workspace;
use crate::support::serving::Serving;

pub(crate) const ISSUER: &str = "https://login.example.com";
pub(crate) const RESOURCE: &str = "https://api.example.com";

/// Nothing here takes so long unless it hangs.
const BOUND: Duration = Duration::from_secs(30);

/// A client with a key and a token that is bound to it.
pub(crate) struct Caller {
    key: DpopKey,
    pub(crate) token: String,
}

/// Writes `guard.toml` with `more` in it, and `jwks.json`; a client whose token is good by them.
pub(crate) fn policy(workspace: &Workspace, more: &str) -> Caller {
    let text = format!(
        "resources = [\"{RESOURCE}\"]\n[[issuers]]\nissuer = \"{ISSUER}\"\naudiences = [\"api\"]\n\
         algorithms = [\"ES256\"]\njwks_file = \"jwks.json\"\n{more}"
    );
    workspace.write("guard.toml", &text);
    let issuer = SigningKey::generate(Algorithm::ES256).unwrap();
    if !workspace.path("jwks.json").exists() {
        workspace.write("jwks.json", &JwkSet::from_keys(vec![issuer.public_key().clone()]).to_json());
    }
    let key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()));
    let now = now().seconds();
    let claims = json!({
        "iss": ISSUER, "aud": "api", "sub": "user-1", "client_id": "client-1", "scope": "orders.read",
        "iat": now, "exp": now + 3600, "jti": "1", "cnf": { "jkt": key.thumbprint().to_string() },
    });
    let header = json!({ "typ": "at+jwt", "alg": "ES256" });
    let unsigned = UnsignedJws::new(header.to_string().as_bytes(), claims.to_string().as_bytes());
    let token = unsigned.sign(&issuer).unwrap();
    Caller { key, token }
}

impl Caller {
    pub(crate) fn credentials(&self, method: &str, path: &str) -> String {
        self.credentials_with(&self.token, method, path)
    }

    /// With this token, and a proof that is made for it.
    pub(crate) fn credentials_with(&self, token: &str, method: &str, path: &str) -> String {
        let request = ProofRequest {
            method: &method.parse().unwrap(),
            target: &TargetUri::parse(&format!("{RESOURCE}{path}")).unwrap(),
            access_token: Some(AccessTokenHash::of(token)),
            nonce: None,
        };
        let proof = self.key.prove(&request, now(), &OperatingSystem).unwrap();
        format!("Authorization: DPoP {token}\r\nDPoP: {proof}\r\n")
    }
}

fn now() -> NumericDate {
    SystemTime::now().into()
}

/// An address that nobody listens at, for a guard that has to know its own before it starts. It is below the ports
/// that the system hands out: one of these that is free now may be another's when it is asked for.
pub(crate) fn free_address() -> String {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 10_000 + u16::try_from(std::process::id() % 200).unwrap() * 100;
    let taken = || ("127.0.0.1", first + TAKEN.fetch_add(1, Ordering::Relaxed) % 100);
    let (host, port) = std::iter::repeat_with(taken).find(|place| TcpListener::bind(place).is_ok()).unwrap();
    format!("{host}:{port}")
}

/// A server that answers every request with 200, or with nothing.
pub(crate) struct Upstream {
    pub(crate) url: String,
    heads: Receiver<String>,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        Self::serving(true)
    }

    pub(crate) fn silent() -> Self {
        Self::serving(false)
    }

    fn serving(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (told, heads) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = told.clone();
                thread::spawn(move || {
                    let mut reader = BufReader::new(stream);
                    let mut head = String::new();
                    while reader.read_line(&mut head).is_ok_and(|length| length > 0) {
                        if !head.ends_with("\r\n\r\n") {
                            continue;
                        }
                        let _ = told.send(std::mem::take(&mut head));
                        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
                        if answers && reader.get_mut().write_all(answer).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { url, heads }
    }

    /// The header fields of the next request that came.
    pub(crate) fn next_head(&self) -> String {
        self.heads.recv_timeout(BOUND).unwrap()
    }
}

/// A guard that serves until it is dropped.
pub(crate) struct Guard {
    serving: Serving,
    /// Its first line.
    pub(crate) told: Value,
    pub(crate) address: String,
    pub(crate) admin: String,
}

impl Guard {
    pub(crate) fn start(workspace: &Workspace, arguments: &[&str]) -> Self {
        let serving = Serving::start(workspace, "guard", arguments);
        let address = |name: &str| serving.address(name).to_owned();
        Self { told: serving.told.clone(), address: address("url"), admin: address("admin_url"), serving }
    }

    /// The answer to a request on a connection of its own.
    #[expect(clippy::unused_self, reason = "who asks holds the guard, so that it is still there")]
    pub(crate) fn get(&self, address: &str, path: &str, fields: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends a request over HTTP/2 in the clear, and waits for the header fields of the answer.
    pub(crate) fn get_over_http2(&self, path: &str, fields: &str) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)];
        let mut block = Vec::new();
        let own = fields.lines().filter_map(|line| line.split_once(": "));
        for (name, value) in pseudo.into_iter().chain(own) {
            // A literal without indexing (RFC 7541 section 6.2.2).
            block.push(0);
            string(&mut block, &name.to_lowercase());
            string(&mut block, value);
        }
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
        stream.write_all(&frame(4, 0, 0, &[])).unwrap();
        stream.write_all(&frame(1, 5, 1, &block)).unwrap();
        loop {
            let mut head = [0; 9];
            stream.read_exact(&mut head).unwrap();
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            stream.read_exact(&mut payload).unwrap();
            match head[3] {
                1 => return,
                3 | 7 => panic!("{head:?} {payload:?}"),
                _ => {}
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        self.serving.signal(name);
    }

    /// Signals it; how it ended, and all that it logged.
    pub(crate) fn signal_and_wait(self, name: &str) -> (ExitStatus, String) {
        self.serving.signal_and_wait(name)
    }
}

/// A frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A string literal (RFC 7541 section 5.2), its length with a prefix of seven bits.
fn string(block: &mut Vec<u8>, text: &str) {
    let mut rest = text.len();
    if rest < 127 {
        block.push(u8::try_from(rest).unwrap());
    } else {
        block.push(127);
        rest -= 127;
        while rest >= 128 {
            block.push(u8::try_from(rest % 128 + 128).unwrap());
            rest /= 128;
        }
        block.push(u8::try_from(rest).unwrap());
    }
    block.extend(text.bytes());
}

/// What a request with these fields looks like in a file.
pub(crate) fn recorded(workspace: &Workspace, name: &str, path: &str, fields: &str) {
    let text = format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    fs::write(workspace.path(name), text).unwrap();
}
