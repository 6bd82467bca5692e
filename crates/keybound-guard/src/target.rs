//! The URI that the client sent its request to (RFC 9449 section 4.3, check 9), as it is known outside: from
//! the policy, from a proxy that the policy trusts, or from the request itself.

use std::borrow::Cow;
use std::net::IpAddr;

use http::header::{FORWARDED, HOST, HeaderMap, HeaderName};
use ipnet::IpNet;
use keybound::{Refusal, TargetUri};

use crate::forwarded::{elements, node_address, parameter};
use crate::guard::IncomingRequest;
use crate::policy::{ForwardedIn, Policy};

pub(crate) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(crate) const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Tells the target of requests.
pub(crate) struct Targets {
    resources: Vec<TargetUri>,
    trusted_proxies: Vec<IpNet>,
    forwarded_in: ForwardedIn,
    stripped_prefix: String,
}

impl Targets {
    pub(crate) fn by_policy(policy: &Policy) -> Self {
        Self {
            resources: policy.resources.clone(),
            trusted_proxies: policy.trusted_proxies.clone(),
            forwarded_in: policy.forwarded_in,
            stripped_prefix: policy.stripped_prefix.clone(),
        }
    }

    /// Whether what this peer says of a request is believed.
    pub(crate) fn trusts(&self, peer: Option<IpAddr>) -> bool {
        is_trusted(&self.trusted_proxies, peer)
    }

    /// Whom `request` comes from: its peer or, as far as the proxies there are trusted, whom they name.
    pub(crate) fn client(&self, request: &IncomingRequest<'_>) -> Option<IpAddr> {
        let mut client = request.peer;
        let mut named = self.clients_named(request.headers).into_iter().rev();
        while self.trusts(client) {
            match named.next() {
                Some(Some(address)) => client = Some(address),
                _ => break,
            }
        }
        client
    }

    /// The addresses in what proxies say, in their order; `None` for what is no address.
    fn clients_named(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let texts = |name| headers.get_all(name).iter().map(|field| field.to_str().ok());
        let nodes = |text| match self.forwarded_in {
            ForwardedIn::XForwarded => Some(x_forwarded_nodes(text)),
            ForwardedIn::Forwarded => forwarded_nodes(text),
        };
        let name = match self.forwarded_in {
            ForwardedIn::XForwarded => X_FORWARDED_FOR,
            ForwardedIn::Forwarded => FORWARDED,
        };
        // What cannot be read says of nobody, and hides who stands before it.
        texts(name).flat_map(|text| text.and_then(nodes).unwrap_or_else(|| vec![None])).collect()
    }

    /// The target of `request`.
    pub(crate) fn of(&self, request: &IncomingRequest<'_>) -> Result<TargetUri, Refusal> {
        let mut path = Cow::Borrowed(request.uri.path());
        if !self.stripped_prefix.is_empty() {
            path = Cow::Owned(format!("{}{path}", self.stripped_prefix));
        }
        self.base(request)?.with_path(&path).map_err(|reason| unknown(&reason.to_string()))
    }

    /// The origin that `request` was sent to, as the URI of its root or of the one resource there is.
    pub(crate) fn base(&self, request: &IncomingRequest<'_>) -> Result<Cow<'_, TargetUri>, Refusal> {
        if let [only] = self.resources.as_slice() {
            return Ok(Cow::Borrowed(only));
        }
        let named = self.named_base(request)?;
        let known = |resource: &TargetUri| resource.origin() == named.origin();
        if self.resources.is_empty() || self.resources.iter().any(known) {
            Ok(Cow::Owned(named))
        } else {
            Err(unknown("it names a host that is none of this resource's"))
        }
    }

    /// Scheme and host that the client asked for, by a trusted proxy's word or by the request's own.
    fn named_base(&self, request: &IncomingRequest<'_>) -> Result<TargetUri, Refusal> {
        let (mut scheme, mut host) = (None, None);
        if self.trusts(request.peer) {
            (scheme, host) = match self.forwarded_in {
                ForwardedIn::XForwarded => {
                    (one(request.headers, &X_FORWARDED_PROTO)?, one(request.headers, &X_FORWARDED_HOST)?)
                }
                ForwardedIn::Forwarded => self.forwarded(request.headers)?,
            };
        }
        let scheme = scheme.unwrap_or_else(|| if request.secure { "https" } else { "http" }.to_owned());
        let host = match host.or_else(|| request.uri.authority().map(ToString::to_string)) {
            Some(host) => host,
            None => one(request.headers, &HOST)?.ok_or_else(|| unknown("it has no Host header field"))?,
        };
        TargetUri::parse(&format!("{scheme}://{host}/"))
            .ok()
            .filter(|base| base.path() == "/")
            .ok_or_else(|| unknown("scheme or host are none that a URI has"))
    }

    /// `proto` and `host` of the `Forwarded` element (RFC 7239 section 4) of the outermost trusted proxy:
    /// the elements to its left are the client's own words.
    fn forwarded(&self, headers: &HeaderMap) -> Result<(Option<String>, Option<String>), Refusal> {
        let contradicts = |_| unknown("an element of its Forwarded header field contradicts itself");
        let mut found = (None, None);
        for field in headers.get_all(FORWARDED).iter().rev() {
            let text = field.to_str().map_err(|_| unknown("its Forwarded header field is not text"))?;
            let elements = elements(text).ok_or_else(|| {
                unknown("its Forwarded header field has quotes that are not around a value")
            })?;
            for element in elements.into_iter().rev() {
                let said = |name| parameter(element, name).map_err(contradicts);
                found = (said("proto")?, said("host")?);
                if !self.trusts(said("for")?.and_then(|node| node_address(&node))) {
                    return Ok(found);
                }
            }
        }
        Ok(found)
    }
}

fn x_forwarded_nodes(text: &str) -> Vec<Option<IpAddr>> {
    let nodes = text.split(',').map(str::trim).filter(|node| !node.is_empty());
    nodes.map(|node| node.parse().ok().or_else(|| node_address(node))).collect()
}

fn forwarded_nodes(text: &str) -> Option<Vec<Option<IpAddr>>> {
    let address = |element| node_address(&parameter(element, "for").ok()??);
    Some(elements(text)?.into_iter().map(address).collect())
}

/// Whether `peer` is in one of the policy's `trusted_proxies`; an IPv4 address that is written as an IPv6 one is
/// the IPv4 address.
pub(crate) fn is_trusted(proxies: &[IpNet], peer: Option<IpAddr>) -> bool {
    let peer = peer.map(|peer| peer.to_canonical());
    peer.is_some_and(|peer| proxies.iter().any(|network| network.contains(&peer)))
}

/// The one value of a header field; several contradict each other.
fn one(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Refusal> {
    let mut fields = headers.get_all(name).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    match (field.to_str(), fields.next()) {
        (Err(_), _) => Err(unknown(&format!("its {name} header field is not text"))),
        (Ok(value), None) if !value.contains(',') => Ok(Some(value.trim().to_owned())),
        _ => Err(unknown(&format!("its {name} header field has more than one value"))),
    }
}

fn unknown(reason: &str) -> Refusal {
    Refusal::UnknownTarget { reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Method, Uri};

    const PROXY: &str = "10.0.0.1";
    const STRANGER: &str = "192.0.2.1";

    struct Sent<'a> {
        peer: &'a str,
        secure: bool,
        uri: &'a str,
        fields: &'a [(&'static str, &'a str)],
    }

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn target(policy: &Policy, sent: &Sent<'_>) -> Result<String, String> {
        let headers = headers(sent.fields);
        let uri: Uri = sent.uri.parse().unwrap();
        let request = IncomingRequest {
            method: &Method::GET,
            uri: &uri,
            headers: &headers,
            peer: Some(sent.peer.parse().unwrap()),
            secure: sent.secure,
        };
        match Targets::by_policy(policy).of(&request) {
            Ok(target) => Ok(target.to_string()),
            Err(Refusal::UnknownTarget { reason }) => Err(reason),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn policy(resources: &[&str], forwarded_in: ForwardedIn) -> Policy {
        Policy {
            resources: resources.iter().map(|uri| TargetUri::parse(uri).unwrap()).collect(),
            accept_any_host: resources.is_empty(),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            forwarded_in,
            ..Policy::default()
        }
    }

    #[test]
    fn with_one_resource_every_request_is_for_it() {
        let policy = policy(&["https://api.example.com"], ForwardedIn::XForwarded);
        for fields in [
            &[][..],
            &[("host", "evil.example")],
            &[("x-forwarded-host", "evil.example"), ("x-forwarded-proto", "http")],
            &[("forwarded", "host=evil.example")],
        ] {
            for peer in [PROXY, STRANGER] {
                let sent = Sent { peer, secure: false, uri: "/a/b?c=d", fields };
                assert_eq!(target(&policy, &sent).unwrap(), "https://api.example.com/a/b", "{fields:?}");
            }
        }
    }

    #[test]
    fn the_request_names_its_target_where_the_policy_does_not() {
        let any = policy(&[], ForwardedIn::XForwarded);
        for (peer, secure, uri, fields, expected) in [
            (STRANGER, true, "/a", &[("host", "API.example.com:443")][..], Ok("https://api.example.com/a")),
            (STRANGER, false, "/a", &[("host", "api.example.com:8080")], Ok("http://api.example.com:8080/a")),
            (STRANGER, true, "https://h2.example.com/a", &[], Ok("https://h2.example.com/a")),
            (
                STRANGER,
                false,
                "/a",
                &[("host", "a"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "b")],
                Ok("http://a/a"),
            ),
            (
                PROXY,
                false,
                "/a",
                &[("host", "a"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "b")],
                Ok("https://b/a"),
            ),
            ("::ffff:10.0.0.1", false, "/a", &[("host", "a"), ("x-forwarded-host", "b")], Ok("http://b/a")),
            (PROXY, false, "/a", &[("host", "a"), ("x-forwarded-proto", "https")], Ok("https://a/a")),
            (PROXY, false, "/a", &[("host", "a"), ("x-forwarded-host", "b, c")], Err("more than one value")),
            (
                PROXY,
                false,
                "/a",
                &[("host", "a"), ("x-forwarded-host", "b"), ("x-forwarded-host", "c")],
                Err("more than one value"),
            ),
            (PROXY, false, "/a", &[("host", "a"), ("x-forwarded-proto", "ftp")], Err("scheme or host")),
            (PROXY, false, "/a", &[("host", "a"), ("x-forwarded-host", "b/c")], Err("scheme or host")),
            (PROXY, false, "/a", &[("host", "a"), ("x-forwarded-host", "u@b")], Err("scheme or host")),
            (PROXY, false, "/a", &[("host", "a"), ("forwarded", "host=b")], Ok("http://a/a")),
            (STRANGER, false, "/a", &[], Err("no Host")),
            (STRANGER, false, "/a", &[("host", "a"), ("host", "b")], Err("more than one value")),
        ] {
            let found = target(&any, &Sent { peer, secure, uri, fields });
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{fields:?}"),
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{fields:?}: {reason}"),
                (found, expected) => panic!("{fields:?}: {found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn of_forwarded_elements_the_outermost_trusted_proxys_counts() {
        let any = policy(&[], ForwardedIn::Forwarded);
        for (peer, field, expected) in [
            (PROXY, "for=192.0.2.7;proto=https;host=a.example", "https://a.example/"),
            (
                PROXY,
                "For=\"[2001:db8::1]:99\" ; Proto=https ; Host=\"a.example:8443\"",
                "https://a.example:8443/",
            ),
            // The client sent the first element itself; the proxy that it talked to added the second.
            (
                PROXY,
                "for=10.9.9.9;host=evil.example, for=192.0.2.7;proto=https;host=a.example",
                "https://a.example/",
            ),
            // Two trusted proxies in a row: what the outer one says counts.
            (
                PROXY,
                "for=192.0.2.7;proto=https;host=a.example, for=10.0.0.2;proto=http;host=inner",
                "https://a.example/",
            ),
            (PROXY, "for=_hidden;host=evil.example, for=unknown;host=a.example", "http://a.example/"),
            // What the client names in its Host stays in quotes, and is no element.
            (PROXY, "for=192.0.2.7;host=\"a.example,for=10.0.0.9;host=evil.example\"", "scheme or host"),
            // Of a field of its own, which the proxy's stands behind.
            (PROXY, "for=10.9.9.9;host=\"", "quotes that are not around"),
            (PROXY, "for=x;host=\", for=192.0.2.7;host=\"a.example\"", "quotes that are not around"),
            (PROXY, "for=192.0.2.7;host=a.example;host=evil.example", "contradicts itself"),
            (PROXY, "for=192.0.2.7;proto=http;host=a.example;proto=https", "contradicts itself"),
            (PROXY, "", "http://own/"),
            (STRANGER, "for=192.0.2.7;proto=https;host=a.example", "http://own/"),
        ] {
            let fields = [("host", "own"), ("forwarded", field)];
            let found = target(&any, &Sent { peer, secure: false, uri: "/", fields: &fields });
            match found {
                Ok(found) => assert_eq!(found, expected, "{field}"),
                Err(reason) => assert!(reason.contains(expected), "{field}: {reason}"),
            }
        }
        // What the client sent in a field of its own does not matter, however it is written.
        let fields = [("forwarded", "host=\""), ("forwarded", "for=192.0.2.7;host=a.example")];
        let found = target(&any, &Sent { peer: PROXY, secure: false, uri: "/", fields: &fields });
        assert_eq!(found.as_deref(), Ok("http://a.example/"));
    }

    #[test]
    fn of_several_resources_the_host_chooses_and_another_host_is_refused() {
        let policy = policy(&["https://a.example", "https://b.example/x"], ForwardedIn::XForwarded);
        let at = |host| {
            target(&policy, &Sent { peer: STRANGER, secure: true, uri: "/x", fields: &[("host", host)] })
        };
        assert_eq!(at("a.example").as_deref(), Ok("https://a.example/x"));
        assert_eq!(at("b.example").as_deref(), Ok("https://b.example/x"));
        assert!(at("c.example").unwrap_err().contains("none of this resource's"));
        assert!(at("a.example:444").is_err());
    }

    #[test]
    fn the_client_is_whom_the_outermost_trusted_proxy_names() {
        use ForwardedIn::{Forwarded, XForwarded};

        let (by_x, by_f) = ("x-forwarded-for", "forwarded");
        for (peer, forwarded_in, fields, client) in [
            (STRANGER, XForwarded, &[(by_x, "198.51.100.1")][..], STRANGER),
            (PROXY, XForwarded, &[], PROXY),
            (PROXY, XForwarded, &[(by_x, "198.51.100.1")], "198.51.100.1"),
            // The client sent the first itself.
            (PROXY, XForwarded, &[(by_x, "203.0.113.9, 198.51.100.1")], "198.51.100.1"),
            (PROXY, XForwarded, &[(by_x, "203.0.113.9"), (by_x, "198.51.100.1")], "198.51.100.1"),
            (PROXY, XForwarded, &[(by_x, "198.51.100.1, 10.0.0.2")], "198.51.100.1"),
            (PROXY, XForwarded, &[(by_x, "2001:db8::1")], "2001:db8::1"),
            (PROXY, XForwarded, &[(by_x, "198.51.100.1:4711")], "198.51.100.1"),
            (PROXY, XForwarded, &[(by_x, "198.51.100.1, unknown")], PROXY),
            (PROXY, XForwarded, &[(by_f, "for=198.51.100.1")], PROXY),
            (PROXY, Forwarded, &[(by_f, "for=203.0.113.9, for=\"[2001:db8::1]:99\"")], "2001:db8::1"),
            (PROXY, Forwarded, &[(by_f, "for=_hidden")], PROXY),
            // Elements of a list that are empty count for nothing.
            (PROXY, XForwarded, &[(by_x, "198.51.100.1, ,")], "198.51.100.1"),
            (PROXY, Forwarded, &[(by_f, "for=198.51.100.1, ,")], "198.51.100.1"),
            (PROXY, Forwarded, &[(by_f, "for=198.51.100.1"), (by_f, "")], "198.51.100.1"),
            // The client chose its Host, and no address by it.
            (PROXY, Forwarded, &[(by_f, "for=192.0.2.9;host=\"a,for=203.0.113.9\"")], "192.0.2.9"),
            (PROXY, Forwarded, &[(by_f, "for=203.0.113.9;x=\", for=192.0.2.9")], PROXY),
        ] {
            let (headers, uri) = (headers(fields), Uri::from_static("/"));
            let peer = Some(peer.parse().unwrap());
            let request =
                IncomingRequest { method: &Method::GET, uri: &uri, headers: &headers, peer, secure: false };
            let found = Targets::by_policy(&policy(&[], forwarded_in)).client(&request);
            assert_eq!(found, Some(client.parse().unwrap()), "{fields:?}");
        }
    }

    #[test]
    fn a_prefix_that_a_proxy_took_away_is_put_back() {
        let policy = Policy {
            stripped_prefix: "/orders".to_owned(),
            ..policy(&["https://api.example.com"], ForwardedIn::XForwarded)
        };
        let sent = Sent { peer: PROXY, secure: false, uri: "/1?x", fields: &[] };
        assert_eq!(target(&policy, &sent).as_deref(), Ok("https://api.example.com/orders/1"));
    }
}
