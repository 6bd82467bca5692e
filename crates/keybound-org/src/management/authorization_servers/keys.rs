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
    background::run(move || Ok(Json(api.signing_key_views(&server)?).into_response())).await?
}

/// `GET …/credentials/keys/{kid}`.
async fn read(
    _: Permit<ReadAuthorizationServers>,
    State(api): State<Arc<Management>>,
    Named((server, key_id)): Named<(String, String)>,
) -> Result<Response, ApiError> {
    background::run(move || {
        let keys = api.signing_key_views(&server)?;
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
        api.rotate_keys_of_server(&permit, &server)?;
        Ok(Json(api.signing_key_views(&server)?).into_response())
    })
    .await?
}

impl Management {
    /// The keys of a server with what each is for, the one to come among them.
    pub(crate) fn keys_of_server(&self, server: &str) -> Result<Vec<(KeyState, PublicKey)>, ApiError> {
        let server = ServerId::Custom(self.custom_server(server)?.id);
        Ok(self.tokens.keys.listed(&server, self.clock.now())?)
    }

    /// Has a server sign with its next key from now on.
    pub(crate) fn rotate_keys_of_server(
        &self,
        permit: &Permit<ManageAuthorizationServers>,
        server: &str,
    ) -> Result<(), ApiError> {
        let server = self.custom_server(server)?;
        self.tokens.keys.rotate(&ServerId::Custom(server.id.clone()), self.clock.now())?;
        let event = permit.event("app.oauth2.as.key.rollover", "Rotate keys of OAuth authorization server");
        self.log(&event.to(target(&server)));
        Ok(())
    }

    fn signing_key_views(&self, server: &str) -> Result<Vec<Value>, ApiError> {
        let keys = self.keys_of_server(server)?;
        Ok(keys.iter().map(|(state, key)| self.signing_key_view(server, *state, key)).collect())
    }

    fn signing_key_view(&self, server: &str, state: KeyState, key: &PublicKey) -> Value {
        let key_id = key.key_id().unwrap_or_default();
        let url = format!("{}/credentials/keys/{key_id}", self.server_url(server));
        let mut view: Map<String, Value> = serde_json::from_str(&key.jwk().to_json()).unwrap_or_default();
        for (member, value) in [
            ("use", json!("sig")),
            ("status", json!(key_status(state))),
            ("_links", json!({ "self": link(&url, &["GET"]) })),
        ] {
            view.insert(member.to_owned(), value);
        }
        Value::Object(view)
    }
}

/// What Okta calls a state.
pub(crate) const fn key_status(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "NEXT",
        KeyState::Active => "ACTIVE",
        KeyState::Retired => "EXPIRED",
    }
}
