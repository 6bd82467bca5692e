//! What the upstream is told of the request as the client sent it: `X-Forwarded-*` and `Forwarded`
//! (RFC 7239). What a client says of itself there is taken out; a trusted proxy's word is continued.

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use keybound::TargetUri;

use crate::forwarded::elements;
use crate::identity;
use crate::overrides;
use crate::policy::{ForwardedIn, Policy};
use crate::target::{X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO, is_trusted};

const X_FORWARDED: &str = "x-forwarded";

/// Others by which proxies and clients tell addresses and hosts to servers that believe them.
static ALSO_BELIEVED: [HeaderName; 5] = [
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("true-client-ip"),
    HeaderName::from_static("x-original-host"),
    // Behind CGI it is `HTTP_PROXY`, by which programs find their own proxy.
    HeaderName::from_static("proxy"),
];

/// Replaces what the request says of where it came from and what for.
pub(super) fn replace(headers: &mut HeaderMap, policy: &Policy, peer: Option<IpAddr>, target: &TargetUri) {
    let peer = peer.map(|peer| peer.to_canonical());
    let trusted = is_trusted(&policy.trusted_proxies, peer);
    let believed = |name: &HeaderName, kind: ForwardedIn, is_whole: fn(&str) -> bool| {
        if trusted && policy.forwarded_in == kind { joined(headers, name, is_whole) } else { None }
    };
    let before = believed(&X_FORWARDED_FOR, ForwardedIn::XForwarded, |_| true);
    let elements_before = believed(&FORWARDED, ForwardedIn::Forwarded, |field| elements(field).is_some());
    take_out(headers);

    let (scheme, host) = target.origin().split_once("://").unwrap_or(("http", target.origin()));
    let address = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
    let (opened, closed) = if matches!(peer, Some(IpAddr::V6(_))) { ("\"[", "]\"") } else { ("", "") };
    let element = ["for=", opened, &address, closed, ";host=\"", host, "\";proto=", scheme].concat();
    set(headers, X_FORWARDED_FOR, continued(before, address));
    set(headers, X_FORWARDED_HOST, host.to_owned());
    set(headers, X_FORWARDED_PROTO, scheme.to_owned());
    set(headers, FORWARDED, continued(elements_before, element));
}

/// In every spelling that a server might read as one of their names.
pub(super) fn take_out(headers: &mut HeaderMap) {
    identity::remove_named(headers, |name| {
        // Their lengths tell most names apart.
        let is = |other: &HeaderName| {
            name.as_str().len() == other.as_str().len()
                && identity::read_alike(name).eq(other.as_str().bytes())
        };
        identity::read_alike(name).take(X_FORWARDED.len()).eq(X_FORWARDED.bytes())
            || is(&FORWARDED)
            || overrides::is_override(name)
            || ALSO_BELIEVED.iter().any(is)
    });
}

/// The fields of this name as one. A client's own that is not whole would put what the proxies say behind it into its
/// quotes: it is left out, with all before it.
fn joined(headers: &HeaderMap, name: &HeaderName, is_whole: fn(&str) -> bool) -> Option<String> {
    let from_the_last = headers.get_all(name).iter().rev();
    let mut fields: Vec<_> =
        from_the_last.map_while(|field| field.to_str().ok().filter(|text| is_whole(text))).collect();
    fields.reverse();
    if fields.is_empty() { None } else { Some(fields.join(", ")) }
}

fn continued(before: Option<String>, own: String) -> String {
    match before {
        Some(before) => format!("{before}, {own}"),
        None => own,
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(policy: &Policy, peer: Option<&str>, fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let target = TargetUri::parse("https://api.example.com/a").unwrap();
        replace(&mut headers, policy, peer.map(|peer| peer.parse().unwrap()), &target);
        let mut told: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        told.sort();
        told
    }

    fn told(before: &str, node: &str, address: &str) -> Vec<String> {
        vec![
            format!("forwarded: {before}for={node};host=\"api.example.com\";proto=https"),
            format!("x-forwarded-for: {address}"),
            "x-forwarded-host: api.example.com".to_owned(),
            "x-forwarded-proto: https".to_owned(),
        ]
    }

    #[test]
    fn a_client_is_not_believed_about_itself() {
        let forged = [
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-prefix", "/evil"),
            ("x_forwarded_proto", "http"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("x-original-url", "/admin"),
            ("x.forwarded.for", "10.0.0.1"),
            ("x-http-method-override", "DELETE"),
            ("proxy", "http://evil.example"),
        ];
        let policy = Policy::default();
        assert_eq!(replaced(&policy, Some("192.0.2.7"), &forged), told("", "192.0.2.7", "192.0.2.7"));
        assert_eq!(replaced(&policy, None, &forged), told("", "unknown", "unknown"));
        let v6 = replaced(&policy, Some("2001:db8::1"), &forged);
        assert_eq!(v6, told("", "\"[2001:db8::1]\"", "2001:db8::1"));
    }

    #[test]
    fn a_trusted_proxys_word_is_continued_where_it_speaks() {
        let fields =
            [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=203.0.113.9"), ("x-real-ip", "1.1.1.1")];
        let mut policy =
            Policy { trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()], ..Policy::default() };
        let of_proxy = |policy: &Policy| replaced(policy, Some("::ffff:192.0.2.7"), &fields);
        assert_eq!(of_proxy(&policy), told("", "192.0.2.7", "198.51.100.1, 192.0.2.7"));
        policy.forwarded_in = ForwardedIn::Forwarded;
        assert_eq!(of_proxy(&policy), told("for=203.0.113.9, ", "192.0.2.7", "192.0.2.7"));
    }

    #[test]
    fn quotes_that_a_client_leaves_open_hold_nothing_of_what_stands_behind_them() {
        let fields = [
            ("forwarded", "for=203.0.113.8"),
            ("forwarded", "for=203.0.113.9;host=\""),
            ("forwarded", "for=198.51.100.1"),
        ];
        let policy = Policy {
            trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()],
            forwarded_in: ForwardedIn::Forwarded,
            ..Policy::default()
        };
        let told_to_upstream = replaced(&policy, Some("192.0.2.7"), &fields);
        assert_eq!(told_to_upstream, told("for=198.51.100.1, ", "192.0.2.7", "192.0.2.7"));
    }
}
