//! Pushed authorization requests (RFC 9126): the client sends its request itself, and the browser only where it is.
//! A proof binds the code to its key (RFC 9449 section 10.1).

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use keybound::proof::VerifiedProof;
use serde_json::json;

use super::AuthorizationServer;
use super::authorization_request::{NoTarget, RequestRefusal, response_target};
use super::endpoint::{Asked, json_answer};
use super::refusal::TokenRefusal;
use crate::store::PushedRequest;

/// Where requests are pushed.
pub(super) const PUSHED: &str = "/par";

/// How long a pushed request waits for its browser, as Okta's do.
const PUSHED_LIFE: Duration = Duration::from_secs(300);

/// What the name of a pushed request begins with (RFC 9126 section 2.2).
const REQUEST_URI_PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// `POST /oauth2/v1/par`.
pub(super) fn endpoint(server: &AuthorizationServer, asked: &Asked) -> Response {
    match server.push(asked) {
        Ok(request_uri) => {
            let body = json!({ "request_uri": request_uri, "expires_in": PUSHED_LIFE.as_secs() });
            json_answer(StatusCode::CREATED, &body)
        }
        Err(refusal) => server.refuse(&refusal),
    }
}

impl AuthorizationServer {
    fn push(&self, asked: &Asked) -> Result<String, TokenRefusal> {
        let now = self.now();
        let mut form = asked.form()?;
        let client = self.authenticated(&form, asked, PUSHED, now)?;
        let proof = self.proof(asked, PUSHED, now)?;
        if form.get("request_uri").is_some() {
            return Err(RequestRefusal::PushedTwice.into());
        }
        if let Some(key) = proof.as_ref().map(VerifiedProof::thumbprint) {
            let named = form.get("dpop_jkt").map(str::to_owned);
            if named.is_some_and(|named| named != key.to_string()) {
                return Err(TokenRefusal::OtherThumbprint);
            }
            form.set("dpop_jkt", key.to_string());
        }
        for credential in ["client_assertion", "client_assertion_type", "client_secret"] {
            form.remove(credential);
        }
        form.set("client_id", client.app.client_id.clone());
        let target = response_target(&form, &client.app)
            .ok_or_else(|| TokenRefusal::NoTarget(NoTarget::RedirectUri.to_string()))?;
        self.read_request(&form, client.app.clone(), target)?;
        self.use_up(&client, PUSHED, proof.as_ref(), now)?;

        let request_uri = format!("{REQUEST_URI_PREFIX}{}", self.secret()?.as_str());
        let request = PushedRequest {
            server: self.id.clone(),
            client_id: client.app.client_id,
            parameters: form.encoded(),
        };
        self.org.store.keep_pushed_request(&request_uri, &request, now.after(PUSHED_LIFE), now)?;
        Ok(request_uri)
    }
}
