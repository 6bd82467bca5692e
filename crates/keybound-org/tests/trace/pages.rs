//! The trace's pages in the admin console.

use http::header::{AUTHORIZATION, CONTENT_SECURITY_POLICY, USER_AGENT};
use http::{Method, StatusCode};
use keybound_org::AdminRole;
use serde_json::json;

use crate::browser::{Browser, SIGN_IN};
use crate::support::{READ, TestOrg, grant};

const TRACES: &str = "/admin/traces";

/// An org that was asked for a token and for users; the last exchange has the number 3.
async fn practised() -> TestOrg {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let token = test.token(&app, READ).await;
    test.call(&app, &token, Method::GET, "/api/v1/users?limit=1").await;
    test
}

#[tokio::test]
async fn only_an_administrator_sees_them() {
    let test = practised().await;
    let mut browser = Browser::new(&test);
    for path in ["", "/live", "/file", "/open", "/3"] {
        let page = browser.open(&format!("{TRACES}{path}")).await;
        assert_eq!(page.status, StatusCode::SEE_OTHER, "{path}");
        assert!(page.location().starts_with(SIGN_IN), "{path}: {}", page.location());
    }
    let mut browser = Browser::signed_in(&test).await;
    for path in ["/clear", "/open", "/3/replay", "/3/keep", "/3/forget"] {
        let page = browser.post(&format!("{TRACES}{path}"), &[]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} without the form's token");
    }
    assert_eq!(test.org.traces().exchanges(0, 10).len(), 3, "nothing was sent again or forgotten");
}

#[tokio::test]
async fn whoever_signs_out_or_is_idle_is_told_of_nothing_more() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let mut idle = Browser::signed_in(&test).await.listen("/admin/traces/live").await;
    let mut live = browser.listen("/admin/traces/live").await;
    for (field, expected) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(live.headers()[field], expected, "{field}");
    }
    test.get("/oauth2/v1/keys").await;
    for stream in [&mut live, &mut idle] {
        let told = stream.chunk().await.unwrap().unwrap();
        assert!(told.starts_with(b"event: exchange"), "{told:?}");
    }
    test.wait(60 * 60 - 1);
    let page = browser.open(TRACES).await;
    test.wait(1);
    test.get("/oauth2/v1/keys").await;
    assert_eq!(idle.chunk().await.unwrap(), None, "to listen is not to use the session");
    assert!(live.chunk().await.unwrap().is_some());
    browser.submit(&page, "/admin/sign-out", &[]).await;
    test.get("/oauth2/v1/keys").await;
    while let Some(told) = live.chunk().await.unwrap() {
        let told = String::from_utf8(told.to_vec()).unwrap();
        assert!(!told.contains("\"id\":3,"), "after the sign-out: {told}");
    }
}

#[tokio::test]
async fn a_conversation_is_drawn_and_each_message_leads_to_its_rules() {
    let test = practised().await;
    let mut browser = Browser::signed_in(&test).await;
    let list = browser.open(TRACES).await;
    let policy = list.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("script-src 'self'; connect-src 'self';"), "{policy}");
    for part in
        ["An app", "3 requests", "challenged", "admitted", "href=\"/admin/traces/3\"", "aria-live=\"polite\""]
    {
        assert!(list.html.contains(part), "{part}: {}", list.html);
    }
    let one = browser.open("/admin/traces/1").await;
    for part in [
        "RFC 9449 section 4.3, check 10",
        "Take the nonce from the DPoP-Nonce field",
        "Client assertion",
        "htu is the URI of the request",
        "rel=\"next\"",
    ] {
        assert!(one.html.contains(part), "{part}: {}", one.html);
    }
    assert!(!one.headers[CONTENT_SECURITY_POLICY].to_str().unwrap().contains("script"));
    for path in ["/99", "/x"] {
        assert_eq!(browser.open(&format!("{TRACES}{path}")).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let script = browser.open("/assets/traces.js").await;
    assert_eq!(
        (script.status, script.headers["content-type"].to_str().unwrap()),
        (StatusCode::OK, "text/javascript; charset=utf-8")
    );
}

#[tokio::test]
async fn a_request_is_sent_again_kept_and_forgotten_by_its_forms() {
    let test = practised().await;
    let mut browser = Browser::signed_in(&test).await;
    let page = browser.open("/admin/traces/3").await;
    let again = browser.submit(&page, "/admin/traces/3/replay", &[]).await;
    assert_eq!(again.location(), "/admin/traces/4?done=replayed");
    let again = browser.open(again.location()).await;
    for part in ["The first time", "Sent again, byte for byte", "refused", "RFC 9449 section 11.1"] {
        assert!(again.html.contains(part), "{part}: {}", again.html);
    }
    let kept = browser.submit(&page, "/admin/traces/3/keep", &[]).await;
    assert_eq!(kept.location(), "/admin/traces/3?done=conversation-kept");
    assert!(test.org.traces().exchange(1).unwrap().kept);
    assert!(browser.open(TRACES).await.html.contains("<strong>kept</strong>"));
    browser.submit(&page, "/admin/traces/3/forget", &[]).await;
    assert_eq!(test.org.traces().exchanges(0, 10), []);
    let page = browser.open(TRACES).await;
    assert!(page.html.contains("Nothing has been asked yet."));
    browser.submit(&page, "/admin/traces/clear", &[]).await;
}

#[tokio::test]
async fn a_file_is_saved_and_opened_again_whatever_it_says() {
    let test = practised().await;
    for _ in 0..3 {
        test.get("/oauth2/v1/keys").await;
    }
    let mut browser = Browser::signed_in(&test).await;
    let file = browser.open("/admin/traces/file?conversation=1").await.html;
    assert!(file.len() > 32 * 1024, "larger than other forms may be: {}", file.len());
    let form = browser.open("/admin/traces/open").await;
    let opened = browser.submit(&form, "/admin/traces/open", &[("file", &file)]).await;
    assert_eq!(opened.status, StatusCode::OK, "{}", opened.html);
    for part in ["A trace from a file", "href=\"#exchange-2\"", "id=\"exchange-2\"", "check 10"] {
        assert!(opened.html.contains(part), "{part}");
    }
    assert!(!opened.html.contains("/replay"), "nothing of it can be sent again");

    let hostile = file.replace("\"GET\"", "\"<script>alert(1)</script>\"");
    let opened = browser.submit(&form, "/admin/traces/open", &[("file", &hostile)]).await;
    assert!(opened.status.is_success() && !opened.html.contains("<script>alert"), "{}", opened.html);
    let refused = browser.submit(&form, "/admin/traces/open", &[("file", "{}")]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.html.contains("the file is no trace"), "{}", refused.html);
}

#[tokio::test]
async fn what_a_client_sends_is_escaped() {
    let test = practised().await;
    let app = test.app(&[READ], &[]);
    let script = "<script>alert(1)</script>";
    let proof = app.token_proof(&test, None).claim("jti", json!(script)).sign(&app.dpop_key);
    let assertion = app.assertion(&test).claim("more", json!(script)).sign(&app.client_key);
    let form = crate::support::url_encoded(&grant(script, &assertion));
    let request = test.http.post(format!("{}?{script}", test.token_endpoint())).header(USER_AGENT, script);
    let request = request.header("dpop", proof).header(AUTHORIZATION, script);
    request.header("content-type", "application/x-www-form-urlencoded").body(form).send().await.unwrap();
    let mut browser = Browser::signed_in(&test).await;
    for path in [TRACES, "/admin/traces/4"] {
        let page = browser.open(path).await;
        assert!(
            page.html.contains("/oauth2/v1/token") && !page.html.contains("<script>alert"),
            "{}",
            page.html
        );
    }
}
