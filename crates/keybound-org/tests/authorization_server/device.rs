//! The device authorization grant (RFC 8628), with Okta's words.

use http::StatusCode;
use keybound_org::GrantType;
use serde_json::json;

use crate::people::{self, Browser, LOGIN, PASSWORD, Parameters, UserApp};
use crate::support::{Answer, TestOrg, claims};

async fn begin(test: &TestOrg, app: &UserApp) -> Answer {
    let scope = Parameters::new(&[("scope", "openid offline_access okta.users.read")]);
    let begun = app.post(test, "/device/authorize", &scope, false).await;
    assert_eq!(begun.status, StatusCode::OK, "{begun:?}");
    begun
}

async fn poll(test: &TestOrg, app: &UserApp, begun: &Answer) -> Answer {
    let grant_type = "urn:ietf:params:oauth:grant-type:device_code";
    let form = Parameters::new(&[("grant_type", grant_type), ("device_code", begun.text("/device_code"))]);
    app.post(test, "/token", &form, true).await
}

/// Signs in at the page for a code, and answers.
async fn decide(test: &TestOrg, begun: &Answer, decision: &str) {
    let mut browser = Browser::default();
    let page = browser.open(begun.text("/verification_uri_complete")).await;
    let page = browser.submit(test, &page, &[("username", LOGIN), ("password", PASSWORD)]).await;
    assert!(page.html.contains("okta.users.read"), "{page:?}");
    let told = browser.submit(test, &page, &[("decision", decision)]).await;
    assert_eq!(told.status, StatusCode::OK, "{told:?}");
}

#[tokio::test]
async fn a_device_polls_until_its_user_has_decided() {
    let test = TestOrg::start().await;
    let user_id = people::user(&test).await;
    let app = people::native(&test);
    let begun = begin(&test, &app).await;
    for (member, expected) in [
        ("expires_in", json!(600)),
        ("interval", json!(5)),
        ("verification_uri", json!(test.url("/activate"))),
    ] {
        assert_eq!(begun.json[member], expected, "{member}");
    }
    assert_eq!(begun.text("/user_code").len(), 8);

    let pending = "The device authorization is pending. Please try again later.";
    for (wait, error) in [
        (0, "authorization_pending"),
        (4, "slow_down"), // 10 seconds from now on
        (5, "slow_down"), // 15
        (15, "authorization_pending"),
        (14, "slow_down"), // 20
        (20, "authorization_pending"),
    ] {
        test.wait(wait);
        let refused = poll(&test, &app, &begun).await;
        assert_eq!(
            (refused.status.as_u16(), refused.text("/error")),
            (400, error),
            "after {wait}: {refused:?}"
        );
        if error == "authorization_pending" {
            assert_eq!(refused.text("/error_description"), pending);
        }
    }
    decide(&test, &begun, "allow").await;
    test.wait(20);
    let granted = poll(&test, &app, &begun).await;
    assert_eq!((granted.status, granted.text("/token_type")), (StatusCode::OK, "DPoP"), "{granted:?}");
    assert_eq!(claims(granted.text("/access_token"))["uid"], json!(user_id));
    assert!(granted.json["refresh_token"].is_string() && granted.json["id_token"].is_string());
    assert_eq!(poll(&test, &app, &begun).await.text("/error"), "invalid_grant", "once");
}

#[tokio::test]
async fn a_device_that_gets_nothing_is_told_why() {
    let (test, app) = people::with_native_app().await;
    let begun = begin(&test, &app).await;
    decide(&test, &begun, "deny").await;
    let denied = poll(&test, &app, &begun).await;
    assert_eq!(denied.text("/error"), "access_denied", "{denied:?}");

    let begun = begin(&test, &app).await;
    assert_eq!(
        poll(&test, &people::native(&test), &begun).await.text("/error"),
        "invalid_grant",
        "another's"
    );
    test.wait(600);
    let expired = poll(&test, &app, &begun).await;
    assert_eq!(expired.text("/error"), "expired_token");
    assert_eq!(expired.text("/error_description"), "The device code is invalid or has expired.");

    let mut other = people::native_app();
    other.client.grant_types = vec![GrantType::AuthorizationCode];
    let other = UserApp::register(&test, &other);
    let refused =
        other.post(&test, "/device/authorize", &Parameters::new(&[("scope", "openid")]), false).await;
    assert_eq!(refused.text("/error"), "unauthorized_client");
}

#[tokio::test]
async fn nobody_learns_which_codes_wait_without_signing_in() {
    let (test, app) = people::with_native_app().await;
    let begun = begin(&test, &app).await;
    let mut browser = Browser::default();
    let page = browser.open(&test.url("/activate")).await;
    let wrong_password = [("username", LOGIN), ("password", "x")];
    let answers = [
        browser
            .submit(&test, &page, &[&wrong_password[..], &[("user_code", begun.text("/user_code"))]].concat())
            .await,
        browser.submit(&test, &page, &[&wrong_password[..], &[("user_code", "BBBBBBBB")]].concat()).await,
    ];
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(answer.html.contains("Unable to sign in"), "{answer:?}");
    }
    let right = [("username", LOGIN), ("password", PASSWORD)];
    let wrong_code = [("user_code", "\"><script>")];
    let answer = browser.submit(&test, &page, &[&right[..], &wrong_code].concat()).await;
    assert!(answer.html.contains("Invalid code") && !answer.html.contains("<script"), "{answer:?}");
    // Signed in by then: the code alone, as people type it.
    let (first, second) = begun.text("/user_code").split_at(4);
    let typed = format!("{}-{second} ", first.to_lowercase());
    let answer = browser.submit(&test, &answer, &[("user_code", &typed)]).await;
    assert!(answer.html.contains("A &#60;native&#62; app"), "{answer:?}");
    let mut stranger = Browser::default();
    let told = stranger.submit(&test, &answer, &[("decision", "allow")]).await;
    assert_eq!(told.status, StatusCode::BAD_REQUEST, "another browser");
}

#[tokio::test]
async fn a_user_who_guesses_codes_has_few_attempts() {
    let (test, app) = people::with_native_app().await;
    let begun = begin(&test, &app).await;
    let mut browser = Browser::default();
    let page = browser.open(&test.url("/activate")).await;
    let right = [("username", LOGIN), ("password", PASSWORD), ("user_code", "BBBBBBBB")];
    let mut page = browser.submit(&test, &page, &right).await;
    for _ in 1..10 {
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{page:?}");
        page = browser.submit(&test, &page, &[("user_code", "BBBBBBBB")]).await;
    }
    let code = [("user_code", begun.text("/user_code"))];
    let refused = browser.submit(&test, &page, &code).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "the right one is of no use now");
    assert!(refused.html.contains("Too many invalid codes"), "{refused:?}");
    test.wait(600);
    let begun = begin(&test, &app).await;
    let allowed = browser.submit(&test, &refused, &[("user_code", begun.text("/user_code"))]).await;
    assert!(allowed.html.contains("okta.users.read"), "{allowed:?}");
}
