//! Calls of an org's management API.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use keybound::proof::DpopKey;
use keybound_client::{
    AuthorizationClient, CallError, Client, ClientRegistration, Refresher, System, Token, TokenBinding,
    TokenCache, TokenSource,
};

use crate::api_error::OktaError;
use crate::error::{Error, Identity};
use crate::operations::{self, Operation};
use crate::org_url::OrgUrl;
use crate::pages::Pages;
use crate::scopes::{self, ScopedClient, ScopedClients};
use crate::settings::Settings;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A service app's access to the management API of one org. Clones share its tokens.
#[derive(Clone)]
pub struct OktaClient {
    shared: Arc<Shared>,
}

struct Shared {
    org_url: OrgUrl,
    clients: ScopedClients,
    identity: Identity,
}

/// One call of the management API.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// A path, with or without a query (`/api/v1/users?limit=10`), or a whole URL of the org.
    pub path: String,
    /// Header fields; `Accept` and, with a body, `Content-Type` are JSON unless they say otherwise.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Call {
    /// Gets what is at `path`.
    pub fn get(path: impl Into<String>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

impl OktaClient {
    /// A client that runs on the machine's own network, clock and randomness.
    pub fn new(settings: Settings) -> Self {
        let system = System::new(settings.transport_options());
        Self::with_system(settings, system)
    }

    /// A client that runs on `system`; make its network of [`Settings::transport_options`].
    pub fn with_system(settings: Settings, system: System) -> Self {
        let identity = Identity::new(&settings);
        let Settings { org_url, grant, client_key, binding, .. } = settings;
        let scopes = grant.scopes.clone();
        let tokens = TokenSource::new(system.clone(), grant, client_key, binding);
        let clients = ScopedClients::new(system, tokens, scopes);
        Self { shared: Arc::new(Shared { org_url, clients, identity }) }
    }

    /// A client that calls in the name of a user who has logged in, by tokens that `refresher` gets and that are
    /// bound to `key`. `scopes` are those that were granted.
    pub fn of_user(
        org_url: OrgUrl,
        system: System,
        registration: ClientRegistration,
        key: DpopKey,
        refresher: Refresher,
        scopes: Vec<String>,
    ) -> Self {
        let identity = Identity {
            org: org_url.origin().to_owned(),
            client_id: registration.identity().id.clone(),
            key_id: None,
            thumbprint: key.thumbprint(),
            scopes: scopes.clone(),
        };
        let client = AuthorizationClient::new(system.clone(), registration, TokenBinding::Dpop(key));
        let clients = ScopedClients::new(system, TokenSource::refreshing(client, refresher), scopes);
        Self { shared: Arc::new(Shared { org_url, clients, identity }) }
    }

    /// The same client, which keeps its tokens in `cache` between runs, too. Calls that it has made before do
    /// not use it.
    #[must_use]
    pub fn with_cache(self, cache: Arc<dyn TokenCache>) -> Self {
        self.shared.clients.keep_in(cache);
        self
    }

    /// Keeps what was learnt of the servers, for a program that is about to end: its next run begins without a
    /// challenge. Does nothing without a cache.
    pub async fn save(&self) {
        for client in self.shared.clients.all() {
            client.client.tokens().save().await;
        }
    }

    /// The org.
    pub fn org_url(&self) -> &OrgUrl {
        &self.shared.org_url
    }

    /// The client that calls with the scopes that are set, for other APIs than the org's.
    pub fn client(&self) -> Result<Client, Error> {
        Ok(self.shared.clients.of_settings().ok_or(Error::NoScopes)?.client.clone())
    }

    /// An access token for use with another HTTP client, with the scopes that are set.
    pub async fn token(&self) -> Result<Arc<Token>, Error> {
        let scoped = self.shared.clients.of_settings().ok_or(Error::NoScopes)?;
        scoped.client.tokens().token().await.map_err(|error| self.failed(error.into(), &scoped))
    }

    /// Makes `call`, and returns the answer if it is one of success.
    ///
    /// The token is one for the scopes that are set. Where none are, the operation that the call is of tells
    /// which it needs.
    pub async fn call(&self, call: Call) -> Result<Response<Bytes>, Error> {
        let request = self.request(call)?;
        let operation = || operations::of(request.method(), request.uri().path());
        if let Some(scoped) = self.shared.clients.of_settings() {
            return self.call_as(&scoped, request, None).await;
        }
        let Some(operation) = operation() else {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            return Err(Error::UnknownScopes { method, path });
        };
        match scopes::needed(&operation) {
            needed if needed.is_empty() => self.call_without_token(request).await,
            needed => {
                let scoped = self.shared.clients.with_scopes(needed);
                self.call_as(&scoped, request, Some(operation)).await
            }
        }
    }

    /// The pages of the list that `call` gets, one after the other.
    pub fn pages(&self, call: Call) -> Pages {
        Pages::new(self.clone(), call)
    }

    /// What the client runs on.
    pub(crate) fn system(&self) -> &System {
        self.shared.clients.system()
    }

    async fn call_as(
        &self,
        scoped: &ScopedClient,
        request: Request<Bytes>,
        operation: Option<Operation>,
    ) -> Result<Response<Bytes>, Error> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let lacks = || {
            let operation = operation.or_else(|| operations::of(&method, &path));
            operation.map(|it| scopes::missing(it.scopes(), &scoped.scopes())).unwrap_or_default()
        };
        let token = scoped.client.tokens().token().await;
        scoped.note(&*token.map_err(|error| self.failed(error.into(), scoped))?);
        match scoped.client.send(request).await {
            Ok(response) if response.status().as_u16() < 400 => Ok(response),
            Ok(response) => Err(OktaError::new(response, None).lacking(lacks()).into()),
            Err(CallError::Refused(refused)) => {
                Err(OktaError::new(refused.response, refused.clock_offset).lacking(lacks()).into())
            }
            Err(error) => Err(self.failed(error, scoped)),
        }
    }

    /// Makes `call` as anybody: without a token, for what is there for everyone, such as the org's metadata.
    pub async fn call_openly(&self, call: Call) -> Result<Response<Bytes>, Error> {
        self.call_without_token(self.request(call)?).await
    }

    /// What needs no scope is there for everyone.
    async fn call_without_token(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        match self.system().transport.send(request).await {
            Ok(response) if response.status().as_u16() < 400 => Ok(response),
            Ok(response) => Err(OktaError::new(response, None).into()),
            Err(error) => {
                Err(Error::Call { error: error.into(), identity: Box::new(self.shared.identity.clone()) })
            }
        }
    }

    fn failed(&self, error: CallError, scoped: &ScopedClient) -> Error {
        let identity = Identity { scopes: scoped.asked.clone(), ..self.shared.identity.clone() };
        Error::Call { error, identity: Box::new(identity) }
    }

    /// The request that `call` becomes, but for the token and the proof, which are made when it is sent.
    pub fn request(&self, call: Call) -> Result<Request<Bytes>, Error> {
        let uri = self.shared.org_url.resolve(&call.path)?;
        let has_body = !call.body.is_empty();
        let mut request = Request::new(call.body);
        *request.method_mut() = call.method;
        *request.uri_mut() = uri;
        *request.headers_mut() = call.headers;
        request.headers_mut().entry(ACCEPT).or_insert(JSON);
        if has_body {
            request.headers_mut().entry(CONTENT_TYPE).or_insert(JSON);
        }
        Ok(request)
    }
}
