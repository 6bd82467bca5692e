//! A user lets a program act in their name: in the browser of the same machine (RFC 8252), or on another device
//! (RFC 8628). What comes of it is an access token and, where the server gives one, a refresh token, bound to
//! the program's DPoP key.
//!
//! ```no_run
//! use keybound_client::authorization::{Asked, Loopback, UserAuthorization};
//! use keybound_client::{ClientRegistration, System, TokenBinding, discover};
//!
//! # async fn sign_in() -> Result<(), Box<dyn std::error::Error>> {
//! let system = System::default();
//! let metadata = discover(&system.transport, "https://as.example.com").await?;
//! let client = ClientRegistration::public("client-id");
//! let authorization = UserAuthorization::new(system, metadata, client, TokenBinding::fresh())?;
//!
//! let asked = Asked { scopes: vec!["things.read".to_owned()], ..Asked::default() };
//! let browser = authorization.begin(asked, &Loopback::default()).await?;
//! println!("Open {} in your browser.", browser.url());
//! let signed_in = browser.finish().await?;
//! println!("The token lives until {:?}.", signed_in.token.expires_at);
//! # Ok(())
//! # }
//! ```

mod error;
mod loopback;
mod signed_in;

pub use error::{AuthorizationError, KeysFault};
pub use loopback::{Loopback, MAX_REQUEST_BYTES};
pub use signed_in::SignedIn;

use std::time::Duration;

use keybound::authorization::{AuthorizationCode, AuthorizationRequest, PendingAuthorization};
use keybound::device::{DeviceAuthorization, DeviceRequest};
use keybound::exchange::Grant;
use keybound::metadata::{NotSupported, ServerMetadata};
use keybound::proof::DpopKey;

use crate::authorization_client::AuthorizationClient;
use crate::registration::ClientRegistration;
use crate::system::System;
use crate::token_source::{TokenBinding, TokenError};
use loopback::Listener;
use signed_in::{SignIn, Verifier};

/// How long a user's browser is waited for: long enough to find a password and a second factor.
pub const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// A program that asks users of one server for their leave.
#[derive(Debug)]
pub struct UserAuthorization {
    client: AuthorizationClient,
    metadata: ServerMetadata,
}

/// What the user is asked for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The scopes; `offline_access` asks for a refresh token (OpenID Connect Core section 11).
    pub scopes: Vec<String>,
    /// The resources that the token is for (RFC 8707 section 2).
    pub resources: Vec<String>,
    /// Further parameters of the authorization request, such as `prompt` or `login_hint`.
    pub parameters: Vec<(String, String)>,
}

/// An authorization that waits for the user's browser.
pub struct BrowserAuthorization {
    sign_in: SignIn,
    pending: PendingAuthorization,
    listener: Listener,
    url: String,
}

/// An authorization that waits for the user's other device.
pub struct AuthorizationOnDevice {
    sign_in: SignIn,
    authorization: DeviceAuthorization,
}

impl UserAuthorization {
    /// A program that is registered as `client`. What the server says that it does not take is refused here, and a fresh
    /// key is made of an algorithm that it takes.
    pub fn new(
        system: System,
        metadata: ServerMetadata,
        client: ClientRegistration,
        binding: TokenBinding,
    ) -> Result<Self, AuthorizationError> {
        binding.key_for(Some(&metadata)).map_err(|error| match error {
            TokenError::NotSupported(problem) => problem.into(),
            error => AuthorizationError::from(error),
        })?;
        metadata.allow_client_authentication(&client.identity().authentication)?;
        Ok(Self { client: AuthorizationClient::new(system, client, binding), metadata })
    }

    /// The client at the server, to refresh tokens with.
    pub fn client(&self) -> &AuthorizationClient {
        &self.client
    }

    /// Listens on the loopback interface, and pushes the request where the server takes pushed ones
    /// (RFC 9126). Opening the browser is the caller's part.
    pub async fn begin(
        &self,
        asked: Asked,
        place: &Loopback,
    ) -> Result<BrowserAuthorization, AuthorizationError> {
        let sign_in = self.sign_in(&asked)?;
        let listener = Listener::bind(place, self.client.system().timer.clone()).await?;
        let pending = self.request(asked, listener.redirect_uri())?;
        let url = self.url(&pending).await?;
        Ok(BrowserAuthorization { sign_in, pending, listener, url })
    }

    /// How a sign-in ends that asks for this.
    fn sign_in(&self, asked: &Asked) -> Result<SignIn, AuthorizationError> {
        let client_id = &self.client.registration().identity().id;
        Ok(SignIn {
            client: self.client.clone(),
            token_endpoint: self.metadata.token_endpoint()?.clone(),
            resources: asked.resources.clone(),
            verifier: Verifier::for_scopes(&self.metadata, client_id, &asked.scopes),
        })
    }

    /// The request for a redirect URI of any other kind, which the caller sees to: the response is read by
    /// [`PendingAuthorization::receive`], and its code redeemed by [`redeem`](Self::redeem).
    pub fn request(
        &self,
        asked: Asked,
        redirect_uri: &str,
    ) -> Result<PendingAuthorization, AuthorizationError> {
        self.metadata.allow_code_challenge()?;
        let client_id = &self.client.registration().identity().id;
        let endpoint = self.metadata.authorization_endpoint()?.clone();
        let issuer = &self.metadata.issuer;
        let mut request = AuthorizationRequest::new(issuer, endpoint, client_id, redirect_uri);
        request.issuer_is_named = self.metadata.names_itself_in_responses;
        request.scopes = asked.scopes;
        request.resources = asked.resources;
        request.parameters = asked.parameters;
        request.bound_to = self.client.key().map(DpopKey::thumbprint);
        Ok(request.begin(self.client.system().random.as_ref())?)
    }

    /// The URL to send the user's browser to; the request is pushed first where the server takes that.
    pub async fn url(&self, pending: &PendingAuthorization) -> Result<String, AuthorizationError> {
        match &self.metadata.pushed_authorization_request_endpoint {
            Some(endpoint) => Ok(pending.pushed_url(&self.client.push(pending, endpoint).await?)),
            None if self.metadata.requires_pushed_authorization_requests => {
                Err(NotSupported::NoEndpoint("pushed_authorization_request_endpoint").into())
            }
            None => Ok(pending.url()),
        }
    }

    /// A token for the code of a checked response, which may be exchanged once, and who has signed in.
    pub async fn redeem(
        &self,
        code: AuthorizationCode,
        resources: Vec<String>,
    ) -> Result<SignedIn, AuthorizationError> {
        let client_id = &self.client.registration().identity().id;
        let nonce = code.id_token_nonce().cloned();
        let sign_in = SignIn {
            verifier: nonce.as_ref().map(|_| Verifier::new(&self.metadata, client_id)),
            ..self.sign_in(&Asked { resources, ..Asked::default() })?
        };
        sign_in.finish(Grant::AuthorizationCode(code), nonce.as_ref()).await
    }

    /// Asks for the codes with which the user can approve on another device (RFC 8628).
    pub async fn begin_on_device(&self, asked: Asked) -> Result<AuthorizationOnDevice, AuthorizationError> {
        let sign_in = self.sign_in(&asked)?;
        let request = DeviceRequest {
            endpoint: self.metadata.device_authorization_endpoint()?.clone(),
            client: self.client.registration().identity().clone(),
            scopes: asked.scopes,
            resources: asked.resources,
        };
        let authorization = self.client.authorize_device(&request).await?;
        Ok(AuthorizationOnDevice { sign_in, authorization })
    }
}

impl BrowserAuthorization {
    /// The URL to open in the user's browser.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits for the browser to come back, [`PATIENCE`] long, exchanges the code, and verifies the ID token. One that
    /// does not hold ends the sign-in: the token that came with it is not given out.
    pub async fn finish(self) -> Result<SignedIn, AuthorizationError> {
        let code = self.listener.response(&self.pending, PATIENCE).await?;
        let nonce = code.id_token_nonce().cloned();
        self.sign_in.finish(Grant::AuthorizationCode(code), nonce.as_ref()).await
    }
}

impl AuthorizationOnDevice {
    /// What the user is to be shown.
    pub fn authorization(&self) -> &DeviceAuthorization {
        &self.authorization
    }

    /// Polls until the user has approved or refused, or the code has expired, and verifies the ID token, which has no
    /// nonce here.
    pub async fn finish(self) -> Result<SignedIn, AuthorizationError> {
        let grant = self.authorization.grant().clone();
        self.sign_in.client.system().timer.sleep(grant.polling().interval()).await;
        self.sign_in.finish(Grant::DeviceCode(grant), None).await
    }
}
