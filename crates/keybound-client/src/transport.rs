//! The network: one request out, one answer in, within limits; nothing of tokens or proofs.
//!
//! Only `https` goes out, and `http` to this machine. Redirects are not followed here: a proof is made for one
//! target, and a token must not go to another server on that server's word. Whatever is sent again needs
//! a new proof, so nothing is sent again here either.

use std::mem;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::client::legacy;
use keybound::{TargetUri, TargetUriError};
use tokio::time::error::Elapsed;

use crate::body::{AttemptBody, NoMoreBody, Progress, ResponseBody};
use crate::connections::{HttpClient, PRODUCT, http_client};
use crate::redirect::{self, RedirectFault};
use crate::wire::{Fault, Repeat};

/// How long a connection may take to come about: beyond this a server is not there.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request may take from the first byte sent to the last byte read.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// How long an answer that is streamed may pause between two pieces.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest body of an answer that is read whole: far beyond any page of an API, and small enough that a
/// hostile server can't fill the memory.
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// What goes out in `Accept`, unless the request has its own.
const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");

/// Sees every request as it goes out and every answer as it comes in.
///
/// It is shown secrets: the `Authorization` and `DPoP` header fields (marked sensitive), the client
/// assertion in the body of a token request, the token in its answer. What it writes down it must redact.
/// A body that is streamed is shown empty.
pub trait Observer: Send + Sync {
    /// `request` is about to be sent.
    fn sent(&self, request: &Request<Bytes>);
    /// `response` has been read to its end; or to the end of its head, if its body is streamed.
    fn received(&self, response: &Response<Bytes>);
}

/// How a [`Transport`] behaves; the default is right for a server on the internet.
#[derive(Clone)]
#[non_exhaustive]
pub struct TransportOptions {
    /// Certificate authorities to trust beside the system's: PEM, one or more certificates in each text.
    pub certificate_authorities: Vec<String>,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a request may take as a whole. Of an answer that is streamed: until its head, counted from
    /// the last piece of the request's body.
    pub timeout: Duration,
    /// How long an answer that is streamed may pause between two pieces.
    pub idle_timeout: Duration,
    /// The longest body of an answer that is read whole, in bytes.
    pub max_response_bytes: usize,
    /// The way to other machines.
    pub proxy: Proxy,
    /// Sees every request and answer.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for TransportOptions {
    fn default() -> Self {
        Self {
            certificate_authorities: Vec::new(),
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            max_response_bytes: MAX_RESPONSE_BYTES,
            proxy: Proxy::default(),
            observer: None,
        }
    }
}

/// The way to other machines; to this one it is always direct.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proxy {
    /// By the proxy that the environment names, if any: `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`.
    #[default]
    Environment,
    /// By this one: `http://proxy.example:3128`, with user and password in it if it needs them.
    Through(String),
    /// By none.
    Direct,
}

/// Why a request got no answer that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The request's URI is not one that can be asked.
    #[error("the request can't be sent: {0}")]
    Target(#[from] TargetUriError),
    /// `http` to another machine.
    #[error(
        "the request to {origin} was not sent: without https anyone on the way can read and change it; \
         plain http is for this machine alone (localhost, 127.0.0.1, [::1])"
    )]
    NotSecure {
        /// Where the request was to go.
        origin: String,
    },
    /// A certificate authority that can't be read, or a TLS set-up that the system refuses.
    #[error("the HTTP client can't be set up: {detail}")]
    SetUp {
        /// What is wrong.
        detail: String,
    },
    /// No connection: no such host, nothing listening, no route.
    #[error("no connection to {origin}: {detail}")]
    Connect {
        /// Where the request was to go.
        origin: String,
        /// The system's own words.
        detail: String,
    },
    /// The server's certificate is not accepted.
    #[error("the certificate of {origin} is not accepted: {detail}")]
    Certificate {
        /// Where the request was to go.
        origin: String,
        /// The reason in the words of the TLS library.
        detail: String,
        /// By the local clock it is not valid yet, which says more about the clock than about the
        /// certificate.
        not_valid_yet: bool,
    },
    /// The answer took too long.
    #[error("{origin} did not answer in time ({} s)", .limit.as_secs())]
    Timeout {
        /// Where the request went.
        origin: String,
        /// The time that was allowed.
        limit: Duration,
    },
    /// The answer, which is streamed, paused for too long.
    #[error("{origin} stopped in the middle of its answer ({} s without a byte)", .limit.as_secs())]
    Idle {
        /// Where the request went.
        origin: String,
        /// The time that was allowed.
        limit: Duration,
    },
    /// The body of the request came to an error of its own.
    #[error("the body of the request to {origin} failed: {detail}")]
    RequestBody {
        /// Where the request went.
        origin: String,
        /// The body's own words.
        detail: String,
    },
    /// The connection broke, or what came over it was no HTTP.
    #[error("the connection to {origin} broke: {detail}")]
    Broken {
        /// Where the request went.
        origin: String,
        /// The HTTP library's words.
        detail: String,
    },
    /// The answer's body is longer than [`TransportOptions::max_response_bytes`].
    #[error("the answer of {origin} is longer than {limit} bytes and was not read to its end")]
    TooLong {
        /// Where the request went.
        origin: String,
        /// The bytes that are allowed.
        limit: usize,
    },
    /// The server sent us elsewhere.
    #[error("{origin} answered {status} and points to {location}; {reason}")]
    Redirected {
        /// Where the request went.
        origin: String,
        /// The status of the redirect.
        status: StatusCode,
        /// Where it points, without its query.
        location: String,
        /// Why it was not followed.
        reason: RedirectFault,
    },
}

/// Sends requests over HTTP/1.1 or HTTP/2, with connections kept open between them.
pub struct Transport {
    options: TransportOptions,
    plain: OnceLock<Result<HttpClient, TransportError>>,
    direct: OnceLock<Result<HttpClient, TransportError>>,
    outward: OnceLock<Result<HttpClient, TransportError>>,
}

/// The way that a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By `http` to this machine: no certificate is looked at.
    Plain,
    /// By `https` to this machine: by no proxy, which would see what the loopback interface hides.
    Direct,
    /// To other machines: by [`TransportOptions::proxy`].
    Outward,
}

impl Way {
    fn to(target: &TargetUri) -> Self {
        match target.is_loopback() {
            false => Self::Outward,
            true if target.as_str().starts_with("http://") => Self::Plain,
            true => Self::Direct,
        }
    }
}

impl Transport {
    /// A transport; connections are made when they are needed.
    pub fn new(options: TransportOptions) -> Self {
        Self { options, plain: OnceLock::new(), direct: OnceLock::new(), outward: OnceLock::new() }
    }

    /// Sends `request` once and reads the answer whole, whatever its status; only a redirect is an error.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let target = TargetUri::parse(&request.uri().to_string())?;
        let response = self.exchange(&target, request).await.map_err(|fault| fault.error)?;
        refuse_redirect(response, target.origin())
    }

    /// Sends `request` once and reads the answer whole, whatever its status.
    pub(crate) async fn exchange(
        &self,
        target: &TargetUri,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Fault<TransportError>> {
        let client = self.client_for(target).map_err(Fault::last)?;
        introduce(request.headers_mut());
        if let Some(observer) = &self.options.observer {
            observer.sent(&request);
        }
        let (origin, limit) = (target.origin(), self.options.timeout);
        let response = tokio::time::timeout(limit, self.read_whole(client, request, origin)).await;
        let response = response.unwrap_or_else(|_| Err(timed_out(origin, limit)))?;
        if let Some(observer) = &self.options.observer {
            observer.received(&response);
        }
        Ok(response)
    }

    fn client_for(&self, target: &TargetUri) -> Result<&HttpClient, TransportError> {
        refuse_insecure(target)?;
        let way = Way::to(target);
        let client = match way {
            Way::Plain => &self.plain,
            Way::Direct => &self.direct,
            Way::Outward => &self.outward,
        };
        let set_up = || http_client(&self.options, way).map_err(|detail| TransportError::SetUp { detail });
        client.get_or_init(set_up).as_ref().map_err(Clone::clone)
    }

    /// Sends `request` once and gives the answer as soon as its head is there, whatever its status.
    pub(crate) async fn open(
        &self,
        target: &TargetUri,
        mut request: Request<AttemptBody>,
    ) -> Result<Response<ResponseBody>, Fault<TransportError>> {
        let client = self.client_for(target).map_err(Fault::last)?;
        introduce(request.headers_mut());
        if let Some(observer) = &self.options.observer {
            observer.sent(&shown(&request));
        }
        let (origin, limit) = (target.origin(), self.options.timeout);
        let progress = match request.body() {
            AttemptBody::Whole(_) => Progress::begin(),
            AttemptBody::Streamed(body) => body.progress.clone(),
        };
        let answer = tokio::select! {
            answer = client.request(request) => answer.map_err(|error| self.failure(&error, origin))?,
            () = progress.stalls_for(limit) => return Err(timed_out(origin, limit)),
        };
        if let Some(observer) = &self.options.observer {
            observer.received(&without_body(&answer));
        }
        Ok(answer.map(|body| ResponseBody::new(body, origin, self.options.idle_timeout)))
    }

    async fn read_whole(
        &self,
        client: &HttpClient,
        request: Request<Bytes>,
        origin: &str,
    ) -> Result<Response<Bytes>, Fault<TransportError>> {
        let answer = client.request(request.map(AttemptBody::Whole)).await;
        let (head, body) = answer.map_err(|error| self.failure(&error, origin))?.into_parts();
        Ok(Response::from_parts(head, self.read_body(body, origin).await?))
    }

    /// The body of an answer. One that comes in one piece, as most do, is not copied.
    async fn read_body(&self, mut body: Incoming, origin: &str) -> Result<Bytes, Fault<TransportError>> {
        let limit = self.options.max_response_bytes;
        let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.failure(&error, origin))?;
            let Ok(piece) = frame.into_data() else { continue };
            if first.len() + whole.len() + piece.len() > limit {
                return Err(Fault::last(TransportError::TooLong { origin: origin.to_owned(), limit }));
            }
            if first.is_empty() && whole.is_empty() {
                first = piece;
                continue;
            }
            whole.extend_from_slice(&mem::take(&mut first));
            whole.extend_from_slice(&piece);
        }
        Ok(if whole.is_empty() { first } else { whole.freeze() })
    }

    /// What went wrong, in our words.
    fn failure(&self, error: Cause<'_>, origin: &str) -> Fault<TransportError> {
        let origin = origin.to_owned();
        if let Some(problem) = certificate_problem(error) {
            use rustls::CertificateError::{NotValidYet, NotValidYetContext};
            let not_valid_yet = matches!(problem, NotValidYet | NotValidYetContext { .. });
            let detail = problem.to_string();
            return Fault::last(TransportError::Certificate { origin, detail, not_valid_yet });
        }
        let detail = innermost(error);
        if causes(error).any(<dyn std::error::Error>::is::<NoMoreBody>) {
            return Fault::last(TransportError::RequestBody { origin, detail });
        }
        let took_too_long = causes(error).any(<dyn std::error::Error>::is::<Elapsed>);
        let (error, repeat) = match (is_about_connecting(error), took_too_long) {
            (true, true) => {
                (TransportError::Timeout { origin, limit: self.options.connect_timeout }, Repeat::Unsent)
            }
            (true, false) => (TransportError::Connect { origin, detail }, Repeat::Unsent),
            (false, _) if was_not_processed(error) => {
                (TransportError::Broken { origin, detail }, Repeat::Unsent)
            }
            (false, _) => (TransportError::Broken { origin, detail }, Repeat::IfIdempotent),
        };
        Fault { error, repeat }
    }
}

/// The time that there was is used up.
fn timed_out(origin: &str, limit: Duration) -> Fault<TransportError> {
    Fault::last(TransportError::Timeout { origin: origin.to_owned(), limit })
}

/// Says who asks, and that any answer will do, unless the request says otherwise.
fn introduce(headers: &mut HeaderMap) {
    headers.entry(ACCEPT).or_insert(ANYTHING);
    headers.entry(USER_AGENT).or_insert(PRODUCT);
}

/// A request as an observer is shown it.
fn shown(request: &Request<AttemptBody>) -> Request<Bytes> {
    let body = match request.body() {
        AttemptBody::Whole(bytes) => bytes.clone(),
        AttemptBody::Streamed(_) => Bytes::new(),
    };
    let mut shown = Request::new(body);
    *shown.method_mut() = request.method().clone();
    *shown.uri_mut() = request.uri().clone();
    *shown.headers_mut() = request.headers().clone();
    shown
}

fn without_body<B>(answer: &Response<B>) -> Response<Bytes> {
    let mut shown = Response::new(Bytes::new());
    *shown.status_mut() = answer.status();
    *shown.version_mut() = answer.version();
    *shown.headers_mut() = answer.headers().clone();
    shown
}

/// Refuses what would go over a network without TLS.
pub(crate) fn refuse_insecure(target: &TargetUri) -> Result<(), TransportError> {
    if target.is_secure() {
        return Ok(());
    }
    Err(TransportError::NotSecure { origin: target.origin().to_owned() })
}

fn refuse_redirect(response: Response<Bytes>, origin: &str) -> Result<Response<Bytes>, TransportError> {
    match response.status().as_u16() {
        301 | 302 | 303 | 307 | 308 => {
            Err(TransportError::redirected(&response, origin, RedirectFault::NotFollowed))
        }
        _ => Ok(response),
    }
}

impl TransportError {
    /// A redirect that is not followed.
    pub(crate) fn redirected<B>(answer: &Response<B>, origin: &str, reason: RedirectFault) -> Self {
        let (status, location) = (answer.status(), redirect::shown(answer.headers()));
        Self::Redirected { origin: origin.to_owned(), status, location, reason }
    }

    /// A connection that broke in the middle of an answer.
    pub(crate) fn broken(error: &hyper::Error, origin: &str) -> Self {
        Self::Broken { origin: origin.to_owned(), detail: innermost(error) }
    }
}

type Cause<'a> = &'a (dyn std::error::Error + 'static);

/// An error and what caused it, one after the other.
fn causes(error: Cause<'_>) -> impl Iterator<Item = Cause<'_>> {
    std::iter::successors(Some(error), |error| {
        // An I/O error shows the one that it wraps by `get_ref`; its source would be that one's source.
        match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    })
}

/// The reason at the bottom of a chain of errors; those above it say "error sending request".
fn innermost(error: Cause<'_>) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

/// Whether no connection came about.
fn is_about_connecting(error: Cause<'_>) -> bool {
    error.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect)
}

/// Whether a server says that it did not act on a request: it is about to close the connection, or refused
/// the stream (RFC 9113 section 8.7).
fn was_not_processed(error: Cause<'_>) -> bool {
    causes(error).filter_map(<dyn std::error::Error>::downcast_ref::<h2::Error>).any(|error| {
        let goes_away = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        let refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (goes_away || refused)
    })
}

/// What TLS has against the server's certificate, if that is why the request failed.
fn certificate_problem(error: Cause<'_>) -> Option<&rustls::CertificateError> {
    causes(error).find_map(|cause| match cause.downcast_ref::<rustls::Error>() {
        Some(rustls::Error::InvalidCertificate(problem)) => Some(problem),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_this_machine() {
        let transport = Transport::new(TransportOptions::default());
        for (uri, allowed, why) in [
            ("http://localhost:8080/a", true, "the name of this machine"),
            ("http://LOCALHOST/a", true, "without case"),
            ("http://127.0.0.1/a", true, "loopback of IPv4"),
            ("http://127.9.8.7:1/a", true, "all of 127.0.0.0/8"),
            ("http://[::1]:8080/a", true, "loopback of IPv6"),
            ("https://localhost/a", true, "https"),
            ("https://example.okta.com/a", true, "https to another machine"),
            ("http://example.okta.com/a", false, "another machine"),
            ("http://localhost.example.com/a", false, "a name that starts like it"),
            ("http://127.0.0.1.example.com/a", false, "a name that starts like an address"),
            ("http://0.0.0.0/a", false, "any address"),
            ("http://10.0.0.1/a", false, "a private network is a network"),
            ("http://[::2]/a", false, "another address"),
            ("http://[::ffff:10.0.0.1]/a", false, "a mapped address"),
        ] {
            let client = transport.client_for(&TargetUri::parse(uri).unwrap());
            assert_eq!(client.is_ok(), allowed, "{why}: {uri}");
        }
    }

    #[test]
    fn a_certificate_authority_that_is_none_is_told() {
        let transport = Transport::new(TransportOptions {
            certificate_authorities: vec![
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
            ],
            ..TransportOptions::default()
        });
        let client = transport.client_for(&TargetUri::parse("https://localhost/").unwrap());
        assert!(matches!(client, Err(TransportError::SetUp { .. })), "{client:?}");
    }
}
