//! The user's browser: its cookie, and the tokens by which a form proves that it is of a page that this browser was
//! shown.
//!
//! There is one cookie, a secret of 256 bits. Before a user signs in it stands for the browser alone; the one that is
//! set then stands for the session as well, and is a new one, so that nobody can prepare a session for another.

use aws_lc_rs::{constant_time, digest};
use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use keybound::random::RandomUnavailable;
use keybound::{Secret, base64url};

use super::AuthorizationServer;

/// Bytes of a cookie, at most; ours have 43.
const MAX_COOKIE_BYTES: usize = 64;

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
        match cookie(headers, &self.cookie_name()) {
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
            self.set_cookie(&mut answer, browser.secret.expose(), "");
        }
        answer
    }

    /// Has the browser forget its cookie.
    pub(super) fn without_cookie(&self, mut answer: Response) -> Response {
        self.set_cookie(&mut answer, "", "; Max-Age=0");
        answer
    }

    fn set_cookie(&self, answer: &mut Response, value: &str, more: &str) {
        let secure = if self.is_https() { "; Secure" } else { "" };
        let cookie = format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{more}", self.cookie_name());
        if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
            cookie.set_sensitive(true);
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
    }

    fn is_https(&self) -> bool {
        self.org.url.origin().starts_with("https://")
    }

    /// Browsers keep the cookies of all ports of a host together, so the port is in the name. Over https the prefix
    /// has them refuse the cookie from anywhere else (RFC 6265bis section 4.1.3.2).
    fn cookie_name(&self) -> String {
        let prefix = if self.is_https() { "__Host-" } else { "" };
        let port =
            self.org.url.origin().rsplit(':').next().filter(|port| port.bytes().all(|b| b.is_ascii_digit()));
        format!("{prefix}keybound-org-{}", port.unwrap_or("default"))
    }
}

impl Browser {
    /// What the session is kept under.
    pub(super) fn secret(&self) -> &str {
        self.secret.expose()
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

/// The value of the cookie of this name, if it can be one of ours. Of two, nobody can tell which is.
fn cookie(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(found, _)| *found == name).map(|(_, value)| value);
    let (Some(value), None) = (found.next(), found.next()) else { return None };
    let is_ours = !value.is_empty()
        && value.len() <= MAX_COOKIE_BYTES
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_ours.then(|| Secret::new(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_cookie_of_the_name_is_the_browsers() {
        for (fields, expected) in [
            (&["a=b; sid=x_-1"][..], Some("x_-1")),
            (&["a=b", "sid=x"], Some("x")),
            (&["sid=x; sid=y"], None),
            (&["sid=x", "sid=x"], None),
            (&["sid="], None),
            (&["sid=a b"], None),
            (&["xsid=x"], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(COOKIE, HeaderValue::from_static(field));
            }
            let found = cookie(&headers, "sid");
            assert_eq!(found.as_ref().map(Secret::expose), expected, "{fields:?}");
        }
    }

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
