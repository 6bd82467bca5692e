//! `/api/v1/authorizationServers/{id}/credentials`: the keys that a server signs with.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use keybound::PublicKey;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::members::Members;
use super::{ApiError, JsonBody, Management, Named, Permit, ServerId, background, link, target};
use super::{ManageAuthorizationServers, ReadAuthorizationServers};
use crate::store::KeyState;

pub(super) fn routes() -> Router<Arc<Management>> {
    Router::new()
        .route("/credentials/keys", get(list))
        .route("/credentials/keys/{key}", get(read))
        .route("/credentials/lifecycle/keyRotate", post(rotate))
}

/// What a client sends to rotate keys.
#[derive(Default, Deserialize)]
#[serde(default)]
struct RotateBody {
    r#use: Option<String>,
}

/// `GET …/credentials/keys`.
async fn list(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named(server): Named<String>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let server = api.custom_server(&server)?;
        Ok(Json(api.signing_key_views(&server.id)?).into_response())
    })
    .await?
}

/// `GET …/credentials/keys/{kid}`.
async fn read(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, key_id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let keys = api.signing_key_views(&api.custom_server(&server)?.id)?;
        let key = keys.into_iter().find(|key| key.get("kid").is_some_and(|kid| *kid == key_id));
        let key = key.ok_or_else(|| ApiError::no_such("AuthorizationServerJsonWebKey", &key_id))?;
        Ok(Json(key).into_response())
    })
    .await?
}

/// `POST …/credentials/lifecycle/keyRotate`: the next key signs from now on.
async fn rotate(
    permit: Permit<ManageAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named(server): Named<String>,
    JsonBody(body): JsonBody<RotateBody>,
) -> Result<Response, ApiError> {
    let mut members = Members::default();
    members.only("use", body.r#use.as_deref(), &["sig"]);
    members.all_good(())?;
    background::run(move || {
        let server = api.custom_server(&server)?;
        api.tokens.keys.rotate(&ServerId::Custom(server.id.clone()), api.clock.now())?;
        let event = permit.event("app.oauth2.as.key.rollover", "Rotate keys of OAuth authorization server");
        api.log(&event.to(target(&server)));
        Ok(Json(api.signing_key_views(&server.id)?).into_response())
    })
    .await?
}

impl Management {
    fn signing_key_views(&self, server: &str) -> Result<Vec<Value>, ApiError> {
        let keys = self.tokens.keys.listed(&ServerId::Custom(server.to_owned()), self.clock.now())?;
        Ok(keys.iter().map(|(state, key)| self.signing_key_view(server, *state, key)).collect())
    }

    fn signing_key_view(&self, server: &str, state: KeyState, key: &PublicKey) -> Value {
        let status = match state {
            KeyState::Next => "NEXT",
            KeyState::Active => "ACTIVE",
            KeyState::Retired => "EXPIRED",
        };
        let key_id = key.key_id().unwrap_or_default();
        let url = format!("{}/credentials/keys/{key_id}", self.server_url(server));
        let mut view: Map<String, Value> = serde_json::from_str(&key.jwk().to_json()).unwrap_or_default();
        for (member, value) in [
            ("use", json!("sig")),
            ("status", json!(status)),
            ("_links", json!({ "self": link(&url, &["GET"]) })),
        ] {
            view.insert(member.to_owned(), value);
        }
        Value::Object(view)
    }
}
