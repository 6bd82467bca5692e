//! The management API: users of the org, under `/api/v1`.

mod admission;
mod body;
mod error;
mod page;
mod rate_limit;
mod users;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use keybound::access_token::AccessTokenPolicy;
use keybound::random::Random;
use keybound::resource::ProtectedResource;
use keybound::{Clock, JwkSet, TargetUri};

use crate::admin_token::AdminTokenHash;
use crate::store::Store;

pub(crate) use error::ApiError;
use rate_limit::RateLimit;

/// Where the management API is.
const PATH: &str = "/api/v1";

/// The management API of one org.
pub(crate) struct Management {
    /// The org's URL.
    pub(crate) url: TargetUri,
    /// What is demanded of requests.
    pub(crate) resource: ProtectedResource,
    /// What is demanded of access tokens.
    pub(crate) access_tokens: AccessTokenPolicy,
    /// The keys that they are signed with.
    pub(crate) keys: JwkSet,
    pub(crate) admin_token: AdminTokenHash,
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Management {
    /// Its endpoints, of which so many requests are taken in a minute.
    pub(crate) fn routes(self, requests_per_minute: u32) -> Router {
        let limit =
            Arc::new(Limited { rate: RateLimit::new(requests_per_minute), clock: Arc::clone(&self.clock) });
        let endpoints = users::routes()
            .fallback(|| async { ApiError::no_such_path() })
            .method_not_allowed_fallback(|| async { ApiError::no_such_method() })
            .layer(middleware::from_fn_with_state(limit, limited))
            .with_state(Arc::new(self));
        Router::new().nest(PATH, endpoints)
    }

    fn users_url(&self) -> String {
        format!("{}{PATH}/users", self.url.origin())
    }
}

struct Limited {
    rate: RateLimit,
    clock: Arc<dyn Clock>,
}

/// Answers requests beyond the limit itself, and tells with every answer what is left of it.
async fn limited(State(limit): State<Arc<Limited>>, request: Request, next: Next) -> Response {
    let allowance = limit.rate.count(limit.clock.now());
    let mut answer =
        if allowance.is_allowed { next.run(request).await } else { ApiError::rate_limited().into_response() };
    allowance.write(answer.headers_mut());
    // What one client may see is for no cache to keep.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
