//! Refresh tokens (RFC 6749 section 6): they rotate, and one that is used again ends all of them (RFC 9700 section
//! 4.14.2).

use std::time::Duration;

use http::{Method, StatusCode};
use keybound_org::{OrgSettings, TokenEndpointAuthMethod};
use serde_json::json;

use crate::people::{self, UserApp};
use crate::support::{TestOrg, claims, es256};

const WEEK: u64 = 7 * 24 * 60 * 60;

#[tokio::test]
async fn each_refresh_token_is_good_once_and_for_a_moment_more() {
    let (test, app) = people::with_native_app().await;
    let first = app.tokens(&test).await;
    let refresh = async |token: &str| app.post(&test, "/token", &UserApp::refresh(token), true).await;
    test.wait(3600);
    let second = refresh(first.text("/refresh_token")).await;
    assert_eq!(second.status, StatusCode::OK, "{second:?}");
    assert_ne!(second.text("/refresh_token"), first.text("/refresh_token"));
    assert_eq!(
        claims(second.text("/id_token"))["auth_time"],
        json!(test.now() - 3600),
        "that of the sign-in"
    );

    test.wait(29);
    let again = refresh(first.text("/refresh_token")).await;
    assert_eq!(again.status, StatusCode::OK, "within the grace: the answer may have been lost");
    test.wait(1);
    let refused = refresh(first.text("/refresh_token")).await;
    assert_eq!(refused.text("/error_description"), "The refresh token is invalid or expired.");
    for ended in [second.text("/refresh_token"), again.text("/refresh_token")] {
        assert_eq!(refresh(ended).await.text("/error"), "invalid_grant", "RFC 9700 section 4.14.2");
    }
    let called = app.get(&test, "/api/v1/users?limit=1", second.text("/access_token")).await;
    assert_eq!(called.status, StatusCode::UNAUTHORIZED, "the access tokens too");
}

#[tokio::test]
async fn the_grace_can_be_none() {
    let settings = OrgSettings { refresh_token_grace: Duration::ZERO, ..OrgSettings::default() };
    let test = TestOrg::start_with(settings).await;
    people::user(&test).await;
    let app = people::native(&test);
    let granted = app.tokens(&test).await;
    let refresh = UserApp::refresh(granted.text("/refresh_token"));
    assert_eq!(app.post(&test, "/token", &refresh, true).await.status, StatusCode::OK);
    assert_eq!(app.post(&test, "/token", &refresh, true).await.text("/error"), "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_is_for_one_client_with_one_key() {
    let (test, app) = people::with_native_app().await;
    let granted = app.tokens(&test).await;
    let refresh = UserApp::refresh(granted.text("/refresh_token"));
    let other = people::native(&test);
    assert_eq!(other.post(&test, "/token", &refresh, true).await.text("/error"), "invalid_grant");
    let thief = app.copy(|copy| copy.dpop_key = es256());
    let refused = thief.post(&test, "/token", &refresh, true).await;
    assert_eq!(refused.text("/error"), "invalid_dpop_proof", "RFC 9449 section 5: {refused:?}");
    assert_eq!(app.post(&test, "/token", &refresh, false).await.text("/error"), "invalid_dpop_proof");
    for token in ["", "x", &"x".repeat(5000), granted.text("/access_token")] {
        let refused = app.post(&test, "/token", &UserApp::refresh(token), true).await;
        let error = if token.is_empty() { "invalid_request" } else { "invalid_grant" };
        assert_eq!(refused.text("/error"), error, "{token}");
    }
    assert_eq!(app.post(&test, "/token", &refresh, true).await.status, StatusCode::OK, "it was not used up");
}

#[tokio::test]
async fn a_refresh_token_gives_no_more_than_the_user_allowed() {
    let (test, app) = people::with_native_app().await;
    let granted = app.tokens(&test).await;
    let refresh = UserApp::refresh(granted.text("/refresh_token"));
    let more = refresh.clone().with("scope", "openid groups");
    assert_eq!(app.post(&test, "/token", &more, true).await.text("/error"), "invalid_scope");
    let fewer = app.post(&test, "/token", &refresh.with("scope", "openid offline_access"), true).await;
    assert_eq!((fewer.text("/scope"), fewer.status), ("openid offline_access", StatusCode::OK));
    let all = app.post(&test, "/token", &UserApp::refresh(fewer.text("/refresh_token")), true).await;
    assert_eq!(
        all.text("/scope"),
        "openid profile email offline_access okta.users.read",
        "RFC 6749 section 6"
    );

    let code = app.code(&test, &app.request().with("scope", "openid")).await;
    let without = app.post(&test, "/token", &UserApp::exchange(&code), true).await;
    assert_eq!(without.json["refresh_token"], json!(null), "nobody asked for offline_access");
}

#[tokio::test]
async fn a_refresh_token_ends_with_disuse_and_with_its_user() {
    let test = TestOrg::start().await;
    let user_id = people::user(&test).await;
    let app = people::web(&test, TokenEndpointAuthMethod::ClientSecretPost);
    let granted = app.tokens(&test).await;
    test.wait(WEEK - 1);
    let granted = app.post(&test, "/token", &UserApp::refresh(granted.text("/refresh_token")), true).await;
    assert_eq!(granted.status, StatusCode::OK, "{granted:?}");
    let last = UserApp::refresh(granted.text("/refresh_token"));

    let lifecycle = |step: &str| format!("/api/v1/users/{user_id}/lifecycle/{step}");
    test.administer(Method::POST, &lifecycle("suspend"), None).await;
    assert_eq!(app.post(&test, "/token", &last, true).await.text("/error"), "invalid_grant", "suspended");
    let told = app.get(&test, "/oauth2/v1/userinfo", granted.text("/access_token")).await;
    assert_eq!(told.status, StatusCode::UNAUTHORIZED);
    test.administer(Method::POST, &lifecycle("unsuspend"), None).await;
    test.wait(WEEK);
    assert_eq!(app.post(&test, "/token", &last, true).await.text("/error"), "invalid_grant", "a week unused");
}
