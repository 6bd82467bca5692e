//! `/api/v1/users/{id}/clients`: the apps that hold refresh tokens of a user, and these tokens, which an administrator
//! sees and revokes.
//!
//! A refresh token is used once and another takes its place; here they are one, under one id, as long as the app may go
//! on with them.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde_json::{Value, json};

use super::Management;
use super::admission::Permit;
use super::apps;
use super::error::ApiError;
use super::page::{ListKind, ListRequest};
use super::right::{HelpUsers, ReadUsers};
use super::users;
use crate::background;
use crate::named::Named;
use crate::store::{App, HeldToken, HeldTokens, Order, ServerId};
use crate::timestamp;
use crate::user::User;

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/users/{user}/clients", get(list_clients))
        .route("/users/{user}/clients/{client}/tokens", get(list).delete(revoke_all))
        .route("/users/{user}/clients/{client}/tokens/{token}", get(read).delete(revoke))
}

const TOKENS: ListKind = ListKind { default_limit: 20, largest_limit: 200, filter: None, search: None };

/// `GET …/clients`.
async fn list_clients(
    permit: Permit<ReadUsers>,
    State(api): State<Arc<Management>>,
    Named(name): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let user = api.user(permit.whom(&name))?;
        let ids = api.store.clients_with_tokens(&user.id, api.clock.now())?;
        // An app may be deleted since its tokens were looked for.
        let apps = ids.iter().filter_map(|id| api.store.app(id).transpose());
        let views: Result<Vec<_>, ApiError> = apps.map(|app| api.client_view(&user, &app?)).collect();
        Ok(Json(views?).into_response())
    })
    .await?
}

/// `GET …/tokens`.
async fn list(
    permit: Permit<ReadUsers>,
    State(api): State<Arc<Management>>,
    Named((name, client)): Named<(String, String)>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let request = ListRequest::in_order(&query.unwrap_or_default(), &TOKENS, Order::of_ids())?;
    background::run(move || {
        let (user, app) = api.user_and_app(permit.whom(&name), &client)?;
        let held = HeldTokens { user_id: &user.id, client_id: &app.client_id, now: api.clock.now() };
        let page = api.store.held_tokens(&request.listing(held.condition()))?;
        let tokens: Vec<_> = page.items.iter().map(|token| api.held_token_view(&user, &app, token)).collect();
        Ok(request.answer(&tokens, &api.tokens_url(&user, &app.client_id), page.next()))
    })
    .await?
}

/// `GET …/tokens/{id}`.
async fn read(
    permit: Permit<ReadUsers>,
    State(api): State<Arc<Management>>,
    Named((name, client, token)): Named<(String, String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let (user, app) = api.user_and_app(permit.whom(&name), &client)?;
        let held = HeldTokens { user_id: &user.id, client_id: &app.client_id, now: api.clock.now() };
        let found = api.store.held_token(&held, &token)?.ok_or_else(|| no_such_token(&token))?;
        Ok(Json(api.held_token_view(&user, &app, &found)).into_response())
    })
    .await?
}

/// `DELETE …/tokens`: all that the app holds of the user, and the access tokens that it got with them.
async fn revoke_all(
    permit: Permit<HelpUsers>,
    State(api): State<Arc<Management>>,
    Named((name, client)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        api.revoke_held_tokens(&permit, permit.whom(&name), &client, None)?;
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

/// `DELETE …/tokens/{id}`: one of them.
async fn revoke(
    permit: Permit<HelpUsers>,
    State(api): State<Arc<Management>>,
    Named((name, client, token)): Named<(String, String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        if api.revoke_held_tokens(&permit, permit.whom(&name), &client, Some(&token))? == 0 {
            return Err(no_such_token(&token));
        }
        Ok(StatusCode::NO_CONTENT.into_response())
    })
    .await?
}

impl Management {
    fn user_and_app(&self, user: &str, client_id: &str) -> Result<(User, App), ApiError> {
        Ok((self.user(user)?, self.app(client_id)?))
    }

    /// Revokes what an app holds of a user, or of that what has this id; gives how many they were.
    fn revoke_held_tokens(
        &self,
        permit: &Permit<HelpUsers>,
        user: &str,
        client_id: &str,
        token_id: Option<&str>,
    ) -> Result<usize, ApiError> {
        let (user, app) = self.user_and_app(user, client_id)?;
        self.demand_right_over(permit, &user)?;
        let held = HeldTokens { user_id: &user.id, client_id: &app.client_id, now: self.clock.now() };
        let revoked = self.store.revoke_held_tokens(&held, token_id)?;
        for token in &revoked {
            let (event_type, message) = revocation(&token.server);
            let event = permit.event(event_type, message).debug("tokenId", token.id.as_str());
            self.log(&event.to(apps::target(&app)).to(users::target(&user)));
        }
        Ok(revoked.len())
    }

    fn tokens_url(&self, user: &User, client_id: &str) -> String {
        format!("{}/{}/clients/{client_id}/tokens", self.list_url("users"), user.id)
    }

    fn client_view(&self, user: &User, app: &App) -> Result<Value, ApiError> {
        let view = self.app_view(app, None)?;
        let client = view.pointer("/settings/oauthClient");
        let member = |name: &str| client.and_then(|client| client.get(name));
        Ok(json!({
            "client_id": app.client_id,
            "client_name": app.label,
            "client_uri": member("client_uri"),
            "logo_uri": member("logo_uri"),
            "_links": {
                "tokens": {
                    "href": self.tokens_url(user, &app.client_id),
                    "hints": { "allow": ["GET", "DELETE"] },
                },
            },
        }))
    }

    fn held_token_view(&self, user: &User, app: &App, token: &HeldToken) -> Value {
        let url = format!("{}/{}", self.tokens_url(user, &app.client_id), token.id);
        let issuer = match token.server.custom() {
            None => self.url.origin().to_owned(),
            Some(id) => self.issuer_of_server(id),
        };
        json!({
            "id": token.id,
            "status": "ACTIVE",
            "created": timestamp::text(token.created),
            "lastUpdated": timestamp::text(token.issued),
            "expiresAt": timestamp::text(token.expires),
            "issuer": issuer,
            "clientId": app.client_id,
            "userId": user.id,
            "scopes": token.scopes,
            "_links": {
                "self": { "href": url, "hints": { "allow": ["GET", "DELETE"] } },
                "revoke": { "href": url, "hints": { "allow": ["DELETE"] } },
                "app": { "href": self.app_url(&app.client_id), "title": app.label },
                "client": {
                    "href": format!("{}/oauth2/v1/clients/{}", self.url.origin(), app.client_id),
                    "title": app.label,
                },
                "user": { "href": format!("{}/{}", self.list_url("users"), user.id), "title": user.login() },
            },
        })
    }
}

/// What the system log says of a token that is revoked, in Okta's words.
const fn revocation(server: &ServerId) -> (&'static str, &'static str) {
    match server {
        ServerId::Org => ("app.oauth2.token.revoke", "OIDC token revocation request"),
        ServerId::Custom(_) => ("app.oauth2.as.token.revoke", "OAuth2 token revocation request"),
    }
}

fn no_such_token(id: &str) -> ApiError {
    ApiError::no_such("OAuth2RefreshToken", id)
}
