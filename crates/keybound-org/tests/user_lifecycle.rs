//! Passwords, locks, links and versions of users.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use http::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{Method, StatusCode};
use keybound::NumericDate;
use keybound_org::{AdminRole, PasswordCheck, SEEDED_PASSWORD};
use serde_json::{Value, json};
use support::{READ, TestOrg};

const LOGIN: &str = "isaac.brock@example.com";
const PASSWORD: &str = "tlpWENT2m-and-more";

async fn create(test: &TestOrg, query: &str) -> Value {
    let body = json!({
        "profile": {"firstName": "Isaac", "lastName": "Brock", "email": LOGIN, "login": LOGIN},
        "credentials": {"password": {"value": PASSWORD}},
    });
    let created = test.administer(Method::POST, &format!("/api/v1/users{query}"), Some(body)).await;
    assert_eq!(created.status, StatusCode::OK, "{created:?}");
    created.json
}

fn check(test: &TestOrg, login: &str, password: &str) -> PasswordCheck {
    test.org.store().check_password(login, password, NumericDate::from_seconds(test.now())).unwrap()
}

async fn step(test: &TestOrg, step: &str) -> (u16, Value) {
    let path = format!("/api/v1/users/{LOGIN}/lifecycle/{step}");
    let answer = test.administer(Method::POST, &path, None).await;
    (answer.status.as_u16(), answer.json)
}

/// Okta's words; what is refused leaves the password as it is, and a wrong old one counts as a failure to sign in.
#[tokio::test]
async fn who_knows_the_old_password_changes_it_and_that_is_no_sign_in() {
    let test = TestOrg::start().await;
    let user_id = create(&test, "").await["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/users/{LOGIN}/credentials/change_password");
    let change = async |old: Value, new: Value| {
        let body = json!({"oldPassword": old, "newPassword": new});
        let answer = test.administer(Method::POST, &path, Some(body)).await;
        (answer.status.as_u16(), answer.text("/errorCode").to_owned(), answer.json)
    };
    let (old, new) = (json!({"value": PASSWORD}), json!({"value": "another-password"}));
    for (from, to, expected) in [
        (json!({"value": "wrong-password"}), new.clone(), (403, "E0000014")),
        (json!({}), new.clone(), (400, "E0000001")),
        (json!({"hash": {}}), new.clone(), (400, "E0000001")),
        (old.clone(), json!({}), (400, "E0000001")),
        (old.clone(), json!({"value": "short"}), (400, "E0000001")),
        (old.clone(), json!({"value": 5}), (400, "E0000003")),
    ] {
        let (status, code, json) = change(from, to).await;
        assert_eq!((status, code.as_str()), expected, "{json}");
        assert!(!json.to_string().contains(PASSWORD), "{json}");
    }
    assert_eq!(check(&test, LOGIN, PASSWORD), PasswordCheck::Right { user_id: user_id.clone() });
    let read = async || test.administer(Method::GET, &format!("/api/v1/users/{LOGIN}"), None).await.json;
    let before = read().await;
    test.wait(60);
    assert_eq!(step(&test, "expire_password").await.0, 200);
    let (status, _, credentials) = change(old.clone(), new.clone()).await;
    assert_eq!((status, &credentials["password"]), (200, &json!({})), "{credentials}");
    let after = read().await;
    assert_eq!((&after["status"], &after["lastLogin"]), (&json!("ACTIVE"), &before["lastLogin"]));
    assert_ne!(after["passwordChanged"], before["passwordChanged"]);
    assert_eq!(check(&test, LOGIN, "another-password"), PasswordCheck::Right { user_id });
    for _ in 0..9 {
        assert_eq!(change(old.clone(), new.clone()).await.0, 403);
    }
    let (status, _, json) = change(old, new).await;
    assert_eq!(status, 403, "{json}");
    assert_eq!(read().await["status"], "LOCKED_OUT", "as by wrong passwords at sign-in");
    let nobody =
        test.administer(Method::POST, "/api/v1/users/x/credentials/change_password", Some(json!({}))).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_user_signs_in_with_the_password_and_is_locked_out_after_ten_failures() {
    let test = TestOrg::start().await;
    let user_id = create(&test, "").await["id"].as_str().unwrap().to_owned();
    let right = PasswordCheck::Right { user_id: user_id.clone() };
    let wrong = PasswordCheck::Wrong { user_id: Some(user_id.clone()) };
    let locked_out = |by_this_one| PasswordCheck::LockedOut { user_id: user_id.clone(), by_this_one };
    assert_eq!(check(&test, "Isaac.Brock@Example.com", PASSWORD), right);
    for password in ["", "tlpWENT2m", &PASSWORD.to_uppercase()] {
        assert_eq!(check(&test, LOGIN, password), wrong, "{password}");
    }
    assert_eq!(check(&test, LOGIN, PASSWORD), right, "which begins the count anew");
    for _ in 0..9 {
        assert_eq!(check(&test, LOGIN, "wrong"), wrong);
    }
    assert_eq!(check(&test, LOGIN, "wrong"), locked_out(true));
    assert_eq!(check(&test, LOGIN, PASSWORD), locked_out(false), "the right one is of no use now");
    let read = test.administer(Method::GET, &format!("/api/v1/users/{LOGIN}"), None).await;
    assert_eq!(read.text("/status"), "LOCKED_OUT");
    assert_eq!(step(&test, "unlock").await.0, 200);
    assert_eq!(step(&test, "unlock").await.0, 403);
    assert_eq!(check(&test, LOGIN, PASSWORD), right);
    assert_eq!(check(&test, "nobody@example.com", PASSWORD), PasswordCheck::Wrong { user_id: None });
}

#[tokio::test]
async fn a_password_that_comes_as_a_hash_or_by_a_hook_takes_the_place_of_the_one_before() {
    for member in ["hash", "hook"] {
        let test = TestOrg::start().await;
        create(&test, "").await;
        let body = json!({"credentials": {"password": {member: {"type": "default"}}}});
        let changed = test.administer(Method::POST, &format!("/api/v1/users/{LOGIN}"), Some(body)).await;
        assert_eq!(changed.status, StatusCode::OK, "{changed:?}");
        assert!(matches!(check(&test, LOGIN, PASSWORD), PasswordCheck::Wrong { .. }), "{member}");
    }
}

#[tokio::test]
async fn who_may_not_sign_in_does_not_with_the_right_password_either() {
    let test = TestOrg::start().await;
    create(&test, "?nextLogin=changePassword").await;
    assert!(matches!(check(&test, LOGIN, PASSWORD), PasswordCheck::Expired { .. }));
    let path = format!("/api/v1/users/{LOGIN}");
    let body = json!({"credentials": {"password": {"value": "another password"}}});
    assert_eq!(test.administer(Method::POST, &path, Some(body)).await.status, StatusCode::OK);
    assert!(matches!(check(&test, LOGIN, PASSWORD), PasswordCheck::Wrong { .. }), "the old one");
    assert!(
        matches!(check(&test, LOGIN, "another password"), PasswordCheck::Right { .. }),
        "not expired any more"
    );
    assert_eq!(step(&test, "expire_password").await.0, 200);
    assert!(matches!(check(&test, LOGIN, "another password"), PasswordCheck::Expired { .. }));
    for _ in 0..9 {
        assert!(matches!(check(&test, LOGIN, "wrong"), PasswordCheck::Wrong { .. }));
    }
    assert!(
        matches!(check(&test, LOGIN, "wrong"), PasswordCheck::LockedOut { .. }),
        "an expired one is guarded too"
    );
    for name in ["deactivate", "activate"] {
        assert_eq!(step(&test, name).await.0, 200);
        let found = check(&test, LOGIN, "another password");
        assert!(matches!(found, PasswordCheck::Wrong { .. }), "{name}: the password is gone");
    }
    let body = json!({"credentials": {"password": {"value": "a third password"}}});
    assert_eq!(test.administer(Method::POST, &path, Some(body)).await.text("/status"), "ACTIVE");
    assert!(matches!(check(&test, LOGIN, "a third password"), PasswordCheck::Right { .. }));
}

#[tokio::test]
async fn a_temporary_password_takes_the_place_of_the_old_one_and_has_to_be_changed() {
    let test = TestOrg::start().await;
    create(&test, "").await;
    let (status, given) = step(&test, "expire_password_with_temp_password").await;
    assert_eq!((status, given.as_object().map(serde_json::Map::len)), (200, Some(1)), "{given}");
    let temporary = given["tempPassword"].as_str().unwrap();
    assert_eq!(temporary.len(), 16);
    assert!(matches!(check(&test, LOGIN, PASSWORD), PasswordCheck::Wrong { .. }), "the old one");
    assert!(matches!(check(&test, LOGIN, temporary), PasswordCheck::Expired { .. }));
    let read = test.administer(Method::GET, &format!("/api/v1/users/{LOGIN}"), None).await;
    assert_eq!(read.text("/status"), "PASSWORD_EXPIRED");
    let (_, again) = step(&test, "expire_password_with_temp_password").await;
    assert_ne!(again["tempPassword"], given["tempPassword"]);
    let path = format!("/api/v1/users/{LOGIN}/credentials/change_password");
    let change =
        json!({"oldPassword": {"value": again["tempPassword"]}, "newPassword": {"value": "the-users-own"}});
    assert_eq!(test.administer(Method::POST, &path, Some(change)).await.status, StatusCode::OK);
    assert!(matches!(check(&test, LOGIN, "the-users-own"), PasswordCheck::Right { .. }));

    for (before, code) in [("suspend", "E0000038"), ("deactivate", "E0000038")] {
        step(&test, before).await;
        let (status, refused) = step(&test, "expire_password_with_temp_password").await;
        assert_eq!((status, &refused["errorCode"]), (403, &json!(code)), "after {before}");
    }
    let log = test.administer(Method::GET, "/api/v1/logs?limit=1000", None).await;
    let traces = test.administer(Method::GET, "/keybound/v1/traces", None).await;
    for told in [log.json, traces.json].map(|json| json.to_string()) {
        assert!(told.contains("expire_password"), "{told}");
        for secret in [&given, &again].map(|given| given["tempPassword"].as_str().unwrap()) {
            assert!(!told.contains(secret), "no secret is told");
        }
    }
}

#[tokio::test]
async fn seeded_users_have_the_documented_password() {
    let test = TestOrg::start().await;
    let users =
        test.administer(Method::GET, "/api/v1/users?filter=status+eq+%22ACTIVE%22&limit=1", None).await;
    let login = users.text("/0/profile/login");
    assert!(matches!(check(&test, login, SEEDED_PASSWORD), PasswordCheck::Right { .. }));
    assert!(matches!(check(&test, login, &SEEDED_PASSWORD.to_lowercase()), PasswordCheck::Wrong { .. }));
}

#[tokio::test]
async fn each_step_answers_with_what_the_user_goes_on_with() {
    let test = TestOrg::start().await;
    create(&test, "").await;
    let (status, expired) = step(&test, "expire_password").await;
    assert_eq!((status, &expired["status"]), (200, &json!("PASSWORD_EXPIRED")));
    assert_eq!(step(&test, "reset_password").await, (200, json!({})), "by mail");
    let (status, link) = step(&test, "reset_password?sendEmail=false").await;
    assert_eq!(status, 200);
    assert!(link["resetPasswordUrl"].as_str().unwrap().starts_with(test.org.url()), "{link}");
    let read = test.administer(Method::GET, &format!("/api/v1/users/{LOGIN}"), None).await;
    assert_eq!(read.text("/status"), "RECOVERY");
    assert_eq!(step(&test, "reactivate").await, (200, json!({})), "also one in recovery");
    let body = json!({"credentials": {"password": {"value": PASSWORD}}});
    let path = format!("/api/v1/users/{LOGIN}");
    assert_eq!(test.administer(Method::POST, &path, Some(body)).await.text("/status"), "ACTIVE");
    assert_eq!(step(&test, "reactivate").await.1["errorCode"], "E0000038");
    assert_eq!(step(&test, "promote").await.0, 404);

    let body = json!({"profile": {"firstName": "A", "lastName": "B", "email": "a@example.com", "login": "a@example.com"}});
    test.administer(Method::POST, "/api/v1/users?activate=false", Some(body)).await;
    for step in ["activate", "reactivate"] {
        let path = format!("/api/v1/users/a@example.com/lifecycle/{step}?sendEmail=false");
        let link = test.administer(Method::POST, &path, None).await;
        assert!(link.text("/activationUrl").ends_with(link.text("/activationToken")), "{step}: {link:?}");
        assert!(!link.text("/activationToken").is_empty(), "{step}");
    }
}

/// Terraform's provider asks with its API token who that is, and ends if it is nobody.
#[tokio::test]
async fn the_administrator_is_a_user_to_itself_and_to_nobody_else() {
    let test = TestOrg::start().await;
    let me = test.administer(Method::GET, "/api/v1/users/me", None).await;
    assert_eq!((me.status, me.text("/status")), (StatusCode::OK, "ACTIVE"), "{me:?}");
    for name in [me.text("/id"), me.text("/profile/login")] {
        let found = test.administer(Method::GET, &format!("/api/v1/users/{name}"), None).await;
        assert_eq!(found.status, StatusCode::NOT_FOUND, "{name} is in no list");
    }
    for line in ["POST /api/v1/users/me", "DELETE /api/v1/users/me", "GET /api/v1/users/me/groups"] {
        let (method, path) = line.split_once(' ').unwrap();
        let body = (method == "POST").then(|| json!({}));
        let refused = test.administer(method.parse().unwrap(), path, body).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{line}");
    }
    let app = test.app(&[READ], &[AdminRole::Super]);
    let token = test.token(&app, READ).await;
    let nobody = test.call(&app, &token, Method::GET, "/api/v1/users/me").await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND, "an app that calls for itself is no user");
}

#[tokio::test]
async fn a_version_spares_an_answer_and_guards_a_change() {
    let test = TestOrg::start().await;
    create(&test, "").await;
    let path = format!("/api/v1/users/{LOGIN}");
    let send = async |method: Method, name: Option<(http::HeaderName, String)>, body: Option<Value>| {
        let mut request = test.http.request(method, test.url(&path));
        request = request.header(AUTHORIZATION, format!("SSWS {}", test.org.admin_token()));
        if let Some((name, value)) = name {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        test.send(request).await
    };
    let first = send(Method::GET, None, None).await.header(ETAG.as_str()).to_owned();
    assert!(first.starts_with('"') && first.ends_with('"'), "{first}");
    assert_eq!(
        send(Method::GET, Some((IF_NONE_MATCH, first.clone())), None).await.status,
        StatusCode::NOT_MODIFIED
    );
    let change = |title: &str| Some(json!({"profile": {"title": title}}));
    let changed = send(Method::POST, Some((IF_MATCH, first.clone())), change("Clerk")).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(changed.header(ETAG.as_str()), first);
    assert_eq!(send(Method::GET, Some((IF_NONE_MATCH, first.clone())), None).await.status, StatusCode::OK);
    let refused = send(Method::POST, Some((IF_MATCH, first)), change("Judge")).await;
    assert_eq!(refused.status, StatusCode::PRECONDITION_FAILED, "{refused:?}");
    assert_eq!(send(Method::GET, None, None).await.text("/profile/title"), "Clerk");
    assert_eq!(
        send(Method::POST, Some((IF_MATCH, "*".to_owned())), change("Judge")).await.status,
        StatusCode::OK
    );
}
