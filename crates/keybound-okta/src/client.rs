//! Calls of an org's management API.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use keybound_client::{CallError, Client, System, Token, TokenSource};

use crate::api_error::OktaError;
use crate::error::{Error, Identity};
use crate::org_url::OrgUrl;
use crate::pages::Pages;
use crate::settings::Settings;
use crate::users::User;

/// Users on a page: what Okta gives at most.
const USERS_PER_PAGE: usize = 200;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A service app's access to the management API of one org.
pub struct OktaClient {
    org_url: OrgUrl,
    client: Client,
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
        let tokens = TokenSource::new(system, grant, client_key, binding);
        Self { org_url, client: Client::new(tokens), identity }
    }

    /// The org.
    pub fn org_url(&self) -> &OrgUrl {
        &self.org_url
    }

    /// The source of the client's tokens.
    pub fn tokens(&self) -> &TokenSource {
        self.client.tokens()
    }

    /// The client that the calls go through, for calls of other APIs with the same tokens.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// An access token for use with another HTTP client, by the settings of this one.
    pub async fn token(&self) -> Result<Arc<Token>, Error> {
        self.tokens()
            .token()
            .await
            .map_err(|error| Error::Call { error: error.into(), identity: Box::new(self.identity.clone()) })
    }

    /// Makes `call`, and returns the answer if it is one of success.
    pub async fn call(&self, call: Call) -> Result<Response<Bytes>, Error> {
        let request = self.request(call)?;
        match self.client.send(request).await {
            Ok(response) if response.status().as_u16() < 400 => Ok(response),
            Ok(response) => Err(OktaError::new(response, None).into()),
            Err(CallError::Refused(refused)) => {
                Err(OktaError::new(refused.response, refused.clock_offset).into())
            }
            Err(error) => Err(Error::Call { error, identity: Box::new(self.identity.clone()) }),
        }
    }

    /// The pages of the list that `call` gets, one after the other.
    pub fn pages(&self, call: Call) -> Pages<'_> {
        Pages::new(self, call)
    }

    /// The org's users, up to `limit` if there is one; pages are fetched as they are needed.
    pub fn users(&self, limit: Option<usize>) -> impl Stream<Item = Result<User, Error>> + Send + '_ {
        let per_page = limit.map_or(USERS_PER_PAGE, |limit| limit.min(USERS_PER_PAGE));
        let pages = self.pages(Call::get(format!("/api/v1/users?limit={per_page}")));
        pages
            .into_stream()
            .and_then(async |page| Ok(stream::iter(users_of(&page)?.into_iter().map(Ok))))
            .try_flatten()
            .take(limit.unwrap_or(usize::MAX))
    }

    /// The request that `call` becomes, but for the token and the proof, which are made when it is sent.
    pub fn request(&self, call: Call) -> Result<Request<Bytes>, Error> {
        let uri = self.org_url.resolve(&call.path)?;
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

fn users_of(page: &Response<Bytes>) -> Result<Vec<User>, Error> {
    serde_json::from_slice(page.body()).map_err(|error| Error::unreadable(page, &error))
}
