//! What one client may take of a server: connections, header fields, time, requests at once; and what a flood ends in.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "server")]

mod serving;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keybound_guard::Guard;
use keybound_guard::forward_auth::ForwardAuth;
use keybound_guard::policy::Policy;
use keybound_guard::server::{Face, Server, ServerLimits, ServerSettings};
use serving::{BOUND, OPEN, Proxy, Upstream, head, soon, status, tcp, to_end};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

async fn limited(policy: &str, upstream: &Upstream, limits: ServerLimits) -> Proxy {
    Proxy::start(policy, upstream.settings(), ServerSettings { limits, ..ServerSettings::default() }).await
}

/// A connection from this address of the machine.
async fn from(address: &str, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(address.parse().unwrap(), 0)).unwrap();
    soon(socket.connect(to)).await.unwrap()
}

/// Whether a request on this connection is answered, and the connection then kept.
async fn is_served(stream: &mut TcpStream) -> bool {
    let _ = stream.write_all(GET.as_bytes()).await;
    let Some(head) = soon(head(stream)).await else { return false };
    let mut body = [0; 5];
    stream.read_exact(&mut body).await.unwrap();
    head.starts_with("HTTP/1.1 200 ")
}

/// All the 127/8 is this machine, on Linux.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn connections_of_one_address_beyond_its_limit_are_closed_and_others_are_served() {
    let upstream = Upstream::answering(HELLO).await;
    let limits = ServerLimits { connections_per_address: 2, ..ServerLimits::default() };
    let proxy = limited(OPEN, &upstream, limits).await;
    let mut kept = Vec::new();
    for _ in 0..2 {
        let mut stream = from("127.0.0.1", proxy.address).await;
        assert!(is_served(&mut stream).await);
        kept.push(stream);
    }
    assert!(!is_served(&mut from("127.0.0.1", proxy.address).await).await);
    assert!(is_served(&mut from("127.0.0.2", proxy.address).await).await, "another address has its own");
    assert!(is_served(&mut kept[0]).await, "those that were open stay so");
    drop(kept.pop());
    // The server notices soon that the connection is gone.
    soon(async { while !is_served(&mut from("127.0.0.1", proxy.address).await).await {} }).await;
}

#[tokio::test]
async fn connections_of_trusted_proxies_are_not_counted_and_a_new_policy_says_whose() {
    let upstream = Upstream::answering(HELLO).await;
    let limits = ServerLimits { connections_per_address: 1, ..ServerLimits::default() };
    let trusting = format!("trusted_proxies = [\"127.0.0.1\"]\n{OPEN}");
    let proxy = limited(&trusting, &upstream, limits).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        let mut stream = proxy.connect().await;
        assert!(is_served(&mut stream).await);
        kept.push(stream);
    }
    proxy.guard.reload(Policy::from_toml(OPEN).unwrap()).unwrap();
    let mut counted = proxy.connect().await;
    assert!(is_served(&mut counted).await, "the first that is counted");
    assert!(!is_served(&mut proxy.connect().await).await);
}

/// An upstream that answers, but for what is `/silent`, of which it tells, and agrees to another protocol at `/switch`.
async fn moody() -> Upstream {
    const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n";
    Upstream::scripted(|mut stream, told| async move {
        while let Some(head) = head(&mut stream).await {
            let answer = match head.split(' ').nth(1) {
                Some("/silent") => {
                    let _ = told.send(head);
                    ""
                }
                Some("/switch") => SWITCHED,
                _ => HELLO,
            };
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_place_is_free_again_however_its_connection_ends() {
    let mut upstream = moody().await;
    let limits = ServerLimits { connections_per_address: 1, ..ServerLimits::default() };
    let proxy = limited(OPEN, &upstream, limits).await;
    let get =
        |path: &str, fields: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes();
    let silent = [&[0x82, 0x86, 0x41, 0x01, b'a', 0x04, 0x07][..], b"/silent"].concat();
    let request = Frames::beginning().with(HEADERS, END_STREAM | END_HEADERS, 1, &silent);
    for (name, sent) in [
        ("without a request", Vec::new()),
        ("within a request", b"GET / HTTP/1.1\r\nHo".to_vec()),
        ("by what is no request", b"\0\r\n\r\n".to_vec()),
        ("with a request under way", get("/silent", "")),
        ("with an upload under way", get("/", "Content-Length: 10\r\n")),
        ("as a tunnel", get("/switch", "Connection: upgrade\r\nUpgrade: chat\r\n")),
        ("without a request over HTTP/2", Frames::beginning().0),
        ("with a request under way over HTTP/2", request.0),
        ("by a frame that is none", Frames::beginning().with(SETTINGS, 0, 0, &[0]).0),
    ] {
        // One that is refused is closed before it is served.
        let begun = async {
            loop {
                let mut stream = proxy.connect().await;
                let is_begun = if sent.starts_with(b"PRI ") {
                    stream.write_all(&sent).await.is_ok() && next(&mut stream, SETTINGS).await.is_some()
                } else {
                    is_served(&mut stream).await && stream.write_all(&sent).await.is_ok()
                };
                if is_begun {
                    return stream;
                }
            }
        };
        let mut stream = tokio::time::timeout(BOUND, begun).await.unwrap_or_else(|_| panic!("before {name}"));
        let asks_for = |path: &str| sent.windows(path.len()).any(|part| part == path.as_bytes());
        if asks_for("/silent") {
            upstream.next_head().await;
        }
        if asks_for("/switch") {
            assert!(soon(head(&mut stream)).await.unwrap().starts_with("HTTP/1.1 101 "));
        }
    }
    soon(async { while !is_served(&mut proxy.connect().await).await {} }).await;
}

#[tokio::test]
async fn a_limit_that_nothing_could_be_served_within_is_refused() {
    let guard = Guard::new(Policy::from_toml(OPEN).unwrap()).unwrap();
    let limits = ServerLimits { connections_per_address: 0, ..ServerLimits::default() };
    let settings = ServerSettings { limits, ..ServerSettings::default() };
    let face = Face::Router(ForwardAuth::new(guard.clone()).into_router());
    let error = Server::start(guard, face, settings).await.unwrap_err().to_string();
    assert!(error.contains("connections_per_address"), "{error}");
}

/// What a client of HTTP/2 writes, frame by frame (RFC 9113 section 4.1).
#[derive(Default)]
struct Frames(Vec<u8>);

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `GET http://a/`, by the static table of HPACK (RFC 7541 appendix A).
const GET_FIELDS: [u8; 6] = [0x82, 0x86, 0x84, 0x41, 0x01, b'a'];

/// Neither scheme nor path, which every request has (RFC 9113 section 8.3.1).
const BROKEN_FIELDS: [u8; 1] = [0x82];

const PROTOCOL_ERROR: u32 = 1;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

impl Frames {
    fn beginning() -> Self {
        Self(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec()).with(SETTINGS, 0, 0, &[])
    }

    fn with(mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.0.extend_from_slice(&length[1..]);
        self.0.extend_from_slice(&[kind, flags]);
        self.0.extend_from_slice(&stream.to_be_bytes());
        self.0.extend_from_slice(payload);
        self
    }

    fn get(self, stream: u32) -> Self {
        self.with(HEADERS, END_STREAM | END_HEADERS, stream, &GET_FIELDS)
    }
}

/// The stream and the error code of the next frame of this kind; `None` at the end of the connection.
async fn next(stream: &mut TcpStream, kind: u8) -> Option<(u32, u32)> {
    loop {
        let mut head = [0; 9];
        soon(stream.read_exact(&mut head)).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        soon(stream.read_exact(&mut payload)).await.ok()?;
        if head[3] == kind {
            let code = if kind == GOAWAY { &payload[4..8] } else { &payload[..4] };
            let of = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            return Some((of, u32::from_be_bytes(code.try_into().unwrap())));
        }
    }
}

async fn silent() -> Upstream {
    Upstream::scripted(|mut stream, told| async move {
        while let Some(head) = head(&mut stream).await {
            let _ = told.send(head);
        }
    })
    .await
}

#[tokio::test]
async fn a_flood_of_requests_that_are_taken_back_ends_its_connection() {
    let upstream = silent().await;
    let proxy = limited(OPEN, &upstream, ServerLimits::default()).await;
    let mut stream = proxy.connect().await;
    let flood = (0..1_000).fold(Frames::beginning(), |frames, number| {
        let id = 2 * number + 1;
        frames.get(id).with(RST_STREAM, 0, id, &8_u32.to_be_bytes())
    });
    let _ = stream.write_all(&flood.0).await;
    let (_, code) = next(&mut stream, GOAWAY).await.expect("it is told why");
    assert_eq!(code, ENHANCE_YOUR_CALM);
}

/// CVE-2025-8671: a client has the server reset its requests, in place of doing so itself.
#[tokio::test]
async fn broken_requests_are_reset_and_one_too_many_ends_their_connection() {
    let upstream = Upstream::answering(HELLO).await;
    let proxy = limited(OPEN, &upstream, ServerLimits::default()).await;
    let mut stream = proxy.connect().await;
    let broken = |frames: Frames, number: u32| {
        frames.with(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &BROKEN_FIELDS)
    };
    stream.write_all(&(0..100).fold(Frames::beginning(), broken).0).await.unwrap();
    for _ in 0..100 {
        let (_, code) = next(&mut stream, RST_STREAM).await.expect("the connection goes on");
        assert_eq!(code, PROTOCOL_ERROR);
    }
    stream.write_all(&Frames::default().get(201).0).await.unwrap();
    let (answered, _) = next(&mut stream, HEADERS).await.expect("the connection goes on");
    assert_eq!(answered, 201);
    stream.write_all(&broken(Frames::default(), 101).0).await.unwrap();
    let (_, code) = next(&mut stream, GOAWAY).await.expect("it is told why");
    assert_eq!(code, ENHANCE_YOUR_CALM);
}

#[tokio::test]
async fn a_flood_of_continuations_ends_its_connection() {
    let upstream = silent().await;
    let proxy = limited(OPEN, &upstream, ServerLimits::default()).await;
    let mut stream = proxy.connect().await;
    let begun = Frames::beginning().with(HEADERS, END_STREAM, 1, &GET_FIELDS);
    let flood = (0..10_000).fold(begun, |frames, _| frames.with(CONTINUATION, 0, 1, &[]));
    let _ = stream.write_all(&flood.0).await;
    let (_, code) = next(&mut stream, GOAWAY).await.expect("it is told why");
    assert_eq!(code, ENHANCE_YOUR_CALM);
}

#[tokio::test]
async fn requests_at_once_on_a_connection_beyond_the_limit_are_refused() {
    let mut upstream = silent().await;
    let limits = ServerLimits { requests_per_connection: 2, ..ServerLimits::default() };
    let proxy = limited(OPEN, &upstream, limits).await;
    let mut stream = proxy.connect().await;
    // The limit holds for a client from when it has heard of it.
    stream.write_all(&Frames::beginning().with(SETTINGS, 1, 0, &[]).0).await.unwrap();
    stream.write_all(&Frames::default().get(1).get(3).get(5).0).await.unwrap();
    assert_eq!(next(&mut stream, RST_STREAM).await, Some((5, REFUSED_STREAM)));
    upstream.next_head().await;
    upstream.next_head().await;
    assert!(!upstream.has_more());
}

#[tokio::test]
async fn header_fields_over_http2_beyond_the_limit_are_refused() {
    let mut upstream = silent().await;
    let proxy = limited(OPEN, &upstream, ServerLimits::default()).await;
    let stream = TokioIo::new(proxy.connect().await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    for (name, fields) in [
        ("one that is long", vec![("x-long".to_owned(), "x".repeat(70_000))]),
        ("many", (0..2_000).map(|number| (format!("x-{number}"), "1".to_owned())).collect()),
    ] {
        let mut request = Request::get(format!("http://{}/", proxy.address));
        for (name, value) in fields {
            request = request.header(name, value);
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        soon(sender.ready()).await.unwrap();
        let response = soon(sender.send_request(request)).await.unwrap();
        assert_eq!(response.status(), 431, "{name}");
        assert!(!upstream.has_more(), "{name}");
    }
}

#[tokio::test]
async fn a_client_that_never_ends_its_header_fields_over_http2_loses_its_place() {
    let upstream = silent().await;
    let short = Duration::from_millis(200);
    let limits = ServerLimits { header_timeout: short, idle_timeout: short, ..ServerLimits::default() };
    let proxy = limited(OPEN, &upstream, limits).await;
    let mut stream = proxy.connect().await;
    let begun = Frames::beginning().with(HEADERS, END_STREAM, 1, &GET_FIELDS);
    stream.write_all(&begun.0).await.unwrap();
    to_end(&mut stream).await;
}

#[tokio::test]
async fn a_body_that_is_read_here_may_not_pause_for_long() {
    let guard = Guard::new(Policy::from_toml(OPEN).unwrap()).unwrap();
    let limits = ServerLimits { header_timeout: Duration::from_millis(200), ..ServerLimits::default() };
    let settings = ServerSettings { limits, ..ServerSettings::default() };
    let router = axum::Router::new().fallback(async |body: Bytes| format!("{} bytes", body.len()));
    let server = Server::start(guard, Face::Router(router), settings).await.unwrap();
    let mut stream = soon(TcpStream::connect(tcp(server.address()))).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\npart").await.unwrap();
    let answer = to_end(&mut stream).await;
    assert_eq!(status(&answer), 400, "{answer}");
}
