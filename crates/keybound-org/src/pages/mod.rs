//! What people see in a browser: pages that are rendered here, with one layout and one stylesheet, for the
//! authorization servers and whoever else has pages. They need no script, load nothing from elsewhere, and say so to
//! the browser.

use askama::Template;
use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use zeroize::Zeroizing;

use crate::web_origin::WebOrigin;

/// What all pages load: the stylesheet of users' pages, which `layout.html` names, and that of the admin console, which
/// `console/layout.html` names.
pub(crate) fn assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    const ORG: &str = concat!(include_str!("palette.css"), include_str!("org.css"));
    const CONSOLE: &str =
        concat!(include_str!("palette.css"), include_str!("console.css"), include_str!("traces.css"));
    Router::new()
        .route("/assets/org.css", get(|| async { asset("text/css; charset=utf-8", ORG) }))
        .route("/assets/console.css", get(|| async { asset("text/css; charset=utf-8", CONSOLE) }))
        .route(
            "/assets/traces.js",
            get(|| async { asset("text/javascript; charset=utf-8", include_str!("traces.js")) }),
        )
}

fn asset(media_type: &'static str, text: &'static str) -> Response {
    let fields =
        [(CONTENT_TYPE, media_type), (CACHE_CONTROL, "max-age=3600"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (fields, text).into_response()
}

/// The scripts that a page may run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scripts {
    None,
    /// The one that stands in it.
    This(&'static str),
    /// Those that the org serves, which may ask the org.
    OfTheOrg,
}

/// Bytes that a page has room for without being moved; those with secrets need a part of it.
const ROOM: usize = 16 * 1024;

/// A page. What stands in its template is escaped.
pub(crate) trait Page: Template {
    /// The scripts that it may run.
    const SCRIPTS: Scripts = Scripts::None;

    /// The page as an answer. Its forms may send to the org and to `form_targets` (sources of CSP), also by the
    /// redirect that answers a form.
    fn answer(&self, status: StatusCode, form_targets: &[String]) -> Response {
        let policy = content_security_policy(Self::SCRIPTS, form_targets, "'none'");
        let mut answer = self.rendered(status, policy);
        answer.headers_mut().insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        answer
    }

    /// The page as an answer that pages of one origin may have in a frame, and no others.
    fn answer_in_frame(&self, status: StatusCode, ancestor: &WebOrigin) -> Response {
        self.rendered(status, content_security_policy(Self::SCRIPTS, &[], ancestor.as_str()))
    }

    /// The page with this Content-Security-Policy.
    fn rendered(&self, status: StatusCode, policy: HeaderValue) -> Response {
        // All room at once, and overwritten when it has been sent: some pages show a secret.
        let mut html = Zeroizing::new(String::with_capacity(ROOM));
        if self.render_into(&mut *html).is_err() {
            tracing::error!("a page cannot be rendered");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let fields = [
            (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (CONTENT_SECURITY_POLICY, policy),
        ];
        (status, fields, Bytes::from_owner(html)).into_response()
    }
}

fn content_security_policy(scripts: Scripts, form_targets: &[String], ancestors: &str) -> HeaderValue {
    let scripts = match scripts {
        Scripts::None => String::new(),
        Scripts::This(script) => {
            let hash = STANDARD.encode(digest(&SHA256, script.as_bytes()));
            format!(" script-src 'sha256-{hash}';")
        }
        Scripts::OfTheOrg => " script-src 'self'; connect-src 'self';".to_owned(),
    };
    let policy = format!(
        "default-src 'none'; style-src 'self';{scripts} form-action 'self' {}; frame-ancestors {ancestors}; base-uri 'none'",
        form_targets.join(" ")
    );
    // A target that does not fit into a field gets no form.
    let nothing = "default-src 'none'; frame-ancestors 'none'; sandbox";
    HeaderValue::from_str(&policy).unwrap_or_else(|_| HeaderValue::from_static(nothing))
}

/// Where a user signs in.
#[derive(Template)]
#[template(path = "sign_in.html")]
pub(crate) struct SignIn<'a> {
    /// The name of the app that they are on the way to.
    pub(crate) app: &'a str,
    pub(crate) action: &'a str,
    /// The authorization request, as a query has it.
    pub(crate) request: &'a str,
    pub(crate) form_token: &'a str,
    pub(crate) username: &'a str,
    /// Why it did not work before.
    pub(crate) problem: Option<&'a str>,
}

impl Page for SignIn<'_> {}

/// Where a user says whether an app may have what it asks for.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct Consent<'a> {
    pub(crate) app: &'a str,
    pub(crate) user: &'a str,
    pub(crate) scopes: &'a [String],
    pub(crate) action: &'a str,
    /// What is decided about: the name and the value of a field.
    pub(crate) subject_name: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) form_token: &'a str,
}

impl Page for Consent<'_> {}

/// Where a user types the code that a device shows.
#[derive(Template)]
#[template(path = "activate.html")]
pub(crate) struct Activate<'a> {
    pub(crate) action: &'a str,
    pub(crate) form_token: &'a str,
    pub(crate) user_code: &'a str,
    pub(crate) username: &'a str,
    pub(crate) asks_for_password: bool,
    pub(crate) problem: Option<&'a str>,
}

impl Page for Activate<'_> {}

/// Something that a user is told.
#[derive(Template)]
#[template(path = "notice.html")]
pub(crate) struct Notice<'a> {
    pub(crate) title: &'a str,
    pub(crate) text: &'a str,
}

impl Page for Notice<'_> {}

/// An authorization response that the browser sends by itself or, without scripts, when it is told.
#[derive(Template)]
#[template(path = "form_post.html")]
pub(crate) struct FormPost<'a> {
    pub(crate) action: &'a str,
    pub(crate) parameters: &'a [(&'a str, &'a str)],
}

const SUBMIT: &str = "document.forms[0].submit()";

/// An authorization response that is told the page in whose frame or popup this one is, if that is of an origin.
#[derive(Template)]
#[template(path = "post_message.html")]
pub(crate) struct PostMessage<'a> {
    /// Whose pages may be told; the browser sees to it.
    pub(crate) origin: &'a str,
    /// What they are told, an object in JSON.
    pub(crate) response: &'a str,
}

const TELL: &str = "const { origin, response } = document.getElementById('response').dataset; \
                    (window.parent === window ? window.opener : window.parent)?.postMessage(JSON.parse(response), origin)";

impl Page for PostMessage<'_> {
    const SCRIPTS: Scripts = Scripts::This(TELL);
}

impl Page for FormPost<'_> {
    const SCRIPTS: Scripts = Scripts::This(SUBMIT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_escaped() {
        let hostile = "\"><script>alert(1)</script>'&";
        let page = SignIn {
            app: hostile,
            action: hostile,
            request: hostile,
            form_token: hostile,
            username: hostile,
            problem: Some(hostile),
        };
        let parameters = [(hostile, hostile)];
        let form_post = FormPost { action: hostile, parameters: &parameters };
        let post_message = PostMessage { origin: hostile, response: hostile };
        for html in [page.render().unwrap(), form_post.render().unwrap(), post_message.render().unwrap()] {
            assert!(!html.contains("<script>alert") && !html.contains("\"><"), "{html}");
        }
    }

    #[test]
    fn a_page_loads_nothing_but_its_stylesheet_and_runs_no_script() {
        let answer = Notice { title: "a", text: "b" }.answer(StatusCode::OK, &[]);
        let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self'; form-action 'self' ;"), "{policy}");
        assert!(!policy.contains("script"), "{policy}");
        let parameters = [];
        let answer = FormPost { action: "https://x.example/", parameters: &parameters }
            .answer(StatusCode::OK, &["https://x.example".to_owned()]);
        let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("script-src 'sha256-") && policy.contains("'self' https://x.example;"),
            "{policy}"
        );
        assert_eq!(answer.headers()[X_FRAME_OPTIONS], "DENY");
    }

    #[test]
    fn a_page_that_tells_is_in_frames_of_the_one_origin_and_sends_no_form() {
        let origin: WebOrigin = "https://x.example:8443".parse().unwrap();
        let page = PostMessage { origin: origin.as_str(), response: "{}" };
        let answer = page.answer_in_frame(StatusCode::OK, &origin);
        let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("; frame-ancestors https://x.example:8443; "), "{policy}");
        assert!(
            policy.contains("form-action 'self' ;") && policy.contains("script-src 'sha256-"),
            "{policy}"
        );
        assert!(!answer.headers().contains_key(X_FRAME_OPTIONS), "it knows no origins");
    }
}
