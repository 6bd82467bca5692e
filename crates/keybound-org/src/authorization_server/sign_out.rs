//! `/login/signout`: whoever is at the browser is signed out, for no client, and goes on to `fromURI` if that is at an
//! active Trusted Origin with the scope `REDIRECT`.

use axum::response::Response;
use http::StatusCode;
use url::Url;

use super::AuthorizationServer;
use super::authorization_request::{NoTarget, NotAuthorized};
use super::authorization_response::redirect;
use super::browser::Browser;
use super::endpoint::Asked;
use crate::pages::{Notice, Page as _};
use crate::store::{Session, StoreError, TrustedOriginScope};
use crate::web_origin::WebOrigin;

/// Where users sign out.
pub(super) const SIGN_OUT: &str = "/login/signout";

/// Bytes of a `fromURI`, at most: as much as a redirect URI may have.
const MAX_FROM_URI_BYTES: usize = 2 * 1024;

/// What a user is told who is not sent on.
const NOT_SENT_ON: &str = "You are signed out. The fromURI of this request is at no active Trusted Origin with the scope \
                           REDIRECT, so you are not sent there; add its origin in the console under Trusted Origins, \
                           or by POST /api/v1/trustedOrigins.";

/// `GET /login/signout`.
pub(super) fn endpoint(server: &AuthorizationServer, asked: &Asked) -> Response {
    server.sign_out(asked).unwrap_or_else(|reason| reason.answer(server))
}

impl AuthorizationServer {
    fn sign_out(&self, asked: &Asked) -> Result<Response, NotAuthorized> {
        if !asked.is_navigation() {
            return Err(NoTarget::Embedded.into());
        }
        let form = asked.parameters().map_err(NoTarget::from)?;
        let browser = self.browser(&asked.head.headers)?;
        if let Some(session) = self.org.store.session(browser.session(), self.now())? {
            self.end_session(asked, &browser, &session)?;
        }
        let signed_out = |text| Notice { title: "Signed out", text }.answer(StatusCode::OK, &[]);
        let answer = match form.get("fromURI") {
            None => signed_out("You are signed out."),
            Some(uri) => match self.trusted_target(uri)? {
                Some(target) => redirect(target.as_str()),
                None => signed_out(NOT_SENT_ON),
            },
        };
        Ok(self.without_cookie(answer))
    }

    /// Ends the session of a browser; the system log tells of it.
    pub(super) fn end_session(
        &self,
        asked: &Asked,
        browser: &Browser,
        session: &Session,
    ) -> Result<(), StoreError> {
        self.org.store.end_session(browser.session())?;
        self.log_sign_out(asked, session)?;
        tracing::info!(user_id = session.user_id, "signed out");
        Ok(())
    }

    /// Where a user goes on to, if that is at a Trusted Origin for redirects. It is written anew from what was looked at,
    /// so that a browser reads the same in it.
    pub(super) fn trusted_target(&self, uri: &str) -> Result<Option<Url>, StoreError> {
        let url = Url::parse(uri).ok().filter(|_| uri.len() <= MAX_FROM_URI_BYTES);
        let Some((url, origin)) =
            url.and_then(|url| WebOrigin::of_url(url.as_str()).map(|origin| (url, origin)))
        else {
            return Ok(None);
        };
        let is_trusted = self.org.store.trusts(&origin, TrustedOriginScope::Redirect)?;
        Ok(is_trusted.then_some(url))
    }
}
