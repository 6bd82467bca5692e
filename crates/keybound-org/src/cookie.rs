//! A cookie by which the org knows a browser again: a secret of 256 bits, kept until the browser is closed.

use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use keybound::Secret;

/// Bytes of a cookie, at most; ours have 43.
const MAX_COOKIE_BYTES: usize = 64;

/// Which requests that another site causes carry the cookie (RFC 6265bis section 5.6.7).
#[derive(Clone, Copy)]
pub(crate) enum CrossSite {
    /// All, from frames and scripts as well. Browsers take that from https alone; over http it is those by which a
    /// user comes here.
    All,
    /// None.
    None,
}

impl CrossSite {
    const fn attribute(self, is_https: bool) -> &'static str {
        match (self, is_https) {
            (Self::All, true) => "None",
            (Self::All, false) => "Lax",
            (Self::None, _) => "Strict",
        }
    }
}

/// A cookie of one org: its name, and what browsers are told of it.
pub(crate) struct Cookie {
    name: String,
    attributes: String,
}

impl Cookie {
    /// That of users' browsers, by which the org at this origin knows who is signed in. Apps of other sites renew tokens
    /// in hidden frames and ask for the session, as at Okta; what they may do with it is decided where it is read.
    pub(crate) fn of_users(origin: &str) -> Self {
        Self::new("keybound-org", origin, CrossSite::All)
    }

    /// The cookie of this name at the org of this origin.
    ///
    /// Browsers keep the cookies of all ports of a host together, so the port is in the name. Over https the prefix
    /// has them refuse the cookie from anywhere else (RFC 6265bis section 4.1.3.2).
    pub(crate) fn new(name: &str, origin: &str, cross_site: CrossSite) -> Self {
        let is_https = origin.starts_with("https://");
        let (prefix, secure) = if is_https { ("__Host-", "; Secure") } else { ("", "") };
        let same_site = cross_site.attribute(is_https);
        let port = origin.rsplit(':').next().filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
        Self {
            name: format!("{prefix}{name}-{}", port.unwrap_or("default")),
            attributes: format!("; Path=/; HttpOnly; SameSite={same_site}{secure}"),
        }
    }

    /// The value that a request carries, if it can be one of ours. Of two, nobody can tell which is.
    pub(crate) fn of_request(&self, headers: &HeaderMap) -> Option<Secret> {
        let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
        let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut found = pairs.filter(|(name, _)| *name == self.name).map(|(_, value)| value);
        let (Some(value), None) = (found.next(), found.next()) else { return None };
        let is_ours = !value.is_empty()
            && value.len() <= MAX_COOKIE_BYTES
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        is_ours.then(|| Secret::new(value))
    }

    /// Has the browser keep this value.
    pub(crate) fn set(&self, answer: &mut Response, value: &str) {
        self.write(answer, value, "");
    }

    /// Has the browser forget it.
    pub(crate) fn clear(&self, answer: &mut Response) {
        self.write(answer, "", "; Max-Age=0");
    }

    fn write(&self, answer: &mut Response, value: &str, more: &str) {
        let cookie = format!("{}={value}{}{more}", self.name, self.attributes);
        if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
            cookie.set_sensitive(true);
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cookie_of_the_name_is_the_browsers() {
        let cookie = Cookie { name: "sid".to_owned(), attributes: String::new() };
        for (fields, expected) in [
            (&["a=b; sid=x_-1"][..], Some("x_-1")),
            (&["a=b", "sid=x"], Some("x")),
            (&["sid=x; sid=y"], None),
            (&["sid=x", "sid=x"], None),
            (&["sid="], None),
            (&["sid=a b"], None),
            (&["xsid=x"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(COOKIE, HeaderValue::from_static(field));
            }
            let found = cookie.of_request(&headers);
            assert_eq!(found.as_ref().map(Secret::expose), expected, "{fields:?}");
        }
    }

    #[test]
    fn over_https_a_cookie_is_bound_to_its_host() {
        for (origin, cross_site, expected) in [
            (
                "https://127.0.0.1:8443",
                CrossSite::None,
                "__Host-c-8443=v; Path=/; HttpOnly; SameSite=Strict; Secure",
            ),
            ("http://[::1]:80", CrossSite::None, "c-80=v; Path=/; HttpOnly; SameSite=Strict"),
            ("http://[::1]:80", CrossSite::All, "c-80=v; Path=/; HttpOnly; SameSite=Lax"),
            (
                "https://localhost",
                CrossSite::All,
                "__Host-c-default=v; Path=/; HttpOnly; SameSite=None; Secure",
            ),
        ] {
            let mut answer = Response::default();
            Cookie::new("c", origin, cross_site).set(&mut answer, "v");
            assert_eq!(answer.headers()[SET_COOKIE], expected);
        }
    }
}
