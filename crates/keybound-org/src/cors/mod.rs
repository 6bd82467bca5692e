//! Pages of other origins: which of them may ask the org from a browser, and read its answers (CORS, the Fetch standard
//! section 3.3).
//!
//! | what is asked | whose pages may |
//! | --- | --- |
//! | metadata and keys | everybody's |
//! | endpoints that clients ask: token, userinfo, revocation, … | of Trusted Origins, and of the redirect URIs of active apps in browsers |
//! | the management API | of Trusted Origins |
//! | all else: pages, the console, the org's own API | nobody's |
//!
//! The layer is around everything that answers, refuses or fails, so that a page can read why. An answer for a page
//! that may not read it has no field of CORS, which browsers take for a no; the log says what to do.

mod fields;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{COOKIE, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use keybound::random::Random;

use crate::admin_token::AdminTokenHash;
use crate::answer;
use crate::management::ApiError;
use crate::store::{Store, StoreError, TrustedOriginScope};
use crate::web_origin::WebOrigin;
use crate::{authorization_server, background, management};

/// Characters of an origin that the log and a refusal repeat, at most.
const SHOWN_CHARACTERS: usize = 100;

/// Whose pages may read the answers of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Everybody's.
    All,
    /// Those of Trusted Origins, and of the redirect URIs of active apps in browsers.
    BrowserApps,
    /// Those of Trusted Origins.
    TrustedOrigins,
    /// Nobody's.
    None,
}

impl Sharing {
    /// How what is at a path is shared.
    fn of_path(path: &str) -> Self {
        if management::is_at(path) { Self::TrustedOrigins } else { authorization_server::sharing(path) }
    }

    /// What requests a page may make.
    const fn methods(self) -> &'static str {
        match self {
            Self::All | Self::None => "GET, HEAD",
            Self::BrowserApps => "GET, HEAD, POST",
            Self::TrustedOrigins => "GET, HEAD, POST, PUT, PATCH, DELETE",
        }
    }
}

/// What decides whose pages may ask.
pub(crate) struct Cors {
    /// The org's own origin.
    pub(crate) own: String,
    pub(crate) admin_token: Arc<AdminTokenHash>,
    pub(crate) store: Store,
    pub(crate) random: Arc<dyn Random>,
}

/// Whether a page may read the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// No page of another origin asks.
    NotAsked,
    /// It may, as every page.
    Everyone,
    /// It may, since it is of this origin. What a browser sends by itself, cookies, may come along from one that is
    /// trusted by name.
    Page { origin: HeaderValue, is_trusted: bool },
    /// It may not.
    Refused { origin: String, reason: &'static str },
}

impl Verdict {
    /// Whether what a browser sends by itself, and no page has to know, counts in the request.
    const fn lets_cookies_come(&self) -> bool {
        matches!(self, Self::NotAsked | Self::Page { is_trusted: true, .. })
    }
}

const NOT_TRUSTED: &str = "the origin is no active Trusted Origin with the scope CORS; add it in the console under \
                           Trusted Origins, by POST /api/v1/trustedOrigins, or with `keybound org start \
                           --trusted-origin`";
const NOT_OF_AN_APP: &str = "no active app of the type browser has a redirect URI at the origin, and it is no active \
                             Trusted Origin with the scope CORS; add the redirect URI to the app, or the origin in the \
                             console under Trusted Origins, by POST /api/v1/trustedOrigins, or with `keybound org \
                             start --trusted-origin`";
const NO_ORIGIN: &str = "a page without an origin of its own, from a file or in a sandbox, cannot be trusted; serve it \
                         over http";
const NOT_AN_ORIGIN: &str =
    "`Origin` must name one origin that can be trusted: of http, https, ftp, ionic or capacitor";
const API_TOKEN: &str = "an API token (SSWS) may do everything and is not for pages; use an access token";
const STORE_FAILED: &str = "the org cannot tell whether the origin is trusted";

/// Shares answers with the pages that may read them.
pub(crate) async fn share(State(cors): State<Arc<Cors>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let sharing = Sharing::of_path(path);
    if sharing == Sharing::None {
        return next.run(request).await;
    }
    let verdict = cors.verdict(sharing, request.headers()).await;
    if let Verdict::Refused { origin, reason } = &verdict {
        tracing::warn!(origin, path, "not shared with a page of another origin: {reason}");
    }
    if fields::is_preflight(&request) && verdict != Verdict::NotAsked {
        return cors.preflight_answer(sharing, &verdict, &request);
    }
    if !verdict.lets_cookies_come() || is_embedded_elsewhere(request.headers()) {
        request.headers_mut().remove(COOKIE);
    }
    let mut answer = next.run(request).await;
    fields::vary(answer.headers_mut(), sharing);
    fields::share(answer.headers_mut(), &verdict);
    answer
}

impl Cors {
    async fn verdict(&self, sharing: Sharing, headers: &HeaderMap) -> Verdict {
        let mut origins = headers.get_all(ORIGIN).iter();
        let Some(field) = origins.next() else { return Verdict::NotAsked };
        if sharing == Sharing::All {
            return Verdict::Everyone;
        }
        let text = field.to_str().unwrap_or_default();
        if text == self.own {
            return Verdict::NotAsked;
        }
        let refused = |reason| Verdict::Refused { origin: shown(text), reason };
        let parsed = text.parse::<WebOrigin>().ok().filter(|_| origins.next().is_none());
        let Some(origin) = parsed else {
            return refused(if text == "null" { NO_ORIGIN } else { NOT_AN_ORIGIN });
        };
        if self.admin_token.authorizes(headers).is_some() {
            return refused(API_TOKEN);
        }
        let store = self.store.clone();
        match background::run(move || is_known(&store, sharing, &origin)).await {
            Ok(Ok(Some(is_trusted))) => Verdict::Page { origin: field.clone(), is_trusted },
            Ok(Ok(None)) if sharing == Sharing::BrowserApps => refused(NOT_OF_AN_APP),
            Ok(Ok(None)) => refused(NOT_TRUSTED),
            Ok(Err(error)) => failed(&error, text),
            Err(error) => failed(&error, text),
        }
    }

    /// The answer to a browser that asks whether a page's request may be sent.
    fn preflight_answer(&self, sharing: Sharing, verdict: &Verdict, request: &Request) -> Response {
        let answer = match verdict {
            Verdict::Refused { origin, reason } => {
                ApiError::no_permission(format!("origin {origin}: {reason}")).into_response()
            }
            _ => StatusCode::NO_CONTENT.into_response(),
        };
        let mut answer =
            answer::completed(answer, &Method::OPTIONS, request.uri().path(), self.random.as_ref());
        fields::allow(answer.headers_mut(), sharing, verdict, request.headers());
        answer
    }
}

/// Whether a page of another origin has this in it without asking by script, as a picture or an object, as far as the
/// browser says (Fetch Metadata). Such a page reads nothing, but sees whether it failed.
fn is_embedded_elsewhere(headers: &HeaderMap) -> bool {
    let is_elsewhere = |site: &HeaderValue| site == "cross-site" || site == "same-site";
    !headers.contains_key(ORIGIN) && headers.get("sec-fetch-site").is_some_and(is_elsewhere)
}

/// Whether an origin may ask, and then whether it is a Trusted Origin.
fn is_known(store: &Store, sharing: Sharing, origin: &WebOrigin) -> Result<Option<bool>, StoreError> {
    if store.trusts(origin, TrustedOriginScope::Cors)? {
        return Ok(Some(true));
    }
    let is_of_app = sharing == Sharing::BrowserApps && store.has_browser_app_at(origin)?;
    Ok(is_of_app.then_some(false))
}

/// What cannot be told is refused.
fn failed(error: &dyn std::error::Error, origin: &str) -> Verdict {
    tracing::error!(%error, "the org failed");
    Verdict::Refused { origin: shown(origin), reason: STORE_FAILED }
}

fn shown(origin: &str) -> String {
    origin.chars().take(SHOWN_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_a_path_is_shared_as_it_says() {
        for (path, expected) in [
            ("/.well-known/openid-configuration", Sharing::All),
            ("/.well-known/oauth-authorization-server", Sharing::All),
            ("/.well-known/oauth-authorization-server/oauth2/default", Sharing::All),
            ("/oauth2/default/.well-known/openid-configuration", Sharing::All),
            ("/oauth2/v1/keys", Sharing::All),
            ("/oauth2/default/v1/keys", Sharing::All),
            ("/oauth2/v1/token", Sharing::BrowserApps),
            ("/oauth2/default/v1/token", Sharing::BrowserApps),
            ("/oauth2/default/v1/userinfo", Sharing::BrowserApps),
            ("/oauth2/default/v1/introspect", Sharing::BrowserApps),
            ("/oauth2/default/v1/revoke", Sharing::BrowserApps),
            ("/oauth2/default/v1/par", Sharing::BrowserApps),
            ("/oauth2/default/v1/device/authorize", Sharing::BrowserApps),
            ("/api/v1/users", Sharing::TrustedOrigins),
            ("/api/v1/nothing", Sharing::TrustedOrigins),
            ("/oauth2/v1/clients/0oa1/roles", Sharing::TrustedOrigins),
            ("/oauth2/default/v1/authorize", Sharing::None),
            ("/oauth2/v1/authorize/sign-in", Sharing::None),
            ("/oauth2/v1/logout", Sharing::None),
            ("/oauth2/v1/tokens", Sharing::None),
            ("/oauth2/v1/token/", Sharing::None),
            ("/activate", Sharing::None),
            ("/admin", Sharing::None),
            ("/assets/org.css", Sharing::None),
            ("/keybound/v1/traces", Sharing::None),
            ("/", Sharing::None),
        ] {
            assert_eq!(Sharing::of_path(path), expected, "{path}");
        }
    }
}
