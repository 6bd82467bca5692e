//! The authorization endpoint: a user's browser comes with a client's request and leaves with a code (RFC 6749
//! section 4.1, OpenID Connect Core section 3.1.2).
//!
//! request → session, or sign-in page → leave, or consent page → code → back to the client
//!
//! Nothing is kept for a request until a user has signed in: the pages carry it along, and it is read anew each time.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use keybound::NumericDate;

use super::AuthorizationServer;
use super::authorization_request::{AuthorizationRequest, NoTarget, NotAuthorized, RequestRefusal};
use super::browser::{Browser, FormPurpose};
use super::endpoint::Asked;
use super::refusal::TokenRefusal;
use crate::form::Form;
use crate::okta_id::{self, IdKind};
use crate::pages::{Consent, Page as _, SignIn};
use crate::store::{Authorization, KeptCode, PasswordCheck, Session};
use crate::user::User;

/// Where a browser comes with a request.
pub(super) const AUTHORIZE: &str = "/authorize";
/// Where the sign-in page sends its form.
pub(super) const SIGN_IN: &str = "/authorize/sign-in";
/// Where the consent page sends its form.
pub(super) const CONSENT: &str = "/authorize/consent";

/// How long a code is good, as Okta's are.
const CODE_LIFE: Duration = Duration::from_secs(300);

/// A sign-in counts as one that a request asked for while its consent page is read.
const READING_TIME: Duration = Duration::from_secs(600);

/// Bytes of a username and of a password, at most.
pub(crate) const MAX_CREDENTIAL_BYTES: usize = 1024;

/// What a user is told whatever was wrong, in Okta's words.
const UNABLE: &str = "Unable to sign in";

/// What a user is told whose password was right.
const EXPIRED: &str = "Your password has expired. Ask an administrator for a new one.";

/// What a user is told whose password was not looked at.
const TOO_MANY: &str = "Too many people sign in at this moment. Try again.";

/// `GET` and `POST /oauth2/v1/authorize`.
pub(super) fn endpoint(server: &AuthorizationServer, asked: &Asked) -> Response {
    server.authorize(asked).unwrap_or_else(|reason| reason.answer(server))
}

/// `POST /oauth2/v1/authorize/sign-in`.
pub(super) fn sign_in(server: &AuthorizationServer, asked: &Asked) -> Response {
    server.sign_in(asked).unwrap_or_else(|reason| reason.answer(server))
}

/// `POST /oauth2/v1/authorize/consent`.
pub(super) fn consent(server: &AuthorizationServer, asked: &Asked) -> Response {
    server.consent(asked).unwrap_or_else(|reason| reason.answer(server))
}

impl AuthorizationServer {
    fn authorize(&self, asked: &Asked) -> Result<Response, NotAuthorized> {
        let now = self.now();
        let form = asked.parameters().map_err(NoTarget::from)?;
        let request = self.authorization_request(&form, now)?;
        let browser = self.browser(&asked.head.headers)?;
        if let Some(token) = form.get("sessionToken").filter(|_| asked.is_page())
            && let Some((browser, session, user)) = self.begin_session_by_token(token, &browser, now)?
        {
            let answer = self.with_leave(asked, &request, &form, &browser, (&session, &user));
            return answer.map(|answer| self.with_cookie(&browser, answer));
        }
        match self.signed_in(&browser, request.longest_signed_in(), now)? {
            Some((session, user)) => self.with_leave(asked, &request, &form, &browser, (&session, &user)),
            None if request.prompt.none => Err(request.refused(RequestRefusal::LoginRequired)),
            None => Ok(self.sign_in_page(&request, &form, &browser, None, None)),
        }
    }

    fn sign_in(&self, asked: &Asked) -> Result<Response, NotAuthorized> {
        let now = self.now();
        let posted = asked.form().map_err(NoTarget::from)?;
        let form = carried(&posted)?;
        let request = self.authorization_request(&form, now)?;
        let browser = self.browser(&asked.head.headers)?;
        let username = posted.get("username");
        if !browser.was_shown(FormPurpose::SignIn, posted.get("form_token")) {
            let stale = "This page was not current any more. Please sign in again.";
            return Ok(self.sign_in_page(&request, &form, &browser, username, Some(stale)));
        }
        let (browser, session, user) = match self.begin_session(asked, &browser, &posted)? {
            Ok(begun) => begun,
            Err(problem) => return Ok(self.sign_in_page(&request, &form, &browser, username, Some(problem))),
        };
        let answer = self.with_leave(asked, &request, &form, &browser, (&session, &user));
        answer.map(|answer| self.with_cookie(&browser, answer))
    }

    fn consent(&self, asked: &Asked) -> Result<Response, NotAuthorized> {
        let now = self.now();
        let posted = asked.form().map_err(NoTarget::from)?;
        let request = self.authorization_request(&carried(&posted)?, now)?;
        let browser = self.browser(&asked.head.headers)?;
        let longest =
            request.longest_signed_in().map(|seconds| seconds.saturating_add(READING_TIME.as_secs()));
        let (session, user) = self.signed_in(&browser, longest, now)?.ok_or(NoTarget::Stale)?;
        let shown = FormPurpose::Consent(posted.require("request").map_err(NoTarget::from)?);
        if !browser.was_shown(shown, posted.get("form_token")) {
            return Err(NoTarget::Stale.into());
        }
        if posted.get("decision") != Some("allow") {
            return Err(request.refused(RequestRefusal::Denied));
        }
        self.demand_assignment(asked, &request, &user)?;
        self.give_code(asked, &request, (&session, &user))
    }

    /// A code, or the page that asks for the user's leave first.
    fn with_leave(
        &self,
        asked: &Asked,
        request: &AuthorizationRequest,
        form: &Form,
        browser: &Browser,
        (session, user): (&Session, &User),
    ) -> Result<Response, NotAuthorized> {
        self.demand_assignment(asked, request, user)?;
        if !request.prompt.consent {
            return self.give_code(asked, request, (session, user));
        }
        let carried = form.encoded();
        let page = Consent {
            app: &request.app.label,
            user: user.login(),
            scopes: &request.scopes,
            action: &format!("{}{CONSENT}", self.base),
            subject_name: "request",
            subject: &carried,
            form_token: &browser.form_token(FormPurpose::Consent(&carried)),
        };
        Ok(page.answer(StatusCode::OK, &[request.target.redirect_uri.source()]))
    }

    fn give_code(
        &self,
        asked: &Asked,
        request: &AuthorizationRequest,
        (session, user): (&Session, &User),
    ) -> Result<Response, NotAuthorized> {
        let now = self.now();
        let given = || -> Result<_, TokenRefusal> {
            let code = self.secret()?;
            let kept = KeptCode {
                authorization: Authorization {
                    nonce: request.nonce.clone(),
                    key: request.key,
                    ..self.leave(&request.app.client_id, &request.scopes, session, now)?
                },
                redirect_uri: request.target.redirect_uri.as_str().to_owned(),
                code_challenge: request.code_challenge.clone(),
                expires: now.after(CODE_LIFE),
                is_used_up: false,
            };
            self.org.store.keep_code(&code, &kept, request.pushed.as_deref())?;
            Ok(code)
        };
        match given() {
            Ok(code) => {
                tracing::info!(client_id = request.app.client_id, user_id = session.user_id, "code granted");
                self.log_single_sign_on(asked, (session, user), &request.app);
                Ok(request.target.code(&code, &self.issuer))
            }
            Err(refusal) => Err(NotAuthorized::There(Box::new(request.target.clone()), refusal)),
        }
    }

    /// What the user of a session lets a client do.
    pub(super) fn leave(
        &self,
        client_id: &str,
        scopes: &[String],
        session: &Session,
        now: NumericDate,
    ) -> Result<Authorization, TokenRefusal> {
        Ok(Authorization {
            id: okta_id::generate(IdKind::Authorization, self.org.random.as_ref())?,
            server: self.id.clone(),
            client_id: client_id.to_owned(),
            user_id: session.user_id.clone(),
            scopes: scopes.to_vec(),
            signed_in: session.signed_in,
            nonce: None,
            key: None,
            created: now,
        })
    }

    /// Who is signed in in this browser, and was asked for the password within so many seconds.
    pub(super) fn signed_in(
        &self,
        browser: &Browser,
        longest: Option<u64>,
        now: NumericDate,
    ) -> Result<Option<(Session, User)>, TokenRefusal> {
        let Some(session) = self.org.store.session(browser.session(), now)? else { return Ok(None) };
        if longest == Some(0)
            || longest.is_some_and(|longest| now.since(session.signed_in) > Duration::from_secs(longest))
        {
            return Ok(None);
        }
        Ok(self.user_if_active(&session.user_id)?.map(|user| (session, user)))
    }

    /// A new session, under a new cookie, for the user whose name and password a form has; else what the user is told.
    pub(super) fn begin_session(
        &self,
        asked: &Asked,
        before: &Browser,
        posted: &Form,
    ) -> Result<Result<(Browser, Session, User), &'static str>, TokenRefusal> {
        let (username, password) = (posted.get("username"), posted.get("password"));
        let (Some(username), Some(password)) = (username, password) else { return Ok(Err(UNABLE)) };
        if username.len() > MAX_CREDENTIAL_BYTES || password.len() > MAX_CREDENTIAL_BYTES {
            return Ok(Err(UNABLE));
        }
        let now = self.now();
        let check = self.org.store.check_password(username, password, now)?;
        self.log_sign_in(asked, username, &check)?;
        let user_id = match check {
            PasswordCheck::Right { user_id } => user_id,
            PasswordCheck::Expired { .. } => return Ok(Err(EXPIRED)),
            PasswordCheck::TooMany => return Ok(Err(TOO_MANY)),
            _ => return Ok(Err(UNABLE)),
        };
        let Some(user) = self.user_if_active(&user_id)? else { return Ok(Err(UNABLE)) };
        let browser = self.new_browser()?;
        self.org.store.end_session(before.session())?;
        let session = self.org.store.begin_session(browser.secret(), user_id, now)?;
        Ok(Ok((browser, session, user)))
    }

    fn sign_in_page(
        &self,
        request: &AuthorizationRequest,
        form: &Form,
        browser: &Browser,
        username: Option<&str>,
        problem: Option<&str>,
    ) -> Response {
        let page = SignIn {
            app: &request.app.label,
            action: &format!("{}{SIGN_IN}", self.base),
            request: &form.encoded(),
            form_token: &browser.form_token(FormPurpose::SignIn),
            username: username.or(request.login_hint.as_deref()).unwrap_or_default(),
            problem,
        };
        let status = if problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
        self.with_cookie(browser, page.answer(status, &[request.target.redirect_uri.source()]))
    }
}

impl AuthorizationRequest {
    /// How long ago the user may have signed in, in seconds.
    fn longest_signed_in(&self) -> Option<u64> {
        if self.prompt.login { Some(0) } else { self.max_age }
    }

    fn refused(&self, refusal: RequestRefusal) -> NotAuthorized {
        NotAuthorized::There(Box::new(self.target.clone()), refusal.into())
    }
}

/// The authorization request that a page carried along.
fn carried(posted: &Form) -> Result<Form, NoTarget> {
    Ok(Form::of_query(posted.require("request")?)?)
}
