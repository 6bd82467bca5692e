//! A reverse proxy: a request that the guard admits is passed on to the API behind it.
//!
//! form → admitted → hop by hop fields out, identity and forwarding fields in → upstream → answer
//!
//! Bodies and trailers stream in both directions and are never kept. A connection that was upgraded (WebSocket) is
//! ended when the access token that opened it has expired: a client opens another one, with a new token and a new
//! proof. So is an answer that the policy has end then (`answers_ended_at_expiry`). On a route that admits without a
//! token neither is. What goes to the upstream is written
//! anew from what was understood, never copied as bytes, so the two can't read one message differently.

mod event_stream;
mod failure;
mod form;
mod forwarded;
pub mod hop_by_hop;
mod idle;
mod token_life;
mod tunnel;
mod upstream;

use std::net::IpAddr;
use std::str::FromStr as _;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use ::metrics::{Histogram, histogram};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::header::{EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, VIA};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use hyper::body::Incoming;

use event_stream::End;
pub(crate) use event_stream::UntilExpiry;
use failure::Unanswered;
pub(crate) use idle::IdleBounded;
use idle::UploadedBody;
use token_life::TokenLife;
use tunnel::{Limits, Upgrade};
use upstream::Upstreams;

use crate::answer;
use crate::cors;
use crate::guard::{Admission, Guard, IncomingRequest, Refused};
use crate::identity;
use crate::metrics;
use crate::server::{AnswerBody, Connection};

pub use upstream::{NotAnUpstream, Upstream, UpstreamError, UpstreamSettings};

/// What the guard calls itself in `Via` (RFC 9110 section 7.6.3).
const VIA_US: HeaderValue = HeaderValue::from_static("1.1 keybound");

/// Passes what a guard admits on to an upstream. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReverseProxy {
    guard: Guard,
    upstreams: Arc<Upstreams>,
    /// Kept, since looking it up by its name costs.
    upstream_seconds: Arc<OnceLock<Histogram>>,
}

impl ReverseProxy {
    /// A proxy before `upstream`; connections are made when they are needed. An upstream that is down is no
    /// reason not to start.
    pub fn new(guard: Guard, upstream: UpstreamSettings) -> Result<Self, UpstreamError> {
        Ok(Self { guard, upstreams: Arc::new(Upstreams::new(upstream)?), upstream_seconds: Arc::default() })
    }

    /// The answer of the upstream, or why there is none.
    pub(crate) fn answer(
        &self,
        request: Request<Incoming>,
        connection: &Arc<Connection>,
    ) -> impl Future<Output = Response<AnswerBody>> {
        let told = |unanswered: Unanswered| unanswered.into_response().map(AnswerBody::from);
        let reader = self.guard.reader(request.headers());
        self.admit_and_pass_on(request, connection).map(move |answered| {
            let mut answer = answered.unwrap_or_else(told);
            if let Some(reader) = reader {
                reader.share(answer.headers_mut());
            }
            answer
        })
    }

    async fn admit_and_pass_on(
        &self,
        mut request: Request<Incoming>,
        connection: &Arc<Connection>,
    ) -> Result<Response<AnswerBody>, Unanswered> {
        form::one_meaning(&request)?;
        let peer = connection.peer.map(|peer| peer.ip());
        let incoming = IncomingRequest {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            peer,
            secure: connection.secure,
        };
        if let Some(preflight) = self.guard.preflight(&incoming) {
            return Ok(preflight.map(AnswerBody::from));
        }
        if let Some(metadata) = self.guard.metadata(&incoming) {
            return Ok(metadata.map(AnswerBody::from));
        }
        let judged = self.guard.admit(&incoming).await;
        let refused = |refused: Refused| answer::for_client_of(&incoming, refused.response);
        let admission = judged.map_err(|unfit| Unanswered::Refused(Box::new(refused(unfit))))?;
        let upgrade = Upgrade::wanted(&mut request);
        let version = request.version();
        let began = Instant::now();
        let answer = self.pass_on(request, &admission, upgrade.as_ref(), peer).await;
        let answer = answer.inspect_err(Unanswered::count)?;
        let seconds = self.upstream_seconds.get_or_init(|| histogram!(metrics::UPSTREAM_SECONDS));
        seconds.record(began.elapsed());
        self.response_for_client(answer, &admission, version, upgrade, connection)
    }

    /// The upstream's answer to `request`. One that changes nothing (RFC 9110 section 9.2.1) and has no body is sent
    /// a second time if the upstream closed the connection on it; nothing else ever is.
    async fn pass_on(
        &self,
        request: Request<Incoming>,
        admission: &Admission,
        upgrade: Option<&Upgrade>,
        peer: Option<IpAddr>,
    ) -> Result<Response<Incoming>, Unanswered> {
        let (mut head, body) = request.into_parts();
        head.extensions.clear();
        let safe = matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        // As it came, which takes less to keep than what is made of it.
        let again = (upgrade.is_none() && safe && body.is_end_stream()).then(|| head.clone());
        let body = UploadedBody::new(body, self.upstreams.idle_timeout());
        let request = self.request_for_upstream(head, body, admission, upgrade, peer)?;
        if upgrade.is_some() {
            return self.upstreams.send_to_be_upgraded(request).await;
        }
        let outcome = self.upstreams.send(request).await;
        match again {
            Some(head) if outcome.as_ref().is_err_and(Unanswered::is_closed_connection) => {
                let request =
                    self.request_for_upstream(head, UploadedBody::empty(), admission, None, peer)?;
                self.upstreams.send(request).await
            }
            _ => outcome,
        }
    }

    /// What goes to the upstream in place of a request with this head.
    fn request_for_upstream(
        &self,
        mut head: Parts,
        body: UploadedBody,
        admission: &Admission,
        upgrade: Option<&Upgrade>,
        peer: Option<IpAddr>,
    ) -> Result<Request<UploadedBody>, Unanswered> {
        let policy = self.guard.policy();
        let headers = &mut head.headers;
        let takes_trailers = hop_by_hop::takes_trailers(headers);
        hop_by_hop::remove(headers);
        headers.remove(EXPECT);
        forwarded::replace(headers, &policy, peer, &admission.target);
        identity::replace(headers, admission);
        form::join_cookies(headers);
        if takes_trailers {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        if let Some(upgrade) = upgrade {
            upgrade.ask(headers);
        }
        headers.append(VIA, VIA_US);

        let host = if policy.resources.is_empty() { None } else { authority(&admission.target) };
        let host = self.upstreams.host(host);
        if headers.get(HOST).is_none_or(|sent| sent != host.as_str()) {
            let field =
                HeaderValue::from_str(host.as_str()).map_err(|_| Unanswered::form("its host is none"))?;
            headers.insert(HOST, field);
        }
        let path = head.uri.path_and_query().cloned().ok_or(Unanswered::form("its target has no path"))?;
        head.uri = Uri::builder()
            .scheme(self.upstreams.scheme())
            .authority(host)
            .path_and_query(path)
            .build()
            .map_err(|_| Unanswered::form("its target is no URI"))?;
        head.version = Version::HTTP_11;
        Ok(Request::from_parts(head, body))
    }

    /// What goes to the client in place of the upstream's answer.
    fn response_for_client(
        &self,
        mut answer: Response<Incoming>,
        admission: &Admission,
        version: Version,
        upgrade: Option<Upgrade>,
        connection: &Arc<Connection>,
    ) -> Result<Response<AnswerBody>, Unanswered> {
        let idle = self.upstreams.idle_timeout();
        let life = || TokenLife::of(admission, self.guard.clock());
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            let upgrade = upgrade.ok_or(Unanswered::Switched)?;
            let limits = Limits { idle, life: life() };
            let mut response = upgrade.accept(answer, connection, limits)?;
            answer::give_nonce(response.headers_mut(), admission.nonce.as_ref());
            return Ok(response.map(|()| Bytes::new().into()));
        }
        hop_by_hop::remove(answer.headers_mut());
        let policy = self.guard.policy();
        if policy.cors.is_on() {
            cors::take_out(answer.headers_mut());
        }
        answer::give_nonce(answer.headers_mut(), admission.nonce.as_ref());
        *answer.version_mut() = Version::HTTP_11;
        let (head, body) = answer.into_parts();
        let body = IdleBounded::new(body, idle);
        let is_ended = admission.admitted.is_some()
            && event_stream::is_ended(policy.answers_ended_at_expiry, &head.headers);
        let body = if is_ended {
            AnswerBody::until_expiry(UntilExpiry::new(body, life(), End::of(&head.headers, version)))
        } else {
            AnswerBody::upstream(body)
        };
        Ok(Response::from_parts(head, body))
    }
}

/// Host and port of a URI in normal form.
fn authority(target: &keybound::TargetUri) -> Option<Authority> {
    let (_, authority) = target.origin().split_once("://")?;
    Authority::from_str(authority).ok()
}

/// The values of a header field that is a list, in lower case (RFC 9110 section 5.6.1).
fn list<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> + use<'h> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .map(|element| element.trim().to_ascii_lowercase())
        .filter(|element| !element.is_empty())
}
