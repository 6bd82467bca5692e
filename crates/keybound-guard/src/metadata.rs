//! What a protected resource says of itself (RFC 9728), so that a client that was refused finds out where
//! tokens are had and what proofs must be like.

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use keybound::TargetUri;
use serde::Serialize;

use crate::policy::Policy;

/// Where the metadata of a resource is: between its host and its path (RFC 9728 section 3.1).
pub const WELL_KNOWN_PATH: &str = "/.well-known/oauth-protected-resource";

/// Minutes, since a change of policy should be seen soon, and not with every request.
const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The metadata of one resource, ready to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    pub(crate) resource: TargetUri,
    pub(crate) uri: TargetUri,
    document: Bytes,
}

/// RFC 9728 section 2.
#[derive(Serialize)]
struct Document<'a> {
    resource: &'a str,
    authorization_servers: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scopes_supported: Vec<&'a str>,
    bearer_methods_supported: [&'static str; 1],
    dpop_signing_alg_values_supported: Vec<&'static str>,
    dpop_bound_access_tokens_required: bool,
}

/// The metadata of each resource of `policy`, in its order; none where any host is accepted, since a resource
/// without a name of its own has nothing to describe.
pub(crate) fn by_policy(policy: &Policy) -> Vec<Metadata> {
    policy.resources.iter().filter_map(|resource| Metadata::of(resource, policy)).collect()
}

impl Metadata {
    fn of(resource: &TargetUri, policy: &Policy) -> Option<Self> {
        let mut scopes: Vec<_> =
            policy.routes.iter().flat_map(|route| &route.scopes).map(String::as_str).collect();
        scopes.sort_unstable();
        scopes.dedup();
        let document = Document {
            resource: identifier(resource),
            authorization_servers: policy.issuers.iter().map(|issuer| issuer.issuer.as_str()).collect(),
            scopes_supported: scopes,
            bearer_methods_supported: ["header"],
            dpop_signing_alg_values_supported: policy
                .proofs
                .algorithms
                .iter()
                .map(|algorithm| algorithm.name())
                .collect(),
            dpop_bound_access_tokens_required: !policy.accept_bearer_for_unbound_tokens,
        };
        Some(Self {
            resource: resource.clone(),
            uri: well_known(resource)?,
            document: serde_json::to_vec(&document).ok()?.into(),
        })
    }

    /// The answer to a request for it, which needs no credentials.
    pub(crate) fn answer(&self, method: &Method) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        if !matches!(*method, Method::GET | Method::HEAD) {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return response;
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, CACHED);
        *response.body_mut() = self.document.clone();
        response
    }
}

/// The resource's identifier as it is written: an origin has no slash at its end.
fn identifier(resource: &TargetUri) -> &str {
    match resource.path() {
        "/" => resource.origin(),
        _ => resource.as_str(),
    }
}

fn well_known(resource: &TargetUri) -> Option<TargetUri> {
    let path = match resource.path() {
        "/" => "",
        path => path,
    };
    resource.with_path(&format!("{WELL_KNOWN_PATH}{path}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_path_stands_between_host_and_path() {
        for (resource, named, uri) in [
            (
                "https://api.example.com",
                "https://api.example.com",
                "https://api.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "https://API.example.com:443/",
                "https://api.example.com",
                "https://api.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "https://example.com:8443/orders/v1",
                "https://example.com:8443/orders/v1",
                "https://example.com:8443/.well-known/oauth-protected-resource/orders/v1",
            ),
        ] {
            let resource = TargetUri::parse(resource).unwrap();
            assert_eq!(identifier(&resource), named);
            assert_eq!(well_known(&resource).unwrap().as_str(), uri);
        }
    }
}
