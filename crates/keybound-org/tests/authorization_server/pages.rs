//! The pages: what a browser is told, what a form must have, and what is signed in and out.

use http::StatusCode;
use http::header::SET_COOKIE;
use serde_json::Value;

use crate::people::{self, Browser, CALLBACK, LOGIN, PASSWORD, Parameters};
use crate::support::TestOrg;

#[tokio::test]
async fn the_sign_in_page_is_strict_and_shows_what_it_is_for() {
    let test = TestOrg::start().await;
    let app = people::native(&test);
    let mut browser = Browser::default();
    let request = app.request().with("login_hint", "\"><script>x</script>");
    let page = browser.open(&app.authorize_url(&test, &request)).await;
    assert_eq!(page.status, StatusCode::OK);
    for (field, expected) in [
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; form-action 'self' https://app.example; frame-ancestors 'none'; base-uri 'none'",
        ),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
        ("content-type", "text/html; charset=utf-8"),
    ] {
        assert_eq!(page.headers[field], expected, "{field}");
    }
    assert!(!page.html.contains("<script") && !page.html.contains("<native>"), "{}", page.html);
    for part in [
        "<label for=\"username\">",
        "<label for=\"password\">",
        "lang=\"en\"",
        "autofocus",
        "A &#60;native&#62; app",
    ] {
        assert!(page.html.contains(part), "{part} is not in {}", page.html);
    }
    let cookie = page.headers[SET_COOKIE].to_str().unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    let style = browser.open(&test.url("/assets/org.css")).await;
    assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");
}

#[tokio::test]
async fn only_the_right_password_from_the_page_itself_signs_in() {
    let (test, app) = people::with_native_app().await;
    let url = app.authorize_url(&test, &app.request());
    let mut browser = Browser::default();
    let page = browser.open(&url).await;
    let before = browser.cookies.clone();
    for (name, fields) in [
        ("a wrong password", &[("username", LOGIN), ("password", "x")][..]),
        ("an unknown user", &[("username", "x@example.com"), ("password", PASSWORD)]),
        ("no password", &[("username", LOGIN), ("password", "")]),
        ("a long password", &[("username", LOGIN), ("password", "x".repeat(5000).as_str())]),
        ("no form token", &[("username", LOGIN), ("password", PASSWORD), ("form_token", "")]),
        ("another form token", &[("username", LOGIN), ("password", PASSWORD), ("form_token", "x")]),
    ] {
        let shown = browser.submit(&test, &page, fields).await;
        assert_eq!(shown.status, StatusCode::FORBIDDEN, "{name}: {shown:?}");
        assert!(shown.html.contains("role=\"alert\"") && !shown.html.contains(PASSWORD), "{name}");
        assert_eq!(browser.cookies, before, "{name}");
    }
    let mut stranger = Browser::default();
    let shown = stranger.submit(&test, &page, &[("username", LOGIN), ("password", PASSWORD)]).await;
    assert_eq!(shown.status, StatusCode::FORBIDDEN, "a form of another browser's page");

    let shown = browser.submit(&test, &page, &[("username", LOGIN), ("password", PASSWORD)]).await;
    assert_eq!(shown.status, StatusCode::SEE_OTHER, "{shown:?}");
    assert_ne!(browser.cookies, before, "a session has a cookie of its own");
}

#[tokio::test]
async fn a_request_can_ask_for_a_new_sign_in_and_for_leave() {
    let (test, app) = people::with_native_app().await;
    let url = |name: &str, value: &str| app.authorize_url(&test, &app.request().with(name, value));
    let mut browser = Browser::default();
    browser.sign_in(&test, &url("state", "x"), LOGIN).await;
    test.wait(100);
    for (name, value, is_shown) in [
        ("prompt", "login", true),
        ("prompt", "none", false),
        ("max_age", "99", true),
        ("max_age", "100", false),
        ("max_age", "0", true),
    ] {
        let shown = browser.open(&url(name, value)).await;
        assert_eq!(shown.status == StatusCode::OK, is_shown, "{name}={value}: {shown:?}");
    }
    let page = browser.open(&url("prompt", "consent")).await;
    assert!(page.html.contains("okta.users.read"), "{}", page.html);
    let denied = browser.submit(&test, &page, &[("decision", "deny")]).await;
    assert_eq!(denied.response()["error"], "access_denied");
    let stale = browser.submit(&test, &page, &[("decision", "allow"), ("form_token", "x")]).await;
    assert_eq!((stale.status, stale.location()), (StatusCode::BAD_REQUEST, ""));
    let asked = app.request().with("prompt", "consent");
    let more = asked.clone().with("scope", "openid offline_access okta.users.read").encoded();
    let other = browser.submit(&test, &page, &[("decision", "allow"), ("request", &more)]).await;
    assert_eq!(
        (other.status, other.location()),
        (StatusCode::BAD_REQUEST, ""),
        "another request than was shown"
    );
    let allowed = browser.submit(&test, &page, &[("decision", "allow")]).await;
    assert!(allowed.response().contains_key("code"), "{allowed:?}");

    test.wait(2 * 60 * 60);
    assert_eq!(browser.open(&url("prompt", "none")).await.response()["error"], "login_required", "two hours");
}

#[tokio::test]
async fn a_response_comes_in_the_mode_that_was_asked_for() {
    let (test, app) = people::with_native_app().await;
    let mut browser = Browser::default();
    browser.sign_in(&test, &app.authorize_url(&test, &app.request()), LOGIN).await;
    let url = |mode: &str| app.authorize_url(&test, &app.request().with("response_mode", mode));
    let shown = browser.open(&url("query")).await;
    assert!(shown.location().starts_with(&format!("{CALLBACK}?code=")), "{shown:?}");
    let shown = browser.open(&url("fragment")).await;
    assert!(shown.location().starts_with(&format!("{CALLBACK}#code=")), "{shown:?}");
    let shown = browser.open(&url("form_post")).await;
    assert_eq!(shown.status, StatusCode::OK);
    assert!(shown.html.contains(&format!("<form method=\"post\" action=\"{CALLBACK}\">")), "{}", shown.html);
    assert!(shown.html.contains("value=\"s t&#38;ate\""), "{}", shown.html);
    let policy = shown.headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("script-src 'sha256-") && policy.contains("form-action 'self' https://app.example;"),
        "{policy}"
    );

    // By POST as well (OpenID Connect Core section 3.1.2.1).
    let shown = browser.post(&test.url("/oauth2/v1/authorize"), &app.request()).await;
    assert!(shown.response().contains_key("code"), "{shown:?}");
}

#[tokio::test]
async fn a_client_signs_out_its_own_user() {
    let test = TestOrg::start().await;
    people::user(&test).await;
    people::user_called(&test, "grace@example.com").await;
    let app = people::native(&test);
    let mut browser = Browser::default();
    let url = app.authorize_url(&test, &app.request());
    let response = browser.sign_in(&test, &url, LOGIN).await;
    let granted = app.post(&test, "/token", &people::UserApp::exchange(&response["code"]), true).await;
    let (id_token, access_token) = (granted.text("/id_token"), granted.text("/access_token"));
    let logout = |parameters: &[(&str, &str)]| {
        test.url(&format!("/oauth2/v1/logout?{}", Parameters::new(parameters).encoded()))
    };
    let bye = ("post_logout_redirect_uri", "https://app.example/bye");
    for (name, parameters) in [
        ("no hint", &[bye][..]),
        ("no ID token", &[("id_token_hint", "x"), bye]),
        ("an access token", &[("id_token_hint", access_token), bye]),
        ("elsewhere", &[("id_token_hint", id_token), ("post_logout_redirect_uri", CALLBACK)]),
    ] {
        let shown = browser.open(&logout(parameters)).await;
        assert_eq!((shown.status, shown.location()), (StatusCode::BAD_REQUEST, ""), "{name}: {shown:?}");
    }
    let is_signed_in = |shown: people::Shown| shown.status == StatusCode::SEE_OTHER;
    assert!(is_signed_in(browser.open(&url).await), "still");
    let mut other = Browser::default();
    other.sign_in(&test, &url, "grace@example.com").await;
    let kept = other.cookies.clone();
    other.open(&logout(&[("id_token_hint", id_token)])).await;
    other.cookies = kept;
    assert!(is_signed_in(other.open(&url).await), "another user's session");

    let shown = browser.open(&logout(&[("id_token_hint", id_token), bye, ("state", "a b")])).await;
    assert_eq!(shown.location(), "https://app.example/bye?state=a+b");
    assert!(browser.cookies.is_empty());
    assert!(!is_signed_in(browser.open(&url).await));
}

#[tokio::test]
async fn metadata_tell_exactly_what_is_served() {
    let test = TestOrg::start().await;
    for issuer in ["", "/oauth2/default"] {
        let metadata = test.get(&format!("{issuer}/.well-known/openid-configuration")).await.json;
        let oauth = test.get(&format!("{issuer}/.well-known/oauth-authorization-server")).await.json;
        assert_eq!(metadata, oauth);
        assert_eq!(metadata["issuer"], test.url(issuer));
        for (name, value) in metadata.as_object().unwrap() {
            let Some(url) = value.as_str().filter(|_| name.ends_with("_endpoint") || name == "jwks_uri")
            else {
                continue;
            };
            let answer = test.http.get(url).send().await.unwrap();
            assert_ne!(answer.status(), StatusCode::NOT_FOUND, "{name}: {url}");
        }
    }
    let inserted = test.get("/.well-known/oauth-authorization-server/oauth2/default").await.json;
    assert_eq!(inserted["issuer"], test.url("/oauth2/default"), "RFC 8414 section 3.1");
    let unknown = test.get("/oauth2/nonsense/.well-known/openid-configuration").await;
    assert_eq!(
        (unknown.status, &unknown.json["errorCode"]),
        (StatusCode::NOT_FOUND, &Value::from("E0000007"))
    );
}

#[tokio::test]
async fn the_log_tells_who_signed_in_and_who_could_not() {
    let (test, app) = people::with_native_app().await;
    let url = app.authorize_url(&test, &app.request());
    let mut browser = Browser::default();
    let page = browser.open(&url).await;
    browser.submit(&test, &page, &[("username", "nobody@example.com"), ("password", "x")]).await;
    for _ in 0..11 {
        browser.submit(&test, &page, &[("username", LOGIN), ("password", "x")]).await;
    }
    let unlock = format!("/api/v1/users/{LOGIN}/lifecycle/unlock");
    test.administer(http::Method::POST, &unlock, None).await;
    browser.submit(&test, &page, &[("username", LOGIN), ("password", PASSWORD)]).await;
    let filter = "filter=eventType+sw+%22user.session%22+or+eventType+eq+%22user.account.lock%22+or+eventType+sw+%22user.authentication%22";
    let log = test.administer(http::Method::GET, &format!("/api/v1/logs?{filter}"), None).await;
    let told: Vec<_> = log
        .json
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let member =
                |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            assert!(!member("/client/ipAddress").is_empty() && event["target"] != Value::Null, "{event}");
            (member("/eventType"), member("/outcome/reason"), member("/actor/alternateId"))
        })
        .collect();
    let event = |event_type: &str, reason: &str, login: &str| {
        (event_type.to_owned(), reason.to_owned(), login.to_owned())
    };
    let wrong = event("user.session.start", "INVALID_CREDENTIALS", LOGIN);
    let mut expected = vec![event("user.session.start", "INVALID_CREDENTIALS", "nobody@example.com")];
    expected.extend(vec![wrong; 9]);
    expected.push(event("user.account.lock", "LOCKED_OUT", LOGIN));
    expected.extend(vec![event("user.session.start", "LOCKED_OUT", LOGIN); 2]);
    expected.push(event("user.session.start", "", LOGIN));
    expected.push(event("user.authentication.sso", "", LOGIN));
    assert_eq!(told, expected);
}
