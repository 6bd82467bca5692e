//! `response_mode=okta_post_message`: a response is told to pages of the redirect URI's origin and no others, with and
//! without the user seeing a page.

use http::StatusCode;
use http::header::LOCATION;
use keybound_org::{ApplicationType, NewApp};
use serde_json::{Value, json};

use crate::people::{self, Browser, CALLBACK, LOGIN, LOOPBACK, Parameters, Shown, UserApp};
use crate::support::TestOrg;

const PAGE: &str = "https://spa.example:8443/callback?tenant=a";
const ORIGIN: &str = "https://spa.example:8443";

fn browser_app() -> NewApp {
    let mut app = people::native_app();
    app.client.application_type = ApplicationType::Browser;
    app.client.redirect_uris =
        vec![PAGE.to_owned(), "com.example.app:/callback".to_owned(), "https://u@spa.example/".to_owned()];
    app.client.grant_types.retain(|grant| *grant != keybound_org::GrantType::DeviceCode);
    app
}

fn silent(app: &UserApp) -> Parameters {
    let request = app.request().with("redirect_uri", PAGE).with("response_mode", "okta_post_message");
    request.with("prompt", "none")
}

/// Whom a page tells, and what.
fn told(shown: &Shown) -> (String, Value) {
    assert_eq!((shown.status, shown.location()), (StatusCode::OK, ""), "{shown:?}");
    let attribute = |name: &str| {
        let (_, rest) = shown.html.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("{shown:?}"));
        rest.split_once('"').unwrap().0.replace("&#34;", "\"").replace("&#38;", "&").replace("&#39;", "'")
    };
    (attribute("data-origin"), serde_json::from_str(&attribute("data-response")).unwrap())
}

#[tokio::test]
async fn a_page_is_told_a_code_without_a_page_for_the_user() {
    let test = TestOrg::start().await;
    people::user(&test).await;
    let app = UserApp::register(&test, &browser_app());
    let mut browser = Browser::default();
    let url = app.authorize_url(&test, &silent(&app));
    let shown = browser.open(&url).await;
    let words = "The client specified not to prompt, but the user is not logged in.";
    let refused = json!({
        "error": "login_required", "error_description": words, "iss": test.org.url(), "state": "s t&ate",
    });
    assert_eq!(told(&shown), (ORIGIN.to_owned(), refused));
    assert!(browser.cookies.is_empty(), "nobody is anybody yet");

    // With a page, as in a popup: the answer to the sign-in form tells.
    let page = browser.open(&app.authorize_url(&test, &silent(&app).without("prompt"))).await;
    assert_eq!(page.headers["x-frame-options"], "DENY");
    let shown = browser.submit(&test, &page, &[("username", LOGIN), ("password", people::PASSWORD)]).await;
    assert!(told(&shown).1["code"].is_string(), "{shown:?}");

    let shown = browser.open(&url).await;
    let (origin, response) = told(&shown);
    assert_eq!((origin.as_str(), &response["state"]), (ORIGIN, &json!("s t&ate")));
    assert_eq!(response["iss"], test.org.url());
    let policy = shown.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains(&format!("; frame-ancestors {ORIGIN}; ")), "{policy}");
    assert!(policy.starts_with("default-src 'none'; style-src 'self'; script-src 'sha256-"), "{policy}");
    assert!(!shown.headers.contains_key("x-frame-options"), "{shown:?}");
    assert_eq!(shown.headers["cache-control"], "no-store");
    assert_eq!(shown.html.matches("<script").count(), 1);

    let code = response["code"].as_str().unwrap();
    let exchange = UserApp::exchange(code).with("redirect_uri", PAGE);
    let granted = app.post(&test, "/token", &exchange, true).await;
    assert_eq!(granted.status, StatusCode::OK, "{granted:?}");
}

#[tokio::test]
async fn errors_are_told_in_the_same_way() {
    let test = TestOrg::start().await;
    people::user(&test).await;
    let app = UserApp::register(&test, &browser_app());
    let mut browser = Browser::default();
    browser.open_signed_in(&test, &app.authorize_url(&test, &silent(&app).without("prompt")), LOGIN).await;
    for (name, value, error) in [
        ("prompt", "none login", "invalid_request"),
        ("max_age", "0", "login_required"),
        ("scope", "nonsense", "invalid_scope"),
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge_method", "plain", "invalid_request"),
    ] {
        let shown = browser.open(&app.authorize_url(&test, &silent(&app).with(name, value))).await;
        let (origin, response) = told(&shown);
        assert_eq!((origin.as_str(), &response["error"]), (ORIGIN, &json!(error)), "{name}={value}");
        assert!(response.get("code").is_none());
    }
}

#[tokio::test]
async fn nobody_is_told_whom_the_app_did_not_register_as_a_page() {
    let test = TestOrg::start().await;
    people::user(&test).await;
    let (app, native) = (UserApp::register(&test, &browser_app()), people::native(&test));
    let mut browser = Browser::default();
    let first = app.authorize_url(&test, &silent(&app).without("prompt"));
    browser.open_signed_in(&test, &first, LOGIN).await;
    for (app, redirect_uri, why) in [
        (&app, "https://evil.example/", "not registered"),
        (&app, "https://spa.example:8443/other", "not registered, though at the origin"),
        (&app, "com.example.app:/callback", "no origin"),
        (&app, "https://u@spa.example/", "no plain origin"),
        (&native, CALLBACK, "a native app has no pages"),
        (&native, LOOPBACK, "a native app has no pages"),
        (&native, "http://127.0.0.1:4711/callback", "whoever has the port"),
    ] {
        let request = silent(app).with("redirect_uri", redirect_uri);
        let shown = browser.open(&app.authorize_url(&test, &request)).await;
        assert!(!shown.html.contains("data-response"), "{why}: {shown:?}");
        assert!(!shown.html.contains("code=") && !shown.location().contains("code="), "{why}: {shown:?}");
        let policy = shown.headers.get("content-security-policy").map(|policy| policy.to_str().unwrap());
        assert!(policy.is_none_or(|policy| policy.contains("frame-ancestors 'none'")), "{why}: {policy:?}");
        if shown.headers.contains_key(LOCATION) {
            assert_eq!(shown.response()["error"], "invalid_request", "{why}");
        } else {
            assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{why}: {shown:?}");
        }
    }
}
