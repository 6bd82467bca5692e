//! What a service asks for in its own name (client credentials, RFC 6749 section 4.4), and of whom: a server whose token
//! endpoint is known, or one that is known by its issuer and says in its metadata where that is (RFC 8414).

use std::fmt;
use std::sync::Arc;

use keybound::TargetUri;
use keybound::endpoint::Endpoint;
use keybound::exchange::{
    ClientAuthentication, ClientCredentials, ClientIdentity, ExchangeError, Grant, TokenRequest,
};
use keybound::metadata::{IssuerError, ServerMetadata, WellKnown};
use tokio::sync::Mutex;
use tracing::debug;

use crate::authorization_client::{AuthorizationClient, Granted};
use crate::discovery::discover;
use crate::service_credential::ServiceCredential;
use crate::token_cache::CacheServer;
use crate::token_metrics;
use crate::token_source::TokenError;

/// A service's request for tokens. It signs that with its key (`private_key_jwt`, RFC 7523 section 2.2), or has a secret
/// ([`ServiceCredential`]).
///
/// ```no_run
/// use std::sync::Arc;
/// use keybound::proof::DpopKey;
/// use keybound::{Algorithm, SigningKey};
/// use keybound_client::{
///     AssertionAudience, Client, Issuer, ServiceGrant, System, TokenBinding, TokenServer, TokenSource,
/// };
///
/// # fn client() -> Result<(), Box<dyn std::error::Error>> {
/// let client_key = Arc::new(SigningKey::generate(Algorithm::RS256)?);
/// let dpop_key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256)?));
/// let issuer = Issuer::parse("https://as.example.com")?;
/// let server = TokenServer::Issuer { issuer, assertion_audience: AssertionAudience::Issuer };
/// let grant = ServiceGrant::new(server, "client-id", ["orders.read"]);
/// let tokens = TokenSource::of_service(System::default(), grant, client_key, TokenBinding::Dpop(dpop_key));
/// let client = Client::new(tokens); // reads the metadata when its first token is needed
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServiceGrant {
    /// The server that is asked.
    pub server: TokenServer,
    /// The client's id.
    pub client_id: String,
    /// The scopes to ask for; with none it is the server's to choose (RFC 6749 section 3.3).
    pub scopes: Vec<String>,
    /// The id under which the client's key is registered, if it has one.
    pub key_id: Option<String>,
    /// The resources that the token is for (`resource`, RFC 8707 section 2.2).
    pub resources: Vec<String>,
    /// The same by the name of some servers (`audience`).
    pub audience: Option<String>,
}

/// A server that tokens are asked of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenServer {
    /// One whose token endpoint is known.
    Endpoint {
        /// The token endpoint.
        endpoint: Endpoint,
        /// What client assertions are for: `aud`.
        assertion_audience: String,
    },
    /// One that is known by its issuer: where its token endpoint is and what it takes is read in its metadata before the
    /// first token is asked for.
    Issuer {
        /// The issuer.
        issuer: Issuer,
        /// What client assertions are for.
        assertion_audience: AssertionAudience,
    },
}

/// What a client assertion has for `aud`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssertionAudience {
    /// The issuer: the one value that RFC 7523bis leaves, and that OpenID Connect servers have long taken.
    #[default]
    Issuer,
    /// The token endpoint, as Okta wants it, and as older servers do by RFC 7523 section 3.
    TokenEndpoint,
}

/// An issuer's identifier: a URL by which its metadata is found, and which has to stand there character by character
/// (RFC 8414 section 3.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    target: TargetUri,
}

impl Issuer {
    /// Takes `text` as it is, if there is a place where the metadata of such an issuer could be.
    ///
    /// ```
    /// use keybound_client::Issuer;
    ///
    /// assert_eq!(Issuer::parse("https://as.example.com/a/")?.as_str(), "https://as.example.com/a/");
    /// assert!(Issuer::parse("http://as.example.com").is_err());
    /// # Ok::<(), keybound::metadata::IssuerError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, IssuerError> {
        WellKnown::of(text)?;
        let endpoint = Endpoint::parse(text)?;
        Ok(Self { text: text.to_owned(), target: endpoint.target().clone() })
    }

    /// The identifier.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, in normal form.
    pub fn origin(&self) -> &str {
        self.target.origin()
    }
}

impl fmt::Display for TokenServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint { endpoint, .. } => endpoint.fmt(formatter),
            Self::Issuer { issuer, .. } => issuer.fmt(formatter),
        }
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl ServiceGrant {
    /// A grant for `scopes` that names neither a key nor a resource.
    pub fn new(
        server: TokenServer,
        client_id: impl Into<String>,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self {
            server,
            client_id: client_id.into(),
            scopes: scopes.into_iter().map(Into::into).collect(),
            key_id: None,
            resources: Vec::new(),
            audience: None,
        }
    }

    /// The request to `endpoint` of a client that authenticates like this.
    fn request(&self, endpoint: Endpoint, authentication: ClientAuthentication) -> TokenRequest {
        let client = ClientIdentity { id: self.client_id.clone(), authentication };
        let grant = Grant::ClientCredentials { scopes: self.scopes.clone() };
        let mut request = TokenRequest::new(endpoint, client, grant);
        request.resources.clone_from(&self.resources);
        request.audience.clone_from(&self.audience);
        request
    }
}

impl From<ClientCredentials> for ServiceGrant {
    fn from(credentials: ClientCredentials) -> Self {
        let endpoint = credentials.token_endpoint().clone();
        let ClientCredentials { client_id, scopes, assertion_audience, key_id, .. } = credentials;
        let server = TokenServer::Endpoint { endpoint, assertion_audience };
        Self { key_id, ..Self::new(server, client_id, scopes) }
    }
}

impl TokenServer {
    /// A server that wants assertions for its token endpoint, as Okta does.
    pub fn at(endpoint: Endpoint) -> Self {
        let assertion_audience = endpoint.to_string();
        Self::Endpoint { endpoint, assertion_audience }
    }

    /// What its tokens are kept under.
    pub(crate) fn in_cache(&self) -> CacheServer {
        match self {
            Self::Endpoint { endpoint, .. } => {
                CacheServer::TokenEndpoint(endpoint.target().as_str().to_owned())
            }
            Self::Issuer { issuer, .. } => CacheServer::Issuer(issuer.as_str().to_owned()),
        }
    }

    /// The token endpoint or, where only the server says where that is, the issuer.
    pub(crate) fn target(&self) -> &TargetUri {
        match self {
            Self::Endpoint { endpoint, .. } => endpoint.target(),
            Self::Issuer { issuer, .. } => &issuer.target,
        }
    }
}

/// A service at its server. Clones share what the server has said of itself.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) grant: ServiceGrant,
    credential: ServiceCredential,
    metadata: Arc<Mutex<Option<Arc<ServerMetadata>>>>,
}

impl Service {
    /// A service that authenticates by `credential`.
    pub(crate) fn new(grant: ServiceGrant, credential: ServiceCredential) -> Self {
        Self { grant, credential, metadata: Arc::default() }
    }

    /// The same for other scopes.
    pub(crate) fn with_scopes(&self, scopes: Vec<String>) -> Self {
        let mut service = self.clone();
        service.grant.scopes = scopes;
        service
    }

    /// A token by `client`.
    pub(crate) async fn exchange(&self, client: &AuthorizationClient) -> Result<Granted, TokenError> {
        let request =
            self.request(client).await.inspect_err(|error| token_metrics::exchanged(Some(error)))?;
        let granted = client.exchange(&request).await;
        if granted.as_ref().is_err_and(may_have_moved) {
            *self.metadata.lock().await = None;
        }
        granted
    }

    /// The request for a token, by what the server says that it takes: one that says so is not asked by other means.
    async fn request(&self, client: &AuthorizationClient) -> Result<TokenRequest, TokenError> {
        let key_id = self.grant.key_id.clone();
        let (issuer, assertion_audience) = match &self.grant.server {
            TokenServer::Endpoint { endpoint, assertion_audience } => {
                let authentication =
                    self.credential.authentication(assertion_audience.clone(), key_id, None)?;
                return Ok(self.grant.request(endpoint.clone(), authentication));
            }
            TokenServer::Issuer { issuer, assertion_audience } => (issuer, assertion_audience),
        };
        let metadata = self.metadata(client, issuer).await?;
        let endpoint = metadata.token_endpoint()?.clone();
        let audience = match assertion_audience {
            AssertionAudience::Issuer => issuer.as_str().to_owned(),
            AssertionAudience::TokenEndpoint => endpoint.to_string(),
        };
        let authentication = self.credential.authentication(audience, key_id, Some(&metadata))?;
        client.binding().key_for(Some(&metadata))?;
        Ok(self.grant.request(endpoint, authentication))
    }

    /// What the server says of itself, asked for once by whoever needs it first.
    async fn metadata(
        &self,
        client: &AuthorizationClient,
        issuer: &Issuer,
    ) -> Result<Arc<ServerMetadata>, TokenError> {
        let mut known = self.metadata.lock().await;
        if let Some(metadata) = &*known {
            return Ok(Arc::clone(metadata));
        }
        debug!(%issuer, "reading the metadata of the issuer");
        let found = discover(&client.system().transport, issuer.as_str()).await;
        let metadata = Arc::new(found.map_err(|error| TokenError::Discovery(Box::new(error)))?);
        *known = Some(Arc::clone(&metadata));
        Ok(metadata)
    }
}

/// Whether the token endpoint may be elsewhere by now: what answers there is none, or nothing answers.
fn may_have_moved(error: &TokenError) -> bool {
    matches!(
        error,
        TokenError::Transport(_)
            | TokenError::Refused { refusal: ExchangeError::NotATokenEndpoint { .. }, .. }
    )
}
