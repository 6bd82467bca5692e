//! `/api/v1/internal/apps/{id}/settings/oauth/idToken`: the issuer and the groups claim of an app's ID tokens. It is in no
//! documentation of Okta's; Terraform's provider goes there for each app when it has an API token, and ends without an
//! answer. Apps have no groups claim here.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::Management;
use super::admission::Permit;
use super::apps::target;
use super::body::JsonBody;
use super::error::ApiError;
use super::right::{ManageApps, ReadApps};
use crate::background;
use crate::named::Named;
use crate::store::{AppPresentation, BesideSettings};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new().route("/internal/apps/{app}/settings/oauth/idToken", get(read).post(change))
}

/// What a client sends.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct IdTokenBody {
    issuer_mode: Option<String>,
    name: Option<String>,
    value: Option<String>,
}

impl IdTokenBody {
    /// What of it can be kept.
    fn read(self) -> Result<AppPresentation, ApiError> {
        if [self.name, self.value].into_iter().flatten().any(|text| !text.is_empty()) {
            let cause = "name: the apps of the local org have no groups claim; an authorization server can have claims";
            return Err(ApiError::invalid("name", [cause.to_owned()]));
        }
        let Some(mode) = self.issuer_mode else { return Ok(AppPresentation::default()) };
        let app = json!({ "settings": { "oauthClient": { "issuer_mode": mode } } });
        AppPresentation::of(&app).map_err(|causes| ApiError::invalid("issuerMode", causes))
    }
}

/// `GET …/idToken`.
async fn read(
    _: Permit<ReadApps>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let app = api.app_view(&api.app(&id)?, None)?;
        let issuer_mode = app.pointer("/settings/oauthClient/issuer_mode");
        Ok(Json(json!({ "issuerMode": issuer_mode })).into_response())
    })
    .await?
}

/// `POST …/idToken`.
async fn change(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
    JsonBody(body): JsonBody<IdTokenBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let presentation = body.read()?;
        let app = api.store.replace_app(&id, api.clock.now(), |app| {
            permit.to_change(app)?;
            Ok::<_, ApiError>(BesideSettings { keys: None, presentation })
        })?;
        api.log(&permit.event("application.lifecycle.update", "Update application").to(target(&app)));
        Ok(Json(json!({})).into_response())
    })
    .await?
}
