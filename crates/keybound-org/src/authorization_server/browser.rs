//! The user's browser: its cookie, and the tokens by which a form proves that it is of a page that this browser was
//! shown.
//!
//! There is one cookie, a secret of 256 bits. Before a user signs in it stands for the browser alone; the one that is
//! set then stands for the session as well, and is a new one, so that nobody can prepare a session for another.

use aws_lc_rs::{constant_time, digest};
use axum::response::Response;
use http::HeaderMap;
use keybound::random::RandomUnavailable;
use keybound::{Secret, base64url};

use super::AuthorizationServer;
use crate::cookie::Cookie;
use crate::store::SessionName;

/// What a form is for; a token of one form is good for no other, and a yes for what the user was shown alone.
#[derive(Clone, Copy)]
pub(super) enum FormPurpose<'a> {
    SignIn,
    /// Leave for this authorization request, as the page carries it.
    Consent(&'a str),
    DeviceCode,
    /// Leave for the device of this user code.
    DeviceAnswer(&'a str),
}

impl<'a> FormPurpose<'a> {
    /// Its name, and what it is about.
    const fn parts(self) -> (&'static str, &'a str) {
        match self {
            Self::SignIn => ("sign in", ""),
            Self::Consent(request) => ("consent", request),
            Self::DeviceCode => ("device code", ""),
            Self::DeviceAnswer(code) => ("device answer", code),
        }
    }
}

/// A browser as its requests show it.
pub(super) struct Browser {
    secret: Secret,
    /// Whether it has the cookie already.
    is_known: bool,
}

impl AuthorizationServer {
    /// The browser that sent these header fields; one without a cookie is to get one.
    pub(super) fn browser(&self, headers: &HeaderMap) -> Result<Browser, RandomUnavailable> {
        match self.cookie().of_request(headers) {
            Some(secret) => Ok(Browser { secret, is_known: true }),
            None => self.new_browser(),
        }
    }

    /// A browser with a new cookie.
    pub(super) fn new_browser(&self) -> Result<Browser, RandomUnavailable> {
        Ok(Browser { secret: Secret::new(self.secret()?.as_str()), is_known: false })
    }

    /// Has the browser keep its cookie until it is closed.
    pub(super) fn with_cookie(&self, browser: &Browser, mut answer: Response) -> Response {
        if !browser.is_known {
            self.cookie().set(&mut answer, browser.secret.expose());
        }
        answer
    }

    /// Has the browser forget its cookie.
    pub(super) fn without_cookie(&self, mut answer: Response) -> Response {
        self.cookie().clear(&mut answer);
        answer
    }

    fn cookie(&self) -> Cookie {
        Cookie::of_users(self.org.url.origin())
    }
}

impl Browser {
    /// What the session is kept under.
    pub(super) fn secret(&self) -> &str {
        self.secret.expose()
    }

    /// The session, if one began in it.
    pub(super) fn session(&self) -> SessionName<'_> {
        SessionName::Cookie(self.secret())
    }

    /// The token for a form that this browser is shown.
    pub(super) fn form_token(&self, purpose: FormPurpose<'_>) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        let (name, subject) = purpose.parts();
        // Names and cookies have no zero byte, so nothing of one runs into the next.
        for part in [name, "\0", self.secret.expose(), "\0", subject] {
            context.update(part.as_bytes());
        }
        base64url::encode(context.finish())
    }

    /// Whether a form is of a page that this browser was shown for the purpose.
    pub(super) fn was_shown(&self, purpose: FormPurpose<'_>, token: Option<&str>) -> bool {
        let expected = self.form_token(purpose);
        let is_same = |token: &str| {
            constant_time::verify_slices_are_equal(expected.as_bytes(), token.as_bytes()).is_ok()
        };
        self.is_known && token.is_some_and(is_same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forms_token_is_of_one_browser_and_one_purpose() {
        let browser = |secret: &str| Browser { secret: Secret::new(secret), is_known: true };
        let token = browser("a").form_token(FormPurpose::SignIn);
        assert!(browser("a").was_shown(FormPurpose::SignIn, Some(&token)));
        assert!(!browser("a").was_shown(FormPurpose::DeviceCode, Some(&token)));
        assert!(!browser("b").was_shown(FormPurpose::SignIn, Some(&token)));
        assert!(!browser("a").was_shown(FormPurpose::SignIn, None));
        let leave = browser("a").form_token(FormPurpose::Consent("scope=a"));
        assert!(browser("a").was_shown(FormPurpose::Consent("scope=a"), Some(&leave)));
        for other in [FormPurpose::Consent("scope=b"), FormPurpose::DeviceAnswer("scope=a")] {
            assert!(!browser("a").was_shown(other, Some(&leave)), "a yes to one thing is none to another");
        }
        let new = Browser { is_known: false, ..browser("a") };
        assert!(!new.was_shown(FormPurpose::SignIn, Some(&token)), "without a cookie nothing was shown");
    }
}
