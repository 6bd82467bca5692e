//! What an access token lets a client see of its user (OpenID Connect Core section 5.3). It is a protected resource:
//! its requests are held to the same rules as those of the management API.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CACHE_CONTROL;
use keybound::Refusal;
use keybound::access_token::AccessTokenRefusal;
use keybound::resource::ResourceRequest;
use serde_json::{Map, Value, json};

use super::AuthorizationServer;
use super::endpoint::{Asked, json_answer};
use super::introspection::claims_of;
use super::refusal::TokenRefusal;
use super::scopes::OPENID;
use crate::answer::RefusedBy;
use crate::protected_resource::{protected_resource, refusal_fields};

/// Where the user's claims are.
pub(super) const USER_INFO: &str = "/userinfo";

/// Why nothing is told.
enum NotTold {
    Refused(Refusal),
    Failed(TokenRefusal),
}

impl<E: Into<Refusal>> From<E> for NotTold {
    fn from(refusal: E) -> Self {
        Self::Refused(refusal.into())
    }
}

/// `GET` and `POST /oauth2/v1/userinfo`.
pub(super) fn endpoint(server: &AuthorizationServer, asked: &Asked) -> Response {
    match server.user_info(asked) {
        Ok(claims) => json_answer(StatusCode::OK, &claims.into()),
        Err(NotTold::Refused(refusal)) => challenge(&refusal),
        Err(NotTold::Failed(refusal)) => server.refuse(&refusal),
    }
}

impl AuthorizationServer {
    fn user_info(&self, asked: &Asked) -> Result<Map<String, Value>, NotTold> {
        let now = self.now();
        let target = self.target(USER_INFO).map_err(NotTold::Failed)?;
        let request = ResourceRequest {
            method: &asked.head.method,
            target: &target,
            query: asked.head.uri.query(),
            headers: &asked.head.headers,
        };
        let mut user_id = None;
        let verify = |token: &str| {
            let verified = self.verified_access_token(token, now)?;
            user_id = claims_of(token).get("uid").and_then(Value::as_str).map(str::to_owned);
            Ok::<_, AccessTokenRefusal>(verified)
        };
        let admitted = protected_resource(&self.org.store).admit(&request, verify, now)?;
        admitted.require_scope(&[OPENID])?;
        // A token without a user, or whose user is gone, is good for nothing here.
        let user = self.active_user(user_id.as_deref().unwrap_or_default());
        let user = user.map_err(|_| Refusal::from(AccessTokenRefusal::Revoked))?;
        let scopes = &admitted.access_token().scopes;
        let mut claims = self.user_claims(&user, scopes).map_err(NotTold::Failed)?;
        claims.insert("sub".to_owned(), json!(user.id));
        Ok(claims)
    }
}

/// The status and the challenges of a refusal (RFC 6750 section 3, RFC 9449 section 7.1); Okta sends no body.
fn challenge(refusal: &Refusal) -> Response {
    let answer = refusal.at_resource();
    tracing::info!(status = answer.status.as_u16(), rule = refusal.rule().source(), "userinfo refused");
    let mut response = (answer.status, [(CACHE_CONTROL, "no-store")]).into_response();
    for (name, field) in refusal_fields(refusal) {
        response.headers_mut().append(name, field);
    }
    response.extensions_mut().insert(RefusedBy { rule: Some(refusal.rule()), reason: refusal.to_string() });
    response
}
