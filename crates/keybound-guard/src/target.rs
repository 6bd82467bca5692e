//! The URI that the client sent its request to (RFC 9449 section 4.3, check 9), as it is known outside: from
//! the policy, from a proxy that the policy trusts, or from the request itself.

use std::net::IpAddr;

use http::header::{FORWARDED, HOST, HeaderMap, HeaderName};
use ipnet::IpNet;
use keybound::{Refusal, TargetUri};

use crate::guard::IncomingRequest;
use crate::policy::{ForwardedIn, Policy};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

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
        let peer = peer.map(|peer| peer.to_canonical());
        peer.is_some_and(|peer| self.trusted_proxies.iter().any(|network| network.contains(&peer)))
    }

    /// The target of `request`.
    pub(crate) fn of(&self, request: &IncomingRequest<'_>) -> Result<TargetUri, Refusal> {
        let path = format!("{}{}", self.stripped_prefix, request.uri.path());
        let base = match self.resources.as_slice() {
            [only] => only.clone(),
            resources => {
                let named = self.named_base(request)?;
                let known = |resource: &TargetUri| resource.origin() == named.origin();
                if !resources.is_empty() && !resources.iter().any(known) {
                    return Err(unknown("it names a host that is none of this resource's"));
                }
                named
            }
        };
        base.with_path(&path).map_err(|reason| unknown(&reason.to_string()))
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
        let mut found = (None, None);
        let fields: Result<Vec<_>, _> =
            headers.get_all(FORWARDED).iter().map(|field| field.to_str()).collect();
        let fields = fields.map_err(|_| unknown("its Forwarded header field is not text"))?.join(",");
        for element in fields.rsplit(',').filter(|element| !element.trim().is_empty()) {
            let parameter = |wanted: &str| {
                element.split(';').find_map(|pair| {
                    let (name, value) = pair.split_once('=')?;
                    name.trim()
                        .eq_ignore_ascii_case(wanted)
                        .then(|| value.trim().trim_matches('"').to_owned())
                })
            };
            found = (parameter("proto"), parameter("host"));
            let sender = parameter("for").and_then(|node| node_address(&node));
            if !self.trusts(sender) {
                break;
            }
        }
        Ok(found)
    }
}

/// The address in a node of `Forwarded` (RFC 7239 section 6): with a port, an IPv6 address in brackets.
fn node_address(node: &str) -> Option<IpAddr> {
    let address = match node.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => node.split(':').next()?,
    };
    address.parse().ok()
}

/// The one value of a header field; several contradict each other.
fn one(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Refusal> {
    let mut fields = headers.get_all(name).iter();
    let Some(field) = fields.next() else { return Ok(None) };
    match (field.to_str(), fields.next()) {
        (Ok(value), None) if !value.contains(',') => Ok(Some(value.trim().to_owned())),
        _ => Err(unknown(&format!("its {name} header field has more than one value"))),
    }
}

fn unknown(reason: &str) -> Refusal {
    Refusal::UnknownTarget { reason: reason.to_owned() }
}
