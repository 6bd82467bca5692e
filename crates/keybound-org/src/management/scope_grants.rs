//! `/api/v1/apps/{id}/grants`: the scopes that an app may ask for.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;

use super::Management;
use super::admission::Permit;
use super::apps::{no_such_app, target};
use super::body::JsonBody;
use super::error::ApiError;
use super::right::{ManageAppGrants, ReadAppGrants};
use crate::background;
use crate::event::EventObject;
use crate::named::Named;
use crate::store::ScopeGrant;

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/apps/{app}/grants", get(list).post(grant))
        .route("/apps/{app}/grants/{grant}", get(read).delete(revoke))
}

/// What a client sends to grant a scope.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct GrantBody {
    scope_id: String,
    issuer: String,
}

/// `GET …/grants`.
async fn list(
    _: Permit<ReadAppGrants>,
    State(api): State<Arc<Management>>,
    Named(app): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let grants: Vec<_> = api.grants_of(&app)?.iter().map(|grant| api.grant_view(&app, grant)).collect();
        Ok(Json(grants).into_response())
    })
    .await?
}

/// `POST …/grants`: a scope of the org authorization server.
async fn grant(
    permit: Permit<ManageAppGrants>,
    State(api): State<Arc<Management>>,
    Named(app): Named<String>,
    JsonBody(body): JsonBody<GrantBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        if body.issuer.trim_end_matches('/') != api.url.origin() {
            let cause = format!("issuer: must be the org's URL, {}", api.url.origin());
            return Err(ApiError::invalid("issuer", [cause]));
        }
        let grant = api.grant_scope(&permit, &app, &body.scope_id)?;
        Ok((StatusCode::CREATED, Json(api.grant_view(&app, &grant))).into_response())
    })
    .await?
}

/// `GET …/grants/{id}`.
async fn read(
    _: Permit<ReadAppGrants>,
    State(api): State<Arc<Management>>,
    Named((app, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let grants = api.grants_of(&app)?;
        let grant = grants.iter().find(|grant| grant.id == id).ok_or_else(|| no_such_grant(&id))?;
        Ok(Json(api.grant_view(&app, grant)).into_response())
    })
    .await?
}

/// `DELETE …/grants/{id}`.
async fn revoke(
    permit: Permit<ManageAppGrants>,
    State(api): State<Arc<Management>>,
    Named((app, id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.revoke_scope(&permit, &app, &id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

impl Management {
    /// Lets an app ask for a scope of Okta's API.
    pub(crate) fn grant_scope(
        &self,
        permit: &Permit<ManageAppGrants>,
        app: &str,
        scope: &str,
    ) -> Result<ScopeGrant, ApiError> {
        if !keybound_operations::is_scope(scope) {
            let cause = "scopeId: must be a scope of Okta's API, such as okta.users.read";
            return Err(ApiError::invalid("scopeId", [cause.to_owned()]));
        }
        let app = self.app(app)?;
        let grant = self.store.grant(&app.client_id, scope, self.clock.now(), self.random.as_ref())?;
        let event = permit.event("app.oauth2.as.consent.grant", "Grant scope to application");
        self.log(&event.to(target(&app)).to(scope_target(&grant)));
        Ok(grant)
    }

    /// Takes the grant of this id back.
    pub(crate) fn revoke_scope(
        &self,
        permit: &Permit<ManageAppGrants>,
        app: &str,
        id: &str,
    ) -> Result<(), ApiError> {
        let app = self.app(app)?;
        let grant = self.store.revoke_grant(&app.client_id, id)?.ok_or_else(|| no_such_grant(id))?;
        let event = permit.event("app.oauth2.as.consent.revoke", "Revoke scope of application");
        self.log(&event.to(target(&app)).to(scope_target(&grant)));
        Ok(())
    }

    /// The scopes that are granted to an app.
    pub(crate) fn grants_of(&self, app: &str) -> Result<Vec<ScopeGrant>, ApiError> {
        self.store.grants(app)?.ok_or_else(|| no_such_app(app))
    }
}

fn scope_target(grant: &ScopeGrant) -> EventObject {
    EventObject::new("Scope", &grant.scope, &grant.scope)
}

fn no_such_grant(id: &str) -> ApiError {
    ApiError::no_such("OAuth2ScopeConsentGrant", id)
}
