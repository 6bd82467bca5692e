//! The management API: users, groups, apps, authorization servers, Trusted Origins, sessions, the org's settings and the
//! system log under `/api/v1`, admin roles of apps under `/oauth2/v1/clients`.

mod admission;
mod app_body;
mod app_causes;
mod app_groups;
mod app_id_token;
mod app_users;
mod app_view;
mod apps;
mod authn;
mod authorization_servers;
mod body;
mod client_keys;
mod credentials;
mod error;
mod groups;
mod lifecycle;
mod logs;
mod members;
pub(crate) mod operations;
mod org_metadata;
mod org_settings;
mod page;
mod rate_limit;
mod right;
mod roles;
mod scope_grants;
mod sessions;
mod trusted_origins;
mod user_clients;
mod user_lifecycle;
mod users;
mod version;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method};
use keybound::random::Random;
use keybound::resource::ProtectedResource;
use keybound::{Clock, TargetUri};

use crate::admin_token::AdminTokenHash;
use crate::authorization_server::IssuedTokens;
use crate::paths::is_under;
use crate::store::Store;

pub(crate) use admission::Permit;
pub(crate) use app_body::{AppBody, public_key};
pub(crate) use app_groups::APP_GROUPS;
pub(crate) use app_users::APP_USERS;
pub(crate) use apps::APPS;
pub(crate) use authorization_servers::{
    ACCESS_TOKEN, ALL_CLIENTS, ClaimBody, EVERY_SCOPE, ID_TOKEN, NOT_PUBLISHED, PUBLISHED, PolicyBody,
    RuleBody, SERVERS, ScopeBody, ServerBody, claim_expression, is_built_in, key_status,
};
pub(crate) use body::{is_json, of_members};
pub(crate) use error::ApiError;
pub(crate) use groups::{GROUPS, MEMBERS};
pub(crate) use page::ListRequest;
pub use rate_limit::EndpointGroup;
pub(crate) use rate_limit::{Allowance, OKTA_REQUESTS_PER_MINUTE};
use rate_limit::{RateLimits, Turn};
pub(crate) use trusted_origins::{TRUSTED_ORIGINS, TrustedOriginBody};
pub(crate) use users::{FirstSteps, USERS, UserBody};

/// Where the management API is.
const PATH: &str = "/api/v1";
/// Where clients are, which belong to it as well.
const CLIENTS_PATH: &str = "/oauth2/v1/clients";

/// Whether what is at a path belongs to the management API.
pub(crate) fn is_at(path: &str) -> bool {
    is_under(path, PATH) || is_under(path, CLIENTS_PATH)
}

/// The management API of one org.
pub(crate) struct Management {
    /// The org's URL.
    pub(crate) url: TargetUri,
    /// What is demanded of requests.
    pub(crate) resource: ProtectedResource,
    /// What verifies access tokens.
    pub(crate) tokens: IssuedTokens,
    pub(crate) admin_token: Arc<AdminTokenHash>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Management {
    /// Its endpoints, of which so many requests are taken in a minute.
    pub(crate) fn routes(
        self: Arc<Self>,
        requests_per_minute: u32,
        rate_limits: &[(EndpointGroup, u32)],
    ) -> Router {
        let rates = RateLimits::new(requests_per_minute, rate_limits);
        let limit = Arc::new(Limited { rates: Arc::new(rates), clock: Arc::clone(&self.clock) });
        let finished = |endpoints: Router<Arc<Self>>| {
            endpoints
                .fallback(not_served)
                .method_not_allowed_fallback(not_served_so)
                .layer(middleware::from_fn_with_state(Arc::clone(&limit), limited))
                .with_state(Arc::clone(&self))
        };
        let endpoints = users::routes()
            .merge(user_lifecycle::routes())
            .merge(user_clients::routes())
            .merge(credentials::routes())
            .merge(roles::routes())
            .merge(groups::routes())
            .merge(apps::routes())
            .merge(app_users::routes())
            .merge(app_groups::routes())
            .merge(app_id_token::routes())
            .merge(client_keys::routes())
            .merge(scope_grants::routes())
            .merge(authorization_servers::routes())
            .merge(authn::routes())
            .merge(sessions::routes())
            .merge(trusted_origins::routes())
            .merge(org_settings::routes())
            .merge(logs::routes());
        Router::new()
            .nest(PATH, finished(endpoints))
            .nest(CLIENTS_PATH, finished(roles::routes_of_clients()))
            .merge(org_metadata::routes().with_state(Arc::clone(&self)))
    }

    /// The URL of a list: `users`, `groups`, …
    fn list_url(&self, list: &str) -> String {
        format!("{}{PATH}/{list}", self.url.origin())
    }
}

/// The fallbacks see the path as the client sent it, not as what is left of it here.
async fn not_served(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    operations::not_served(method, uri).await
}

async fn not_served_so(method: Method, OriginalUri(uri): OriginalUri) -> ApiError {
    operations::not_served_so(method, uri).await
}

struct Limited {
    rates: Arc<RateLimits>,
    clock: Arc<dyn Clock>,
}

/// Tells with every answer what is left of the limit. Whose request it is shows when it is admitted, and counts it; one
/// that is of nobody is counted here, and gets no other answer beyond the limit.
async fn limited(
    State(limit): State<Arc<Limited>>,
    OriginalUri(uri): OriginalUri,
    mut request: Request,
    next: Next,
) -> Response {
    let turn = Turn::new(&limit.rates, &limit.clock, uri.path());
    request.extensions_mut().insert(turn.clone());
    let mut answer = next.run(request).await;
    if let Some(allowance) = turn.ended() {
        if !allowance.is_allowed {
            answer = ApiError::rate_limited().into_response();
        }
        allowance.write(answer.headers_mut());
    }
    // What one client may see is for no cache to keep.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
