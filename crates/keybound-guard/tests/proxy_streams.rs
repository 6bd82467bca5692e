//! Bodies in both directions as they come, other protocols on the same connection, and an upstream in trouble.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "server")]

mod serving;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use keybound::access_token::EXPIRY_LEEWAY;
use keybound::{Clock as _, NumericDate, SystemClock};
use keybound_guard::Guard;
use keybound_guard::policy::Policy;
use keybound_guard::reverse_proxy::UpstreamSettings;
use keybound_guard::server::ServerSettings;
use serving::identity_provider::IdentityProvider;
use serving::{Proxy, Upstream, head, soon, status, statuses, to_end};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// More than all buffers between client and upstream hold together.
const MUCH: usize = 64 * 1024 * 1024;
const CHUNK: usize = 64 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_download_comes_while_the_upstream_still_sends() {
    let upstream = Upstream::scripted(|mut stream, told| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nfirst").await;
        // The second part is sent once the client has told that it has the first.
        let _ = told.send("sent".to_owned());
        head(&mut stream).await;
    })
    .await;
    let proxy = Proxy::open(upstream.settings()).await;
    let mut stream = proxy.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    soon(head(&mut stream)).await.unwrap();
    let mut first = [0; 10];
    soon(stream.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"5\r\nfirst\r\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_reaches_the_upstream_before_its_end_and_is_not_kept() {
    let upstream = Upstream::scripted(|mut stream, told| async move {
        let received = head(&mut stream).await.unwrap();
        let _ = told.send(received);
        // Nothing is read on: what the client can send is what fits into buffers.
        std::future::pending::<()>().await;
    })
    .await;
    let mut upstream = upstream;
    let proxy = Proxy::open(upstream.settings()).await;
    let mut stream = proxy.connect().await;
    let request = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MUCH}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let chunk = vec![b'x'; CHUNK];
    let mut sent = 0;
    // A buffering proxy would take all of it.
    while sent < MUCH {
        match tokio::time::timeout(Duration::from_millis(500), stream.write_all(&chunk)).await {
            Ok(written) => written.unwrap(),
            Err(_) => break,
        }
        sent += CHUNK;
    }
    assert!(upstream.next_head().await.contains(&format!("content-length: {MUCH}")));
    assert!(sent < MUCH / 2, "{sent} bytes were taken while the upstream took none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_a_large_body_passes_in_both_directions() {
    let upstream = echo().await;
    let proxy = Proxy::open(settings("h2c", upstream)).await;
    let stream = soon(TcpStream::connect(proxy.address)).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let frames = (0..MUCH / CHUNK).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from(vec![b'x'; CHUNK]))));
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("client"));
    let body = StreamBody::new(futures_util::stream::iter(frames.chain([Ok(Frame::trailers(trailers))])));
    let request = Request::post(format!("http://{}/echo", proxy.address)).header("te", "trailers").body(body);
    let mut response = soon(sender.send_request(request.unwrap())).await.unwrap();
    assert_eq!(response.status(), 200);
    let (mut received, mut trailers) = (0, None);
    while let Some(frame) = soon(response.frame()).await {
        match frame.unwrap().into_data() {
            Ok(data) => received += data.len(),
            Err(frame) => trailers = frame.into_trailers().ok(),
        }
    }
    assert_eq!(received, MUCH);
    assert_eq!(trailers.unwrap()["x-sum"], "client", "trailers pass in both directions, as gRPC needs");
}

/// A server of HTTP/2 that sends every body back, trailers too.
async fn echo() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let echo = service_fn(|request: Request<Incoming>| async {
                assert_eq!(request.headers()["te"], "trailers");
                assert!(!request.headers().contains_key("x-forwarded-port"));
                Ok::<_, Infallible>(Response::new(request.into_body()))
            });
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), echo)
                    .await;
            });
        }
    });
    address
}

fn settings(scheme: &str, address: std::net::SocketAddr) -> UpstreamSettings {
    UpstreamSettings::new(format!("{scheme}://{address}").parse().unwrap())
}

const SWITCH: &str = "GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

async fn websocket() -> Upstream {
    websocket_that_first(|| ()).await
}

/// A WebSocket that sends everything back, opened after `deed`.
async fn websocket_that_first(deed: impl Fn() + Clone + Send + 'static) -> Upstream {
    Upstream::scripted(move |mut stream, told| {
        let deed = deed.clone();
        async move {
            let received = head(&mut stream).await.unwrap();
            let _ = told.send(received);
            deed();
            let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.unwrap();
            let (mut read, mut write) = stream.split();
            let _ = tokio::io::copy(&mut read, &mut write).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_websocket_passes_bytes_in_both_directions() {
    let mut upstream = websocket().await;
    let proxy = Proxy::open(upstream.settings()).await;
    let mut stream = proxy.connect().await;
    stream.write_all(SWITCH.as_bytes()).await.unwrap();
    let answer = soon(head(&mut stream)).await.unwrap().to_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    for field in ["upgrade: websocket\r\n", "connection: upgrade\r\n", "sec-websocket-accept: s3pplmbi"] {
        assert!(answer.contains(field), "{field} is not in {answer}");
    }
    let asked = upstream.next_head().await;
    assert!(asked.contains("connection: upgrade\r\n") && asked.contains("upgrade: websocket\r\n"), "{asked}");
    for frame in [&b"\x81\x85\x00\x00\x00\x00hello"[..], &vec![0; 100_000]] {
        let (mut read, mut write) = stream.split();
        let mut echoed = vec![0; frame.len()];
        let (written, got) =
            soon(async { tokio::join!(write.write_all(frame), read.read_exact(&mut echoed)) }).await;
        written.unwrap();
        got.unwrap();
        assert_eq!(echoed, frame);
    }
    stream.shutdown().await.unwrap();
    assert_eq!(to_end(&mut stream).await, "", "it ends when both sides have ended");
}

#[tokio::test]
async fn a_websocket_on_which_nothing_moves_is_ended() {
    let upstream = websocket().await;
    let idle = UpstreamSettings { idle_timeout: Duration::from_millis(100), ..upstream.settings() };
    let proxy = Proxy::open(idle).await;
    let answer = proxy.send(SWITCH).await;
    assert_eq!(statuses(&answer), [101]);
}

#[tokio::test]
async fn a_websocket_ends_with_the_access_token_that_opened_it() {
    let provider = IdentityProvider::new();
    let client = provider.client("user-1", "");
    let now = SystemClock.now();
    let time = Arc::new(AtomicU64::new(now.seconds()));
    let told = Arc::clone(&time);
    let clock = Arc::new(move || NumericDate::from_seconds(told.load(Ordering::Relaxed)));
    let policy = Policy::from_file(&provider.policy("")).unwrap();
    let guard = Guard::builder(policy).clock(clock).build().unwrap();
    // It has expired before the upstream agrees, so that it is found so as soon as the tunnel begins.
    let expired = now.seconds() + 3600 + EXPIRY_LEEWAY.as_secs();
    let upstream = websocket_that_first(move || time.store(expired, Ordering::Relaxed)).await;
    let proxy = Proxy::before(guard, upstream.settings(), ServerSettings::default()).await;
    let credentials = client.credentials("GET", "/chat", None);
    let answer = proxy.send(&SWITCH.replace("Host: a\r\n", &format!("Host: a\r\n{credentials}"))).await;
    assert_eq!(statuses(&answer), [101], "{answer}");
}

#[tokio::test]
async fn an_upstream_that_switches_to_what_nobody_asked_for_is_not_followed() {
    for (asked, granted) in [
        ("Connection: close\r\n", "websocket"),
        ("Connection: upgrade, close\r\nUpgrade: websocket\r\n", "h2c"),
    ] {
        let upstream = Upstream::scripted(move |mut stream, _| async move {
            head(&mut stream).await;
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: {granted}\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            std::future::pending::<()>().await;
        })
        .await;
        let proxy = Proxy::open(upstream.settings()).await;
        let answer = proxy.send(&format!("GET / HTTP/1.1\r\nHost: a\r\n{asked}\r\n")).await;
        assert_eq!(statuses(&answer), [502], "{answer}");
    }
}

#[tokio::test]
async fn an_upstream_in_trouble_becomes_502_or_504() {
    // Discard's port, at which nobody listens: one that is free now may be another's in a moment.
    let closed = "127.0.0.1:9".parse().unwrap();
    let silent = Upstream::scripted(|mut stream, _| async move {
        head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let resetting = Upstream::scripted(|mut stream, told| async move {
        if let Some(received) = head(&mut stream).await {
            let _ = told.send(received);
        }
    })
    .await;
    let garbled = Upstream::answering("HTTP/9 what\r\n\r\n").await;
    let short = Duration::from_millis(200);
    for (upstream, expected, error) in [
        (settings("http", closed), 502, "upstream_unreachable"),
        (UpstreamSettings { answer_timeout: short, ..silent.settings() }, 504, "upstream_timeout"),
        (resetting.settings(), 502, "upstream_broken"),
        (garbled.settings(), 502, "upstream_broken"),
    ] {
        let proxy = Proxy::open(upstream).await;
        let answer = proxy.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert_eq!(status(&answer), expected, "{answer}");
        assert!(answer.contains(&format!("\"error\":\"{error}\"")), "{answer}");
        assert!(!answer.contains("127.0.0.1"), "where the upstream is stays inside: {answer}");
    }
}

#[tokio::test]
async fn what_may_change_something_is_sent_once() {
    for (method, times) in [("GET", 2), ("POST", 1), ("DELETE", 1)] {
        let mut upstream = Upstream::scripted(|mut stream, told| async move {
            if let Some(received) = head(&mut stream).await {
                let _ = told.send(received);
            }
        })
        .await;
        let proxy = Proxy::open(upstream.settings()).await;
        let answer =
            proxy.send(&format!("{method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(status(&answer), 502, "{answer}");
        for _ in 0..times {
            upstream.next_head().await;
        }
        assert!(!upstream.has_more(), "{method} was sent more than {times} times");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client_too() {
    let upstream = Upstream::scripted(|mut stream, _| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n").await;
    })
    .await;
    let proxy = Proxy::open(upstream.settings()).await;
    let answer = proxy.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert!(answer.contains("part") && !answer.contains("\r\n0\r\n"), "no end that was not there: {answer}");
}

#[tokio::test]
async fn a_body_that_pauses_for_too_long_is_given_up() {
    let upstream = Upstream::scripted(|mut stream, _| async move {
        head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let impatient = UpstreamSettings { idle_timeout: Duration::from_millis(200), ..upstream.settings() };
    let proxy = Proxy::open(impatient).await;
    let mut stream = proxy.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\npart").await.unwrap();
    let answer = to_end(&mut stream).await;
    assert_eq!(status(&answer), 408, "{answer}");
}
