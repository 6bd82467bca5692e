//! How connections come about: over TCP, through a proxy where there is one, with TLS where the target asks for it;
//! and the client of the HTTP library that keeps them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderMap, HeaderValue, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::body::{AttemptBody, BoxError};
use crate::transport::{Proxy, TransportOptions, Way};
use crate::trust;

/// What goes out in `User-Agent`.
pub(crate) const PRODUCT: HeaderValue =
    HeaderValue::from_static(concat!("keybound/", env!("CARGO_PKG_VERSION")));

/// How long a connection is kept that nobody uses: about as long as servers keep theirs.
const IDLE_TIMEOUT: Duration = Duration::from_secs(90);

/// When the system asks over a quiet connection whether the other side is still there, and then how often.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 3;

/// What is offered by ALPN (RFC 7301), the most wanted first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Sends requests over HTTP/1.1 or HTTP/2, and keeps connections between them.
pub(crate) type HttpClient = legacy::Client<Timed<HttpsConnector<Road>>, AttemptBody>;

/// A client for requests that go this `way`; in case of an error, why there can be none.
pub(crate) fn http_client(options: &TransportOptions, way: Way) -> Result<HttpClient, String> {
    let mut tls = match way {
        Way::Plain => trust::nobody(),
        // A machine without any certificate authority of its own can still talk to itself.
        Way::Direct => trust::tls(&options.certificate_authorities, true),
        Way::Outward => trust::tls(&options.certificate_authorities, false),
    }?;
    let proxies = match &options.proxy {
        Proxy::Environment if way == Way::Outward => Some(Matcher::from_env()),
        Proxy::Through(proxy) if way == Way::Outward => Some(all_through(proxy)?),
        _ => None,
    };
    let road = Road { tcp: tcp(), proxies: proxies.map(|matcher| Arc::new(Proxies::new(matcher, &tls))) };
    tls.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    let connector = Timed { connector: HttpsConnector::from((road, tls)), limit: options.connect_timeout };
    Ok(legacy::Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_TIMEOUT)
        .build(connector))
}

fn all_through(proxy: &str) -> Result<Matcher, String> {
    let is_usable = |uri: &Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some();
    if !proxy.parse().is_ok_and(|uri| is_usable(&uri)) {
        // It may have a password in it.
        return Err("the proxy is not given as an http or https URL".to_owned());
    }
    Ok(Matcher::builder().all(proxy).build())
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.set_keepalive_interval(Some(KEEPALIVE));
    tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
    tcp
}

/// The way to a server: straight, or through the proxy that is for it.
#[derive(Clone)]
pub(crate) struct Road {
    tcp: HttpConnector,
    proxies: Option<Arc<Proxies>>,
}

struct Proxies {
    matcher: Matcher,
    /// A proxy may speak TLS itself.
    to_proxy: HttpsConnector<HttpConnector>,
}

/// A connection to a server or to a proxy.
type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

impl Proxies {
    fn new(matcher: Matcher, tls: &ClientConfig) -> Self {
        Self { matcher, to_proxy: HttpsConnector::from((tcp(), tls.clone())) }
    }

    /// The tunnel to `target` (RFC 9110 section 9.3.6), if a proxy is for it.
    fn tunnel(&self, target: &Uri) -> Option<Tunnel<HttpsConnector<HttpConnector>>> {
        let proxy = self.matcher.intercept(target)?;
        let tunnel = Tunnel::new(proxy.uri().clone(), self.to_proxy.clone());
        let tunnel = tunnel.with_headers(HeaderMap::from_iter([(USER_AGENT, PRODUCT)]));
        Some(match proxy.basic_auth() {
            Some(credentials) => tunnel.with_auth(credentials.clone()),
            None => tunnel,
        })
    }
}

impl Service<Uri> for Road {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        if let Some(mut tunnel) = self.proxies.as_ref().and_then(|proxies| proxies.tunnel(&target)) {
            return Box::pin(async move { Ok(tunnel.call(target).await?) });
        }
        let straight = self.tcp.call(target);
        Box::pin(async move { Ok(MaybeHttpsStream::Http(straight.await?)) })
    }
}

/// A connector that gives up after a while.
#[derive(Clone)]
pub(crate) struct Timed<C> {
    connector: C,
    limit: Duration,
}

impl<C> Service<Uri> for Timed<C>
where
    C: Service<Uri, Error: Into<BoxError>, Future: Send + 'static>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Connecting<C::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.connector.call(target));
        Box::pin(async move { connecting.await?.map_err(Into::into) })
    }
}
