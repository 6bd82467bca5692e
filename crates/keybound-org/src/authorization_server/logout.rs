//! A client signs its user out (OpenID Connect RP-Initiated Logout 1.0).

use axum::response::Response;
use http::StatusCode;
use keybound::access_token::MAX_ACCESS_TOKEN_BYTES;
use keybound::{Algorithm, NumericDate, UnverifiedJws, VerifyingKey};
use url::Url;

use super::AuthorizationServer;
use super::authorization_request::{MAX_ECHOED_BYTES, NoTarget, NotAuthorized};
use super::authorization_response::redirect;
use super::endpoint::Asked;
use super::redirect_uri::RedirectUri;
use crate::pages::{Notice, Page as _};
use crate::store::App;

/// Where users are signed out.
pub(super) const LOGOUT: &str = "/logout";

/// Whom an ID token is of.
struct Hint {
    app: App,
    user_id: String,
}

/// `GET` and `POST /oauth2/v1/logout`.
pub(super) fn endpoint(server: &AuthorizationServer, asked: &Asked) -> Response {
    server.log_out(asked).unwrap_or_else(|reason| reason.answer(server))
}

impl AuthorizationServer {
    /// Only what the hint is of ends: nobody can sign out whoever else uses the browser, or by a link without a hint.
    fn log_out(&self, asked: &Asked) -> Result<Response, NotAuthorized> {
        let now = self.now();
        let form = asked.parameters().map_err(NoTarget::from)?;
        let hint = self.hint(form.require("id_token_hint").map_err(NoTarget::from)?, now)?;
        let hint = hint.ok_or(NoTarget::Hint)?;
        let target = match form.get("post_logout_redirect_uri") {
            None => None,
            Some(uri) => {
                let registered = &hint.app.client.post_logout_redirect_uris;
                let target = RedirectUri::registered(uri, registered, &hint.app);
                Some(target.ok_or(NoTarget::LogoutUri)?)
            }
        };
        let browser = self.browser(&asked.head.headers)?;
        let session = self.org.store.session(browser.session(), now)?;
        if let Some(session) = session.filter(|session| session.user_id == hint.user_id) {
            self.end_session(asked, &browser, &session)?;
        }
        let state = form.get("state").filter(|state| state.len() <= MAX_ECHOED_BYTES);
        let answer = match target {
            Some(target) => redirect(&with_state(&target, state)),
            None => Notice { title: "Signed out", text: "You are signed out." }.answer(StatusCode::OK, &[]),
        };
        Ok(self.without_cookie(answer))
    }

    /// The app and the user of an ID token that this server signed, however long ago.
    fn hint(&self, id_token: &str, now: NumericDate) -> Result<Option<Hint>, NotAuthorized> {
        let keys = self.org.keys.verifying(&self.id, now)?;
        let read = || {
            let jws = UnverifiedJws::decode(id_token, MAX_ACCESS_TOKEN_BYTES).ok()?;
            let header = jws.header().ok()?;
            let key_id = header.optional_string("kid").ok()??;
            let key = keys.keys().iter().find(|key| key.key_id() == Some(key_id))?;
            let verifying = VerifyingKey::new(key, Algorithm::RS256).ok()?;
            verifying.verify(jws.signing_input(), jws.signature()).ok()?;
            let claims = jws.claims().ok()?;
            // An access token is signed by the same key, and is for somebody else.
            let is_id_token = header.optional_string("typ").ok()? == Some("JWT");
            let is_ours = claims.string("iss").ok()? == self.issuer;
            let parties = (claims.string("aud").ok()?.to_owned(), claims.string("sub").ok()?.to_owned());
            (is_id_token && is_ours).then_some(parties)
        };
        let Some((client_id, user_id)) = read() else { return Ok(None) };
        Ok(self.org.store.app(&client_id)?.map(|app| Hint { app, user_id }))
    }
}

fn with_state(target: &RedirectUri, state: Option<&str>) -> String {
    match (state, Url::parse(target.as_str())) {
        (Some(state), Ok(mut url)) => {
            url.query_pairs_mut().append_pair("state", state);
            url.into()
        }
        _ => target.as_str().to_owned(),
    }
}
