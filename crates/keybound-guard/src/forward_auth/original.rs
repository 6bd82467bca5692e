//! The client's request, as a trusted proxy tells of it.

use http::header::{HeaderMap, HeaderName};
use http::{Method, Uri};
use keybound::Refusal;

use crate::target::{X_FORWARDED_HOST, X_FORWARDED_PROTO};

const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const X_ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// The client's request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OriginalRequest {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) secure: bool,
}

/// Whether a request tells of another one, however badly.
pub(super) fn is_told(headers: &HeaderMap) -> bool {
    [X_ORIGINAL_METHOD, X_ORIGINAL_URI, X_ORIGINAL_URL, X_FORWARDED_METHOD, X_FORWARDED_URI]
        .iter()
        .any(|name| headers.contains_key(name))
}

impl OriginalRequest {
    /// What these header fields tell. Whatever is there twice, or in two ways that differ, tells nothing.
    pub(super) fn told_in(headers: &HeaderMap) -> Result<Self, Refusal> {
        let method = agreed([method(headers, &X_ORIGINAL_METHOD)?, method(headers, &X_FORWARDED_METHOD)?])?;
        let url = uri(headers, &X_ORIGINAL_URL)?;
        let paths = [
            url.as_ref().and_then(path_of),
            uri(headers, &X_ORIGINAL_URI)?.as_ref().and_then(path_of),
            uri(headers, &X_FORWARDED_URI)?.as_ref().and_then(path_of),
        ];
        let path = agreed(paths)?;
        let (Some(method), Some(path)) = (method, path) else {
            return Err(unknown("the proxy says neither or only one of its method and URI"));
        };
        let url = url.filter(|url| url.authority().is_some());
        if let Some(url) = &url {
            fits(headers, &X_FORWARDED_HOST, url.authority().map(http::uri::Authority::as_str))?;
            fits(headers, &X_FORWARDED_PROTO, url.scheme_str())?;
        }
        let secure = url.as_ref().is_some_and(|url| url.scheme_str() == Some("https"));
        let uri = url.map_or_else(|| path.parse(), Ok).map_err(|_| unknown("its URI is none"))?;
        Ok(Self { method, uri, secure })
    }
}

/// The path and query of a URI that has a path.
fn path_of(uri: &Uri) -> Option<String> {
    let path = uri.path_and_query()?.as_str();
    path.starts_with('/').then(|| path.to_owned())
}

/// The one value that is there, or that all that are there have.
fn agreed<T: PartialEq, const N: usize>(told: [Option<T>; N]) -> Result<Option<T>, Refusal> {
    let mut told = told.into_iter().flatten();
    let first = told.next();
    if told.all(|other| Some(other) == first) {
        Ok(first)
    } else {
        Err(unknown("its header fields contradict each other"))
    }
}

fn method(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Method>, Refusal> {
    let told = one(headers, name)?;
    told.map(|told| told.parse().map_err(|_| unknown(&format!("its {name} is no method")))).transpose()
}

fn uri(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Uri>, Refusal> {
    let Some(told) = one(headers, name)? else { return Ok(None) };
    // What is behind it would not be judged, and the proxy passes it on.
    if told.contains('#') {
        return Err(unknown(&format!("its {name} has a fragment, which no request has")));
    }
    let uri: Uri = told.parse().map_err(|_| unknown(&format!("its {name} is no URI")))?;
    if path_of(&uri).is_none() {
        return Err(unknown(&format!("its {name} has no path")));
    }
    Ok(Some(uri))
}

/// The one value of a header field. A URI may have commas, so a joined pair is told by what is no URI.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Refusal> {
    let mut fields = headers.get_all(name).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    match (field.to_str(), fields.next()) {
        (Ok(value), None) => Ok(Some(value)),
        (Err(_), _) => Err(unknown(&format!("its {name} header field is not ASCII, as every URI is"))),
        _ => Err(unknown(&format!("its {name} header field has more than one value"))),
    }
}

/// A field that is there has to say what the URL says.
fn fits(headers: &HeaderMap, name: &HeaderName, expected: Option<&str>) -> Result<(), Refusal> {
    let told = one(headers, name)?;
    match (told, expected) {
        (Some(told), Some(expected)) if !told.eq_ignore_ascii_case(expected) => {
            Err(unknown(&format!("its {X_ORIGINAL_URL} and {name} contradict each other")))
        }
        _ => Ok(()),
    }
}

fn unknown(reason: &str) -> Refusal {
    Refusal::UnknownTarget { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fields: &[(&'static str, &'static str)]) -> Result<(String, String, bool), String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        OriginalRequest::told_in(&headers)
            .map(|told| (told.method.to_string(), told.uri.to_string(), told.secure))
            .map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn the_request_is_what_the_proxy_says() {
        let get = |uri: &str, secure| Ok(("GET".to_owned(), uri.to_owned(), secure));
        for (fields, expected) in [
            (&[("x-original-method", "GET"), ("x-original-uri", "/a?b=c,d")][..], get("/a?b=c,d", false)),
            (&[("x-forwarded-method", "GET"), ("x-forwarded-uri", "/a")], get("/a", false)),
            (
                &[("x-original-method", "GET"), ("x-original-url", "https://api.example.com/a?b")],
                get("https://api.example.com/a?b", true),
            ),
            (
                &[
                    ("x-original-method", "GET"),
                    ("x-original-uri", "/a"),
                    ("x-forwarded-method", "GET"),
                    ("x-forwarded-uri", "/a"),
                ],
                get("/a", false),
            ),
        ] {
            assert_eq!(told(fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn what_is_missing_there_twice_or_contradicts_itself_tells_nothing() {
        for (fields, why) in [
            (&[][..], "nothing is said"),
            (&[("x-original-method", "GET")], "no URI"),
            (&[("x-forwarded-uri", "/a")], "no method"),
            (
                &[("x-original-method", "GET"), ("x-original-method", "GET"), ("x-original-uri", "/a")],
                "the method twice",
            ),
            (&[("x-original-method", "GET"), ("x-original-uri", "/a"), ("x-original-uri", "/b")], "two URIs"),
            (&[("x-original-method", "GET"), ("x-original-uri", "/a, /b")], "two URIs, joined"),
            (&[("x-original-method", "GET, POST"), ("x-original-uri", "/a")], "two methods, joined"),
            (
                &[("x-original-method", "GET"), ("x-original-uri", "/a"), ("x-forwarded-uri", "/b")],
                "a client that adds a URI of the other kind",
            ),
            (
                &[("x-original-method", "GET"), ("x-original-uri", "/a"), ("x-forwarded-method", "POST")],
                "a client that adds a method of the other kind",
            ),
            (
                &[
                    ("x-original-method", "GET"),
                    ("x-original-url", "https://api.example.com/a"),
                    ("x-forwarded-host", "other.example.com"),
                ],
                "a client that adds another host",
            ),
            (
                &[
                    ("x-original-method", "GET"),
                    ("x-original-url", "https://api.example.com/a"),
                    ("x-forwarded-proto", "http"),
                ],
                "a client that adds another scheme",
            ),
            (&[("x-original-method", "GET"), ("x-original-uri", "api.example.com:443")], "no path"),
            (&[("x-original-method", "GET"), ("x-original-uri", "*")], "no path that begins with a slash"),
            (&[("x-original-method", "GET"), ("x-original-uri", "")], "an empty URI"),
        ] {
            assert!(told(fields).is_err(), "{why}: {:?}", told(fields));
        }
    }
}
