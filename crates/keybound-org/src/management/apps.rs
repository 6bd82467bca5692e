//! `/api/v1/apps`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde_json::json;

use super::Management;
use super::admission::Permit;
use super::app_body::{AppBody, Present};
use super::body::JsonBody;
use super::error::ApiError;
use super::page::{ListKind, ListRequest};
use super::right::{ManageApps, ReadApps};
use super::users::has;
use crate::background;
use crate::event::EventObject;
use crate::named::Named;
use crate::store::{
    App, AppStatus, BesideSettings, ClientSecret, Condition, NewApp, Page, Store, app_property,
};

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/apps", get(list).post(create))
        .route("/apps/{app}", get(read).put(replace).delete(delete))
        .route("/apps/{app}/lifecycle/{step}", post(lifecycle))
}

pub(crate) const APPS: ListKind =
    ListKind { default_limit: 20, largest_limit: 200, filter: Some(app_property), search: None };

/// `GET /api/v1/apps`.
async fn list(
    _: Permit<ReadApps>,
    State(api): State<Arc<Management>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let request = ListRequest::read(&query.unwrap_or_default(), &APPS)?;
    background::run(move || {
        let page = api.apps(&request)?;
        let apps: Result<Vec<_>, _> = page.items.iter().map(|app| api.app_view(app, None)).collect();
        Ok(request.answer(&apps?, &api.list_url("apps"), page.next()))
    })
    .await?
}

/// `POST /api/v1/apps`: the one answer that shows the client's secret, if it has one. With `activate=false` nobody is let
/// in before the app is activated.
async fn create(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    RawQuery(query): RawQuery,
    JsonBody(body): JsonBody<AppBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let is_staged = has(query.as_deref(), "activate", "false");
        let status = if is_staged { AppStatus::Inactive } else { AppStatus::Active };
        let (app, secret) = api.create_app(&permit, body, status)?;
        Ok(Json(api.app_view(&app, secret.as_ref())?).into_response())
    })
    .await?
}

/// `GET /api/v1/apps/{id}`.
async fn read(
    _: Permit<ReadApps>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let app = api.app(&id)?;
        Ok(Json(api.app_view(&app, None)?).into_response())
    })
    .await?
}

/// `PUT /api/v1/apps/{id}`: settings that the body does not name stay.
async fn replace(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
    JsonBody(body): JsonBody<AppBody>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let (app, new_secret) = api.replace_app(&permit, &id, body)?;
        Ok(Json(api.app_view(&app, new_secret.as_ref())?).into_response())
    })
    .await?
}

/// `DELETE /api/v1/apps/{id}`, of an app that was deactivated.
async fn delete(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    Named(id): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.delete_app(&permit, &id)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `POST /api/v1/apps/{id}/lifecycle/{activate|deactivate}`.
async fn lifecycle(
    permit: Permit<ManageApps>,
    State(api): State<Arc<Management>>,
    Named((id, step)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    let status = match step.as_str() {
        "activate" => AppStatus::Active,
        "deactivate" => AppStatus::Inactive,
        _ => return Err(ApiError::no_such_path()),
    };
    background::run(move || {
        api.set_app_status(&permit, &id, status)?;
        Ok(Json(json!({})).into_response())
    })
    .await?
}

impl Management {
    /// Registers an app; gives it with its secret, if it has one.
    pub(crate) fn create_app(
        &self,
        permit: &Permit<ManageApps>,
        body: AppBody,
        status: AppStatus,
    ) -> Result<(App, Option<ClientSecret>), ApiError> {
        let (present, assign_everyone) = (body.of_new_app(), body.assigns_everyone());
        let settings = body.read(present)?;
        let client_secret = match settings.client_secret {
            None if settings.client.token_endpoint_auth_method.uses_secret() => {
                Some(ClientSecret::generate(self.random.as_ref())?)
            }
            secret => secret,
        };
        let new = NewApp {
            label: settings.label,
            public_keys: settings.keys.unwrap_or_default(),
            assign_everyone,
            implicit_assignment: settings.implicit_assignment,
            dpop_bound_access_tokens: settings.dpop_bound_access_tokens,
            client: settings.client,
            client_secret,
            status,
            presentation: settings.presentation,
            ..NewApp::default()
        };
        let app = self.store.create_app(&new, self.clock.now(), self.random.as_ref())?;
        self.log(&permit.event("application.lifecycle.create", "Create application").to(target(&app)));
        Ok((app, new.client_secret))
    }

    /// Changes the settings of an app that the body names; gives the app as it then is, and its secret if it has got
    /// another one.
    pub(crate) fn replace_app(
        &self,
        permit: &Permit<ManageApps>,
        id: &str,
        body: AppBody,
    ) -> Result<(App, Option<ClientSecret>), ApiError> {
        let mut new_secret = None;
        // What the body leaves out is taken from the app as it is then, not as somebody read it before.
        let app = self.store.replace_app(id, self.clock.now(), |app| {
            permit.to_change(app)?;
            let settings = body.read(Present {
                label: app.label.clone(),
                client_id: Some(app.client_id.clone()),
                client: app.client.clone(),
                dpop_bound_access_tokens: app.dpop_bound_access_tokens,
                implicit_assignment: app.implicit_assignment,
                has_keys: !app.keys.keys().is_empty(),
            })?;
            let uses_secret = settings.client.token_endpoint_auth_method.uses_secret();
            new_secret = match (settings.client_secret, &app.client_secret_hash) {
                (None, None) if uses_secret => Some(ClientSecret::generate(self.random.as_ref())?),
                (secret, _) => secret,
            };
            app.label = settings.label;
            app.client = settings.client;
            app.dpop_bound_access_tokens = settings.dpop_bound_access_tokens;
            app.implicit_assignment = settings.implicit_assignment;
            if let Some(secret) = &new_secret {
                app.client_secret_hash = Some(secret.hash());
            }
            Ok::<_, ApiError>(BesideSettings { keys: settings.keys, presentation: settings.presentation })
        })?;
        self.log(&permit.event("application.lifecycle.update", "Update application").to(target(&app)));
        Ok((app, new_secret))
    }

    /// Deletes an app that was deactivated.
    pub(crate) fn delete_app(&self, permit: &Permit<ManageApps>, id: &str) -> Result<(), ApiError> {
        permit.to_change(&self.app(id)?)?;
        let app = self.store.delete_app(id, |app| match app.status {
            AppStatus::Active => Err(ApiError::app_is_active()),
            AppStatus::Inactive => Ok(()),
        })?;
        self.log(&permit.event("application.lifecycle.delete", "Delete application").to(target(&app)));
        Ok(())
    }

    /// Lets the clients of an app in, or no more.
    pub(crate) fn set_app_status(
        &self,
        permit: &Permit<ManageApps>,
        id: &str,
        status: AppStatus,
    ) -> Result<(), ApiError> {
        let app = self.store.change_app(id, self.clock.now(), |app| {
            permit.to_change(app)?;
            app.status = status;
            Ok::<_, ApiError>(())
        })?;
        let (event_type, message) = match status {
            AppStatus::Active => ("application.lifecycle.activate", "Activate application"),
            AppStatus::Inactive => ("application.lifecycle.deactivate", "Deactivate application"),
        };
        self.log(&permit.event(event_type, message).to(target(&app)));
        Ok(())
    }

    /// The page of apps that is asked for.
    pub(crate) fn apps(&self, request: &ListRequest) -> Result<Page<App>, ApiError> {
        let condition = request.looked_for(Store::apps_beginning_with, Condition::always);
        Ok(self.store.apps(&request.listing(condition))?)
    }

    /// The app of this id.
    pub(crate) fn app(&self, id: &str) -> Result<App, ApiError> {
        self.store.app(id)?.ok_or_else(|| no_such_app(id))
    }
}

pub(super) fn no_such_app(id: &str) -> ApiError {
    ApiError::no_such("AppInstance", id)
}

/// An app as a target of an event.
pub(super) fn target(app: &App) -> EventObject {
    EventObject::new("AppInstance", &app.client_id, &app.label).also_called(&app.label)
}
