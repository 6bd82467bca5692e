//! The token endpoint: a client that proves who it is gets an access token, bound to a key if it proves
//! that it holds one (RFC 6749 section 4.4, RFC 7523, RFC 9449 sections 5 and 8).
//!
//! # What is used up, and when
//!
//! Single use of the assertion and of the proof comes last, after every check, and is recorded for both
//! in one transaction: a request that is refused uses up neither. So the answer to a nonce challenge works
//! however the client makes it, and a client that sent one bad proof keeps its assertion. A replay of
//! either one is refused: what was recorded came with a request that was granted a token, and only that
//! is worth repeating. The signatures of both have been verified by then, so a stranger cannot use up
//! another's identifiers, nor fill the store.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE};
use keybound::NumericDate;
use keybound::assertion::{AssertionRefusal, CLIENT_ASSERTION_TYPE, UnverifiedAssertion, VerifiedAssertion};
use keybound::proof::{ProofContext, ProofRefusal, VerifiedProof, proof_header};
use serde_json::json;

use super::AuthorizationServer;
use super::access_token::{ACCESS_TOKEN_LIFE, IssuedToken};
use super::form::{FormRefusal, MAX_FORM_BYTES, TokenForm};
use super::refusal::TokenRefusal;
use crate::background;
use crate::origin;
use crate::store::{App, AppStatus, Once};

/// `POST /oauth2/v1/token`.
pub(super) async fn endpoint(State(server): State<Arc<AuthorizationServer>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let worker = Arc::clone(&server);
    let issued = match axum::body::to_bytes(body, MAX_FORM_BYTES).await {
        Ok(body) => {
            let work = move || {
                let granted = worker.grant(&head.headers, &body);
                worker.log_grant(&granted, &head.headers, &body, origin::of(&head));
                granted
            };
            background::run(work).await
        }
        Err(_) => Ok(Err(FormRefusal::TooLarge.into())),
    };
    match issued.unwrap_or_else(|unfinished| Err(unfinished.into())) {
        Ok(issued) => issued.into_response(),
        Err(refusal) => refusal.answer(&server.nonces.current(server.now())),
    }
}

impl AuthorizationServer {
    /// A token request from its first check to its token.
    fn grant(&self, headers: &HeaderMap, body: &[u8]) -> Result<IssuedToken, TokenRefusal> {
        let now = self.now();
        let form = TokenForm::read(headers, body)?;
        right_grant_type(&form)?;
        let (app, assertion) = self.authenticated(&form, headers, now)?;
        let scopes = granted_scopes(&form, &app)?;
        let proof = self.proven(headers, &app, now)?;
        self.use_up(&assertion, proof.as_ref(), now)?;
        let issued = self.issue(&app.client_id, scopes, proof.map(|proof| proof.thumbprint()), now)?;
        tracing::info!(client_id = app.client_id, token_type = issued.scheme.name(), "token granted");
        Ok(issued)
    }

    /// The app that the client assertion is of (RFC 7523 section 3).
    fn authenticated(
        &self,
        form: &TokenForm,
        headers: &HeaderMap,
        now: NumericDate,
    ) -> Result<(App, VerifiedAssertion), TokenRefusal> {
        let is_private_key_jwt = form.get("client_assertion_type") == Some(CLIENT_ASSERTION_TYPE);
        let uses_another = headers.contains_key(AUTHORIZATION) || form.get("client_secret").is_some();
        if !is_private_key_jwt || uses_another {
            return Err(TokenRefusal::AuthenticationMethod);
        }
        let assertion = UnverifiedAssertion::parse(form.require("client_assertion")?)?;
        if form.get("client_id").is_some_and(|client_id| client_id != assertion.client_id()) {
            return Err(TokenRefusal::ClientId);
        }
        let app = self.store.app(assertion.client_id())?.filter(|app| app.status == AppStatus::Active);
        let app = app.ok_or(AssertionRefusal::UnknownClient)?;
        let assertion = assertion.verify(&self.assertions, &app.keys, now)?;
        Ok((app, assertion))
    }

    /// The proof, which must be there if the app requires one, and good if it is there.
    fn proven(
        &self,
        headers: &HeaderMap,
        app: &App,
        now: NumericDate,
    ) -> Result<Option<VerifiedProof>, TokenRefusal> {
        let Some(proof) = proof_header(headers)? else {
            return if app.dpop_bound_access_tokens { Err(ProofRefusal::Missing.into()) } else { Ok(None) };
        };
        let context = ProofContext {
            method: &http::Method::POST,
            target: &self.token_endpoint,
            access_token: None,
            nonces: Some(&self.nonces),
            now,
        };
        Ok(Some(self.proofs.check(proof, &context)?))
    }

    fn use_up(
        &self,
        assertion: &VerifiedAssertion,
        proof: Option<&VerifiedProof>,
        now: NumericDate,
    ) -> Result<(), TokenRefusal> {
        let assertion = Once::assertion(assertion, self.assertions.leeway);
        let both: Vec<_> = assertion.into_iter().chain(proof.map(Once::proof)).collect();
        Ok(self.store.record_once(&both, now)?)
    }
}

fn right_grant_type(form: &TokenForm) -> Result<(), TokenRefusal> {
    match form.require("grant_type")? {
        "client_credentials" => Ok(()),
        _ => Err(TokenRefusal::GrantType),
    }
}

/// The scopes that are asked for, each once, if all of them were granted to the app.
fn granted_scopes(form: &TokenForm, app: &App) -> Result<Vec<String>, TokenRefusal> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in form.get("scope").unwrap_or_default().split(' ').filter(|scope| !scope.is_empty()) {
        if !app.scopes.iter().any(|granted| granted == scope) {
            return Err(TokenRefusal::Scope);
        }
        if !scopes.iter().any(|known| known == scope) {
            scopes.push(scope.to_owned());
        }
    }
    if scopes.is_empty() { Err(TokenRefusal::NoScope) } else { Ok(scopes) }
}

impl IntoResponse for IssuedToken {
    fn into_response(self) -> Response {
        let body = json!({
            "token_type": self.scheme.name(),
            "expires_in": ACCESS_TOKEN_LIFE.as_secs(),
            "access_token": self.access_token.as_str(),
            "scope": self.scopes.join(" "),
        });
        ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], body.to_string()).into_response()
    }
}
