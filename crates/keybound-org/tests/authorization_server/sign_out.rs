//! `/login/signout`: whoever is at the browser signs out, and is sent on to Trusted Origins for redirects alone.

use http::{Method, StatusCode};
use serde_json::json;

use crate::people::{self, Browser, LOGIN};
use crate::support::TestOrg;

async fn trust(test: &TestOrg, origin: &str, scope: &str) -> String {
    let body = json!({ "name": origin, "origin": origin, "scopes": [{ "type": scope }] });
    let made = test.administer(Method::POST, "/api/v1/trustedOrigins", Some(body)).await;
    assert_eq!(made.status, StatusCode::OK, "{made:?}");
    made.text("/id").to_owned()
}

#[tokio::test]
async fn a_user_who_signs_out_is_sent_on_to_where_redirects_are_trusted() {
    let (test, app) = people::with_native_app().await;
    trust(&test, "https://site.example", "REDIRECT").await;
    trust(&test, "https://cors.example", "CORS").await;
    let inactive = trust(&test, "https://inactive.example", "REDIRECT").await;
    let deactivate = format!("/api/v1/trustedOrigins/{inactive}/lifecycle/deactivate");
    test.administer(Method::POST, &deactivate, None).await;
    let long = format!("https://site.example/{}", "x".repeat(2048));
    for (from_uri, expected) in [
        (None, ""),
        (Some("https://site.example/bye?a=b#c"), "https://site.example/bye?a=b#c"),
        (Some("https://site.example"), "https://site.example/"),
        // A browser is sent to what was looked at, however it was written.
        (Some("https:\\\\site.example\\@evil.example"), "https://site.example/@evil.example"),
        (Some("HTTPS://site.example:443/"), "https://site.example/"),
        (Some("https://site.example:444/"), ""),
        (Some("http://site.example/"), ""),
        (Some("https://site.example@evil.example/"), ""),
        (Some("https://site.example.evil.example/"), ""),
        (Some("https://evil.example/"), ""),
        (Some("//site.example/"), ""),
        (Some("/admin"), ""),
        (Some("javascript:alert(1)"), ""),
        (Some("https://cors.example/"), ""),
        (Some("https://inactive.example/"), ""),
        (Some("https://app.example/bye"), ""),
        (Some(&long), ""),
    ] {
        let mut browser = Browser::default();
        browser.sign_in(&test, &app.authorize_url(&test, &app.request()), LOGIN).await;
        let cookies = browser.cookies.clone();
        let query = from_uri.map(|uri| people::Parameters::new(&[("fromURI", uri)]).encoded());
        let shown = browser.open(&test.url(&format!("/login/signout?{}", query.unwrap_or_default()))).await;
        assert_eq!(shown.location(), expected, "{from_uri:?}: {shown:?}");
        let is_told_why = shown.html.contains("scope REDIRECT");
        assert_eq!(is_told_why, expected.is_empty() && from_uri.is_some(), "{from_uri:?}: {shown:?}");
        assert!(browser.cookies.is_empty(), "{from_uri:?}");
        browser.cookies = cookies;
        let silent = app.authorize_url(&test, &app.request().with("prompt", "none"));
        assert_eq!(browser.open(&silent).await.response()["error"], "login_required", "{from_uri:?}");
    }
}

#[tokio::test]
async fn nothing_that_another_sites_page_has_in_it_signs_a_user_out() {
    let (test, app) = people::with_native_app().await;
    let mut browser = Browser::default();
    browser.sign_in(&test, &app.authorize_url(&test, &app.request()), LOGIN).await;
    for destination in ["iframe", "image", "empty", "script"] {
        let shown = browser.open_for(&test.url("/login/signout"), destination).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{destination}: {shown:?}");
    }
    let silent = app.authorize_url(&test, &app.request().with("prompt", "none"));
    assert!(browser.open(&silent).await.response().contains_key("code"), "still there");
    let shown = browser.open_for(&test.url("/login/signout"), "document").await;
    assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
    assert_eq!(browser.open(&silent).await.response()["error"], "login_required");
    let again = browser.open(&test.url("/login/signout")).await;
    assert_eq!(again.status, StatusCode::OK, "twice is no error");
}
