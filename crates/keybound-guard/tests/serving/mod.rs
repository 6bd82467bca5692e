//! A guard as a reverse proxy between a raw client and a scripted upstream, all on loopback.

#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

pub(crate) mod identity_provider;

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use keybound_guard::Guard;
use keybound_guard::policy::Policy;
use keybound_guard::reverse_proxy::{ReverseProxy, UpstreamSettings};
use keybound_guard::server::{Face, ListenAddress, Server, ServerSettings};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Nothing here takes so long unless it hangs.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

/// A policy under which everybody may come in: for what a proxy does beside admitting.
pub(crate) const OPEN: &str = r#"
    resources = ["https://api.example.com"]
    [[issuers]]
    issuer = "https://login.example.com"
    [[routes]]
    path = "/**"
    admit_without_token = true
"#;

/// Waits for what must come.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future).await.expect("it did not come in time")
}

/// A server behind the guard.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    heads: UnboundedReceiver<String>,
}

impl Upstream {
    /// Gives each connection to `script`.
    pub(crate) async fn scripted<F, Fut>(script: F) -> Self
    where
        F: Fn(TcpStream, tokio::sync::mpsc::UnboundedSender<String>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, heads) = unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(script(stream, told.clone()));
            }
        });
        Self { address, heads }
    }

    /// Gives this answer to every request without a body.
    pub(crate) async fn answering(answer: &'static str) -> Self {
        Self::scripted(move |mut stream, told| async move {
            while let Some(head) = head(&mut stream).await {
                let _ = told.send(head);
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        })
        .await
    }

    /// The header fields of the next request that came, in lower case.
    pub(crate) async fn next_head(&mut self) -> String {
        soon(self.heads.recv()).await.unwrap().to_lowercase()
    }

    /// Whether a request has come that was not looked at.
    pub(crate) fn has_more(&mut self) -> bool {
        self.heads.try_recv().is_ok()
    }

    pub(crate) fn settings(&self) -> UpstreamSettings {
        UpstreamSettings::new(format!("http://{}", self.address).parse().unwrap())
    }
}

/// Reads to the end of the header fields; `None` at the end of the connection.
pub(crate) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.ok()?);
    }
    Some(String::from_utf8(read).unwrap())
}

/// A guard that serves.
pub(crate) struct Proxy {
    pub(crate) server: Server,
    pub(crate) guard: Guard,
    pub(crate) address: SocketAddr,
}

impl Proxy {
    pub(crate) async fn open(upstream: UpstreamSettings) -> Self {
        Self::start(OPEN, upstream, ServerSettings::default()).await
    }

    pub(crate) async fn start(policy: &str, upstream: UpstreamSettings, settings: ServerSettings) -> Self {
        let guard = Guard::new(Policy::from_toml(policy).unwrap()).unwrap();
        Self::before(guard, upstream, settings).await
    }

    pub(crate) async fn before(guard: Guard, upstream: UpstreamSettings, settings: ServerSettings) -> Self {
        let face = Face::ReverseProxy(ReverseProxy::new(guard.clone(), upstream).unwrap());
        let server = Server::start(guard.clone(), face, settings).await.unwrap();
        let address = tcp(server.address());
        Self { server, guard, address }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        soon(TcpStream::connect(self.address)).await.unwrap()
    }

    /// Sends bytes on a connection of their own and reads until the guard closes it.
    pub(crate) async fn send(&self, bytes: &str) -> String {
        let mut stream = self.connect().await;
        // It may be refused before all is sent.
        let _ = stream.write_all(bytes.as_bytes()).await;
        to_end(&mut stream).await
    }
}

pub(crate) fn tcp(address: &ListenAddress) -> SocketAddr {
    match address {
        ListenAddress::Tcp(address) => *address,
        ListenAddress::Unix(path) => panic!("{}", path.display()),
    }
}

/// All that comes until the connection ends.
pub(crate) async fn to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut read = Vec::new();
    // A reset is an end too.
    let _ = soon(stream.read_to_end(&mut read)).await;
    String::from_utf8_lossy(&read).into_owned()
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{answer:?}"))
}

/// The statuses of all answers on a connection.
pub(crate) fn statuses(answers: &str) -> Vec<u16> {
    answers.split("HTTP/1.1 ").skip(1).map(|answer| answer[..3].parse().unwrap()).collect()
}
