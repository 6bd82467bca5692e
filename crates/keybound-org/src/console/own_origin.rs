//! Requests that reach the console are meant for it, and what they change is asked for by its own pages.
//!
//! A page of another site may send forms here, and may have its name lead here (DNS rebinding). So the host must be one
//! that nobody else can have, and a browser that says where a request comes from must say that it is from here.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, HOST, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::Console;
use super::failure::Failure;

/// Where a browser says by what kind of site a request was caused (Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What browsers are told with every answer, a page or not.
const FIELDS: [(HeaderName, HeaderValue); 4] = [
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Without a referrer at all, browsers hide the origin of forms too.
    (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
];

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Foreign {
    #[error(
        "The request names a host that is not the org's. Open the console at the URL that the org was started with."
    )]
    Host,
    #[error("The form was sent by a page that is not of this console: open the console and begin there.")]
    Origin,
}

/// Lets requests through that are meant for the console and, if they change something, come from it.
pub(super) async fn demand(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let mut answer = match check(console.url().origin(), &request) {
        Ok(()) => next.run(request).await,
        Err(foreign) => {
            tracing::info!(reason = %foreign, "the console answers no such request");
            foreign.into_response()
        }
    };
    for (name, value) in FIELDS {
        answer.headers_mut().insert(name, value);
    }
    answer
}

impl IntoResponse for Foreign {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
        };
        Failure::new(status, "This request is not answered", self.to_string()).into_response()
    }
}

fn check(org: &str, request: &Request) -> Result<(), Foreign> {
    let headers = request.headers();
    let host = host(request).filter(|host| is_own(org, host)).ok_or(Foreign::Host)?;
    if request.method().is_safe() {
        return Ok(());
    }
    let site = only(headers, &SEC_FETCH_SITE)?;
    if site.is_some_and(|site| site != "same-origin" && site != "none") {
        return Err(Foreign::Origin);
    }
    match only(headers, &ORIGIN)? {
        None => Ok(()),
        // A browser that hides the origin must tell the site.
        Some("null") if site == Some("same-origin") => Ok(()),
        Some(origin) => {
            let scheme = org.split("://").next().unwrap_or_default();
            let is_own = origin.eq_ignore_ascii_case(&format!("{scheme}://{host}"));
            if is_own { Ok(()) } else { Err(Foreign::Origin) }
        }
    }
}

/// The host that a request names; of two that differ, none.
fn host(request: &Request) -> Option<Authority> {
    let field = only(request.headers(), &HOST).ok()?;
    let field = field.map(str::parse::<Authority>).transpose().ok()?;
    match (request.uri().authority(), field) {
        (Some(authority), Some(field)) if *authority != field => None,
        (Some(authority), _) => Some(authority.clone()),
        (None, field) => field,
    }
}

/// Whether the host is the org's own, or a name that leads to this machine whoever is asked.
fn is_own(org: &str, host: &Authority) -> bool {
    if host.as_str().contains('@') {
        return false;
    }
    let name = host.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    org.split("://").nth(1).is_some_and(|own| own.eq_ignore_ascii_case(host.as_str()))
        || name.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

/// The one field of this name, if it is there. Of two, or of what is no text, nobody can tell where it is from.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Foreign> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Ok(None),
        (Some(field), None) => field.to_str().map(Some).map_err(|_| Foreign::Origin),
        (Some(_), Some(_)) => Err(Foreign::Origin),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use http::Method;

    const ORG: &str = "https://127.0.0.1:8443";

    fn checked(method: Method, uri: &str, fields: &[(&str, &str)]) -> Result<(), Foreign> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        check(ORG, &request.body(Body::empty()).unwrap())
    }

    #[test]
    fn only_hosts_that_nobody_else_can_have_are_answered() {
        for (uri, host, expected) in [
            ("/admin", Some("127.0.0.1:8443"), Ok(())),
            ("/admin", Some("localhost:8443"), Ok(())),
            ("/admin", Some("LOCALHOST:9443"), Ok(())),
            ("/admin", Some("[::1]:8443"), Ok(())),
            ("/admin", Some("127.3.2.1"), Ok(())),
            ("https://127.0.0.1:8443/admin", None, Ok(())),
            ("https://127.0.0.1:8443/admin", Some("127.0.0.1:8443"), Ok(())),
            ("https://evil.example/admin", Some("127.0.0.1:8443"), Err(Foreign::Host)),
            ("/admin", Some("evil.example:8443"), Err(Foreign::Host)),
            ("/admin", Some("localhost.evil.example"), Err(Foreign::Host)),
            ("/admin", Some("127.0.0.1.evil.example"), Err(Foreign::Host)),
            ("/admin", Some("evil@localhost"), Err(Foreign::Host)),
            ("/admin", Some("192.0.2.1:8443"), Err(Foreign::Host)),
            ("/admin", Some(""), Err(Foreign::Host)),
            ("/admin", None, Err(Foreign::Host)),
        ] {
            let fields: Vec<_> = host.map(|host| ("host", host)).into_iter().collect();
            assert_eq!(checked(Method::GET, uri, &fields), expected, "{uri} {host:?}");
        }
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(checked(Method::GET, "/admin", &twice), Err(Foreign::Host));
    }

    #[test]
    fn only_the_consoles_own_pages_change_anything() {
        let own = ("origin", ORG);
        for (fields, expected) in [
            (&[][..], Ok(())),
            (&[own], Ok(())),
            (&[own, ("sec-fetch-site", "same-origin")], Ok(())),
            (&[("sec-fetch-site", "none")], Ok(())),
            (&[("origin", "null"), ("sec-fetch-site", "same-origin")], Ok(())),
            (&[("origin", "null")], Err(Foreign::Origin)),
            (&[("origin", "null"), ("sec-fetch-site", "cross-site")], Err(Foreign::Origin)),
            (&[own, ("sec-fetch-site", "cross-site")], Err(Foreign::Origin)),
            (&[own, ("sec-fetch-site", "same-site")], Err(Foreign::Origin)),
            (&[("origin", "https://evil.example")], Err(Foreign::Origin)),
            (&[("origin", "http://127.0.0.1:8443")], Err(Foreign::Origin)),
            (&[("origin", "https://127.0.0.1:8444")], Err(Foreign::Origin)),
            (&[("origin", "https://localhost:8443")], Err(Foreign::Origin)),
            (&[own, own], Err(Foreign::Origin)),
        ] {
            let fields = [&[("host", "127.0.0.1:8443")], fields].concat();
            assert_eq!(checked(Method::POST, "/admin/apps", &fields), expected, "{fields:?}");
        }
        let read = [("host", "127.0.0.1:8443"), ("sec-fetch-site", "cross-site")];
        assert_eq!(checked(Method::GET, "/admin/apps", &read), Ok(()), "a link from elsewhere");
    }
}
