//! What a client's own token says and whether it is good (RFC 7662), in the shape of Okta's answers.

use axum::response::Response;
use http::StatusCode;
use keybound::access_token::AccessTokenRefusal;
use keybound::json::Object;
use keybound::{NumericDate, base64url};
use serde_json::{Map, Value, json};

use super::AuthorizationServer;
use super::access_token::members;
use super::endpoint::{Asked, json_answer};
use super::grants::bounded;
use super::issued_tokens;
use super::refusal::TokenRefusal;
use crate::store::App;

/// Where tokens are introspected.
pub(super) const INTROSPECT: &str = "/introspect";

/// `POST /oauth2/v1/introspect`.
pub(super) fn endpoint(server: &AuthorizationServer, asked: &Asked) -> Response {
    match server.introspect(asked) {
        Ok(found) => json_answer(StatusCode::OK, &found.into()),
        Err(refusal) => server.refuse(&refusal),
    }
}

impl AuthorizationServer {
    fn introspect(&self, asked: &Asked) -> Result<Map<String, Value>, TokenRefusal> {
        let now = self.now();
        let form = asked.form()?;
        let client = self.authenticated(&form, asked, INTROSPECT, now)?;
        let token = form.require("token")?;
        // The hint may be wrong (RFC 7662 section 2.1): the token itself tells what it is.
        let found = if token.contains('.') {
            self.introspected_access_token(token, &client.app, now)
        } else {
            self.introspected_refresh_token(token, &client.app, now)?
        };
        self.use_up(&client, INTROSPECT, None, now)?;
        Ok(found.unwrap_or_else(|| members(json!({ "active": false }))))
    }

    /// An access token of this client that is good; of any other it is not told what it is.
    fn introspected_access_token(
        &self,
        token: &str,
        app: &App,
        now: NumericDate,
    ) -> Option<Map<String, Value>> {
        let known = self.verified_access_token(token, now).ok()?;
        if known.client_id.as_deref() != Some(&app.client_id) {
            return None;
        }
        let claims = claims_of(token);
        let mut found = members(json!({
            "active": true,
            "token_type": if known.thumbprint.is_some() { "DPoP" } else { "Bearer" },
            "scope": known.scopes.join(" "),
            "client_id": app.client_id,
            "username": known.subject,
            "exp": known.expires.seconds(),
            "iat": known.issued_at.map(NumericDate::seconds),
            "sub": known.subject,
            "aud": self.audience,
            "iss": self.issuer,
            "jti": known.jwt_id,
        }));
        for name in ["uid", "cnf"] {
            found.extend(claims.get(name).map(|value| (name.to_owned(), value.clone())));
        }
        Some(found)
    }

    fn introspected_refresh_token(
        &self,
        token: &str,
        app: &App,
        now: NumericDate,
    ) -> Result<Option<Map<String, Value>>, TokenRefusal> {
        let Some(token) = bounded(token) else { return Ok(None) };
        let Some(kept) = self.org.store.refresh_token(token)? else { return Ok(None) };
        let authorization = &kept.authorization;
        let is_theirs = authorization.is_of(&self.id, &app.client_id);
        let is_good = is_theirs && !kept.is_ended && kept.used.is_none() && kept.expires > now;
        let Ok(user) = self.active_user(&authorization.user_id) else { return Ok(None) };
        Ok(is_good.then(|| {
            members(json!({
                "active": true,
                "scope": authorization.scopes.join(" "),
                "client_id": app.client_id,
                "username": user.login(),
                "exp": kept.expires.seconds(),
                "iat": kept.issued.seconds(),
                "sub": user.login(),
                "aud": self.audience,
                "iss": self.issuer,
                "jti": kept.jwt_id,
                "uid": user.id,
            }))
        }))
    }

    /// An access token of this server that is good.
    pub(super) fn verified_access_token(
        &self,
        token: &str,
        now: NumericDate,
    ) -> Result<keybound::access_token::AccessToken, AccessTokenRefusal> {
        let (policy, org) = (self.access_tokens(), &self.org);
        issued_tokens::verify(token, &policy, &self.id, &org.keys, &org.revoked, &org.store, now)
    }
}

/// The claims of a token, which nobody has verified here.
pub(crate) fn claims_of(token: &str) -> Map<String, Value> {
    let read = || {
        let claims = base64url::decode(token.split('.').nth(1)?).ok()?;
        // Read strictly once more: a token that is good has each member once.
        Object::parse(&claims).ok()?;
        serde_json::from_slice(&claims).ok()
    };
    read().unwrap_or_default()
}
