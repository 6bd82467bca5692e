//! What browsers are told of pages of other origins (CORS, the Fetch standard section 3.3), by the policy's `[cors]`.
//!
//! Before a page sends a token or a proof, its browser asks with a preflight, which can carry neither. It is answered
//! here by what the policy says and goes no further, whatever routes there are. Only what asks by the rules is one:
//! `OPTIONS` with `Origin` and `Access-Control-Request-Method`. Every other `OPTIONS` is a request like any. (That is
//! why this is not tower-http's layer, which answers each `OPTIONS`, and which no policy can be reloaded into.)
//!
//! Nothing of a request is repeated but an origin that the policy names, to the byte: neither another case or port nor
//! a longer host is that origin, and two `Origin` fields are none.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, CACHE_CONTROL, CONTENT_TYPE, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::answer;
use crate::guard::IncomingRequest;
use crate::policy::CorsRules;

/// What a page needs to send a key-bound token.
const CREDENTIALS: [&str; 2] = ["Authorization", "DPoP"];

/// Which pages may call, ready to be told.
pub(crate) struct Cors {
    /// `None`: every page.
    origins: Option<HashSet<HeaderValue>>,
    methods: HeaderValue,
    headers: HeaderValue,
    exposed: HeaderValue,
    credentials: bool,
    max_age: HeaderValue,
}

/// The answer to a preflight.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PreflightAnswer {
    /// The whole answer.
    pub response: Response<Bytes>,
    /// Whether pages of its origin may call.
    pub is_allowed: bool,
}

/// Who may read the answer to a request.
pub(crate) struct Reader {
    cors: Arc<Cors>,
    /// As `Access-Control-Allow-Origin` names the page; `None`: no page.
    named: Option<HeaderValue>,
}

impl Cors {
    /// `None` where the policy allows no page.
    pub(crate) fn by_policy(rules: &CorsRules) -> Option<Self> {
        if !rules.is_on() {
            return None;
        }
        let named = || rules.allowed_origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
        Some(Self {
            origins: (!rules.allows_every_origin()).then(|| named().collect()),
            methods: list(rules.allowed_methods.iter().map(String::as_str)),
            headers: list(CREDENTIALS.into_iter().chain(rules.allowed_headers.iter().map(String::as_str))),
            exposed: list(
                answer::EXPOSED_FIELDS.into_iter().chain(rules.exposed_headers.iter().map(String::as_str)),
            ),
            credentials: rules.allow_credentials,
            max_age: HeaderValue::from(rules.max_age.as_secs()),
        })
    }

    /// The answer to `request`, if it is a preflight; shared as every other is.
    pub(crate) fn preflight(&self, request: &IncomingRequest<'_>) -> Option<PreflightAnswer> {
        let asks = |name| request.headers.contains_key(name);
        if *request.method != Method::OPTIONS || !asks(ORIGIN) || !asks(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let is_allowed = self.named(request.headers).is_some();
        Some(PreflightAnswer { response: if is_allowed { self.allowed() } else { refused() }, is_allowed })
    }

    /// Who may read the answer to a request with these header fields.
    pub(crate) fn reader(self: Arc<Self>, headers: &HeaderMap) -> Reader {
        let named = self.named(headers);
        Reader { cors: self, named }
    }

    fn named(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let Some(origins) = &self.origins else { return Some(HeaderValue::from_static("*")) };
        let mut fields = headers.get_all(ORIGIN).iter();
        match (fields.next(), fields.next()) {
            (Some(origin), None) => origins.get(origin).cloned(),
            _ => None,
        }
    }

    fn allowed(&self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, self.methods.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, self.headers.clone());
        headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        response
    }
}

impl Reader {
    /// Lets the page read an answer, unless it says itself who may; and tells caches that it depends on who asks.
    pub(crate) fn share(&self, headers: &mut HeaderMap) {
        if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
            return;
        }
        if self.cors.origins.is_some() {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        let Some(named) = &self.named else { return };
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, named.clone());
        if self.cors.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        // The guard's own answers say a part of it already; what the API names is gone on with.
        if headers.get(ACCESS_CONTROL_EXPOSE_HEADERS) == Some(&answer::EXPOSED) {
            headers.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
        }
        headers.append(ACCESS_CONTROL_EXPOSE_HEADERS, self.cors.exposed.clone());
    }
}

/// Takes out of the API's answer who may read it: that is for the policy to say, and of two words browsers take neither.
pub(crate) fn take_out(headers: &mut HeaderMap) {
    headers.remove(ACCESS_CONTROL_ALLOW_ORIGIN);
    headers.remove(ACCESS_CONTROL_ALLOW_CREDENTIALS);
}

/// The answer to a preflight of a page that may not call, for whoever looks why.
fn refused() -> Response<Bytes> {
    const BODY: &[u8] =
        br#"{"error":"access_denied","error_description":"pages of this origin may not call this API"}"#;
    let mut response = Response::new(Bytes::from_static(BODY));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A list as a header field has it. The names have been checked with the policy; one that no field can hold allows
/// nothing.
fn list<'n>(names: impl Iterator<Item = &'n str>) -> HeaderValue {
    let names: Vec<_> = names.collect();
    HeaderValue::try_from(names.join(", ")).unwrap_or(HeaderValue::from_static(""))
}
