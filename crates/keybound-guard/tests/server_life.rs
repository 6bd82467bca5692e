//! A server from its start to its end: limits, new policies and certificates, drain, and what operators see.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "server")]

mod serving;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keybound_guard::Guard;
use keybound_guard::policy::Policy;
use keybound_guard::server::{ListenAddress, ServerLimits, ServerSettings, TlsFiles};
use rustls::pki_types::{CertificateDer, ServerName};
use serving::{OPEN, Proxy, Upstream, head, soon, status, statuses, tcp, to_end};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn any_port() -> ListenAddress {
    "127.0.0.1:0".parse().unwrap()
}

#[tokio::test]
async fn a_client_that_is_slow_with_its_header_fields_loses_its_place() {
    let upstream = Upstream::answering(HELLO).await;
    let limits = ServerLimits { header_timeout: Duration::from_millis(300), ..ServerLimits::default() };
    let settings = ServerSettings { limits, ..ServerSettings::default() };
    let proxy = Proxy::start(OPEN, upstream.settings(), settings).await;
    for beginning in ["", "G", "GET / HTTP/1.1\r\nHost: a\r\nX:", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut stream = proxy.connect().await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // Closed by the server, however: with an answer, without one, or by a reset.
        let _ = soon(stream.read_to_end(&mut rest)).await;
    }
    // A connection that is kept without a request, too.
    let mut stream = proxy.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert!(to_end(&mut stream).await.ends_with("hello"));
}

/// An upstream that answers with as much as is taken, and tells when its connection ends.
async fn endless() -> Upstream {
    Upstream::scripted(|mut stream, told| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: a/b\r\n\r\n").await;
        let much = vec![b'x'; 64 * 1024];
        while stream.write_all(&much).await.is_ok() {}
        let _ = told.send("released".to_owned());
    })
    .await
}

/// Short ones, for clients that take nothing.
fn impatient() -> ServerSettings {
    let (header_timeout, idle_timeout) = (Duration::from_millis(200), Duration::from_millis(200));
    let limits = ServerLimits { header_timeout, idle_timeout, ..ServerLimits::default() };
    ServerSettings { limits, ..ServerSettings::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_nothing_of_an_answer_holds_neither_its_connection_nor_the_upstreams() {
    let mut upstream = endless().await;
    let proxy = Proxy::start(OPEN, upstream.settings(), impatient()).await;
    let mut stream = proxy.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(upstream.next_head().await, "released");
    // All that was on the way comes, and then the end, which is none of the answer's own.
    to_end(&mut stream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_opens_no_window_for_an_answer_does_not_hold_the_upstreams_connection() {
    let mut upstream = endless().await;
    let proxy = Proxy::start(OPEN, upstream.settings(), impatient()).await;
    let (mut sender, connection) = http2(&proxy).await;
    let connection = tokio::spawn(connection);
    let request = Request::get(format!("http://{}/", proxy.address)).body(Empty::<Bytes>::new()).unwrap();
    let response = soon(sender.send_request(request)).await.unwrap();
    assert_eq!(upstream.next_head().await, "released");
    // Its pings are answered all the time, so that it would be kept.
    let _ = soon(connection).await.unwrap();
    drop(response);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_pauses_is_not_taken_for_a_client_that_takes_nothing() {
    let upstream = Upstream::scripted(|mut stream, _| async move {
        head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst").await;
        // Many looks later.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let _ = stream.write_all(b"later").await;
    })
    .await;
    let proxy = Proxy::start(OPEN, upstream.settings(), impatient()).await;
    let answer = proxy.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.ends_with("firstlater"), "{answer}");
    let (mut sender, connection) = http2(&proxy).await;
    tokio::spawn(connection);
    let request = Request::get(format!("http://{}/", proxy.address)).body(Empty::<Bytes>::new()).unwrap();
    let response = soon(sender.send_request(request)).await.unwrap();
    let body = soon(response.into_body().collect()).await.unwrap().to_bytes();
    assert_eq!(body, "firstlater");
}

type Http2 =
    (http2::SendRequest<Empty<Bytes>>, http2::Connection<TokioIo<TcpStream>, Empty<Bytes>, TokioExecutor>);

async fn http2(proxy: &Proxy) -> Http2 {
    http2::handshake(TokioExecutor::new(), TokioIo::new(proxy.connect().await)).await.unwrap()
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_one_has_ended() {
    let upstream = Upstream::answering(HELLO).await;
    let limits = ServerLimits { connections: 1, ..ServerLimits::default() };
    let settings = ServerSettings { limits, ..ServerSettings::default() };
    let proxy = Proxy::start(OPEN, upstream.settings(), settings).await;
    let mut first = proxy.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    soon(head(&mut first)).await.unwrap();
    let mut second = proxy.connect().await;
    second.write_all(GET.as_bytes()).await.unwrap();
    let mut byte = [0];
    let waiting = tokio::time::timeout(Duration::from_millis(200), second.read(&mut byte)).await;
    assert!(waiting.is_err(), "it is not served while the first has the place");
    drop(first);
    assert_eq!(status(&to_end(&mut second).await), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_lets_requests_end_and_takes_no_new_ones() {
    let (go_on, told_to_go_on) = tokio::sync::watch::channel(false);
    let mut upstream = Upstream::scripted(move |mut stream, told| {
        let mut told_to_go_on = told_to_go_on.clone();
        async move {
            let received = head(&mut stream).await.unwrap();
            let _ = told.send(received);
            told_to_go_on.wait_for(|go_on| *go_on).await.unwrap();
            let _ = stream.write_all(HELLO.as_bytes()).await;
        }
    })
    .await;
    let settings = ServerSettings { admin_listen: Some(any_port()), ..ServerSettings::default() };
    let Proxy { server, address, .. } = Proxy::start(OPEN, upstream.settings(), settings).await;
    let admin = tcp(server.admin_address().unwrap());
    assert_eq!(status(&ask(admin, "/readyz").await), 200);

    let mut under_way = TcpStream::connect(address).await.unwrap();
    under_way.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    upstream.next_head().await;
    let draining = tokio::spawn(server.drain());
    soon(async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let ready = ask(admin, "/readyz").await;
    assert_eq!(status(&ready), 503, "{ready}");
    assert_eq!(status(&ask(admin, "/healthz").await), 200);
    assert!(!draining.is_finished(), "a request is under way");
    go_on.send_replace(true);
    let answer = to_end(&mut under_way).await;
    assert!(answer.ends_with("hello") && answer.to_lowercase().contains("connection: close"), "{answer}");
    assert!(soon(draining).await.unwrap(), "all ended by itself");
}

#[tokio::test]
async fn a_server_that_is_to_end_first_says_so_and_goes_on() {
    let upstream = Upstream::answering(HELLO).await;
    let settings = ServerSettings {
        admin_listen: Some(any_port()),
        unready_for: Duration::from_secs(3600),
        ..ServerSettings::default()
    };
    let Proxy { server, address, .. } = Proxy::start(OPEN, upstream.settings(), settings).await;
    let admin = tcp(server.admin_address().unwrap());
    assert_eq!(status(&ask(admin, "/readyz").await), 200);
    let draining = tokio::spawn(server.drain());
    soon(async { while status(&ask(admin, "/readyz").await) != 503 {} }).await;
    let mut late = TcpStream::connect(address).await.unwrap();
    late.write_all(GET.replace("Connection: close\r\n", "").as_bytes()).await.unwrap();
    let answer = to_end(&mut late).await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    draining.abort();
}

#[tokio::test]
async fn a_drain_ends_what_takes_too_long() {
    let mut upstream = Upstream::scripted(|mut stream, told| async move {
        let received = head(&mut stream).await.unwrap();
        let _ = told.send(received);
        std::future::pending::<()>().await;
    })
    .await;
    let settings = ServerSettings { drain_timeout: Duration::from_millis(100), ..ServerSettings::default() };
    let Proxy { server, address, .. } = Proxy::start(OPEN, upstream.settings(), settings).await;
    let mut under_way = TcpStream::connect(address).await.unwrap();
    under_way.write_all(GET.as_bytes()).await.unwrap();
    upstream.next_head().await;
    assert!(!soon(server.drain()).await);
    assert_eq!(to_end(&mut under_way).await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_policy_comes_into_force_under_load_and_a_wrong_one_does_not() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("guard.toml");
    fs::write(&file, OPEN).unwrap();
    let upstream = Upstream::answering(HELLO).await;
    let guard = Guard::new(Policy::from_file(&file).unwrap()).unwrap();
    let settings = ServerSettings {
        policy_file: Some(file.clone()),
        reload_every: Some(Duration::from_millis(20)),
        ..ServerSettings::default()
    };
    let proxy = Arc::new(Proxy::before(guard, upstream.settings(), settings).await);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let load = {
        let proxy = Arc::clone(&proxy);
        tokio::spawn(async move {
            let mut served = 0;
            while !*stopped.borrow() {
                assert_eq!(status(&proxy.send(GET).await), 200);
                served += 1;
            }
            served
        })
    };
    let with_two = OPEN.replace("[[routes]]", "[[routes]]\npath = \"/closed\"\n[[routes]]");
    fs::write(&file, &with_two).unwrap();
    soon(async {
        while proxy.guard.policy().routes.len() != 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let closed = proxy.send("GET /closed HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&closed), 401, "{closed}");

    fs::write(&file, "resources = [\"https://api.example.com\"]\nrouts = []").unwrap();
    proxy.server.reload().await;
    assert_eq!(proxy.guard.policy().routes.len(), 2, "what can't be used changes nothing");
    stop.send_replace(true);
    assert!(soon(load).await.unwrap() > 0);
}

/// A certificate for localhost; a client that trusts it.
fn certificate(folder: &Path) -> (TlsFiles, TlsConnector, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
    fs::write(&files.certificate, made.cert.pem()).unwrap();
    fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let der = made.cert.der().clone();
    (files, trusting(&der), der)
}

fn trusting(certificate: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    TlsConnector::from(Arc::new(config))
}

async fn over_tls(
    connector: &TlsConnector,
    proxy: &Proxy,
) -> std::io::Result<(String, CertificateDer<'static>)> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = soon(connector.connect(name, proxy.connect().await)).await?;
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
    stream.write_all(GET.as_bytes()).await?;
    Ok((to_end(&mut stream).await, shown))
}

#[tokio::test]
async fn a_new_certificate_is_used_for_new_connections_and_a_wrong_one_is_not() {
    let folder = tempfile::TempDir::new().unwrap();
    let (files, first, _) = certificate(folder.path());
    let upstream = Upstream::answering(HELLO).await;
    let settings =
        ServerSettings { tls: Some(files.clone()), reload_every: None, ..ServerSettings::default() };
    let proxy = Proxy::start(OPEN, upstream.settings(), settings).await;
    let (answer, _) = over_tls(&first, &proxy).await.unwrap();
    assert_eq!(statuses(&answer), [200]);

    fs::write(&files.key, "no key").unwrap();
    proxy.server.reload().await;
    assert_eq!(statuses(&over_tls(&first, &proxy).await.unwrap().0), [200], "the one before stays");

    let (_, second, expected) = certificate(folder.path());
    proxy.server.reload().await;
    assert!(over_tls(&first, &proxy).await.is_err(), "the first certificate is gone");
    let (answer, shown) = over_tls(&second, &proxy).await.unwrap();
    assert_eq!((statuses(&answer), shown), (vec![200], expected));
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_socket_is_served_and_taken_away_at_the_end() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("guard.sock");
    let upstream = Upstream::answering(HELLO).await;
    let face = || async {
        let guard = Guard::new(Policy::from_toml(OPEN).unwrap()).unwrap();
        let proxy =
            keybound_guard::reverse_proxy::ReverseProxy::new(guard.clone(), upstream.settings()).unwrap();
        let settings =
            ServerSettings { listen: ListenAddress::Unix(path.clone()), ..ServerSettings::default() };
        keybound_guard::server::Server::start(
            guard,
            keybound_guard::server::Face::ReverseProxy(proxy),
            settings,
        )
        .await
    };
    // What a process left behind that was killed does not keep the next from starting.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let server = face().await.unwrap();
    let mut stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    stream.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(statuses(&to_end(&mut stream).await), [200]);
    assert!(face().await.is_err(), "somebody listens there");
    assert!(soon(server.drain()).await);
    soon(async {
        while path.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn operators_see_what_is_counted() {
    let upstream = Upstream::answering(HELLO).await;
    let settings = ServerSettings { admin_listen: Some(any_port()), ..ServerSettings::default() };
    let guarded = OPEN.replace("admit_without_token = true", "scopes = [\"read\"]");
    let proxy = Proxy::start(&guarded, upstream.settings(), settings).await;
    assert_eq!(status(&proxy.send(GET).await), 401);
    let told = ask(tcp(proxy.server.admin_address().unwrap()), "/metrics").await;
    for line in [
        "# HELP keybound_guard_requests_total ",
        "# TYPE keybound_guard_admission_seconds histogram",
        "keybound_guard_requests_total{outcome=\"refused\",rule=\"RFC 9449 section 7.1\",status=\"401\"} ",
    ] {
        assert!(told.contains(line), "{line} is not in {told}");
    }
}

async fn ask(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    to_end(&mut stream).await
}
