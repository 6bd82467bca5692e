//! Answers that still come when the access token of their request expires.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "server")]

mod serving;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use keybound::access_token::EXPIRY_LEEWAY;
use keybound::{Clock as _, NumericDate, SystemClock};
use keybound_guard::Guard;
use keybound_guard::policy::Policy;
use keybound_guard::server::ServerSettings;
use serving::identity_provider::{Client, IdentityProvider};
use serving::{Proxy, Upstream, head, soon, to_end};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::UnboundedReceiver;

/// A guard whose clock is set by hand before an upstream that sends a part of its answer, and more when it is told to.
struct Scene {
    proxy: Proxy,
    client: Client,
    time: Arc<AtomicU64>,
    expired: u64,
    go_on: tokio::sync::watch::Sender<bool>,
    ended: UnboundedReceiver<&'static str>,
    _provider: IdentityProvider,
}

impl Scene {
    /// `last` is what the upstream sends at the end: nothing, of an answer that would go on.
    async fn new(content_type: &'static str, more: &str, last: &'static str) -> Self {
        let provider = IdentityProvider::new();
        let client = provider.client("user-1", "");
        let now = SystemClock.now().seconds();
        let time = Arc::new(AtomicU64::new(now));
        let told = Arc::clone(&time);
        let clock = Arc::new(move || NumericDate::from_seconds(told.load(Ordering::Relaxed)));
        let path = provider.policy("");
        let policy = format!("{more}\n{}", std::fs::read_to_string(&path).unwrap());
        std::fs::write(&path, policy).unwrap();
        let guard = Guard::builder(Policy::from_file(&path).unwrap()).clock(clock).build().unwrap();
        let (go_on, told_to_go_on) = tokio::sync::watch::channel(false);
        let (ended, sees_end) = tokio::sync::mpsc::unbounded_channel();
        let upstream = Upstream::scripted(move |mut stream, _| {
            let (mut told_to_go_on, ended) = (told_to_go_on.clone(), ended.clone());
            async move {
                head(&mut stream).await;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
                );
                stream.write_all(format!("{head}5\r\nfirst\r\n").as_bytes()).await.unwrap();
                told_to_go_on.wait_for(|go_on| *go_on).await.unwrap();
                stream.write_all(format!("5\r\nlater\r\n{last}").as_bytes()).await.unwrap();
                // Until the guard lets its connection go.
                let mut byte = [0];
                let _ = stream.read(&mut byte).await;
                let _ = ended.send("the upstream's connection has ended");
            }
        })
        .await;
        let proxy = Proxy::before(guard, upstream.settings(), ServerSettings::default()).await;
        let expired = now + 3600 + EXPIRY_LEEWAY.as_secs();
        Self { proxy, client, time, expired, go_on, ended: sees_end, _provider: provider }
    }

    fn expire(&self) {
        self.time.store(self.expired, Ordering::Relaxed);
        self.go_on.send_replace(true);
    }

    /// All that a client of HTTP/1.1 is sent after the first part.
    async fn over_http1(&self, until_expiry: bool) -> String {
        let mut stream = self.proxy.connect().await;
        let credentials = self.client.credentials("GET", "/events", None);
        let request = format!("GET /events HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{credentials}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        assert!(soon(head(&mut stream)).await.unwrap().starts_with("HTTP/1.1 200 "));
        let mut first = [0; 10];
        soon(stream.read_exact(&mut first)).await.unwrap();
        assert_eq!(&first, b"5\r\nfirst\r\n");
        if until_expiry {
            self.expire();
        } else {
            self.time.store(self.expired - 1, Ordering::Relaxed);
            self.go_on.send_replace(true);
        }
        to_end(&mut stream).await
    }

    /// The same of HTTP/2: the data, and the trailers or why it broke off.
    async fn over_http2(&self) -> (String, Result<Option<HeaderMap>, hyper::Error>) {
        let stream = TokioIo::new(self.proxy.connect().await);
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get(format!("http://{}/events", self.proxy.address))
            .header("authorization", format!("DPoP {}", self.client.token))
            .header("dpop", self.client.proof("GET", "/events", None));
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let mut response = soon(sender.send_request(request)).await.unwrap();
        assert_eq!(response.status(), 200);
        let first = soon(response.frame()).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "first");
        self.expire();
        let mut data = String::new();
        loop {
            match soon(response.frame()).await {
                Some(Ok(frame)) if frame.is_data() => {
                    data.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
                }
                Some(Ok(frame)) => return (data, Ok(frame.into_trailers().ok())),
                Some(Err(error)) => return (data, Err(error)),
                None => return (data, Ok(None)),
            }
        }
    }
}

/// The last chunk.
const LAST: &str = "0\r\n\r\n";
/// The rest of an answer that comes to its end.
const WHOLE: &str = "5\r\nlater\r\n0\r\n\r\n";

#[tokio::test]
async fn an_event_stream_breaks_off_with_its_token_and_other_answers_come_to_their_end() {
    for (rule, content_type, rest) in [
        ("", "text/event-stream", ""),
        ("", "application/octet-stream", WHOLE),
        ("answers_ended_at_expiry = \"all\"", "application/octet-stream", ""),
        ("answers_ended_at_expiry = \"none\"", "text/event-stream", WHOLE),
    ] {
        let last = if rest.is_empty() { "" } else { LAST };
        let mut scene = Scene::new(content_type, rule, last).await;
        assert_eq!(scene.over_http1(true).await, rest, "{rule} {content_type}");
        if rest.is_empty() {
            soon(scene.ended.recv()).await.expect("the upstream is let go");
        }
    }
}

#[tokio::test]
async fn to_the_last_second_of_its_token_an_event_stream_goes_on() {
    let scene = Scene::new("text/event-stream", "", LAST).await;
    assert_eq!(scene.over_http1(false).await, WHOLE);
}

#[tokio::test]
async fn over_http2_the_stream_is_reset_and_grpc_is_told_why() {
    let scene = Scene::new("text/event-stream", "", LAST).await;
    let (data, end) = scene.over_http2().await;
    assert_eq!(data, "");
    let reason = end.unwrap_err();
    let reason = std::error::Error::source(&reason).unwrap().to_string();
    assert!(reason.starts_with("stream error"), "it is reset, and the connection goes on: {reason}");
    let scene = Scene::new("application/grpc", "", LAST).await;
    let (data, end) = scene.over_http2().await;
    assert_eq!(data, "");
    assert_eq!(end.unwrap().unwrap()["grpc-status"], "16");
}
