//! Redirects within one server (RFC 9110 section 15.4); none leads a token to another.

use std::fmt;

use http::header::{
    CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, LOCATION,
    TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{HeaderMap, Method, StatusCode, Uri};
use keybound::TargetUri;
use url::Url;

use crate::field;

/// Redirects that one call follows, at most; a server needs one or two.
const MAX_REDIRECTS: usize = 5;

/// Has a call return a redirect within its origin as its answer, in place of following it: an extension of its request,
/// for whoever has rules of his own about what may be asked. One that leads elsewhere is an error all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnRedirects;

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedirectFault {
    /// Whoever asked follows none.
    NotFollowed,
    /// It leads to another scheme, host or port.
    OtherOrigin,
    /// There is no `Location`, more than one, or one that can't be asked.
    Nowhere,
    /// 301 and 302 don't say whether the method stays, which matters for this one.
    Method,
    /// It asks for the body again, and there was one alone.
    BodySpent,
    /// It leads to where the call was before.
    Loop,
    /// It is one too many.
    TooMany,
}

impl fmt::Display for RedirectFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotFollowed => "redirects are not followed here",
            Self::OtherOrigin => {
                "that is not followed, since a token and its proof are for the server that was asked \
                 (scheme, host and port)"
            }
            Self::Nowhere => "that is no place to go to",
            Self::Method => {
                "that is followed for GET and HEAD only: 301 and 302 don't say whether the method stays \
                 (RFC 9110 section 15.4)"
            }
            Self::BodySpent => "the body, which can be sent once only, has been sent",
            Self::Loop => "that is where the call was before",
            Self::TooMany => "that is one redirect too many",
        })
    }
}

/// Where a redirect leads, and how to ask there.
#[derive(Debug)]
pub(crate) struct Redirect {
    method: Method,
    uri: Uri,
    pub(crate) target: TargetUri,
    /// The body goes along.
    pub(crate) keeps_body: bool,
}

/// The requests of one call so far, by method and URI.
#[derive(Default)]
pub(crate) struct Visited(Vec<(Method, Uri)>);

impl Visited {
    /// Where an answer to `request` leads; none if it is no redirect.
    pub(crate) fn next(
        &mut self,
        request: &Parts,
        target: &TargetUri,
        status: StatusCode,
        answer: &HeaderMap,
    ) -> Result<Option<Redirect>, RedirectFault> {
        let Some((method, keeps_body)) = method_after(status, &request.method)? else { return Ok(None) };
        let (uri, next) = resolve(&request.uri, answer).ok_or(RedirectFault::Nowhere)?;
        if next.origin() != target.origin() {
            return Err(RedirectFault::OtherOrigin);
        }
        self.0.push((request.method.clone(), request.uri.clone()));
        if self.0.iter().any(|(earlier, place)| *earlier == method && *place == uri) {
            return Err(RedirectFault::Loop);
        }
        if self.0.len() > MAX_REDIRECTS {
            return Err(RedirectFault::TooMany);
        }
        Ok(Some(Redirect { method, uri, target: next, keeps_body }))
    }
}

impl Redirect {
    /// Makes `request` the one that goes there.
    pub(crate) fn apply(self, request: &mut Parts) {
        request.method = self.method;
        request.uri = self.uri;
        if !self.keeps_body {
            for name in [
                CONTENT_ENCODING,
                CONTENT_LANGUAGE,
                CONTENT_LENGTH,
                CONTENT_LOCATION,
                CONTENT_TYPE,
                TRANSFER_ENCODING,
            ] {
                request.headers.remove(name);
            }
        }
    }
}

/// The method after a redirect with `status`, and whether the body goes along; none if it is no redirect.
fn method_after(status: StatusCode, method: &Method) -> Result<Option<(Method, bool)>, RedirectFault> {
    let only_reads = [Method::GET, Method::HEAD].contains(method);
    Ok(match status {
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => Some((method.clone(), true)),
        StatusCode::SEE_OTHER if *method == Method::HEAD => Some((Method::HEAD, false)),
        StatusCode::SEE_OTHER => Some((Method::GET, false)),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if only_reads => Some((method.clone(), true)),
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => return Err(RedirectFault::Method),
        _ => None,
    })
}

/// The one `Location` of an answer, resolved against the URI that was asked (RFC 3986 section 5). A fragment
/// is for those who show the page.
fn resolve(asked: &Uri, answer: &HeaderMap) -> Option<(Uri, TargetUri)> {
    let mut locations = answer.get_all(LOCATION).iter();
    let location = locations.next()?.to_str().ok()?;
    if locations.next().is_some() {
        return None;
    }
    let mut url = Url::parse(&asked.to_string()).ok()?.join(location).ok()?;
    url.set_fragment(None);
    Some((url.as_str().parse().ok()?, TargetUri::parse(url.as_str()).ok()?))
}

/// The `Location` of an answer as a person may be shown it: its query may hold what is private.
pub(crate) fn shown(answer: &HeaderMap) -> String {
    let location = answer.get(LOCATION).and_then(|location| location.to_str().ok());
    field::readable(location.and_then(|location| location.split(['?', '#']).next()).unwrap_or("nowhere"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Request};

    const ASKED: &str = "https://api.example/v1/things?page=1";

    fn next(method: &str, status: u16, locations: &[&str]) -> Result<Option<String>, RedirectFault> {
        let (request, ()) = Request::builder().method(method).uri(ASKED).body(()).unwrap().into_parts();
        let answer = locations.iter().map(|location| (LOCATION, HeaderValue::from_str(location).unwrap()));
        let status = StatusCode::from_u16(status).unwrap();
        let target = TargetUri::parse(ASKED).unwrap();
        let redirect = Visited::default().next(&request, &target, status, &answer.collect())?;
        Ok(redirect.map(|redirect| {
            let body = if redirect.keeps_body { " with body" } else { "" };
            format!("{} {}{body}", redirect.method, redirect.uri)
        }))
    }

    #[test]
    fn the_place_is_one_of_the_same_server_or_none() {
        for (location, leads_to, why) in [
            ("/v2/things", Ok("https://api.example/v2/things"), "a path"),
            ("others?page=2", Ok("https://api.example/v1/others?page=2"), "beside the last"),
            ("?page=2", Ok("https://api.example/v1/things?page=2"), "a query"),
            ("https://api.example/x", Ok("https://api.example/x"), "absolute"),
            ("https://API.example:443/x#part", Ok("https://api.example/x"), "the same, written otherwise"),
            ("//api.example/x", Ok("https://api.example/x"), "without scheme"),
            ("../../../x", Ok("https://api.example/x"), "not beyond the root"),
            ("http://api.example/x", Err(RedirectFault::OtherOrigin), "another scheme"),
            ("https://api.example:8443/x", Err(RedirectFault::OtherOrigin), "another port"),
            ("https://evil.example/x", Err(RedirectFault::OtherOrigin), "another host"),
            ("//evil.example/x", Err(RedirectFault::OtherOrigin), "another host without scheme"),
            ("\\\\evil.example/x", Err(RedirectFault::OtherOrigin), "as a browser reads it"),
            ("https://api.example.evil.example/x", Err(RedirectFault::OtherOrigin), "a longer host"),
            ("https://api.example@evil.example/x", Err(RedirectFault::Nowhere), "a user, no host"),
            ("ftp://api.example/x", Err(RedirectFault::Nowhere), "no HTTP"),
            ("javascript:alert(1)", Err(RedirectFault::Nowhere), "no place"),
        ] {
            let expected = leads_to.map(|uri| Some(format!("GET {uri} with body")));
            assert_eq!(next("GET", 302, &[location]), expected, "{why}: {location}");
        }
        assert_eq!(next("GET", 302, &[]), Err(RedirectFault::Nowhere), "no Location");
        assert_eq!(next("GET", 302, &["/a", "/b"]), Err(RedirectFault::Nowhere), "two of them");
    }

    #[test]
    fn the_status_says_what_becomes_of_the_method() {
        for (method, status, then, why) in [
            ("GET", 301, Ok(Some("GET https://api.example/x with body")), "reads"),
            ("HEAD", 302, Ok(Some("HEAD https://api.example/x with body")), "reads"),
            ("POST", 301, Err(RedirectFault::Method), "browsers make it GET, the RFC did not"),
            ("PUT", 302, Err(RedirectFault::Method), "the same"),
            ("POST", 303, Ok(Some("GET https://api.example/x")), "see the outcome there"),
            ("HEAD", 303, Ok(Some("HEAD https://api.example/x")), "its head alone"),
            ("POST", 307, Ok(Some("POST https://api.example/x with body")), "all stays"),
            ("PUT", 308, Ok(Some("PUT https://api.example/x with body")), "all stays"),
            ("GET", 300, Ok(None), "a choice, for the caller"),
            ("GET", 304, Ok(None), "no redirect"),
            ("GET", 200, Ok(None), "no redirect, whatever its Location"),
        ] {
            let then = then.map(|request: Option<&str>| request.map(str::to_owned));
            assert_eq!(next(method, status, &["/x"]), then, "{why}: {status} for {method}");
        }
    }
}
