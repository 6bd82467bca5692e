//! A session that begins by a session token, which a page got for the password: at the authorization endpoint, or before
//! the browser goes on to a page (`/login/sessionCookieRedirect`).

use axum::response::Response;
use keybound::NumericDate;

use super::AuthorizationServer;
use super::authorization_request::{NoTarget, NotAuthorized};
use super::authorization_response::redirect;
use super::browser::Browser;
use super::endpoint::Asked;
use super::grants::bounded;
use super::refusal::TokenRefusal;
use crate::store::Session;
use crate::user::User;

/// Where a browser brings a session token and goes on.
pub(super) const COOKIE_REDIRECT: &str = "/login/sessionCookieRedirect";

/// `GET /login/sessionCookieRedirect`.
pub(super) fn cookie_redirect(server: &AuthorizationServer, asked: &Asked) -> Response {
    server.redirect_with_session(asked).unwrap_or_else(|reason| reason.answer(server))
}

impl AuthorizationServer {
    fn redirect_with_session(&self, asked: &Asked) -> Result<Response, NotAuthorized> {
        if !asked.is_navigation() {
            return Err(NoTarget::Embedded.into());
        }
        let form = asked.parameters().map_err(NoTarget::from)?;
        let target = form.require("redirectUrl").map_err(NoTarget::from)?;
        // First: a token that leads nowhere is not used up.
        let target = self.trusted_target(target)?.ok_or(NoTarget::RedirectUrl)?;
        let token = form.require("token").map_err(NoTarget::from)?;
        let before = self.browser(&asked.head.headers)?;
        let begun = self.begin_session_by_token(token, &before, self.now())?;
        let (browser, ..) = begun.ok_or(NoTarget::SessionToken)?;
        Ok(self.with_cookie(&browser, redirect(target.as_str())))
    }

    /// A new session, under a new cookie, for the user whom a session token is of; `None` if it is used up, has expired,
    /// or the user may not sign in any more.
    pub(super) fn begin_session_by_token(
        &self,
        token: &str,
        before: &Browser,
        now: NumericDate,
    ) -> Result<Option<(Browser, Session, User)>, TokenRefusal> {
        let Some(token) = bounded(token) else { return Ok(None) };
        let browser = self.new_browser()?;
        let begun = self.org.store.begin_session_by_token(token, browser.secret(), now)?;
        let Some(session) = begun else { return Ok(None) };
        let Some(user) = self.user_if_active(&session.user_id)? else { return Ok(None) };
        self.org.store.end_session(before.session())?;
        Ok(Some((browser, session, user)))
    }
}
