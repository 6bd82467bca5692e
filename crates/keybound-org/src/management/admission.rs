//! Who may call the management API: the inward flow, then the admin role.
//!
//! A handler says in its arguments what it needs (`Permit<ManageUsers>`), and runs only if the request has
//! it: a token that is bound to the key of the request's proof (or a Bearer token bound to nothing), the
//! scope, and a role that may. The administrator's SSWS token may do everything.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OriginalUri};
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use keybound::access_token::{AccessToken, AccessTokenRefusal};
use keybound::resource::ResourceRequest;

use super::Management;
use super::error::ApiError;
use crate::background;
use crate::store::AdminRole;

/// What a handler needs of whoever calls it.
pub(super) trait Right: Send + 'static {
    /// The scopes that give it; the first is the one to ask for.
    const SCOPES: &'static [&'static str];

    /// Whether an administrator of this role has it.
    fn is_of(role: AdminRole) -> bool;
}

/// To see users.
pub(super) struct ReadUsers;

impl Right for ReadUsers {
    const SCOPES: &'static [&'static str] = &["okta.users.read", "okta.users.manage"];

    fn is_of(_: AdminRole) -> bool {
        true
    }
}

/// To create, change and delete users.
pub(super) struct ManageUsers;

impl Right for ManageUsers {
    const SCOPES: &'static [&'static str] = &["okta.users.manage"];

    fn is_of(role: AdminRole) -> bool {
        match role {
            AdminRole::Super | AdminRole::Org | AdminRole::User => true,
            _ => false,
        }
    }
}

/// Says that whoever sent the request has the right. Only this extractor makes one.
pub(super) struct Permit<R>(PhantomData<R>);

impl<R: Right> FromRequestParts<Arc<Management>> for Permit<R> {
    type Rejection = ApiError;

    async fn from_request_parts(head: &mut Parts, api: &Arc<Management>) -> Result<Self, ApiError> {
        // The path as the client sent it, which the proof is for.
        let OriginalUri(uri) = match OriginalUri::from_request_parts(head, api).await {
            Ok(uri) => uri,
            Err(never) => match never {},
        };
        let (method, headers) = (head.method.clone(), head.headers.clone());
        let api = Arc::clone(api);
        background::run(move || api.admit::<R>(&method, &uri, &headers)).await??;
        Ok(Self(PhantomData))
    }
}

impl Management {
    fn admit<R: Right>(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        match self.admin_token.authorizes(headers) {
            Some(true) => return Ok(()),
            Some(false) => return Err(ApiError::unknown_admin_token()),
            None => {}
        }
        // The org's own URL, not the one that the Host field claims.
        let target = self.url.with_path(uri.path()).map_err(|_| ApiError::no_such_path())?;
        let request = ResourceRequest { method, target: &target, query: uri.query(), headers };
        let now = self.clock.now();
        let verify = |token: &str| self.access_tokens.verify(token, &self.keys, now);
        let admitted = self.resource.admit(&request, verify, now)?;
        admitted.require_scope(R::SCOPES)?;
        self.require_role::<R>(admitted.access_token())
    }

    /// The token's app must still be there, and have a role that may.
    fn require_role<R: Right>(&self, token: &AccessToken) -> Result<(), ApiError> {
        let client_id = token.client_id.as_deref().unwrap_or_default();
        let revoked = || keybound::Refusal::from(AccessTokenRefusal::Revoked);
        let (_, roles) = self.store.label_and_roles(client_id)?.ok_or_else(revoked)?;
        if roles.into_iter().any(R::is_of) {
            tracing::debug!(client_id, "admitted");
            return Ok(());
        }
        Err(ApiError::no_permission("the app has no admin role that may do this; assign one to it"))
    }
}
