//! `/api/v1/sessions`: a page asks for the session of the browser that it is in, and an administrator for any.

use http::header::{COOKIE, ORIGIN, SET_COOKIE};
use http::{Method, StatusCode};
use keybound_org::{AdminRole, OrgSettings};
use serde_json::{Value, json};

use crate::people::{self, Browser, LOGIN, UserApp};
use crate::support::{Answer, NOW, TestOrg};

const TRUSTED: &str = "https://trusted.example.com";
const ME: &str = "/api/v1/sessions/me";
const REFRESH: &str = "/api/v1/sessions/me/lifecycle/refresh";

/// An org that trusts an origin, a browser in which a user is signed in, and the user's id.
async fn signed_in() -> (TestOrg, Browser, String) {
    let settings = OrgSettings { trusted_origins: vec![TRUSTED.parse().unwrap()], ..OrgSettings::default() };
    let test = TestOrg::start_with(settings).await;
    let user_id = people::user(&test).await;
    let app = people::native(&test);
    let mut browser = Browser::default();
    browser.sign_in(&test, &app.authorize_url(&test, &app.request()), LOGIN).await;
    (test, browser, user_id)
}

/// A request with the browser's cookie, by a script of a page of this origin if there is one.
async fn ask(test: &TestOrg, browser: &Browser, method: Method, path: &str, origin: Option<&str>) -> Answer {
    let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut request = test.http.request(method, test.url(path)).header(COOKIE, cookies.join("; "));
    if let Some(origin) = origin {
        request = request.header(ORIGIN, origin);
    }
    test.send(request).await
}

#[tokio::test]
async fn a_page_sees_who_is_signed_in_and_until_when() {
    let (test, browser, user_id) = signed_in().await;
    test.wait(60);
    let found = ask(&test, &browser, Method::GET, ME, Some(TRUSTED)).await;
    assert_eq!(found.status, StatusCode::OK, "{found:?}");
    let id = found.text("/id");
    assert!(id.starts_with("102") && id.len() == 25, "{id}");
    let cookie = browser.cookies.values().next().unwrap();
    assert!(!cookie.contains(&id[3..]), "the id is not the cookie");
    let url = test.url(ME);
    let link = |href: String, allow: Value| json!({ "href": href, "hints": { "allow": allow } });
    let expected = json!({
        "id": id, "userId": user_id, "login": LOGIN, "status": "ACTIVE",
        "createdAt": "2027-01-15T08:00:00.000Z", "expiresAt": "2027-01-15T10:00:00.000Z",
        "lastPasswordVerification": "2027-01-15T08:00:00.000Z", "lastFactorVerification": null,
        "amr": ["pwd"], "idp": { "id": null, "type": "OKTA" }, "mfaActive": false,
        "_links": {
            "self": link(url.clone(), json!(["GET", "DELETE"])),
            "refresh": link(format!("{url}/lifecycle/refresh"), json!(["POST"])),
            "user": link(test.url("/api/v1/users/me"), json!(["GET"])),
        },
    });
    assert_eq!(found.json, expected);
    assert_eq!((found.header("cache-control"), found.header("x-rate-limit-remaining")), ("no-store", "599"));

    let refreshed = ask(&test, &browser, Method::POST, REFRESH, Some(TRUSTED)).await;
    assert_eq!(refreshed.text("/expiresAt"), "2027-01-15T10:01:00.000Z", "{refreshed:?}");
    test.wait(2 * 60 * 60 - 1);
    assert_eq!(ask(&test, &browser, Method::GET, ME, None).await.json, refreshed.json);
    test.wait(1);
    for (method, path) in [(Method::GET, ME), (Method::POST, REFRESH), (Method::DELETE, ME)] {
        let ended = ask(&test, &browser, method, path, Some(TRUSTED)).await;
        assert_eq!(
            (ended.status, ended.text("/errorCode")),
            (StatusCode::NOT_FOUND, "E0000007"),
            "{ended:?}"
        );
    }
    assert_eq!(test.now(), NOW + 60 + 2 * 60 * 60);
}

#[tokio::test]
async fn a_session_that_is_closed_is_over_everywhere() {
    let (test, mut browser, _) = signed_in().await;
    let closed = ask(&test, &browser, Method::DELETE, ME, Some(TRUSTED)).await;
    assert_eq!((closed.status, &closed.json), (StatusCode::NO_CONTENT, &Value::Null));
    assert!(closed.headers[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"), "{closed:?}");
    let found = ask(&test, &browser, Method::GET, ME, Some(TRUSTED)).await;
    assert_eq!(found.status, StatusCode::NOT_FOUND);
    let app = people::native(&test);
    let silent = app.authorize_url(&test, &app.request().with("prompt", "none"));
    assert_eq!(browser.open(&silent).await.response()["error"], "login_required");
    let events = "/api/v1/logs?filter=eventType+eq+%22user.session.end%22";
    let log = test.administer(Method::GET, events, None).await;
    assert_eq!(log.json.as_array().map(Vec::len), Some(1));
    assert_eq!(log.text("/0/actor/alternateId"), LOGIN);
}

#[tokio::test]
async fn an_administrator_ends_a_users_sessions_and_if_told_so_what_apps_were_given() {
    let test = TestOrg::start().await;
    let user_id = people::user(&test).await;
    people::user_called(&test, "grace@example.com").await;
    let app = people::native(&test);
    let request = app.request();
    let (mut first, mut second, mut other) = (Browser::default(), Browser::default(), Browser::default());
    let response = first.sign_in(&test, &app.authorize_url(&test, &request), LOGIN).await;
    second.sign_in(&test, &app.authorize_url(&test, &request), LOGIN).await;
    other.sign_in(&test, &app.authorize_url(&test, &request), "grace@example.com").await;
    let granted = app.post(&test, "/token", &UserApp::exchange(&response["code"]), true).await;
    let clear = format!("/api/v1/users/{user_id}/sessions");
    let cleared = test.administer(Method::DELETE, &clear, None).await;
    assert_eq!(cleared.status, StatusCode::NO_CONTENT, "{cleared:?}");
    for (browser, status) in [(&first, 404), (&second, 404), (&other, 200)] {
        assert_eq!(ask(&test, browser, Method::GET, ME, None).await.status.as_u16(), status);
    }
    let refresh = UserApp::refresh(granted.text("/refresh_token"));
    let refreshed = app.post(&test, "/token", &refresh, true).await;
    assert_eq!(refreshed.status, StatusCode::OK, "what the app was given stays: {refreshed:?}");
    test.administer(Method::DELETE, &format!("{clear}?oauthTokens=true"), None).await;
    let refresh = UserApp::refresh(refreshed.text("/refresh_token"));
    let refused = app.post(&test, "/token", &refresh, true).await;
    assert_eq!(refused.text("/error"), "invalid_grant", "{refused:?}");
    let events = "/api/v1/logs?filter=eventType+eq+%22user.session.clear%22";
    assert_eq!(test.administer(Method::GET, events, None).await.json.as_array().map(Vec::len), Some(2));
    let nobody = test.administer(Method::DELETE, "/api/v1/users/nobody/sessions", None).await;
    assert_eq!((nobody.status, nobody.text("/errorCode")), (StatusCode::NOT_FOUND, "E0000007"));
    let helper = test.app(&["okta.users.manage"], &[AdminRole::HelpDesk]);
    let token = test.token(&helper, "okta.users.manage").await;
    let refused = test.call(&helper, &token, Method::DELETE, &clear).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "of an administrator: {refused:?}");
    let grace = "/api/v1/users/grace@example.com/sessions";
    assert_eq!(test.call(&helper, &token, Method::DELETE, grace).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn only_pages_that_are_trusted_act_by_a_users_cookie() {
    let (test, browser, user_id) = signed_in().await;
    let before = ask(&test, &browser, Method::GET, ME, None).await;
    test.wait(60);
    for origin in [
        "https://evil.example",
        "https://app.example",
        "https://trusted.example.com.evil.example",
        "null",
        "",
    ] {
        for (method, path) in [(Method::GET, ME), (Method::POST, REFRESH), (Method::DELETE, ME)] {
            let refused = ask(&test, &browser, method.clone(), path, Some(origin)).await;
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "{method} from {origin}: {refused:?}");
            assert!(!refused.headers.contains_key("access-control-allow-origin"), "{refused:?}");
            assert!(!refused.headers.contains_key(SET_COOKIE), "{refused:?}");
        }
    }
    assert_eq!(ask(&test, &browser, Method::GET, ME, None).await.json, before.json, "nothing happened to it");
    let own = test.org.url().to_owned();
    assert_eq!(ask(&test, &browser, Method::GET, ME, Some(&own)).await.status, StatusCode::OK);

    // Whether it is there shows in whether a picture or an object fails.
    let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    for (site, status) in [("cross-site", 404), ("same-site", 404), ("same-origin", 200), ("none", 200)] {
        let request = test.http.get(test.url(ME)).header(COOKIE, cookies.join("; "));
        let answer = test.send(request.header("sec-fetch-site", site)).await;
        assert_eq!(answer.status.as_u16(), status, "{site}: {answer:?}");
    }

    // A cookie is a session and no more: it opens nothing else of the API.
    for path in ["/api/v1/users/me", "/api/v1/users", &format!("/api/v1/users/{user_id}")] {
        let refused = ask(&test, &browser, Method::GET, path, Some(TRUSTED)).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}: {refused:?}");
    }
    let suspend = format!("/api/v1/users/{user_id}/lifecycle/suspend");
    test.administer(Method::POST, &suspend, None).await;
    let found = ask(&test, &browser, Method::GET, ME, Some(TRUSTED)).await;
    assert_eq!(found.status, StatusCode::NOT_FOUND, "of a user who is suspended");
}

#[tokio::test]
async fn an_administrator_sees_refreshes_and_ends_a_session_by_its_id() {
    let (test, browser, user_id) = signed_in().await;
    let mut other = Browser::default();
    let app = people::native(&test);
    other.sign_in(&test, &app.authorize_url(&test, &app.request()), LOGIN).await;
    let own = ask(&test, &browser, Method::GET, ME, None).await;
    let path = format!("/api/v1/sessions/{}", own.text("/id"));
    let mut expected = own.json.clone();
    expected["_links"]["self"]["href"] = json!(test.url(&path));
    expected["_links"]["refresh"]["href"] = json!(test.url(&format!("{path}/lifecycle/refresh")));
    expected["_links"]["user"]["href"] = json!(test.url(&format!("/api/v1/users/{user_id}")));
    let found = test.administer(Method::GET, &path, None).await;
    assert_eq!((found.status, &found.json), (StatusCode::OK, &expected));

    // Where it is found by whoever is not the user.
    let filter = format!("authenticationContext.externalSessionId+eq+%22{}%22", own.text("/id"));
    let log = test.administer(Method::GET, &format!("/api/v1/logs?filter={filter}"), None).await;
    assert_eq!(log.json.as_array().map(Vec::len), Some(1), "{log:?}");
    assert_eq!(log.text("/0/eventType"), "user.authentication.sso");

    test.wait(60);
    let refreshed = test.administer(Method::POST, &format!("{path}/lifecycle/refresh"), None).await;
    assert_eq!(refreshed.text("/expiresAt"), "2027-01-15T10:01:00.000Z", "{refreshed:?}");
    let seen = ask(&test, &browser, Method::GET, ME, None).await;
    assert_eq!(seen.text("/expiresAt"), refreshed.text("/expiresAt"), "the browser's own");
    let ended = test.administer(Method::DELETE, &path, None).await;
    assert_eq!((ended.status, &ended.json), (StatusCode::NO_CONTENT, &Value::Null));
    for (browser, status) in [(&browser, StatusCode::NOT_FOUND), (&other, StatusCode::OK)] {
        assert_eq!(ask(&test, browser, Method::GET, ME, None).await.status, status);
    }
    let log =
        test.administer(Method::GET, "/api/v1/logs?filter=eventType+eq+%22user.session.end%22", None).await;
    assert_eq!(log.json.as_array().map(Vec::len), Some(1));
    assert_eq!(log.text("/0/authenticationContext/externalSessionId"), own.text("/id"));
    assert_eq!((log.text("/0/actor/id"), log.text("/0/target/0/alternateId")), ("administrator", LOGIN));
}

#[tokio::test]
async fn a_session_that_is_not_there_has_no_id() {
    let (test, browser, user_id) = signed_in().await;
    let id = ask(&test, &browser, Method::GET, ME, None).await.text("/id").to_owned();
    let cookie = browser.cookies.values().next().unwrap().clone();
    let gone = async |id: &str| {
        for (method, step) in [(Method::GET, ""), (Method::POST, "/lifecycle/refresh"), (Method::DELETE, "")]
        {
            let answer = test.administer(method.clone(), &format!("/api/v1/sessions/{id}{step}"), None).await;
            assert_eq!(
                (answer.status, answer.text("/errorCode")),
                (StatusCode::NOT_FOUND, "E0000007"),
                "{method} {id}"
            );
        }
    };
    for id in ["102", &id[..24], &format!("{id}x"), &cookie, "me"] {
        gone(id).await;
    }
    let suspend = async |step: &str| {
        test.administer(Method::POST, &format!("/api/v1/users/{user_id}/lifecycle/{step}"), None).await;
    };
    suspend("suspend").await;
    gone(&id).await;
    suspend("unsuspend").await;
    test.wait(2 * 60 * 60);
    gone(&id).await;
}

#[tokio::test]
async fn a_session_of_an_administrator_is_ended_by_a_super_administrator_alone() {
    let (test, browser, _) = signed_in().await;
    let path = format!("/api/v1/sessions/{}", ask(&test, &browser, Method::GET, ME, None).await.text("/id"));
    for (role, status) in [(AdminRole::HelpDesk, StatusCode::FORBIDDEN), (AdminRole::Super, StatusCode::OK)] {
        let app = test.app(&["okta.sessions.manage"], &[role]);
        let token = test.token(&app, "okta.sessions.manage").await;
        let refresh = format!("{path}/lifecycle/refresh");
        let refreshed = test.call(&app, &token, Method::POST, &refresh).await;
        assert_eq!(refreshed.status, status, "{role}: {refreshed:?}");
        let ended = test.call(&app, &token, Method::DELETE, &path).await;
        assert_eq!(
            ended.status == StatusCode::FORBIDDEN,
            status == StatusCode::FORBIDDEN,
            "{role}: {ended:?}"
        );
    }
}
