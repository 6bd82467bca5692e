//! Signing in to the console, with the admin token or a link that is good once, and out of it.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::header::RETRY_AFTER;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use url::form_urlencoded;

use super::administrator::read_form;
use super::{Console, Failure, Posted};
use crate::event::EventClient;
use crate::form::{Form, MAX_FORM_BYTES};
use crate::management::Permit;
use crate::origin;
use crate::pages::Page;
use crate::paths::is_under;

/// Where an administrator signs in.
pub(super) const PATH: &str = "/admin/sign-in";
/// Where one signs out.
const SIGN_OUT: &str = "/admin/sign-out";

/// Bytes of a path that the browser is sent back to, at most.
const MAX_PATH_BYTES: usize = 2 * 1024;

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new().route(PATH, get(page).post(sign_in))
}

pub(super) fn routes_of_administrators() -> Router<Arc<Console>> {
    Router::new().route(SIGN_OUT, post(sign_out))
}

/// The page where an administrator signs in.
#[derive(Default, Template)]
#[template(path = "console/sign_in.html")]
struct SignIn<'a> {
    org: &'a str,
    /// Where to go then.
    to: &'a str,
    /// The code of the link that was opened.
    code: Option<&'a str>,
    /// Why it did not work before.
    problem: Option<&'a str>,
}

impl Page for SignIn<'_> {}

const WRONG_TOKEN: &str =
    "This is not the admin token of this org. It is another one each time that the org starts.";
const WRONG_LINK: &str = "This link was used before, or is too old. Sign in with the admin token, which was printed \
                          beside it.";
const TOO_MANY: &str = "There were too many failed attempts. Wait a minute and try again.";

/// The answer to whoever is not signed in: sign in first, then go on to the same page.
pub(super) fn first(head: &Parts) -> Response {
    let page = if head.method.is_safe() { head.uri.path() } else { super::PATH };
    let to: String = form_urlencoded::byte_serialize(page.as_bytes()).collect();
    Redirect::to(&format!("{PATH}?to={to}")).into_response()
}

/// `GET /admin/sign-in`. To open a link lets nobody in yet: browsers and mail programs open some beforehand.
async fn page(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Result<Response, Failure> {
    let form = Form::of_query(query.as_deref().unwrap_or_default())?;
    let to = destination(&form);
    if console.is_signed_in(&headers) {
        // Nobody needs its link any more, which the browser's history keeps.
        if let Some(code) = form.get("code") {
            console.links.redeem(code, console.now());
        }
        return Ok(Redirect::to(to).into_response());
    }
    let page = SignIn { org: console.url().origin(), to, code: form.get("code"), problem: None };
    Ok(page.answer(StatusCode::OK, &[]))
}

/// `POST /admin/sign-in`.
async fn sign_in(State(console): State<Arc<Console>>, request: Request) -> Result<Response, Failure> {
    let (head, body) = request.into_parts();
    let form = read_form(&head.headers, body, MAX_FORM_BYTES).await?;
    let now = console.now();
    let (is_right, problem) = match (form.get("token"), form.get("code")) {
        (None, Some(code)) => (console.links.redeem(code, now), WRONG_LINK),
        (token, _) => (token.is_some_and(|token| console.management.admin_token.is_of(token)), WRONG_TOKEN),
    };
    // Whoever has the right one is never kept out: others could lock the administrator out, and none of them guesses it.
    if let Some(wait) = console.failed_attempts.wait(now).filter(|_| !is_right) {
        return Ok(console.later(&form, wait));
    }
    console.log_sign_in(origin::of(&head), is_right).await?;
    if !is_right {
        console.failed_attempts.count(now);
        return Ok(console.sign_in_page(&form, problem).answer(StatusCode::FORBIDDEN, &[]));
    }
    console.end_session(&head.headers);
    let cookie = console.sessions.begin(now, console.management.random.as_ref())?;
    let mut answer = Redirect::to(destination(&form)).into_response();
    console.cookie().set(&mut answer, &cookie);
    Ok(answer)
}

/// `POST /admin/sign-out`.
async fn sign_out(_: Posted, State(console): State<Arc<Console>>, headers: HeaderMap) -> Response {
    console.end_session(&headers);
    let mut answer = Redirect::to(PATH).into_response();
    console.cookie().clear(&mut answer);
    answer
}

impl Console {
    fn is_signed_in(&self, headers: &HeaderMap) -> bool {
        let cookie = self.cookie().of_request(headers);
        cookie.is_some_and(|cookie| self.sessions.of_cookie(cookie.expose(), self.now()).is_some())
    }

    fn end_session(&self, headers: &HeaderMap) {
        if let Some(cookie) = self.cookie().of_request(headers) {
            self.sessions.end(cookie.expose(), self.now());
        }
    }

    fn sign_in_page<'a>(&'a self, form: &'a Form, problem: &'a str) -> SignIn<'a> {
        SignIn { org: self.url().origin(), to: destination(form), code: None, problem: Some(problem) }
    }

    fn later(&self, form: &Form, wait: Duration) -> Response {
        let mut answer = self.sign_in_page(form, TOO_MANY).answer(StatusCode::TOO_MANY_REQUESTS, &[]);
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        answer
    }

    async fn log_sign_in(self: &Arc<Self>, client: EventClient, is_right: bool) -> Result<(), Failure> {
        let console = Arc::clone(self);
        super::run(move || {
            let permit = Permit::<()>::of_administrator(client);
            let event = permit.event("user.session.access_admin_app", "User accessing Okta admin app");
            console.management.log(&if is_right { event } else { event.failed("INVALID_CREDENTIALS") });
            Ok(())
        })
        .await
    }
}

/// Where a form or a query says to go then: to a page of the console, whatever it says.
fn destination(form: &Form) -> &str {
    let is_of_console = |path: &&str| {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        is_under(path, super::PATH)
            && path.len() <= MAX_PATH_BYTES
            && path.bytes().all(is_plain)
            && !leads_up(path)
    };
    form.get("to").filter(is_of_console).unwrap_or(super::PATH)
}

/// Whether a segment is `.` or `..`, which browsers take away, also when they are encoded.
fn leads_up(path: &str) -> bool {
    let is_dots =
        |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    path.split(['/', '?', '#']).any(is_dots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_in_ends_at_the_console_whatever_the_form_says() {
        for (to, expected) in [
            ("/admin/apps/0oa1", "/admin/apps/0oa1"),
            ("/admin", "/admin"),
            ("/administrators", "/admin"),
            ("//evil.example/admin", "/admin"),
            ("https://evil.example/admin/", "/admin"),
            ("/admin/%0D%0Aset-cookie: x", "/admin"),
            ("/admin/é", "/admin"),
            ("/admin/apps/a..b", "/admin/apps/a..b"),
            ("/admin/../../x", "/admin"),
            ("/admin/..", "/admin"),
            ("/admin/..?x", "/admin"),
            ("/admin/./x", "/admin"),
            ("/admin/%2E%2e/x", "/admin"),
            ("/admin/.%2e#x", "/admin"),
            ("/admin/..\\x", "/admin"),
            ("/admin/\\x", "/admin"),
            ("", "/admin"),
            (&format!("/admin/{}", "a".repeat(MAX_PATH_BYTES)), "/admin"),
        ] {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
            assert_eq!(destination(&Form::of_query(&query).unwrap()), expected, "{to}");
        }
    }
}
