//! Requests to everything that is served, each with something of it put wrong.

use std::fmt;

use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use http::{HeaderName, HeaderValue, Method};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::bodies::{form_body, hostile_text, json_body};
use crate::support::TestOrg;

/// What is not in Okta's list: protocol endpoints, pages, and what is the local org's own.
const OTHERS: &[&str] = &[
    "/oauth2/v1/token",
    "/oauth2/v1/authorize",
    "/oauth2/v1/par",
    "/oauth2/v1/introspect",
    "/oauth2/v1/revoke",
    "/oauth2/v1/userinfo",
    "/oauth2/v1/logout",
    "/oauth2/v1/keys",
    "/oauth2/v1/device/authorize",
    "/oauth2/{server}/v1/token",
    "/oauth2/{server}/v1/authorize",
    "/oauth2/{server}/v1/introspect",
    "/oauth2/{server}/v1/keys",
    "/oauth2/{server}/.well-known/openid-configuration",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server/oauth2/{server}",
    "/activate",
    "/assets/{file}",
    "/{anything}",
];

const QUERY_NAMES: &[&str] = &[
    "limit",
    "after",
    "q",
    "filter",
    "search",
    "sortBy",
    "sortOrder",
    "since",
    "until",
    "expand",
    "activate",
    "provider",
    "nextLogin",
    "sendEmail",
    "revokeTokens",
    "client_id",
    "user_code",
];

const FIELDS: &[&str] = &[
    "dpop",
    "if-match",
    "if-none-match",
    "accept",
    "cookie",
    "origin",
    "referer",
    "x-forwarded-for",
    "forwarded",
    "user-agent",
    "range",
    "content-encoding",
    "accept-language",
    "authorization",
    "content-type",
    "x-http-method-override",
];

const WRONG_CREDENTIALS: &[&str] =
    &["SSWS", "SSWS ", "Bearer x", "DPoP a.b.c", "Basic Og==", "Basic !!", "DPoP DPoP", "ssws x y"];

const WRONG_TYPES: &[Option<&str>] =
    &[None, Some("text/plain"), Some("multipart/form-data; boundary=a"), Some(";;")];

const WRONG_SEGMENTS: &[&str] =
    &["me", "default", "activate", "%00", "%ff", "%2e%2e", "%2F", "..", "", "a%", ";", "%F0%9F%94%91"];

/// A request that is still to be made.
#[derive(Clone, Debug)]
pub(crate) struct Hostile {
    method: &'static str,
    path: String,
    query: Vec<(String, String)>,
    credentials: Credentials,
    content_type: Option<&'static str>,
    fields: Vec<(&'static str, Vec<u8>)>,
    body: Body,
}

#[derive(Clone)]
struct Body(Vec<u8>);

/// As text, and not all of a long one.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = &self.0[..self.0.len().min(1_000)];
        write!(f, "{:?} of {} bytes", String::from_utf8_lossy(start), self.0.len())
    }
}

#[derive(Clone, Copy, Debug)]
enum Credentials {
    Administrator,
    /// The administrator's browser, in the console.
    Session,
    Nobody,
    Wrong(&'static str),
}

/// What is the local org's own: the console, and the API of faults and traces. Streams that have no end are not there.
const OWN: &[&str] = &[
    "/admin",
    "/admin/sign-in",
    "/admin/sign-out",
    "/admin/apps",
    "/admin/apps/new",
    "/admin/apps/{appId}",
    "/admin/apps/{appId}/authentication",
    "/admin/apps/{appId}/delete",
    "/admin/apps/{appId}/keys",
    "/admin/apps/{appId}/keys/generate",
    "/admin/apps/{appId}/keys/{keyId}",
    "/admin/apps/{appId}/program",
    "/admin/apps/{appId}/roles",
    "/admin/apps/{appId}/roles/{id}",
    "/admin/apps/{appId}/scopes",
    "/admin/apps/{appId}/scopes/{id}",
    "/admin/apps/{appId}/secret",
    "/admin/apps/{appId}/status",
    "/admin/users",
    "/admin/users/new",
    "/admin/users/{userId}",
    "/admin/users/{userId}/delete",
    "/admin/users/{userId}/groups",
    "/admin/users/{userId}/groups/{groupId}",
    "/admin/users/{userId}/lifecycle",
    "/admin/groups",
    "/admin/groups/{groupId}",
    "/admin/groups/{groupId}/delete",
    "/admin/groups/{groupId}/members",
    "/admin/groups/{groupId}/members/{userId}",
    "/admin/logs",
    "/admin/faults",
    "/admin/faults/clear",
    "/admin/faults/new/{kind}",
    "/admin/faults/preset",
    "/admin/faults/{number}/remove",
    "/admin/traces",
    "/admin/traces/clear",
    "/admin/traces/file",
    "/admin/traces/{number}",
    "/admin/traces/{number}/forget",
    "/admin/traces/{number}/keep",
    "/admin/traces/{number}/replay",
    "/keybound/v1/faults",
    "/keybound/v1/faults/{number}",
    "/keybound/v1/traces",
    "/keybound/v1/traces/export",
    "/keybound/v1/traces/{number}",
    "/keybound/v1/traces/{number}/keep",
    "/keybound/v1/traces/{number}/replay",
    "/keybound/v1/{anything}",
];

/// A method and a path with parameters in braces.
type Operation = (&'static str, &'static str);

/// Ids of things that are there, by the name that paths have for them.
pub(crate) type Ids = Vec<(&'static str, String)>;

/// What requests are drawn from.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) served: Vec<Operation>,
    pub(crate) not_served: Vec<Operation>,
    pub(crate) ids: Ids,
}

/// Okta's operations: those that the org serves, and those of which it says that it does not.
pub(crate) fn operations() -> impl Iterator<Item = Operation> {
    keybound_operations::all().map(|operation| {
        let method =
            ["GET", "POST", "PUT", "DELETE", "PATCH"].into_iter().find(|known| operation.method() == known);
        (method.expect("a method that is listed here"), operation.path())
    })
}

pub(crate) fn hostile_requests(known: Known) -> impl Strategy<Value = Hostile> {
    let Known { served, not_served, ids } = known;
    let operation = prop_oneof![12 => select(served), 1 => select(not_served), 5 => others()];
    operation.prop_flat_map(move |operation| requests_of(operation, &ids))
}

/// Requests to what is the local org's own, by its administrator's browser or with its token.
pub(crate) fn hostile_requests_to_its_own(ids: Ids) -> impl Strategy<Value = Hostile> {
    let method =
        prop_oneof![2 => Just("GET"), 3 => Just("POST"), 1 => select(&["DELETE", "PUT", "HEAD"][..])];
    (method, select(OWN)).prop_flat_map(move |operation| requests_of(operation, &ids))
}

fn requests_of((method, pattern): Operation, ids: &Ids) -> impl Strategy<Value = Hostile> + use<> {
    let query = vec((select(QUERY_NAMES).prop_map(str::to_owned), hostile_text()), 0..3);
    let administrator =
        if pattern.starts_with("/admin") { Credentials::Session } else { Credentials::Administrator };
    let credentials = prop_oneof![
        12 => Just(administrator),
        1 => Just(Credentials::Nobody),
        1 => select(WRONG_CREDENTIALS).prop_map(Credentials::Wrong),
    ];
    let fields = vec((select(FIELDS), vec(0x20u8..=0xff, 0..60)), 0..2);
    let is_api =
        pattern.starts_with("/api") || pattern.starts_with("/keybound") || pattern.contains("/clients/");
    let (json, form) = if is_api { (8, 1) } else { (1, 8) };
    let body = prop_oneof![
        json => (Just(Some("application/json")), json_body(pattern).boxed()),
        form => (Just(Some("application/x-www-form-urlencoded")), form_body(ids).boxed()),
        1 => (select(WRONG_TYPES), json_body(pattern).boxed()),
    ];
    (path_of(pattern, ids), query, credentials, fields, body).prop_map(
        move |(path, query, credentials, fields, (content_type, body))| Hostile {
            method,
            path,
            query,
            credentials,
            content_type,
            fields,
            body: Body(body),
        },
    )
}

fn others() -> impl Strategy<Value = Operation> {
    let method = prop_oneof![
        4 => select(&["GET", "POST"][..]),
        1 => select(&["PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE"][..]),
    ];
    (method, select(OTHERS))
}

/// The path with ids of things that are there, or are of another kind, or are no ids at all.
fn path_of(pattern: &'static str, ids: &Ids) -> impl Strategy<Value = String> + use<> {
    let parts: Vec<_> = pattern.split('/').map(|part| segment(part, ids)).collect();
    parts.prop_map(|parts| parts.join("/"))
}

fn segment(part: &'static str, ids: &Ids) -> BoxedStrategy<String> {
    let Some(name) = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) else {
        return Just(part.to_owned()).boxed();
    };
    let all: Vec<_> = ids.iter().map(|(_, id)| id.clone()).collect();
    let own: Vec<_> = ids.iter().filter(|(of, _)| *of == name).map(|(_, id)| id.clone()).collect();
    let own = if own.is_empty() { all.clone() } else { own };
    let wrong = select(WRONG_SEGMENTS).prop_map(str::to_owned);
    let hostile = hostile_text().prop_map(|text| percent_encoded(&text));
    prop_oneof![12 => select(own), 1 => select(all), 1 => wrong, 1 => hostile].boxed()
}

/// Where a segment of a path that is served is left as it is, this is what a client would send.
pub(crate) fn plain_path(pattern: &str, ids: &Ids) -> String {
    let parts = pattern.split('/').map(|part| match part.strip_prefix('{') {
        None => part,
        Some(rest) => ids.iter().find(|(of, _)| rest.strip_suffix('}') == Some(of)).map_or("x", |(_, id)| id),
    });
    parts.collect::<Vec<_>>().join("/")
}

fn percent_encoded(text: &str) -> String {
    let bytes: Vec<u8> = text.bytes().take(3_000).collect();
    percent_encoding::percent_encode(&bytes, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// What the console knows its administrator by.
pub(crate) struct Session {
    pub(crate) cookie: String,
    pub(crate) form_token: String,
}

impl Hostile {
    pub(crate) fn method(&self) -> Method {
        self.method.parse().unwrap()
    }

    /// Whether the body may still be on its way when an answer has come that did not wait for it.
    pub(crate) fn is_long(&self) -> bool {
        self.body.0.len() > 4 * 1024
    }

    /// The request, unless no client could send it.
    pub(crate) fn request(&self, test: &TestOrg, session: &Session) -> Option<reqwest::Request> {
        let mut url = reqwest::Url::parse(&test.url(&self.path)).ok()?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let mut request = reqwest::Request::new(self.method(), url);
        let fields = request.headers_mut();
        for (name, value) in &self.fields {
            let Ok(value) = HeaderValue::from_bytes(value) else { continue };
            fields.append(HeaderName::from_static(name), value);
        }
        if let Some(kind) = self.content_type {
            fields.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        match self.credentials {
            Credentials::Administrator => {
                let value = format!("SSWS {}", test.org.admin_token());
                fields.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
            }
            Credentials::Session => {
                fields.insert(COOKIE, HeaderValue::from_str(&session.cookie).unwrap());
            }
            Credentials::Nobody => {}
            Credentials::Wrong(value) => {
                fields.insert(AUTHORIZATION, HeaderValue::from_static(value));
            }
        }
        let mut body = self.body.0.clone();
        if matches!(self.credentials, Credentials::Session) {
            body.extend_from_slice(format!("&form_token={}", session.form_token).as_bytes());
        }
        *request.body_mut() = Some(body.into());
        Some(request)
    }
}
