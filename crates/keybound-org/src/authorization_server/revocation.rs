//! A client gives a token back (RFC 7009). Whether there was one to give back, it is not told.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CACHE_CONTROL;

use super::AuthorizationServer;
use super::endpoint::Asked;
use super::grants::bounded;
use super::refusal::TokenRefusal;

/// Where tokens are revoked.
pub(super) const REVOKE: &str = "/revoke";

/// `POST /oauth2/v1/revoke`.
pub(super) fn endpoint(server: &AuthorizationServer, asked: &Asked) -> Response {
    match server.revoke(asked) {
        Ok(()) => (StatusCode::OK, [(CACHE_CONTROL, "no-store")]).into_response(),
        Err(refusal) => server.refuse(&refusal),
    }
}

impl AuthorizationServer {
    /// With a refresh token all that was given for the same leave ends; an access token ends alone.
    fn revoke(&self, asked: &Asked) -> Result<(), TokenRefusal> {
        let now = self.now();
        let form = asked.form()?;
        let client = self.authenticated(&form, asked, REVOKE, now)?;
        let token = form.require("token")?;
        self.use_up(&client, REVOKE, None, now)?;

        let client_id = &client.app.client_id;
        if token.contains('.') {
            if let Ok(known) = self.verified_access_token(token, now)
                && known.client_id.as_ref() == Some(client_id)
                && let Some(jwt_id) = &known.jwt_id
            {
                self.org.store.revoke_token(jwt_id, known.expires, now)?;
                tracing::info!(client_id, "access token revoked");
            }
        } else if let Some(token) = bounded(token)
            && let Some(kept) = self.org.store.refresh_token(token)?
            && kept.authorization.is_of(&self.id, client_id)
        {
            self.org.store.end_authorization(&kept.authorization.id, now)?;
            tracing::info!(client_id, "refresh token revoked");
        }
        Ok(())
    }
}
