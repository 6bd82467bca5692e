//! What a request must look like to mean one thing only, to the guard and to the server behind it.

use http::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::uri::Authority;
use http::{Method, Request, StatusCode, Version};

use super::failure::Unanswered;
use super::list;

/// Refuses a request that two servers may read differently.
///
/// The parser below has refused what is no HTTP already: two lengths that differ, folded header lines, white
/// space before a colon, control characters. A request with both `Transfer-Encoding` and `Content-Length`
/// comes here with its body read by the former, and its connection ends with the answer (RFC 9112 section
/// 6.3); the upstream is sent one of the two.
pub(super) fn one_meaning<B>(request: &Request<B>) -> Result<(), Unanswered> {
    match *request.method() {
        Method::CONNECT => return Err(Unanswered::method(StatusCode::NOT_IMPLEMENTED)),
        // It would show the client what the guard tells the upstream of it.
        Method::TRACE => return Err(Unanswered::method(StatusCode::METHOD_NOT_ALLOWED)),
        _ => {}
    }
    if !request.uri().path().starts_with('/') {
        return Err(Unanswered::form("its target is no path"));
    }
    one_host(request)?;
    if list(request.headers(), &TRANSFER_ENCODING).any(|coding| coding != "chunked") {
        return Err(Unanswered::form("its Transfer-Encoding is none that is understood here: chunked alone"));
    }
    if request.headers().get_all(CONTENT_LENGTH).iter().count() > 1 {
        return Err(Unanswered::form("it has several Content-Length header fields"));
    }
    Ok(())
}

/// One `Host`, the same as that in the target, if there is one (RFC 9112 section 3.2, RFC 9113 section 8.3.1).
fn one_host<B>(request: &Request<B>) -> Result<(), Unanswered> {
    let mut fields = request.headers().get_all(HOST).iter();
    let (first, second) = (fields.next(), fields.next());
    if second.is_some() {
        return Err(Unanswered::form("it has several Host header fields"));
    }
    match (first, request.uri().authority()) {
        (None, None) if request.version() == Version::HTTP_11 => {
            Err(Unanswered::form("it has no Host header field"))
        }
        (Some(host), named) => match Authority::try_from(host.as_bytes()) {
            Ok(host) if named.is_none_or(|named| *named == host) => Ok(()),
            Ok(_) => Err(Unanswered::form("its Host header field is not the host in its target")),
            Err(_) => Err(Unanswered::form("its Host header field is no host")),
        },
        _ => Ok(()),
    }
}

/// HTTP/2 may split cookies over several fields, which HTTP/1.1 may not (RFC 9113 section 8.2.3).
pub(super) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case = (&'static str, &'static str, &'static [(&'static str, &'static str)], Option<u16>);

    #[test]
    fn a_request_that_servers_may_read_differently_is_refused() {
        let cases: [Case; 15] = [
            ("GET", "/a?b", &[("host", "a.example")], None),
            ("GET", "http://a.example/a", &[("host", "A.example")], None),
            ("POST", "/a", &[("host", "a.example"), ("transfer-encoding", "Chunked")], None),
            ("OPTIONS", "/", &[("host", "a.example:8080")], None),
            ("GET", "/", &[], Some(400)),
            ("GET", "/", &[("host", "")], Some(400)),
            ("GET", "/", &[("host", "a b")], Some(400)),
            ("GET", "/", &[("host", "a.example"), ("host", "a.example")], Some(400)),
            ("GET", "http://a.example/", &[("host", "b.example")], Some(400)),
            ("OPTIONS", "*", &[("host", "a.example")], Some(400)),
            ("CONNECT", "a.example:443", &[("host", "a.example:443")], Some(501)),
            ("TRACE", "/", &[("host", "a.example")], Some(405)),
            ("POST", "/", &[("host", "a.example"), ("transfer-encoding", "gzip, chunked")], Some(400)),
            ("POST", "/", &[("host", "a.example"), ("transfer-encoding", "xchunked")], Some(400)),
            ("POST", "/", &[("host", "a"), ("content-length", "1"), ("content-length", "1")], Some(400)),
        ];
        for (method, uri, fields, refused) in cases {
            let mut request = Request::builder().method(method).uri(uri);
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let outcome = one_meaning(&request.body(()).unwrap());
            let status = outcome.err().map(|refused| refused.into_response().status().as_u16());
            assert_eq!(status, refused, "{method} {uri} {fields:?}");
        }
    }

    #[test]
    fn cookies_go_on_as_one_field() {
        let mut headers = HeaderMap::new();
        for crumb in ["a=1", "b=2"] {
            headers.append(COOKIE, HeaderValue::from_static(crumb));
        }
        join_cookies(&mut headers);
        let cookies: Vec<_> = headers.get_all(COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1; b=2"]);
    }
}
