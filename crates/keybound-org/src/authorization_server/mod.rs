//! The org's authorization servers: its own, whose tokens are for the management API, and the custom ones, whose
//! tokens are for APIs of other people. Each has an issuer, keys, metadata and every endpoint of its own; one code
//! serves them all.

mod access_token;
mod assignment;
mod authorization_request;
mod authorization_response;
mod authorize;
mod browser;
mod client;
mod code_attempts;
mod device;
mod endpoint;
mod grant_event;
mod grants;
mod held_to;
mod id_token;
mod introspection;
mod issue;
mod issued_tokens;
mod logout;
mod metadata;
mod nonces;
mod page_refusal;
mod pushed;
mod redirect_uri;
mod refusal;
mod revocation;
mod revoked_at_once;
mod scopes;
mod session_token;
mod sign_in_event;
mod sign_out;
mod signing_keys;
mod token;
mod user_info;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use keybound::access_token::AccessTokenPolicy;
use keybound::assertion::AssertionPolicy;
use keybound::proof::{ProofContext, ProofRefusal, VerifiedProof, proof_header};
use keybound::random::{Random, RandomUnavailable};
use keybound::{Clock, NumericDate, TargetUri};
use zeroize::Zeroizing;

use crate::cors::Sharing;
use crate::management::ApiError;
use crate::okta_algorithms::OKTA_ALGORITHMS;
use crate::protected_resource::proof_policy;
use crate::store::{App, LifecycleStatus, ServerId, Store};
use crate::unguessable;

pub(crate) use authorize::MAX_CREDENTIAL_BYTES;
pub(crate) use client::client_of_request;
pub(crate) use code_attempts::CodeAttempts;
use endpoint::{Asked, Methods, served};
pub(crate) use held_to::HeldTo;
use held_to::parts;
pub(crate) use introspection::claims_of;
pub(crate) use issued_tokens::{IssuedTokens, unverified_jwt_id, unverified_user_id};
pub(crate) use nonces::OrgNonces;
pub(crate) use redirect_uri::is_redirect_uri;
use refusal::TokenRefusal;
pub(crate) use revoked_at_once::{RevokedAtOnce, TooManyRevocations};
pub(crate) use scopes::USER_SCOPES;
pub(crate) use sign_in_event::sign_in_events;
pub(crate) use signing_keys::SigningKeys;

/// Where the org's own server is.
const ORG_BASE: &str = "/oauth2/v1";

/// Where a custom server is.
const CUSTOM_BASE: &str = "/oauth2/{server}/v1";

/// Random bytes of what nobody may guess: codes, refresh tokens, device codes, cookies.
const SECRET_BYTES: usize = 32;

/// What the authorization servers of one org have in common.
pub(crate) struct AuthorizationServers {
    /// The org's URL.
    pub(crate) url: TargetUri,
    pub(crate) store: Store,
    pub(crate) nonces: Arc<OrgNonces>,
    pub(crate) revoked: Arc<RevokedAtOnce>,
    pub(crate) keys: Arc<SigningKeys>,
    /// How long a refresh token may be used again after it was used.
    pub(crate) refresh_token_grace: Duration,
    pub(crate) code_attempts: CodeAttempts,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

/// One authorization server, as long as it takes to answer a request.
struct AuthorizationServer {
    org: Arc<AuthorizationServers>,
    id: ServerId,
    issuer: String,
    /// What its access tokens are for.
    audience: String,
    /// The path of its endpoints, without the last part.
    base: String,
}

impl AuthorizationServers {
    /// The endpoints of all servers.
    pub(crate) fn routes(self: Arc<Self>) -> Router {
        let mut routes = Router::new();
        for base in [ORG_BASE, CUSTOM_BASE] {
            for (name, methods, work, _) in ENDPOINTS {
                routes = routes.route(&format!("{base}{name}"), served(*methods, *work));
            }
        }
        for (path, work) in [
            ("/.well-known/openid-configuration", metadata::openid_configuration as endpoint::Work),
            ("/.well-known/oauth-authorization-server", metadata::authorization_server),
            ("/oauth2/{server}/.well-known/openid-configuration", metadata::openid_configuration),
            ("/oauth2/{server}/.well-known/oauth-authorization-server", metadata::authorization_server),
            // RFC 8414 section 3.1.
            ("/.well-known/oauth-authorization-server/oauth2/{server}", metadata::authorization_server),
        ] {
            routes = routes.route(path, served(Methods::Get, work));
        }
        routes
            .route(sign_out::SIGN_OUT, served(Methods::Get, sign_out::endpoint))
            .route(session_token::COOKIE_REDIRECT, served(Methods::Get, session_token::cookie_redirect))
            .route(device::ACTIVATION_PATH, served(Methods::GetAndPost, device::activation))
            .route(device::ANSWER_PATH, served(Methods::Post, device::answer))
            .with_state(self)
    }

    /// The org's own server, or the custom one of this id. One that is not active answers nothing.
    fn server(self: &Arc<Self>, id: Option<&str>) -> Result<AuthorizationServer, ApiError> {
        let origin = self.url.origin();
        let Some(id) = id else {
            return Ok(AuthorizationServer {
                org: Arc::clone(self),
                id: ServerId::Org,
                issuer: origin.to_owned(),
                audience: origin.to_owned(),
                base: ORG_BASE.to_owned(),
            });
        };
        let custom = self.store.authorization_server(id)?.ok_or_else(ApiError::no_such_path)?;
        if custom.status == LifecycleStatus::Inactive {
            return Err(ApiError::server_is_inactive(id));
        }
        Ok(AuthorizationServer {
            org: Arc::clone(self),
            issuer: format!("{origin}/oauth2/{}", custom.id),
            base: format!("/oauth2/{}/v1", custom.id),
            audience: custom.audience,
            id: ServerId::Custom(custom.id),
        })
    }
}

/// What every server serves, by the last part of its path, and with whose pages it shares that.
const ENDPOINTS: &[(&str, Methods, endpoint::Work, Sharing)] = &[
    (metadata::KEYS, Methods::Get, metadata::keys, Sharing::All),
    (token::TOKEN, Methods::Post, token::endpoint, Sharing::BrowserApps),
    (introspection::INTROSPECT, Methods::Post, introspection::endpoint, Sharing::BrowserApps),
    (revocation::REVOKE, Methods::Post, revocation::endpoint, Sharing::BrowserApps),
    (authorize::AUTHORIZE, Methods::GetAndPost, authorize::endpoint, Sharing::None),
    (authorize::SIGN_IN, Methods::Post, authorize::sign_in, Sharing::None),
    (authorize::CONSENT, Methods::Post, authorize::consent, Sharing::None),
    (pushed::PUSHED, Methods::Post, pushed::endpoint, Sharing::BrowserApps),
    (user_info::USER_INFO, Methods::GetAndPost, user_info::endpoint, Sharing::BrowserApps),
    (logout::LOGOUT, Methods::GetAndPost, logout::endpoint, Sharing::None),
    (device::AUTHORIZE, Methods::Post, device::endpoint, Sharing::BrowserApps),
];

/// With whose pages the servers share what is at a path.
pub(crate) fn sharing(path: &str) -> Sharing {
    if path.split('/').any(|segment| segment == ".well-known") {
        return Sharing::All;
    }
    let (_, endpoint) = parts(path);
    let known = ENDPOINTS.iter().find(|(name, ..)| Some(*name) == endpoint);
    known.map_or(Sharing::None, |(.., sharing)| *sharing)
}

impl AuthorizationServer {
    fn now(&self) -> NumericDate {
        self.org.clock.now()
    }

    /// The answer to a request that is refused.
    fn refuse(&self, refusal: &TokenRefusal) -> Response {
        refusal.answer(&self.org.nonces.now().current(self.now()))
    }

    /// The URL of an endpoint.
    fn url(&self, name: &str) -> String {
        format!("{}{}{name}", self.org.url.origin(), self.base)
    }

    /// The same as proofs name it.
    fn target(&self, name: &str) -> Result<TargetUri, TokenRefusal> {
        Ok(self.org.url.with_path(&format!("{}{name}", self.base))?)
    }

    /// What is accepted in a client assertion that is sent to an endpoint: it names the server, its token endpoint, or
    /// the endpoint itself.
    fn assertions(&self, endpoint: &str) -> AssertionPolicy {
        let audiences = vec![self.url(token::TOKEN), self.issuer.clone(), self.url(endpoint)];
        AssertionPolicy { algorithms: OKTA_ALGORITHMS.to_vec(), ..AssertionPolicy::new(audiences) }
    }

    /// What is accepted in its own access tokens.
    fn access_tokens(&self) -> AccessTokenPolicy {
        AccessTokenPolicy::new(self.issuer.clone(), self.audience.clone())
    }

    /// The proof of a request to an endpoint, if there is one; it is good then.
    fn proof(
        &self,
        asked: &Asked,
        endpoint: &str,
        now: NumericDate,
    ) -> Result<Option<VerifiedProof>, TokenRefusal> {
        let Some(proof) = proof_header(&asked.head.headers)? else { return Ok(None) };
        let (target, nonces) = (self.target(endpoint)?, self.org.nonces.now());
        let context = ProofContext {
            method: &asked.head.method,
            target: &target,
            access_token: None,
            nonces: Some(&nonces),
            now,
        };
        Ok(Some(proof_policy().check(proof, &context)?))
    }

    /// The same for an app that may have to send one.
    fn demanded_proof(
        &self,
        asked: &Asked,
        endpoint: &str,
        app: &App,
        now: NumericDate,
    ) -> Result<Option<VerifiedProof>, TokenRefusal> {
        match self.proof(asked, endpoint, now)? {
            None if app.dpop_bound_access_tokens => Err(ProofRefusal::Missing.into()),
            proof => Ok(proof),
        }
    }

    /// A secret that nobody can guess.
    fn secret(&self) -> Result<Zeroizing<String>, RandomUnavailable> {
        unguessable::text::<SECRET_BYTES>(self.org.random.as_ref())
    }
}
