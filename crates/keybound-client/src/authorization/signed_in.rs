//! Who has signed in: the ID token that comes with an access token, held to every rule (OpenID Connect Core section
//! 3.1.3.7) before anything of it is believed.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Request, StatusCode};
use keybound::endpoint::Endpoint;
use keybound::exchange::{Grant, GrantedToken, TokenRequest};
use keybound::id_token::{IdToken, IdTokenContext, IdTokenPolicy, IdTokenRefusal};
use keybound::metadata::{NotSupported, ServerMetadata};
use keybound::{JwkSet, Secret};

use super::error::{AuthorizationError, KeysFault};
use crate::authorization_client::AuthorizationClient;

/// The scope that makes an authorization a sign-in (OpenID Connect Core section 3.1.2.1).
const OPENID: &str = "openid";

/// What a user has given leave for, and who they are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SignedIn {
    /// The token.
    pub token: GrantedToken,
    /// The user by the ID token, verified. None where the scope `openid` was not asked for, or not granted.
    pub user: Option<IdToken>,
}

/// How one sign-in ends.
pub(super) struct SignIn {
    pub(super) client: AuthorizationClient,
    pub(super) token_endpoint: Endpoint,
    pub(super) resources: Vec<String>,
    pub(super) verifier: Option<Verifier>,
}

/// What ID tokens are verified by.
#[derive(Clone, Debug)]
pub(super) struct Verifier {
    policy: IdTokenPolicy,
    jwks_uri: Result<Endpoint, NotSupported>,
}

impl Verifier {
    /// None where no ID token is asked for: what a server sends all the same is not looked at.
    pub(super) fn for_scopes(metadata: &ServerMetadata, client_id: &str, scopes: &[String]) -> Option<Self> {
        let is_asked_for = scopes.iter().any(|scope| scope == OPENID);
        is_asked_for.then(|| Self::new(metadata, client_id))
    }

    pub(super) fn new(metadata: &ServerMetadata, client_id: &str) -> Self {
        Self { policy: metadata.id_token_policy(client_id), jwks_uri: metadata.jwks_uri().cloned() }
    }
}

impl SignIn {
    /// Exchanges `grant` for a token, and verifies the ID token that comes with it.
    pub(super) async fn finish(
        self,
        grant: Grant,
        nonce: Option<&Secret>,
    ) -> Result<SignedIn, AuthorizationError> {
        let identity = self.client.registration().identity().clone();
        let mut request = TokenRequest::new(self.token_endpoint.clone(), identity, grant);
        request.resources.clone_from(&self.resources);
        let token = self.client.token(&request).await?;
        let user = match (&self.verifier, &token.id_token) {
            (Some(verifier), Some(id_token)) => {
                let context = IdTokenContext {
                    nonce,
                    access_token: &token.access_token,
                    now: self.client.now(self.token_endpoint.target()),
                };
                Some(self.verify(verifier, id_token, &context).await?)
            }
            _ => None,
        };
        Ok(SignedIn { token, user })
    }

    async fn verify(
        &self,
        verifier: &Verifier,
        id_token: &Secret,
        context: &IdTokenContext<'_>,
    ) -> Result<IdToken, AuthorizationError> {
        // Everything but the signature first: what is wrong in itself needs no keys.
        let without_keys = verifier.policy.verify(id_token.expose(), &JwkSet::default(), context);
        match without_keys {
            Err(IdTokenRefusal::NoSuchKey { .. }) => {}
            refused => return Ok(refused?),
        }
        let keys = self.keys(verifier.jwks_uri.as_ref().map_err(Clone::clone)?).await?;
        Ok(verifier.policy.verify(id_token.expose(), &keys, context)?)
    }

    async fn keys(&self, place: &Endpoint) -> Result<JwkSet, AuthorizationError> {
        let fetched = async {
            let mut request = Request::new(Bytes::new());
            *request.uri_mut() = place.uri().clone();
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
            let answer = self.client.system().transport.send(request).await?;
            match answer.status() {
                StatusCode::OK => Ok(JwkSet::parse(answer.body())?),
                status => Err(KeysFault::Status(status)),
            }
        };
        fetched.await.map_err(|reason| AuthorizationError::Keys { place: place.to_string(), reason })
    }
}
