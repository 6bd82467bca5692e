//! The authorization request (RFC 6749 section 4.1.1).

use std::borrow::Cow;

use super::response::{AuthorizationCode, ResponseRefusal, read};
use crate::base64url;
use crate::cryptography::sha256;
use crate::endpoint::Endpoint;
use crate::exchange::form::Fields;
use crate::random::{Random, RandomUnavailable};
use crate::secret::Secret;
use crate::thumbprint::Thumbprint;

/// The parameters that are made here; one of [`AuthorizationRequest::parameters`] can't take their place.
const OURS: [&str; 12] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
    "resource",
    "request",
    "request_uri",
];

/// The scope that makes a request one of OpenID Connect (Core section 3.1.2.1).
const OPENID: &str = "openid";

/// Room for the parameters of a request; a longer one takes another allocation.
const QUERY_CAPACITY: usize = 1024;

/// What to ask a user for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthorizationRequest {
    /// The server's issuer, with which `iss` of the response is compared (RFC 9207 section 2.4).
    pub issuer: String,
    /// Whether the server puts `iss` into every response
    /// (`authorization_response_iss_parameter_supported`, RFC 9207 section 3): then one without is refused.
    pub issuer_is_named: bool,
    /// Where the user's browser is sent.
    pub endpoint: Endpoint,
    /// The client's id.
    pub client_id: String,
    /// Where the response is sent, exactly as it is registered; of a loopback URI the port may differ
    /// (RFC 8252 section 7.3).
    pub redirect_uri: String,
    /// The scopes to ask for; with `openid` the request has a `nonce`.
    pub scopes: Vec<String>,
    /// The DPoP key that the code, and so the token, is bound to from the start (`dpop_jkt`, RFC 9449
    /// section 10).
    pub bound_to: Option<Thumbprint>,
    /// The resources that the token is for (RFC 8707 section 2).
    pub resources: Vec<String>,
    /// Further parameters, such as `prompt`, `login_hint` or `audience`.
    pub parameters: Vec<(String, String)>,
}

/// Why a request can't be begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BeginError {
    /// No randomness for what may be used once.
    #[error(transparent)]
    Random(#[from] RandomUnavailable),
    /// A further parameter has the name of one that is made here, or stands there twice.
    #[error("the parameter `{name}` can't be added: it is in the request already (RFC 6749 section 3.1)")]
    Reserved {
        /// Its name.
        name: String,
    },
}

/// A request that was begun: what it is made of, and what its response is held to.
#[derive(Clone, Debug)]
pub struct PendingAuthorization {
    pub(super) request: AuthorizationRequest,
    pub(super) parameters: Fields,
    pub(super) state: Secret,
    verifier: Secret,
    nonce: Option<Secret>,
}

impl AuthorizationRequest {
    /// A request without scopes, bound to no key.
    pub fn new(
        issuer: impl Into<String>,
        endpoint: Endpoint,
        client_id: impl Into<String>,
        redirect_uri: impl Into<String>,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            issuer_is_named: false,
            endpoint,
            client_id: client_id.into(),
            redirect_uri: redirect_uri.into(),
            scopes: Vec::new(),
            bound_to: None,
            resources: Vec::new(),
            parameters: Vec::new(),
        }
    }

    /// Makes what is used once: the PKCE verifier (RFC 7636 section 4.1), `state` (RFC 6749 section 10.12)
    /// and, for OpenID Connect, `nonce`, each of 256 random bits.
    pub fn begin(self, random: &dyn Random) -> Result<PendingAuthorization, BeginError> {
        let verifier = Secret::generate(random)?;
        let state = Secret::generate(random)?;
        let is_openid = self.scopes.iter().any(|scope| scope == OPENID);
        let nonce = if is_openid { Some(Secret::generate(random)?) } else { None };

        let mut parameters = Fields::default();
        parameters.push("response_type", "code");
        parameters.push("client_id", &self.client_id);
        parameters.push("redirect_uri", &self.redirect_uri);
        parameters.push_scopes(&self.scopes);
        parameters.push("state", state.expose());
        if let Some(nonce) = &nonce {
            parameters.push("nonce", nonce.expose());
        }
        parameters.push("code_challenge", &code_challenge(&verifier));
        parameters.push("code_challenge_method", "S256");
        if let Some(key) = self.bound_to {
            parameters.push("dpop_jkt", &key.to_string());
        }
        for resource in &self.resources {
            parameters.push("resource", resource);
        }
        for (name, value) in &self.parameters {
            if OURS.contains(&name.as_str()) || parameters.contains(name) {
                return Err(BeginError::Reserved { name: name.clone() });
            }
            parameters.push(Cow::Owned(name.clone()), value);
        }
        Ok(PendingAuthorization { request: self, parameters, state, verifier, nonce })
    }
}

impl PendingAuthorization {
    /// The URL to send the user's browser to. Whoever sees it learns nothing that a code could be stolen
    /// with: the PKCE verifier is not in it.
    pub fn url(&self) -> String {
        with_query(&self.request.endpoint, &self.parameters)
    }

    /// The same for a request that was pushed: nothing but the client's id and where the request is
    /// (RFC 9126 section 4).
    pub fn pushed_url(&self, pushed: &super::PushedRequest) -> String {
        let mut parameters = Fields::default();
        parameters.push("client_id", &self.request.client_id);
        parameters.push("request_uri", pushed.request_uri());
        with_query(&self.request.endpoint, &parameters)
    }

    /// Reads the response from the query at the redirect URI. Whoever can reach that may send anything, so a
    /// refused one leaves this as it is: the user's own may still come.
    pub fn receive(&self, query: &str) -> Result<AuthorizationCode, ResponseRefusal> {
        let code = read(query, self)?;
        Ok(AuthorizationCode::new(code, self))
    }

    /// What it was begun with.
    pub fn request(&self) -> &AuthorizationRequest {
        &self.request
    }

    pub(super) fn verifier(&self) -> &Secret {
        &self.verifier
    }

    /// What `nonce` of the ID token has to be (OpenID Connect Core section 3.1.3.7, step 11), for whoever
    /// verifies that; nothing without the scope `openid`.
    pub fn id_token_nonce(&self) -> Option<&Secret> {
        self.nonce.as_ref()
    }
}

/// `S256` (RFC 7636 section 4.2). `plain` is not made: it protects from nobody who sees the request.
fn code_challenge(verifier: &Secret) -> String {
    base64url::encode(sha256(verifier.expose().as_bytes()))
}

/// The endpoint's own query is kept (RFC 6749 section 3.1).
fn with_query(endpoint: &Endpoint, parameters: &Fields) -> String {
    let url = endpoint.to_string();
    let separator = match url.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    format!("{url}{separator}{}", parameters.encode(QUERY_CAPACITY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_is_that_of_the_specification() {
        // RFC 7636 appendix B.
        let verifier = Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(code_challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn an_endpoint_keeps_its_own_query() {
        let mut parameters = Fields::default();
        parameters.push("a", "b c");
        for (endpoint, url) in [
            ("https://as.example/authorize", "https://as.example/authorize?a=b+c"),
            ("https://as.example/authorize?", "https://as.example/authorize?a=b+c"),
            ("https://as.example/authorize?tenant=1", "https://as.example/authorize?tenant=1&a=b+c"),
            ("https://as.example/authorize?tenant=1&", "https://as.example/authorize?tenant=1&a=b+c"),
            ("https://as.example", "https://as.example/?a=b+c"),
        ] {
            assert_eq!(with_query(&Endpoint::parse(endpoint).unwrap(), &parameters), url);
        }
    }
}
