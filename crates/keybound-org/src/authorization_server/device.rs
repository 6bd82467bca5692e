//! The device authorization grant (RFC 8628): a device without a browser shows a code, its user types it in elsewhere
//! and says yes or no, and meanwhile the device polls.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use keybound::NumericDate;
use keybound::random::RandomUnavailable;
use serde_json::json;

use super::AuthorizationServer;
use super::authorization_request::{NoTarget, NotAuthorized};
use super::browser::{Browser, FormPurpose};
use super::endpoint::{Asked, json_answer};
use super::grants::{UsersGrant, bounded};
use super::refusal::TokenRefusal;
use crate::form::Form;
use crate::origin;
use crate::pages::{Activate, Consent, Notice, Page as _};
use crate::store::{App, DeviceAnswer, DeviceRequest, GrantType, Redeemed};
use crate::user::User;

/// Where devices ask.
pub(super) const AUTHORIZE: &str = "/device/authorize";
/// Where a user types the code, one page for all servers.
pub(super) const ACTIVATION_PATH: &str = "/activate";
/// Where a user says yes or no.
pub(super) const ANSWER_PATH: &str = "/activate/answer";

/// How long a device waits for its user, as Okta's do.
const DEVICE_LIFE: Duration = Duration::from_secs(600);

/// How long a device has to wait between two polls, and how much longer after each that came too early (RFC 8628
/// section 3.5).
const PAUSE: Duration = Duration::from_secs(5);

/// The longest pause that a device can bring itself to.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// Letters of a user code that nobody takes for others, and that spell no words (RFC 8628 section 6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// Letters of a user code: 34 bits. Who guesses has to sign in first, has ten minutes, and few attempts.
const USER_CODE_LETTERS: usize = 8;

/// What a user is told whose code was not looked at.
const TOO_MANY_CODES: &str = "Too many invalid codes. Try again in ten minutes.";

/// How often a user code is made anew when another device has it.
const TRIES: usize = 8;

/// `POST /oauth2/v1/device/authorize`.
pub(super) fn endpoint(server: &AuthorizationServer, asked: &Asked) -> Response {
    match server.begin_on_device(asked) {
        Ok(begun) => {
            let page = format!("{}{ACTIVATION_PATH}", server.org.url.origin());
            let body = json!({
                "device_code": begun.device_code,
                "user_code": begun.user_code,
                "verification_uri": page,
                "verification_uri_complete": format!("{page}?user_code={}", begun.user_code),
                "expires_in": DEVICE_LIFE.as_secs(),
                "interval": PAUSE.as_secs(),
            });
            json_answer(StatusCode::OK, &body)
        }
        Err(refusal) => server.refuse(&refusal),
    }
}

/// `GET` and `POST /activate`.
pub(super) fn activation(server: &AuthorizationServer, asked: &Asked) -> Response {
    server.activation(asked).unwrap_or_else(|reason| reason.answer(server))
}

/// `POST /activate/answer`.
pub(super) fn answer(server: &AuthorizationServer, asked: &Asked) -> Response {
    server.answer_device(asked).unwrap_or_else(|reason| reason.answer(server))
}

/// The two codes of a device.
struct Begun {
    device_code: String,
    user_code: String,
}

impl AuthorizationServer {
    fn begin_on_device(&self, asked: &Asked) -> Result<Begun, TokenRefusal> {
        let now = self.now();
        let form = asked.form()?;
        let client = self.authenticated(&form, asked, AUTHORIZE, now)?;
        client.may_use(GrantType::DeviceCode)?;
        let scopes = self.requested_scopes(form.get("scope"), &client.app, true)?;
        self.use_up(&client, AUTHORIZE, None, now)?;

        let device_code = self.secret()?.to_string();
        for _ in 0..TRIES {
            let request = DeviceRequest {
                server: self.id.clone(),
                client_id: client.app.client_id.clone(),
                scopes: scopes.clone(),
                user_code: self.user_code()?,
                expires: now.after(DEVICE_LIFE),
                pause: PAUSE,
                polled: None,
                answer: DeviceAnswer::Pending,
            };
            if self.org.store.keep_device_request(&device_code, &request, now)? {
                return Ok(Begun { device_code, user_code: request.user_code });
            }
        }
        Err(crate::store::StoreError::Damaged { what: "no user code is free" }.into())
    }

    fn user_code(&self) -> Result<String, RandomUnavailable> {
        let mut code = String::new();
        while code.len() < USER_CODE_LETTERS {
            let mut bytes = [0; USER_CODE_LETTERS];
            self.org.random.fill(&mut bytes)?;
            // 240 is a multiple of 20: no letter is more frequent than another.
            let fair = bytes.into_iter().filter(|byte| *byte < 240);
            let letters = fair.filter_map(|byte| LETTERS.get(usize::from(byte) % LETTERS.len()));
            code.extend(letters.take(USER_CODE_LETTERS - code.len()).map(|letter| char::from(*letter)));
        }
        Ok(code)
    }

    /// A device polls (RFC 8628 section 3.4).
    pub(super) fn device_grant<'f>(
        &self,
        form: &'f Form,
        app: &App,
        now: NumericDate,
    ) -> Result<UsersGrant<'f>, TokenRefusal> {
        let code = bounded(form.require("device_code")?).ok_or(TokenRefusal::DeviceCode)?;
        let request = self.org.store.device_request(code)?.ok_or(TokenRefusal::DeviceCode)?;
        if request.client_id != app.client_id || request.server != self.id {
            return Err(TokenRefusal::DeviceCode);
        }
        if request.expires <= now {
            return Err(TokenRefusal::DeviceExpired);
        }
        let is_early = request.polled.is_some_and(|polled| now.since(polled) < request.pause);
        match request.answer {
            DeviceAnswer::Pending if is_early => {
                let pause = request.pause.saturating_add(PAUSE).min(MAX_PAUSE);
                self.org.store.note_poll(code, pause, now)?;
                Err(TokenRefusal::SlowDown { pause: pause.as_secs() })
            }
            DeviceAnswer::Pending => {
                self.org.store.note_poll(code, request.pause, now)?;
                Err(TokenRefusal::DevicePending)
            }
            DeviceAnswer::Denied => Err(TokenRefusal::DeviceDenied),
            DeviceAnswer::Used => Err(TokenRefusal::DeviceCode),
            DeviceAnswer::Approved(authorization) => {
                let user = self.assigned_user(app, &authorization.user_id)?;
                let scopes = authorization.scopes.clone();
                let authorization = *authorization;
                Ok(UsersGrant { redeemed: Redeemed::DeviceCode(code), authorization, user, scopes })
            }
        }
    }

    /// The page for the code and, for who is not signed in, for username and password.
    fn activation(&self, asked: &Asked) -> Result<Response, NotAuthorized> {
        let now = self.now();
        let form = asked.parameters().map_err(NoTarget::from)?;
        let browser = self.browser(&asked.head.headers)?;
        let signed_in = self.signed_in(&browser, None, now)?;
        let code = typed(form.get("user_code").unwrap_or_default());
        let page = |problem| self.activation_page(&browser, &form, signed_in.is_none(), problem);
        if asked.head.method != http::Method::POST {
            return Ok(page(None));
        }
        if !browser.was_shown(FormPurpose::DeviceCode, form.get("form_token")) {
            return Ok(page(Some("This page was not current any more. Please try again.")));
        }
        // Nobody learns which codes are waiting without having signed in.
        let (browser, session) = match &signed_in {
            Some((session, _)) => (browser, session.clone()),
            None => match self.begin_session(asked, &browser, &form)? {
                Ok((browser, session, _)) => (browser, session),
                Err(problem) => return Ok(page(Some(problem))),
            },
        };
        let (attempts, address) = (&self.org.code_attempts, origin::of(&asked.head).ip);
        if !attempts.may_try(&session.user_id, address.as_deref(), now) {
            tracing::warn!(user_id = session.user_id, address, "too many wrong user codes");
            let mut answer = self.activation_page(&browser, &form, false, Some(TOO_MANY_CODES));
            *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            return Ok(answer);
        }
        let Some(request) = self.org.store.waiting_device_request(&code, now)? else {
            attempts.note_wrong(&session.user_id, address.as_deref(), now);
            return Ok(self.activation_page(&browser, &form, false, Some("Invalid code. Try again.")));
        };
        let app = self.org.store.app(&request.client_id)?.ok_or(NoTarget::UnknownClient)?;
        let user = self.active_user(&session.user_id)?;
        if !self.may_sign_in(asked, &app, &user)? {
            // Whoever has typed the code has answered: the device waits for nobody else.
            self.org.store.answer_device(&code, None, now)?;
            let problem = TokenRefusal::UserNotAssigned.to_string();
            return Ok(self.activation_page(&browser, &form, false, Some(&problem)));
        }
        Ok(self.device_consent(&browser, &app, &user, &request))
    }

    fn activation_page(
        &self,
        browser: &Browser,
        form: &Form,
        asks_for_password: bool,
        problem: Option<&str>,
    ) -> Response {
        let page = Activate {
            action: ACTIVATION_PATH,
            form_token: &browser.form_token(FormPurpose::DeviceCode),
            user_code: &typed(form.get("user_code").unwrap_or_default()),
            username: form.get("username").unwrap_or_default(),
            asks_for_password,
            problem,
        };
        let status = if problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
        self.with_cookie(browser, page.answer(status, &[]))
    }

    fn device_consent(&self, browser: &Browser, app: &App, user: &User, request: &DeviceRequest) -> Response {
        let page = Consent {
            app: &app.label,
            user: user.login(),
            scopes: &request.scopes,
            action: ANSWER_PATH,
            subject_name: "user_code",
            subject: &request.user_code,
            form_token: &browser.form_token(FormPurpose::DeviceAnswer(&request.user_code)),
        };
        self.with_cookie(browser, page.answer(StatusCode::OK, &[]))
    }

    fn answer_device(&self, asked: &Asked) -> Result<Response, NotAuthorized> {
        let now = self.now();
        let form = asked.form().map_err(NoTarget::from)?;
        let browser = self.browser(&asked.head.headers)?;
        let (session, user) = self.signed_in(&browser, None, now)?.ok_or(NoTarget::Stale)?;
        let code = typed(form.get("user_code").unwrap_or_default());
        if !browser.was_shown(FormPurpose::DeviceAnswer(&code), form.get("form_token")) {
            return Err(NoTarget::Stale.into());
        }
        let request = self.org.store.waiting_device_request(&code, now)?.ok_or(NoTarget::Stale)?;
        let allowed = form.get("decision") == Some("allow");
        let leave = if allowed {
            let leave = self.leave(&request.client_id, &request.scopes, &session, now)?;
            // The page is one for all servers; the leave is for the one that the device asked.
            Some(crate::store::Authorization { server: request.server, ..leave })
        } else {
            None
        };
        if !self.org.store.answer_device(&code, leave.as_ref(), now)? {
            return Err(NoTarget::Stale.into());
        }
        tracing::info!(client_id = request.client_id, allowed, "device answered");
        if let (true, Some(app)) = (allowed, self.org.store.app(&request.client_id)?) {
            self.log_single_sign_on(asked, (&session, &user), &app);
        }
        let page = if allowed {
            Notice { title: "Device activated", text: "Follow the instructions on your device." }
        } else {
            Notice { title: "Device not activated", text: "The device was not given access." }
        };
        Ok(page.answer(StatusCode::OK, &[]))
    }
}

/// A code as it is kept, from how people type it (RFC 8628 section 6.1); what is no letter is left out.
fn typed(code: &str) -> String {
    let letters = code.chars().filter(char::is_ascii_alphabetic);
    letters.take(USER_CODE_LETTERS + 1).map(|letter| letter.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_may_be_typed_as_people_do() {
        for (code, expected) in [
            ("BCDFGHJK", "BCDFGHJK"),
            ("bcdf-ghjk", "BCDFGHJK"),
            (" BCDF GHJK ", "BCDFGHJK"),
            ("BCDFGHJKLMN", "BCDFGHJKL"),
            ("é1", ""),
        ] {
            assert_eq!(typed(code), expected, "{code}");
        }
    }
}
