//! Who is let in, and what is asked of a form before it changes anything.

use http::StatusCode;
use http::header::{HOST, ORIGIN, RETRY_AFTER, SET_COOKIE};
use keybound_org::AppStatus;
use serde_json::json;

use crate::browser::{Browser, SIGN_IN};
use crate::support::{TestOrg, header_value};

const HOUR: u64 = 60 * 60;

#[tokio::test]
async fn whoever_is_not_signed_in_is_sent_to_sign_in_and_on_from_there() {
    let test = TestOrg::start().await;
    let mut browser = Browser::new(&test);
    for (path, to) in [
        ("/admin", "/admin/sign-in?to=%2Fadmin"),
        ("/admin/apps", "/admin/sign-in?to=%2Fadmin%2Fapps"),
        ("/admin/apps/0oax?done=saved", "/admin/sign-in?to=%2Fadmin%2Fapps%2F0oax"),
    ] {
        let page = browser.open(path).await;
        assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, to), "{path}");
    }
    let page = browser.post("/admin/apps/0oax/status", &[("status", "INACTIVE")]).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/admin/sign-in?to=%2Fadmin"));

    let page = browser.open("/admin/sign-in?to=%2Fadmin%2Fapps").await;
    assert_eq!(page.status, StatusCode::OK);
    let page = browser.submit(&page, SIGN_IN, &[("token", test.org.admin_token())]).await;
    assert_eq!((page.status, page.location()), (StatusCode::SEE_OTHER, "/admin/apps"));
    let cookie = page.headers[SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("keybound-console-"), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    assert_eq!(browser.open("/admin/apps").await.status, StatusCode::OK);
    assert_eq!(browser.open("/admin").await.location(), "/admin/apps");
    assert_eq!(browser.open("/admin/").await.location(), "/admin/apps");
    let nothing = browser.open("/admin/nothing/here").await;
    assert_eq!(nothing.status, StatusCode::NOT_FOUND);
    assert!(nothing.html.contains("href=\"/admin\""), "{nothing:?}");
    assert_eq!(browser.open(SIGN_IN).await.location(), "/admin", "once is enough");
}

#[tokio::test]
async fn a_page_is_strict_and_kept_by_nobody() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let page = browser.open("/admin/apps").await;
    for (field, expected) in [
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; form-action 'self' ; frame-ancestors 'none'; base-uri 'none'",
        ),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(page.headers[field], expected, "{field}");
    }
    let app = test.app(&["okta.users.read"], &[]).client_id;
    let token = page.form("/admin/sign-out")["form_token"].clone();
    let status = format!("/admin/apps/{app}/status");
    let mut strange = Browser::new(&test);
    strange.fields = [(HOST, header_value("evil.example"))].into_iter().collect();
    for (what, answer) in [
        ("a redirect", browser.open("/admin").await),
        ("a page that is not there", browser.open("/admin/nothing").await),
        ("a method that is not there", browser.post("/admin/apps/new/x/y", &[("form_token", &token)]).await),
        ("a file", browser.open("/admin/traces/file").await),
        (
            "the answer to a form",
            browser.post(&status, &[("form_token", &token), ("status", "ACTIVE")]).await,
        ),
        ("a refused form", browser.post(&status, &[]).await),
        ("on to the sign-in page", Browser::new(&test).open("/admin/apps").await),
        ("another host", strange.open("/admin").await),
    ] {
        for (field, expected) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
        ] {
            assert_eq!(answer.headers.get(field), Some(&header_value(expected)), "{what}: {field}");
        }
    }
    let style = browser.open("/assets/console.css").await;
    assert_eq!(
        (style.status, &style.headers["content-type"]),
        (StatusCode::OK, &header_value("text/css; charset=utf-8"))
    );
}

#[tokio::test]
async fn only_the_admin_token_signs_in_and_only_so_many_others_are_tried() {
    let test = TestOrg::start().await;
    let mut browser = Browser::new(&test);
    let page = browser.open(SIGN_IN).await;
    let long = "x".repeat(5_000);
    let wrong = ["", "x", &long, &format!("{} ", test.org.admin_token())];
    for token in wrong {
        let shown = browser.submit(&page, SIGN_IN, &[("token", token)]).await;
        assert_eq!(shown.status, StatusCode::FORBIDDEN, "{token}: {shown:?}");
        assert!(shown.html.contains("role=\"alert\"") && !shown.html.contains(&long), "{token}");
    }
    for _ in wrong.len()..10 {
        assert_eq!(browser.submit(&page, SIGN_IN, &[("token", "x")]).await.status, StatusCode::FORBIDDEN);
    }
    for wrong in [("token", "x"), ("code", "x")] {
        let shown = browser.post(SIGN_IN, &[wrong]).await;
        assert_eq!(
            (shown.status, &shown.headers[RETRY_AFTER]),
            (StatusCode::TOO_MANY_REQUESTS, &header_value("60")),
            "{wrong:?}"
        );
        assert!(browser.cookies.is_empty());
    }
    let link = test.org.console_url().unwrap();
    for right in [("token", test.org.admin_token()), ("code", link.split_once("?code=").unwrap().1)] {
        let mut own = Browser::new(&test);
        assert_eq!(own.post(SIGN_IN, &[right]).await.status, StatusCode::SEE_OTHER, "nobody is locked out");
        assert_eq!(own.cookies.len(), 1);
    }
    test.wait(60);
    assert_eq!(browser.post(SIGN_IN, &[("token", "x")]).await.status, StatusCode::FORBIDDEN);
    let right = [("token", test.org.admin_token())];
    assert_eq!(browser.submit(&page, SIGN_IN, &right).await.status, StatusCode::SEE_OTHER);

    let events = test.administer(http::Method::GET, "/api/v1/logs?sortOrder=DESCENDING", None).await;
    let event = |number: usize| events.text(&format!("/{number}/outcome/result")).to_owned();
    assert_eq!(events.text("/0/eventType"), "user.session.access_admin_app");
    assert_eq!((event(0), event(1)), ("SUCCESS".to_owned(), "FAILURE".to_owned()));
}

#[tokio::test]
async fn a_link_signs_in_once_and_not_for_long() {
    let test = TestOrg::start().await;
    let path = |url: &str| url.strip_prefix(test.org.url()).unwrap().to_owned();
    let link = test.org.console_url().unwrap();
    let mut browser = Browser::new(&test);
    for _ in 0..2 {
        let page = browser.open(&path(&link)).await;
        assert_eq!((page.status, browser.cookies.len()), (StatusCode::OK, 0), "to open it does nothing yet");
    }
    let page = browser.open(&path(&link)).await;
    let shown = browser.submit(&page, SIGN_IN, &[]).await;
    assert_eq!((shown.status, shown.location()), (StatusCode::SEE_OTHER, "/admin"));
    assert_eq!(browser.open("/admin/apps").await.status, StatusCode::OK);

    let mut other = Browser::new(&test);
    let shown = other.submit(&page, SIGN_IN, &[]).await;
    assert_eq!((shown.status, other.cookies.len()), (StatusCode::FORBIDDEN, 0), "it was used before");
    assert!(shown.html.contains("used before") && shown.html.contains("name=\"token\""), "{shown:?}");

    let while_signed_in = test.org.console_url().unwrap();
    let page = other.open(&path(&while_signed_in)).await;
    assert_eq!(browser.open(&path(&while_signed_in)).await.location(), "/admin");
    let shown = other.submit(&page, SIGN_IN, &[]).await;
    assert_eq!(shown.status, StatusCode::FORBIDDEN, "it was opened by who is signed in");

    let late = test.org.console_url().unwrap();
    let page = other.open(&path(&late)).await;
    test.wait(15 * 60);
    assert_eq!(other.submit(&page, SIGN_IN, &[]).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_or_old_or_left() {
    let test = TestOrg::start().await;
    let mut idle = Browser::signed_in(&test).await;
    let mut busy = Browser::signed_in(&test).await;
    for hour in 1..=12 {
        test.wait(HOUR - 1);
        assert_eq!(busy.open("/admin/apps").await.status, StatusCode::OK, "hour {hour}");
    }
    assert_eq!(idle.open("/admin/apps").await.status, StatusCode::SEE_OTHER);
    test.wait(12);
    assert_eq!(busy.open("/admin/apps").await.status, StatusCode::SEE_OTHER);

    let mut leaving = Browser::signed_in(&test).await;
    let cookies = leaving.cookies.clone();
    let page = leaving.open("/admin/apps").await;
    assert_eq!(leaving.submit(&page, "/admin/sign-out", &[]).await.location(), SIGN_IN);
    assert!(leaving.cookies.is_empty());
    leaving.cookies = cookies;
    assert_eq!(
        leaving.open("/admin/apps").await.status,
        StatusCode::SEE_OTHER,
        "the cookie is worth nothing"
    );
}

#[tokio::test]
async fn a_form_changes_something_only_if_it_is_of_a_page_of_this_session() {
    let test = TestOrg::start().await;
    let app = test.app(&["okta.users.read"], &[]).client_id;
    let action = format!("/admin/apps/{app}/status");
    let mut browser = Browser::signed_in(&test).await;
    let page = browser.open(&format!("/admin/apps/{app}")).await;
    let own = page.form(&action)["form_token"].clone();
    let mut other = Browser::signed_in(&test).await;
    let of_other = other.open(&format!("/admin/apps/{app}")).await.form(&action)["form_token"].clone();
    let status = || test.org.store().app(&app).unwrap().unwrap().status;
    let cookie = browser.cookies.values().next().unwrap().clone();
    for (name, token) in [
        ("none", None),
        ("an empty one", Some("")),
        ("a wrong one", Some("x")),
        ("that of another session", Some(&*of_other)),
        ("the cookie", Some(&*cookie)),
    ] {
        let mut form = vec![("status", "INACTIVE")];
        form.extend(token.map(|token| ("form_token", token)));
        let shown = browser.post(&action, &form).await;
        assert_eq!((shown.status, status()), (StatusCode::FORBIDDEN, AppStatus::Active), "{name}");
    }
    let good = [("status", "INACTIVE"), ("form_token", own.as_str())];
    for (field, value, expected) in [
        (ORIGIN, "https://evil.example".to_owned(), StatusCode::FORBIDDEN),
        (ORIGIN, "null".to_owned(), StatusCode::FORBIDDEN),
        ("sec-fetch-site".parse().unwrap(), "cross-site".to_owned(), StatusCode::FORBIDDEN),
        (HOST, "evil.example".to_owned(), StatusCode::MISDIRECTED_REQUEST),
    ] {
        browser.fields = [(field.clone(), header_value(&value))].into_iter().collect();
        let shown = browser.post(&action, &good).await;
        assert_eq!((shown.status, status()), (expected, AppStatus::Active), "{field} {value}");
    }
    browser.fields = [(HOST, header_value("evil.example"))].into_iter().collect();
    assert_eq!(browser.open(SIGN_IN).await.status, StatusCode::MISDIRECTED_REQUEST);
    browser.fields = [(ORIGIN, header_value(test.org.url()))].into_iter().collect();
    let shown = browser.post(&action, &good).await;
    assert_eq!(shown.location(), format!("/admin/apps/{app}?done=app-deactivated"));
    assert_eq!(status(), AppStatus::Inactive);
    browser.fields.clear();
    assert!(browser.open(shown.location()).await.html.contains("role=\"status\""));

    let log = test.administer(http::Method::GET, "/api/v1/logs?sortOrder=DESCENDING", None).await;
    assert_eq!(log.text("/0/eventType"), "application.lifecycle.deactivate");
    assert_eq!(log.json[0]["actor"]["displayName"], json!("Administrator"));
}
