//! The network: one request out, one answer in, within limits; nothing of tokens or proofs.
//!
//! Only `https` goes out, and `http` to this machine. Redirects are not followed here: a proof is made for one
//! target, and a token must not go to another server on that server's word. Whatever is sent again needs
//! a new proof, so nothing is sent again here either.

mod error;

use std::mem;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use keybound::TargetUri;

pub use error::TransportError;

use crate::body::{AttemptBody, Progress, ResponseBody};
use crate::connections::{HttpClient, PRODUCT, http_client};
use crate::redirect::RedirectFault;
use crate::wire::Fault;
use error::{Cause, failure};

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

    fn failure(&self, error: Cause<'_>, origin: &str) -> Fault<TransportError> {
        failure(error, origin, self.options.connect_timeout)
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
