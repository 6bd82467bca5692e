//! One request on its way: from a local program, over DPoP to an origin, and the answer back.
//!
//! let in → its origin → allowed → what was for this proxy out → sent, with token and proof → answer, written for here

use std::time::Instant;

use bytes::Bytes;
use http::header::{
    ALT_SVC, AUTHORIZATION, CONTENT_LENGTH, CONTENT_LOCATION, EXPECT, HOST, HeaderMap, HeaderName, LINK,
    LOCATION, STRICT_TRANSPORT_SECURITY, UPGRADE, VIA,
};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, Uri};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use keybound::exchange::{DPOP, DPOP_NONCE};
use keybound_client::{CallError, RequestBody, ResponseBody, ReturnRedirects};
use keybound_guard::overrides;
use keybound_guard::reverse_proxy::hop_by_hop;
use keybound_okta::OktaClient;

use super::admission::LocalAccess;
use super::allowed::Allowed;
use super::body;
use super::destination::{Destination, Destinations};
use super::metrics;
use super::reference;
use super::refusal::NotRelayed;

/// What this proxy adds to `Via` (RFC 9110 section 7.6.3).
const VIA_US: HeaderValue = HeaderValue::from_static("1.1 keybound");

/// The header fields of an answer that hold addresses.
const ADDRESSES: [HeaderName; 3] = [LINK, LOCATION, CONTENT_LOCATION];

/// The body of an answer: the origin's as it comes, or a short one of our own.
pub(super) type AnswerBody = Either<ResponseBody, Full<Bytes>>;

/// Passes requests on.
pub(super) struct Relay {
    pub(super) okta: OktaClient,
    pub(super) access: LocalAccess,
    pub(super) destinations: Destinations,
    pub(super) allowed: Allowed,
    /// This proxy's own URL, for the addresses in answers; `None` on a Unix socket, which has none.
    pub(super) local: Option<String>,
}

impl Relay {
    /// The origin's answer, or why there is none.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<AnswerBody> {
        let began = Instant::now();
        let answer = self.relay(request).await;
        metrics::count(&answer, began.elapsed());
        answer.unwrap_or_else(|refusal| refusal.into_response().map(Either::Right))
    }

    async fn relay(&self, request: Request<Incoming>) -> Result<Response<AnswerBody>, NotRelayed> {
        let (head, body) = request.into_parts();
        self.access.check(&head.uri, &head.headers).map_err(NotRelayed::Stranger)?;
        let asked = plain_request(&head)?;
        let destination = self.destinations.of(asked.path()).ok_or(NotRelayed::NoOrigin)?;
        self.allowed.check(&head.method, asked.path()).map_err(NotRelayed::NotAllowed)?;
        let request = outgoing(head, &asked, destination, body::read_ahead(body).await?)?;
        let target = request.uri().clone();
        let client = self.okta.client_for(request.method(), request.uri().path());
        match client.map_err(|_| NotRelayed::NoScopes)?.execute(request).await {
            Ok(answer) => Ok(self.incoming(answer.map(Either::Left), &target)),
            // After all that a client can do, the origin's own words are the best that can be said.
            Err(CallError::Refused(refused)) => {
                Ok(self.incoming(refused.response.map(|body| Either::Right(body.into())), &target))
            }
            Err(error) => Err(NotRelayed::Call(Box::new(error))),
        }
    }

    /// What goes to the program in place of the origin's answer to a request of `target`.
    fn incoming(&self, mut answer: Response<AnswerBody>, target: &Uri) -> Response<AnswerBody> {
        let headers = answer.headers_mut();
        hop_by_hop::remove(headers);
        // What is between the origin and this proxy.
        for name in [DPOP_NONCE, ALT_SVC, STRICT_TRANSPORT_SECURITY] {
            headers.remove(name);
        }
        if let Some(local) = &self.local {
            for name in &ADDRESSES {
                let written = |reference: &str| self.destinations.localized(reference, target, local);
                localize(headers, name, written);
            }
        }
        headers.append(VIA, VIA_US);
        answer
    }
}

/// The path of a request that is one for HTTP, and for nothing else. `TRACE` would show the program the token, which is
/// in the request that it repeats (RFC 9110 section 9.3.8).
fn plain_request(head: &Parts) -> Result<PathAndQuery, NotRelayed> {
    if [Method::CONNECT, Method::TRACE].contains(&head.method) || head.headers.contains_key(UPGRADE) {
        return Err(NotRelayed::NotHttp);
    }
    head.uri.path_and_query().filter(|asked| asked.path().starts_with('/')).cloned().ok_or(NotRelayed::NoPath)
}

/// What goes to the origin in place of a program's request.
fn outgoing(
    mut head: Parts,
    asked: &PathAndQuery,
    destination: &Destination,
    body: RequestBody,
) -> Result<Request<RequestBody>, NotRelayed> {
    let headers = &mut head.headers;
    hop_by_hop::remove(headers);
    // The secret of this proxy and a host name of this machine are nobody else's; the client sets its own.
    for name in [AUTHORIZATION, DPOP, HOST, EXPECT, CONTENT_LENGTH] {
        headers.remove(name);
    }
    // The rules of this proxy are about the method and the path that it is asked for.
    overrides::remove(headers);
    headers.append(VIA, VIA_US);
    let mut request = Request::new(body);
    *request.uri_mut() = destination.target(asked).ok_or(NotRelayed::NoPath)?;
    *request.method_mut() = head.method;
    *request.headers_mut() = head.headers;
    // Where it leads is asked for anew, if the program wants to go there, and held to the rules.
    request.extensions_mut().insert(ReturnRedirects);
    Ok(request)
}

/// The references in the fields `name` become what `write` makes of them.
fn localize(headers: &mut HeaderMap, name: &HeaderName, write: impl Fn(&str) -> String) {
    let written = |field: &HeaderValue| {
        let text = field.to_str().ok()?;
        let text = if *name == LINK { reference::in_links(text, &write) } else { write(text.trim()) };
        HeaderValue::try_from(text).ok()
    };
    let fields: Vec<_> =
        headers.get_all(name).iter().map(|field| written(field).unwrap_or_else(|| field.clone())).collect();
    headers.remove(name);
    for field in fields {
        headers.append(name, field);
    }
}
