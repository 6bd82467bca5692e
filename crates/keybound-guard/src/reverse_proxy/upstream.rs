//! The API behind the proxy: where it is, which HTTP it speaks, and how a request goes there.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tower_service::Service;

use super::failure::Unanswered;
use super::idle::UploadedBody;
use crate::server::{TlsFilesError, certificates};

/// Bytes of all header fields of an answer, at most.
const MAX_HEADER_BYTES: u32 = 256 * 1024;

/// Pings on an HTTP/2 connection to the upstream: one that is gone without a word is noticed.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// Where the API is: `http://HOST:PORT` (HTTP/1.1), `h2c://HOST:PORT` (HTTP/2 in the clear), or
/// `https://HOST:PORT` (HTTP/2 or HTTP/1.1, as the upstream chooses).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    protocol: Protocol,
    authority: Authority,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Http,
    Http2,
    Https,
}

/// Why a text is no upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an upstream is http://HOST:PORT, https://HOST:PORT or h2c://HOST:PORT, without a path: requests keep theirs"
)]
pub struct NotAnUpstream;

impl FromStr for Upstream {
    type Err = NotAnUpstream;

    fn from_str(text: &str) -> Result<Self, NotAnUpstream> {
        let uri: Uri = text.parse().map_err(|_| NotAnUpstream)?;
        let protocol = match uri.scheme_str() {
            Some("http") => Protocol::Http,
            Some("h2c") => Protocol::Http2,
            Some("https") => Protocol::Https,
            _ => return Err(NotAnUpstream),
        };
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let only_origin = uri.path_and_query().is_none_or(|path| path.as_str() == "/");
        match authority {
            Some(authority) if only_origin => Ok(Self { protocol, authority: authority.clone() }),
            _ => Err(NotAnUpstream),
        }
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Http => "http",
            Protocol::Http2 => "h2c",
            Protocol::Https => "https",
        };
        write!(formatter, "{scheme}://{}", self.authority)
    }
}

/// How the upstream is asked.
#[derive(Clone, Debug)]
pub struct UpstreamSettings {
    /// Where it is.
    pub upstream: Upstream,
    /// What it gets as `Host`. Without it, the host that the client asked for, where the policy says which
    /// hosts are this resource's; else the upstream's own.
    pub host: Option<Authority>,
    /// Certificate authorities to trust in place of the system's: a PEM file.
    pub ca_file: Option<PathBuf>,
    /// How long a connection may take to come about, TLS included.
    pub connect_timeout: Duration,
    /// How long it may take to begin its answer once it has the whole request.
    pub answer_timeout: Duration,
    /// How long a body or an upgraded connection may pause.
    pub idle_timeout: Duration,
    /// How long a connection without a request is kept. Shorter than the upstream keeps it, so that a request
    /// does not meet its end.
    pub keep_alive: Duration,
    /// Connections without a request that are kept, at most.
    pub kept_connections: usize,
}

impl UpstreamSettings {
    /// The safe choices for `upstream`.
    pub const fn new(upstream: Upstream) -> Self {
        Self {
            upstream,
            host: None,
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            answer_timeout: Duration::from_secs(60),
            // Long enough for events that are sent now and then.
            idle_timeout: Duration::from_secs(300),
            // Node closes after five seconds, which is the shortest that is met.
            keep_alive: Duration::from_secs(4),
            kept_connections: 256,
        }
    }
}

/// Why the upstream can't be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The file of certificate authorities can't be used.
    #[error(transparent)]
    CaFile(#[from] TlsFilesError),
    /// TLS can't be set up.
    #[error("TLS to the upstream can't be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// Its host is none that a certificate could be for.
    #[error("no certificate can be for the upstream's host {host}")]
    ServerName {
        /// The host.
        host: String,
    },
}

type HttpClient = Client<HttpsConnector<ToUpstream>, UploadedBody>;

/// The connections to the upstream.
pub(super) struct Upstreams {
    settings: UpstreamSettings,
    client: HttpClient,
    /// HTTP/1.1 alone, which only can be upgraded.
    upgradable: HttpClient,
}

impl Upstreams {
    pub(super) fn new(settings: UpstreamSettings) -> Result<Self, UpstreamError> {
        let tls = tls(&settings)?;
        let name = settings.upstream.authority.host().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(name)
            .map_err(|_| UpstreamError::ServerName { host: settings.upstream.authority.host().to_owned() })?;
        let https = || {
            HttpsConnectorBuilder::new()
                .with_tls_config(tls.clone())
                .https_or_http()
                .with_server_name_resolver(FixedServerNameResolver::new(name.clone()))
        };
        let both = https().enable_all_versions().wrap_connector(ToUpstream::new(&settings));
        let first = https().enable_http1().wrap_connector(ToUpstream::new(&settings));
        let client = http_client(&settings, both, settings.upstream.protocol == Protocol::Http2);
        let upgradable = http_client(&settings, first, false);
        Ok(Self { settings, client, upgradable })
    }

    pub(super) fn scheme(&self) -> Scheme {
        match self.settings.upstream.protocol {
            Protocol::Http | Protocol::Http2 => Scheme::HTTP,
            Protocol::Https => Scheme::HTTPS,
        }
    }

    /// What goes into `Host`; `asked_for` is the resource's own host that the request is for.
    pub(super) fn host(&self, asked_for: Option<Authority>) -> Authority {
        self.settings.host.clone().or(asked_for).unwrap_or_else(|| self.settings.upstream.authority.clone())
    }

    pub(super) const fn idle_timeout(&self) -> Duration {
        self.settings.idle_timeout
    }

    /// Sends a request.
    pub(super) fn send(&self, request: Request<UploadedBody>) -> impl Future<Output = Answer> + use<> {
        sent(&self.client, request, self.settings.answer_timeout)
    }

    /// Sends a request that asks for another protocol.
    pub(super) fn send_to_be_upgraded(
        &self,
        request: Request<UploadedBody>,
    ) -> impl Future<Output = Answer> + use<> {
        sent(&self.upgradable, request, self.settings.answer_timeout)
    }
}

type Answer = Result<Response<Incoming>, Unanswered>;

/// The answer to a request that is given to `client` at once, so that what waits here has no room for it.
fn sent(
    client: &HttpClient,
    mut request: Request<UploadedBody>,
    limit: Duration,
) -> impl Future<Output = Answer> + use<> {
    use http_body::Body as _;

    let sent = (!request.body().is_end_stream()).then(|| request.body_mut().tell_when_sent());
    let answer = client.request(request);
    async move {
        let late = async {
            if let Some(sent) = sent {
                // Its sender is dropped with the body; nothing is ever sent.
                let _ = sent.await;
            }
            tokio::time::sleep(limit).await;
        };
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|error| Unanswered::of_client(&error)),
            () = late => Err(Unanswered::Late(limit)),
        }
    }
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Upstreams").field("settings", &self.settings).finish_non_exhaustive()
    }
}

fn http_client(
    settings: &UpstreamSettings,
    connector: HttpsConnector<ToUpstream>,
    http2: bool,
) -> HttpClient {
    Client::builder(TokioExecutor::new())
        .timer(TokioTimer::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(settings.keep_alive)
        .pool_max_idle_per_host(settings.kept_connections)
        .http1_max_buf_size(MAX_HEADER_BYTES as usize)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_INTERVAL)
        .http2_only(http2)
        .set_host(false)
        .build(connector)
}

fn tls(settings: &UpstreamSettings) -> Result<ClientConfig, UpstreamError> {
    // The provider is named here: a default of the whole process is not ours to choose.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let Some(file) = &settings.ca_file else {
        // A machine without any certificate authority of its own can still ask in the clear.
        return match (builder.clone().with_platform_verifier(), settings.upstream.protocol) {
            (Ok(builder), _) => Ok(builder.with_no_client_auth()),
            (Err(error), Protocol::Https) => Err(error.into()),
            (Err(_), _) => Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()),
        };
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file)? {
        roots.add(certificate)?;
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Connects to the upstream, whatever host a request names.
#[derive(Clone, Debug)]
struct ToUpstream {
    http: HttpConnector,
    address: Uri,
}

impl ToUpstream {
    fn new(settings: &UpstreamSettings) -> Self {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.set_connect_timeout(Some(settings.connect_timeout));
        http.enforce_http(false);
        let mut parts = http::uri::Parts::default();
        // Its port counts, and the scheme where there is none.
        parts.scheme = Some(match settings.upstream.protocol {
            Protocol::Http | Protocol::Http2 => Scheme::HTTP,
            Protocol::Https => Scheme::HTTPS,
        });
        parts.authority = Some(settings.upstream.authority.clone());
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
        Self { http, address: Uri::from_parts(parts).unwrap_or_default() }
    }
}

impl Service<Uri> for ToUpstream {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.http.poll_ready(context).map_err(io::Error::other)
    }

    fn call(&mut self, _named: Uri) -> Self::Future {
        let connecting = self.http.call(self.address.clone());
        Box::pin(async { connecting.await.map_err(io::Error::other) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_an_origin() {
        for text in
            ["http://127.0.0.1:3000", "h2c://localhost:50051", "https://api.internal", "http://[::1]:80"]
        {
            assert_eq!(text.parse::<Upstream>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "127.0.0.1:3000",
            "ftp://a",
            "http://",
            "http://a/path",
            "http://a?query",
            "http://user@a",
            "unix:/a",
        ] {
            assert_eq!(text.parse::<Upstream>(), Err(NotAnUpstream), "{text}");
        }
    }
}
