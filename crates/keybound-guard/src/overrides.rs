//! Header fields by which a request asks to be taken for another one: for one with another method, or for another path.
//! Frameworks obey them, and nobody has judged the request that they make of it.

use http::header::{HeaderMap, HeaderName};

use crate::identity::{read_alike, remove_named};

/// All of them. The first two are of IIS, and PHP's frameworks believed them of everybody.
pub static FIELDS: [HeaderName; 5] = [
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// Takes them out of a request, in every spelling that a server might read as one of their names.
pub fn remove(headers: &mut HeaderMap) {
    remove_named(headers, is_override);
}

pub(crate) fn is_override(name: &HeaderName) -> bool {
    // Their lengths tell most names apart.
    let is = |other: &HeaderName| {
        name.as_str().len() == other.as_str().len() && read_alike(name).eq(other.as_str().bytes())
    };
    FIELDS.iter().any(is)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_request_asks_to_be_taken_for_no_other_one() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-http-method-override",
            "x_http_method_override",
            "x.original.url",
            "x-rewrite-url",
            "x-method",
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("1"));
        }
        remove(&mut headers);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-method"]);
    }
}
