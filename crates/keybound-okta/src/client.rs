//! Calls of an org's management API, or of other APIs with another issuer's tokens.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use keybound::exchange::GrantedToken;
use keybound::proof::DpopKey;
use keybound_client::{
    AuthorizationClient, CallError, Client, ClientRegistration, Refresher, System, Token, TokenBinding,
    TokenCache, TokenSource,
};

use crate::api_error::OktaError;
use crate::api_token::ApiToken;
use crate::error::{Error, Identity};
use crate::operations;
use crate::org_url::OrgUrl;
use crate::pages::Pages;
use crate::reach::Reach;
use crate::scopes::{self, ScopedClient, ScopedClients};
use crate::settings::Settings;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Access to the management API of one org, as a service app, as a user or as an administrator; or to other APIs, as a
/// service app with the tokens of another issuer. Clones share its tokens.
#[derive(Clone)]
pub struct OktaClient {
    shared: Arc<Shared>,
}

struct Shared {
    reach: Reach,
    system: System,
    caller: Caller,
}

/// By what a call is authenticated.
enum Caller {
    /// By an access token, which the client gets for the scopes of the call.
    Scoped { clients: ScopedClients, identity: Box<Identity> },
    /// By an administrator's API token.
    Administrator(ApiToken),
}

/// One call.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// A path, with or without a query (`/api/v1/users?limit=10`), or a whole URL of the org. With the tokens of another
    /// issuer the whole URL of any API that they may go to: if they are Bearer tokens, of one that they were asked for.
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
        let (identity, reach) = (Box::new(Identity::new(&settings)), Reach::of(&settings));
        let Settings { grant, credential, binding, .. } = settings;
        let scopes = grant.scopes.clone();
        let tokens = TokenSource::of_service(system.clone(), grant, credential, binding);
        let clients = match reach {
            Reach::Org(_) => ScopedClients::new(tokens, scopes),
            Reach::AnyApi(_) | Reach::Resources(..) => ScopedClients::of_other_apis(tokens, scopes),
        };
        Self { shared: Arc::new(Shared { reach, system, caller: Caller::Scoped { clients, identity } }) }
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
        let identity = Box::new(Identity {
            issuer: org_url.origin().to_owned(),
            is_org: true,
            client_id: registration.identity().id.clone(),
            key_id: None,
            thumbprint: Some(key.thumbprint()),
            scopes: scopes.clone(),
        });
        let client = AuthorizationClient::new(system.clone(), registration, TokenBinding::Dpop(key));
        let clients = ScopedClients::new(TokenSource::refreshing(client, refresher), scopes);
        let reach = Reach::Org(org_url);
        Self { shared: Arc::new(Shared { reach, system, caller: Caller::Scoped { clients, identity } }) }
    }

    /// A client that calls by an administrator's API token, for what comes before there is an app: to create it, to
    /// grant it scopes and to give it a role. Each call is sent once: nothing is tried again.
    pub fn of_administrator(org_url: OrgUrl, system: System, token: ApiToken) -> Self {
        let (reach, caller) = (Reach::Org(org_url), Caller::Administrator(token));
        Self { shared: Arc::new(Shared { reach, system, caller }) }
    }

    /// The same client, which keeps its tokens in `cache` between runs, too. Calls that it has made before do
    /// not use it.
    #[must_use]
    pub fn with_cache(self, cache: Arc<dyn TokenCache>) -> Self {
        if let Caller::Scoped { clients, .. } = &self.shared.caller {
            clients.keep_in(cache);
        }
        self
    }

    /// Keeps what was learnt of the servers, for a program that is about to end: its next run begins without a
    /// challenge. Does nothing without a cache.
    pub async fn save(&self) {
        if let Caller::Scoped { clients, .. } = &self.shared.caller {
            for client in clients.all() {
                client.client.tokens().save().await;
            }
        }
    }

    /// The org whose API is called; an error where the tokens are for other APIs.
    pub fn org_url(&self) -> Result<&OrgUrl, Error> {
        Ok(self.shared.reach.org()?)
    }

    /// Where its calls may go.
    pub(crate) fn reach(&self) -> &Reach {
        &self.shared.reach
    }

    /// The client that calls with the scopes that are set, for other APIs than the org's. Whom it calls is the caller's to
    /// say, also with Bearer tokens.
    pub fn client(&self) -> Result<Client, Error> {
        Ok(self.of_settings()?.0.client.clone())
    }

    /// The client for a request that is made elsewhere: it calls with the scopes that are set or, where none are and the
    /// tokens are an org's, with those that the operation needs which the request is of.
    pub fn client_for(&self, method: &Method, path: &str) -> Result<Client, Error> {
        let scopes = self.scopes_for(method, path)?;
        let Caller::Scoped { clients, .. } = &self.shared.caller else { return Err(Error::NoAccessToken) };
        match scopes {
            Some(scopes) => Ok(clients.with_scopes(scopes).client.clone()),
            None => Err(Error::UnknownScopes { method: method.clone(), path: path.to_owned() }),
        }
    }

    /// The scopes of the token that a request is made with: those that are set or, where none are and the tokens are an
    /// org's, those that the operation needs which the request is of. `None` where what that is for is there for everyone.
    pub fn scopes_for(&self, method: &Method, path: &str) -> Result<Option<Vec<String>>, Error> {
        let Caller::Scoped { clients, .. } = &self.shared.caller else { return Err(Error::NoAccessToken) };
        if let Some(scoped) = clients.of_settings() {
            return Ok(Some(scoped.asked.clone()));
        }
        let unknown = || Error::UnknownScopes { method: method.clone(), path: path.to_owned() };
        let needed = scopes::needed(&operations::of(method, path).ok_or_else(unknown)?);
        Ok((!needed.is_empty()).then_some(needed))
    }

    /// An access token for use with another HTTP client, with the scopes that are set.
    pub async fn token(&self) -> Result<Arc<Token>, Error> {
        let (scoped, identity) = self.of_settings()?;
        scoped.client.tokens().token().await.map_err(|error| failed(error.into(), &scoped, identity))
    }

    /// Begins with `token`, which came with the user's login, for the scopes that are set; it is kept in the cache, if
    /// there is one. Without this the first call refreshes.
    pub async fn begin_with(&self, token: GrantedToken) -> Result<(), Error> {
        self.of_settings()?.0.client.tokens().begin_with(token).await;
        Ok(())
    }

    /// The client with the scopes that are set.
    fn of_settings(&self) -> Result<(Arc<ScopedClient>, &Identity), Error> {
        match &self.shared.caller {
            Caller::Scoped { clients, identity } => {
                Ok((clients.of_settings().ok_or(Error::NoScopes)?, identity))
            }
            Caller::Administrator(_) => Err(Error::NoAccessToken),
        }
    }

    /// Makes `call`, and returns the answer if it is one of success.
    ///
    /// The token is one for the scopes that are set. Where none are, the operation that the call is of tells
    /// which it needs.
    pub async fn call(&self, call: Call) -> Result<Response<Bytes>, Error> {
        let request = self.request(call)?;
        let (clients, identity) = match &self.shared.caller {
            Caller::Scoped { clients, identity } => (clients, identity),
            Caller::Administrator(token) => return self.call_by(token, request).await,
        };
        match self.scopes_for(request.method(), request.uri().path())? {
            Some(scopes) => call_as(&clients.with_scopes(scopes), identity, request).await,
            None => self.call_without_token(request).await,
        }
    }

    /// The pages of the list that `call` gets, one after the other.
    pub fn pages(&self, call: Call) -> Pages {
        Pages::new(self.clone(), call)
    }

    /// What the client runs on.
    pub(crate) fn system(&self) -> &System {
        &self.shared.system
    }

    /// Makes `call` as anybody: without a token, for what is there for everyone, such as the org's metadata.
    pub async fn call_openly(&self, call: Call) -> Result<Response<Bytes>, Error> {
        self.call_without_token(request(call, &self.shared.reach.without_token())?).await
    }

    /// What needs no scope is there for everyone.
    async fn call_without_token(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let response = self.system().transport.send(request).await?;
        if response.status().as_u16() < 400 {
            Ok(response)
        } else {
            Err(OktaError::new(response, None).into())
        }
    }

    async fn call_by(&self, token: &ApiToken, mut request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        if request.headers().contains_key(AUTHORIZATION) {
            return Err(Error::CredentialsGiven);
        }
        request.headers_mut().insert(AUTHORIZATION, token.authorization()?);
        self.call_without_token(request).await.map_err(|error| match error {
            Error::Api(refused) => refused.by_api_token().into(),
            error => error,
        })
    }

    /// The request that `call` becomes, but for the token and the proof, which are made when it is sent.
    pub fn request(&self, call: Call) -> Result<Request<Bytes>, Error> {
        request(call, &self.shared.reach)
    }
}

fn request(call: Call, reach: &Reach) -> Result<Request<Bytes>, Error> {
    let uri = reach.resolve(&call.path)?;
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

async fn call_as(
    scoped: &ScopedClient,
    identity: &Identity,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, Error> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let refused = |response, clock_offset| {
        let refused = OktaError::new(response, clock_offset);
        if !identity.is_org {
            return refused.of_other_api();
        }
        match operations::of(&method, &path) {
            Some(operation) => refused.lacking(scopes::missing(operation.scopes(), &scoped.scopes())),
            None => refused.of_no_operation(),
        }
    };
    let token = scoped.client.tokens().token().await;
    scoped.note(&*token.map_err(|error| failed(error.into(), scoped, identity))?);
    match scoped.client.send(request).await {
        Ok(response) if response.status().as_u16() < 400 => Ok(response),
        Ok(response) => Err(refused(response, None).into()),
        Err(CallError::Refused(answer)) => Err(refused(answer.response, answer.clock_offset).into()),
        Err(error) => Err(failed(error, scoped, identity)),
    }
}

fn failed(error: CallError, scoped: &ScopedClient, identity: &Identity) -> Error {
    let identity = Identity { scopes: scoped.asked.clone(), ..identity.clone() };
    Error::Call { error, identity: Box::new(identity) }
}
