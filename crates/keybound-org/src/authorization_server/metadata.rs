//! What the server says of itself (RFC 8414, OpenID Connect Discovery 1.0) and its public keys (RFC 7517).
//! It names what is here, and nothing of Okta's that is not.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use keybound::{Algorithm, JwkSet, Signer as _};
use serde::Serialize;

use super::{AuthorizationServer, KEYS_PATH};
use crate::okta_algorithms::OKTA_ALGORITHMS;

/// Clients may keep keys and metadata for an hour, as Okta's answers say.
const CACHEABLE: &str = "max-age=3600, must-revalidate";

#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    token_endpoint: &'a str,
    jwks_uri: String,
    response_types_supported: [&'static str; 1],
    grant_types_supported: [&'static str; 1],
    scopes_supported: [&'static str; 2],
    token_endpoint_auth_methods_supported: [&'static str; 1],
    token_endpoint_auth_signing_alg_values_supported: [&'static str; 6],
    dpop_signing_alg_values_supported: [&'static str; 6],
    #[serde(flatten)]
    openid: Option<OpenIdMetadata>,
}

/// What OpenID Connect demands on top.
#[derive(Serialize)]
struct OpenIdMetadata {
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: [&'static str; 1],
}

const OPENID: OpenIdMetadata =
    OpenIdMetadata { subject_types_supported: ["public"], id_token_signing_alg_values_supported: ["RS256"] };

/// `GET /.well-known/openid-configuration`.
pub(super) async fn openid_configuration(State(server): State<Arc<AuthorizationServer>>) -> Response {
    ([(CACHE_CONTROL, CACHEABLE)], Json(server.metadata(Some(OPENID)))).into_response()
}

/// `GET /.well-known/oauth-authorization-server`.
pub(super) async fn authorization_server(State(server): State<Arc<AuthorizationServer>>) -> Response {
    ([(CACHE_CONTROL, CACHEABLE)], Json(server.metadata(None))).into_response()
}

/// `GET /oauth2/v1/keys`.
pub(super) async fn keys(State(server): State<Arc<AuthorizationServer>>) -> Response {
    let fields = [(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, CACHEABLE)];
    (fields, server.public_keys().to_json()).into_response()
}

impl AuthorizationServer {
    /// The keys that verify its access tokens; each is named by its thumbprint.
    pub(crate) fn public_keys(&self) -> JwkSet {
        let key = self.signing_key.public_key();
        let named = key.clone().with_key_id(key.thumbprint().to_string());
        JwkSet::from_keys(vec![named.with_algorithm(self.signing_key.algorithm())])
    }

    fn metadata(&self, openid: Option<OpenIdMetadata>) -> Metadata<'_> {
        let algorithms = OKTA_ALGORITHMS.map(Algorithm::name);
        Metadata {
            issuer: &self.issuer,
            token_endpoint: self.token_endpoint.as_str(),
            jwks_uri: format!("{}{KEYS_PATH}", self.issuer),
            response_types_supported: ["token"],
            grant_types_supported: ["client_credentials"],
            scopes_supported: ["okta.users.read", "okta.users.manage"],
            token_endpoint_auth_methods_supported: ["private_key_jwt"],
            token_endpoint_auth_signing_alg_values_supported: algorithms,
            dpop_signing_alg_values_supported: algorithms,
            openid,
        }
    }
}
