//! Header fields that are meant for the next server only, and must not go on (RFC 9110 section 7.6.1).

use http::header::{
    CONNECTION, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
    UPGRADE,
};

use super::list;
use crate::identity;

/// Beside what `Connection` names.
static ALWAYS: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    // The settings of an upgrade to HTTP/2, which is never passed on (RFC 9113 section 3.1).
    HeaderName::from_static("http2-settings"),
];

/// Takes them out.
pub fn remove(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<String> = list(headers, &CONNECTION).collect();
        for name in named {
            headers.remove(name.as_str());
        }
    }
    identity::remove_named(headers, |name| ALWAYS.contains(name));
}

/// Whether the sender takes trailers, which is for the next server to say anew (RFC 9110 section 10.1.4).
pub(super) fn takes_trailers(headers: &HeaderMap) -> bool {
    headers.contains_key(TE) && list(headers, &TE).any(|coding| coding == "trailers")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_is_for_the_next_server_only_does_not_go_on() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "keep-alive, X-Mine"),
            ("connection", "close ,x-other"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("te", "trailers, deflate"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("http2-settings", "AA"),
            ("x-mine", "1"),
            ("x-other", "2"),
            ("x-stays", "3"),
            ("trailer", "x-sum"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        assert!(takes_trailers(&headers));
        remove(&mut headers);
        let left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["x-stays", "trailer"]);
    }
}
