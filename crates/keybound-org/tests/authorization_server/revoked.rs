//! Introspection (RFC 7662) and revocation (RFC 7009), in the shape of Okta's answers.

use http::{Method, StatusCode};
use keybound::assertion::CLIENT_ASSERTION_TYPE;
use keybound_org::{AdminRole, TokenEndpointAuthMethod};
use serde_json::{Value, json};

use crate::people::{self, LOGIN, Parameters, UserApp};
use crate::support::{Answer, READ, TestApp, TestOrg, claims, url_encoded};

/// A question of a service app.
async fn ask(test: &TestOrg, app: &TestApp, endpoint: &str, token: &str) -> Answer {
    let assertion = app.assertion(test).sign(&app.client_key);
    let form = [
        ("token", token),
        ("client_assertion_type", CLIENT_ASSERTION_TYPE),
        ("client_assertion", &assertion),
    ];
    let request = test.http.post(test.url(&format!("/oauth2/v1{endpoint}")));
    let request =
        request.header("content-type", "application/x-www-form-urlencoded").body(url_encoded(&form));
    test.send(request).await
}

#[tokio::test]
async fn a_client_learns_what_its_own_token_says_and_nobody_elses() {
    let test = TestOrg::start().await;
    let (app, other) = (test.app(&[READ], &[]), test.app(&[READ], &[]));
    let token = test.token(&app, READ).await;
    let found = ask(&test, &app, "/introspect", &token).await;
    assert_eq!((found.status, found.header("cache-control")), (StatusCode::OK, "no-store"));
    let said = claims(&token);
    for (member, expected) in [
        ("active", json!(true)),
        ("token_type", json!("DPoP")),
        ("scope", json!(READ)),
        ("client_id", json!(app.client_id)),
        ("username", json!(app.client_id)),
        ("sub", json!(app.client_id)),
        ("iss", json!(test.org.url())),
        ("aud", json!(test.org.url())),
        ("exp", said["exp"].clone()),
        ("iat", said["iat"].clone()),
        ("jti", said["jti"].clone()),
        ("cnf", said["cnf"].clone()),
        ("uid", Value::Null),
    ] {
        assert_eq!(found.json[member], expected, "{member}");
    }

    let inactive = json!({"active": false});
    assert_eq!(ask(&test, &other, "/introspect", &token).await.json, inactive, "another client's");
    assert_eq!(ask(&test, &app, "/introspect", "e30.e30.e30").await.json, inactive, "no token");
    assert_eq!(ask(&test, &app, "/introspect", "x").await.json, inactive, "no token");
    test.wait(3606);
    assert_eq!(ask(&test, &app, "/introspect", &token).await.json, inactive, "expired");
}

#[tokio::test]
async fn a_revoked_token_is_good_for_nothing() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let other = test.app(&[READ], &[]);
    let (token, second) = (test.token(&app, READ).await, test.token(&app, READ).await);

    let ignored = ask(&test, &other, "/revoke", &token).await;
    assert_eq!(ignored.status, StatusCode::OK, "RFC 7009 section 2.2: it is not told");
    assert_eq!(test.call(&app, &token, Method::GET, "/api/v1/users").await.status, StatusCode::OK);

    let revoked = ask(&test, &app, "/revoke", &token).await;
    assert_eq!((revoked.status, revoked.json), (StatusCode::OK, Value::Null));
    let refused = test.call(&app, &token, Method::GET, "/api/v1/users").await;
    assert_eq!((refused.status, refused.text("/errorCode")), (StatusCode::UNAUTHORIZED, "E0000011"));
    assert!(refused.header("www-authenticate").contains("revoked"), "{refused:?}");
    assert_eq!(ask(&test, &app, "/introspect", &token).await.json, json!({"active": false}));
    assert_eq!(test.call(&app, &second, Method::GET, "/api/v1/users").await.status, StatusCode::OK, "alone");
    assert_eq!(ask(&test, &app, "/revoke", &token).await.status, StatusCode::OK, "again");
}

#[tokio::test]
async fn a_revoked_refresh_token_takes_its_access_tokens_with_it() {
    let test = TestOrg::start().await;
    let user_id = people::user(&test).await;
    let app = people::native(&test);
    let granted = app.tokens(&test).await;
    let (access, refresh) = (granted.text("/access_token"), granted.text("/refresh_token"));
    let token = |token: &str| Parameters::new(&[("token", token)]);

    let found = app.post(&test, "/introspect", &token(refresh), false).await;
    for (member, expected) in [
        ("active", json!(true)),
        ("username", json!(LOGIN)),
        ("uid", json!(user_id)),
        ("client_id", json!(app.client_id)),
    ] {
        assert_eq!(found.json[member], expected, "{member}: {found:?}");
    }
    assert_eq!(app.post(&test, "/introspect", &token(access), false).await.json["uid"], json!(user_id));

    assert_eq!(app.post(&test, "/revoke", &token(refresh), false).await.status, StatusCode::OK);
    for revoked in [access, refresh] {
        let found = app.post(&test, "/introspect", &token(revoked), false).await;
        assert_eq!(found.json, json!({"active": false}));
    }
    let refused = app.post(&test, "/token", &UserApp::refresh(refresh), true).await;
    assert_eq!(refused.text("/error"), "invalid_grant");
    assert_eq!(app.get(&test, "/api/v1/users", access).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.get(&test, "/oauth2/v1/userinfo", access).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn tokens_end_with_what_they_stand_on() {
    const PASSWORD: &str = r#"{"credentials":{"password":{"value":"another password"}}}"#;
    for (path, body, refresh_ends, undone_by) in [
        ("/api/v1/users/USER/lifecycle/suspend", None, false, Some("/api/v1/users/USER/lifecycle/unsuspend")),
        (
            "/api/v1/users/USER/lifecycle/deactivate",
            None,
            true,
            Some("/api/v1/users/USER/lifecycle/activate"),
        ),
        ("/api/v1/users/USER", Some(PASSWORD), true, None),
        ("/api/v1/apps/APP/lifecycle/deactivate", None, false, Some("/api/v1/apps/APP/lifecycle/activate")),
    ] {
        let test = TestOrg::start().await;
        let user_id = people::user(&test).await;
        let app = people::native(&test);
        let granted = app.tokens(&test).await;
        let (access, refresh) = (granted.text("/access_token"), granted.text("/refresh_token"));
        assert_eq!(app.get(&test, "/api/v1/users?limit=1", access).await.status, StatusCode::OK);

        let administer = async |path: &str, body: Option<&str>| {
            let path = path.replace("USER", &user_id).replace("APP", &app.client_id);
            let body = body.map(|body| serde_json::from_str(body).unwrap());
            let done = test.administer(Method::POST, &path, body).await;
            assert_eq!(done.status, StatusCode::OK, "{path}: {done:?}");
        };
        administer(path, body).await;
        for resource in ["/api/v1/users?limit=1", "/oauth2/v1/userinfo"] {
            let refused = app.get(&test, resource, access).await;
            assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{path}: {resource}");
        }
        if let Some(undone_by) = undone_by {
            administer(undone_by, None).await;
        }
        let refreshed = app.post(&test, "/token", &UserApp::refresh(refresh), true).await;
        assert_eq!(refreshed.status == StatusCode::OK, !refresh_ends, "{path}: {refreshed:?}");
    }
}

#[tokio::test]
async fn a_client_that_is_not_who_it_says_is_told_nothing() {
    let test = TestOrg::start().await;
    let app = people::web(&test, TokenEndpointAuthMethod::ClientSecretBasic);
    let wrong = UserApp {
        secret: Some("x".to_owned()),
        ..people::web(&test, TokenEndpointAuthMethod::ClientSecretBasic)
    };
    let post = UserApp { method: TokenEndpointAuthMethod::ClientSecretPost, ..wrong };
    let token = Parameters::new(&[("token", "a.b.c")]);
    for endpoint in ["/introspect", "/revoke", "/token", "/par", "/device/authorize"] {
        let form = token.clone().with("grant_type", "authorization_code");
        let refused = post.post(&test, endpoint, &form, false).await;
        assert_eq!(
            (refused.status.as_u16(), refused.text("/error")),
            (401, "invalid_client"),
            "{endpoint}: {refused:?}"
        );
    }
    let refused = app.post(&test, "/introspect", &Parameters::default(), false).await;
    assert_eq!((refused.status.as_u16(), refused.text("/error")), (400, "invalid_request"), "{refused:?}");
    let unknown = UserApp { client_id: "0oa1".to_owned(), ..people::native(&test) };
    let refused = unknown.post(&test, "/introspect", &token, false).await;
    assert_eq!(refused.text("/error_description"), "Invalid value for 'client_id' parameter.");
}

#[tokio::test]
async fn only_a_client_without_a_secret_may_name_itself_in_the_place_of_one() {
    let test = TestOrg::start().await;
    let native = people::native(&test);
    let web = people::web(&test, TokenEndpointAuthMethod::ClientSecretBasic);
    for (pair, status) in [
        (native.client_id.clone(), 200),
        (format!("{}:", native.client_id), 200),
        (format!("{}:secret", native.client_id), 401),
        (web.client_id.clone(), 401),
        (format!("{}:", web.client_id), 401),
        (format!("{}:{}", web.client_id, web.secret.clone().unwrap()), 200),
        ("0oa1".to_owned(), 401),
    ] {
        let request = test.http.post(test.url("/oauth2/v1/revoke"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request.header("authorization", format!("Basic {}", people::standard_base64(&pair)));
        let answer = test.send(request.body("token=x")).await;
        assert_eq!(answer.status.as_u16(), status, "{pair}: {answer:?}");
    }
}
