//! `/api/v1/authn`, for pages that ask for the password themselves: a session token for it, and the one session that begins
//! by that.

use std::collections::BTreeMap;

use http::header::{COOKIE, SET_COOKIE};
use http::{Method, StatusCode};
use keybound_org::OrgSettings;
use serde_json::{Value, json};

use crate::people::{self, Browser, LOGIN, PASSWORD, Parameters, UserApp};
use crate::support::{Answer, TestOrg};

async fn authenticate(test: &TestOrg, username: &str, password: &str) -> Answer {
    let body = json!({ "username": username, "password": password, "options": { "warnBeforePasswordExpired": true } });
    let request = test.http.post(test.url("/api/v1/authn")).header("content-type", "application/json");
    test.send(request.body(body.to_string())).await
}

async fn token(test: &TestOrg) -> String {
    let answer = authenticate(test, LOGIN, PASSWORD).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.text("/sessionToken").to_owned()
}

/// A request of the app with a session token, that shows the user nothing.
fn silent(test: &TestOrg, app: &UserApp, token: &str) -> String {
    app.authorize_url(test, &app.request().with("prompt", "none").with("sessionToken", token))
}

#[tokio::test]
async fn a_session_begins_once_by_the_token_for_a_password() {
    let (test, app) = people::with_native_app().await;
    let answer = authenticate(&test, LOGIN, PASSWORD).await;
    let token = answer.text("/sessionToken");
    let user = test.administer(Method::GET, &format!("/api/v1/users/{LOGIN}"), None).await;
    let expected = json!({
        "status": "SUCCESS", "expiresAt": "2027-01-15T08:05:00.000Z", "sessionToken": token,
        "_embedded": { "user": {
            "id": user.json["id"], "passwordChanged": user.json["passwordChanged"],
            "profile": { "login": LOGIN, "firstName": "Ada", "lastName": "Lovelace", "locale": null, "timeZone": null },
        } },
    });
    assert_eq!((answer.status, &answer.json), (StatusCode::OK, &expected));
    assert!(token.len() == 43 && !answer.headers.contains_key(SET_COOKIE), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");

    let mut browser = Browser::default();
    let shown = browser.open(&silent(&test, &app, token)).await;
    assert!(shown.response().contains_key("code"), "{shown:?}");
    assert_eq!(browser.cookies.len(), 1);
    let again = app.authorize_url(&test, &app.request().with("prompt", "none"));
    assert!(browser.open(&again).await.response().contains_key("code"), "the session goes on");
    let mut other = Browser::default();
    let shown = other.open(&silent(&test, &app, token)).await;
    assert_eq!(shown.response()["error"], "login_required", "used up");
    let page = other.open(&silent(&test, &app, token).replace("prompt=none", "prompt=")).await;
    assert!(page.html.contains("<label for=\"password\">"), "a token that is not good is as none: {page:?}");
}

#[tokio::test]
async fn a_token_begins_a_session_in_pages_and_frames_and_by_no_picture_or_script() {
    let (test, app) = people::with_native_app().await;
    let token = token(&test).await;
    let mut browser = Browser::default();
    for destination in ["image", "script", "empty", "object"] {
        let shown = browser.open_for(&silent(&test, &app, &token), destination).await;
        assert_eq!(shown.response()["error"], "login_required", "{destination}: {shown:?}");
        assert!(browser.cookies.is_empty(), "{destination}: {shown:?}");
    }
    let shown = browser.open_for(&silent(&test, &app, &token), "iframe").await;
    assert!(shown.response().contains_key("code"), "as an app renews its tokens: {shown:?}");
}

#[tokio::test]
async fn a_token_is_for_five_minutes_and_for_a_user_who_may_sign_in() {
    let (test, app) = people::with_native_app().await;
    let late = token(&test).await;
    test.wait(5 * 60);
    let of_nobody = token(&test).await;
    let cookie_is_none = BTreeMap::new();
    let mut browser = Browser::default();
    for (name, token) in [("late", &*late), ("not one", "x"), ("long", &"x".repeat(5000)), ("empty", "")] {
        let shown = browser.open(&silent(&test, &app, token)).await;
        assert_eq!(shown.response()["error"], "login_required", "{name}: {shown:?}");
        assert_eq!(browser.cookies, cookie_is_none, "{name}");
    }
    // It is no cookie, for whoever sees it on its way.
    browser.open(&app.authorize_url(&test, &app.request())).await;
    let name = browser.cookies.keys().next().unwrap().clone();
    let request =
        test.http.get(test.url("/api/v1/sessions/me")).header(COOKIE, format!("{name}={of_nobody}"));
    assert_eq!(test.send(request).await.status, StatusCode::NOT_FOUND);

    let suspend = format!("/api/v1/users/{LOGIN}/lifecycle/suspend");
    test.administer(Method::POST, &suspend, None).await;
    let shown = Browser::default().open(&silent(&test, &app, &of_nobody)).await;
    assert_eq!(shown.response()["error"], "login_required", "{shown:?}");
    let refused = authenticate(&test, LOGIN, PASSWORD).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{refused:?}");
}

#[tokio::test]
async fn whoever_may_not_sign_in_is_told_the_same() {
    let (test, _) = people::with_native_app().await;
    let long = "x".repeat(5000);
    let wrong = [
        (LOGIN, "x"),
        ("nobody@example.com", PASSWORD),
        ("", PASSWORD),
        (LOGIN, ""),
        (LOGIN, &long),
        (&long, "x"),
    ];
    for (username, password) in wrong {
        let refused = authenticate(&test, username, password).await;
        let said = ["/errorCode", "/errorSummary", "/errorLink"].map(|member| refused.text(member));
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{refused:?}");
        assert_eq!(
            (said, &refused.json["errorCauses"]),
            (["E0000004", "Authentication failed", "E0000004"], &json!([]))
        );
    }
    for body in ["{}", "[]", "{\"username\":1}", ""] {
        let request = test.http.post(test.url("/api/v1/authn")).header("content-type", "application/json");
        let refused = test.send(request.body(body)).await;
        assert!([400, 401].contains(&refused.status.as_u16()), "{body}: {refused:?}");
    }
    let form = test.http.post(test.url("/api/v1/authn")).header("content-type", "text/plain").body("{}");
    assert_eq!(test.send(form).await.status, StatusCode::BAD_REQUEST, "what any page can send");
    for _ in 0..10 {
        authenticate(&test, LOGIN, "x").await;
    }
    let locked = authenticate(&test, LOGIN, PASSWORD).await;
    assert_eq!((locked.status, locked.text("/errorCode")), (StatusCode::UNAUTHORIZED, "E0000004"));
    let filter = "filter=eventType+eq+%22user.account.lock%22";
    let events = test.administer(Method::GET, &format!("/api/v1/logs?{filter}"), None).await;
    assert_eq!(events.json.as_array().map(Vec::len), Some(1), "{events:?}");
    let unlock = format!("/api/v1/users/{LOGIN}/lifecycle/unlock");
    test.administer(Method::POST, &unlock, None).await;
    let expire = format!("/api/v1/users/{LOGIN}/lifecycle/expire_password");
    test.administer(Method::POST, &expire, None).await;
    let too_old = authenticate(&test, LOGIN, PASSWORD).await;
    assert!(too_old.text("/errorCauses/0/errorSummary").contains("expired"), "{too_old:?}");
}

#[tokio::test]
async fn strangers_who_ask_too_often_take_nothing_from_clients() {
    let test = TestOrg::start_with(OrgSettings { requests_per_minute: 2, ..OrgSettings::default() }).await;
    for status in [401, 401, 429] {
        assert_eq!(authenticate(&test, "nobody@example.com", "x").await.status.as_u16(), status);
    }
    let found = test.administer(Method::GET, "/api/v1/trustedOrigins", None).await;
    assert_eq!((found.status, found.header("x-rate-limit-remaining")), (StatusCode::OK, "1"));
}

#[tokio::test]
async fn a_browser_goes_on_with_a_session_to_where_redirects_are_trusted() {
    let (test, app) = people::with_native_app().await;
    let body =
        json!({ "name": "A site", "origin": "https://site.example", "scopes": [{ "type": "REDIRECT" }] });
    test.administer(Method::POST, "/api/v1/trustedOrigins", Some(body)).await;
    let url = |token: &str, redirect_url: &str| {
        let query = [("checkAccountSetupComplete", "true"), ("token", token), ("redirectUrl", redirect_url)];
        test.url(&format!("/login/sessionCookieRedirect?{}", Parameters::new(&query).encoded()))
    };
    let token = token(&test).await;
    let mut browser = Browser::default();
    for (name, token, redirect_url) in [
        ("elsewhere", &*token, "https://evil.example/"),
        ("another port", &token, "https://site.example:444/"),
        ("a script", &token, "javascript:alert(1)"),
        ("no token", "", "https://site.example/"),
        ("another token", "x", "https://site.example/"),
    ] {
        let shown = browser.open(&url(token, redirect_url)).await;
        assert_eq!((shown.status, shown.location()), (StatusCode::BAD_REQUEST, ""), "{name}: {shown:?}");
        assert!(browser.cookies.is_empty(), "{name}");
    }
    let framed = browser.open_for(&url(&token, "https://site.example/"), "iframe").await;
    assert_eq!(framed.status, StatusCode::BAD_REQUEST, "{framed:?}");
    let shown = browser.open(&url(&token, "https://site.example/a?b=c")).await;
    assert_eq!((shown.status, shown.location()), (StatusCode::SEE_OTHER, "https://site.example/a?b=c"));
    let again = app.authorize_url(&test, &app.request().with("prompt", "none"));
    assert!(browser.open(&again).await.response().contains_key("code"));
    assert_eq!(
        Browser::default().open(&url(&token, "https://site.example/")).await.status,
        StatusCode::BAD_REQUEST
    );

    let traces = test.administer(Method::GET, "/keybound/v1/traces", None).await.json.to_string();
    assert!(!traces.contains(&token) && !traces.contains(PASSWORD), "nothing of it is in a trace");
    assert_ne!(traces, Value::Null.to_string());
}
