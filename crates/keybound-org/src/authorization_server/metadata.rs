//! What a server says of itself (RFC 8414, OpenID Connect Discovery 1.0) and its public keys (RFC 7517).
//! It names what is here, and nothing of Okta's that is not.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use keybound::Algorithm;
use serde_json::{Map, Value, json};

use super::access_token::members;
use super::endpoint::Asked;
use super::refusal::TokenRefusal;
use super::scopes::USER_SCOPES;
use super::{
    AuthorizationServer, authorize, device, grants, introspection, logout, pushed, revocation, token,
    user_info,
};
use crate::okta_algorithms::OKTA_ALGORITHMS;
use crate::store::{GrantType, TokenEndpointAuthMethod};

/// Where the public keys are.
pub(super) const KEYS: &str = "/keys";

/// Clients may keep keys and metadata for an hour, as Okta's answers say.
const CACHEABLE: &str = "max-age=3600, must-revalidate";

/// How clients can authenticate.
const AUTHENTICATION_METHODS: [TokenEndpointAuthMethod; 4] = [
    TokenEndpointAuthMethod::ClientSecretBasic,
    TokenEndpointAuthMethod::ClientSecretPost,
    TokenEndpointAuthMethod::PrivateKeyJwt,
    TokenEndpointAuthMethod::None,
];

/// The scopes of the management API, as far as it is here.
const MANAGEMENT_SCOPES: [&str; 15] = [
    "okta.appGrants.manage",
    "okta.appGrants.read",
    "okta.apps.manage",
    "okta.apps.read",
    "okta.authorizationServers.manage",
    "okta.authorizationServers.read",
    "okta.groups.manage",
    "okta.groups.read",
    "okta.logs.read",
    "okta.roles.manage",
    "okta.roles.read",
    "okta.trustedOrigins.manage",
    "okta.trustedOrigins.read",
    "okta.users.manage",
    "okta.users.read",
];

/// `GET …/.well-known/openid-configuration`.
pub(super) fn openid_configuration(server: &AuthorizationServer, _: &Asked) -> Response {
    answer(server, server.metadata().map(|metadata| Value::Object(metadata).to_string()))
}

/// `GET …/.well-known/oauth-authorization-server`: the same, as Okta has it.
pub(super) fn authorization_server(server: &AuthorizationServer, asked: &Asked) -> Response {
    openid_configuration(server, asked)
}

/// `GET /oauth2/v1/keys`.
pub(super) fn keys(server: &AuthorizationServer, _: &Asked) -> Response {
    let keys = server.org.keys.published(&server.id, server.now());
    answer(server, keys.map(|keys| keys.to_json()).map_err(TokenRefusal::from))
}

fn answer(server: &AuthorizationServer, json: Result<String, TokenRefusal>) -> Response {
    match json {
        Ok(json) => ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, CACHEABLE)], json).into_response(),
        Err(refusal) => server.refuse(&refusal),
    }
}

impl AuthorizationServer {
    fn metadata(&self) -> Result<Map<String, Value>, TokenRefusal> {
        let algorithms = OKTA_ALGORITHMS.map(Algorithm::name);
        let methods = AUTHENTICATION_METHODS.map(TokenEndpointAuthMethod::name);
        Ok(members(json!({
            "issuer": self.issuer,
            "authorization_endpoint": self.url(authorize::AUTHORIZE),
            "token_endpoint": self.url(token::TOKEN),
            "userinfo_endpoint": self.url(user_info::USER_INFO),
            "jwks_uri": self.url(KEYS),
            "introspection_endpoint": self.url(introspection::INTROSPECT),
            "revocation_endpoint": self.url(revocation::REVOKE),
            "end_session_endpoint": self.url(logout::LOGOUT),
            "device_authorization_endpoint": self.url(device::AUTHORIZE),
            "pushed_authorization_request_endpoint": self.url(pushed::PUSHED),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post", "okta_post_message"],
            "grant_types_supported": grants::GRANT_TYPES.map(GrantType::name),
            "subject_types_supported": ["public"],
            "scopes_supported": self.supported_scopes()?,
            "claims_supported": [
                "ver", "iss", "sub", "aud", "iat", "exp", "jti", "auth_time", "amr", "idp", "nonce", "at_hash",
                "name", "preferred_username", "given_name", "family_name", "middle_name", "nickname", "profile",
                "locale", "zoneinfo", "updated_at", "email", "email_verified", "groups",
            ],
            "prompt_values_supported": ["none", "login", "consent"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "require_pushed_authorization_requests": false,
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": methods,
            "introspection_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "dpop_signing_alg_values_supported": algorithms,
        })))
    }

    /// The scopes of users and, on the org's own server, those of the management API that is here.
    fn supported_scopes(&self) -> Result<Vec<String>, TokenRefusal> {
        let mut scopes: Vec<_> = USER_SCOPES.map(str::to_owned).into();
        match self.id.custom() {
            Some(id) => {
                let defined = self.org.store.list_scopes(id)?.into_iter().map(|scope| scope.value);
                scopes.extend(defined.filter(|scope| scope.is_published).map(|scope| scope.name));
            }
            None => scopes.extend(MANAGEMENT_SCOPES.map(str::to_owned)),
        }
        Ok(scopes)
    }
}
