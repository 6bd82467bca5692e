//! What a user's token may do at the management API: what the user's admin roles say, and of the user alone without any.

use http::{Method, StatusCode};
use keybound_org::{AdminRole, NewApp};
use serde_json::{Value, json};

use crate::people::{self, Browser, LOGIN, Parameters, UserApp, VERIFIER, user_called};
use crate::support::{Answer, TestOrg, ath, proof};

const SCOPES: &str = "okta.users.read okta.users.manage okta.groups.manage okta.roles.read okta.roles.manage \
                      okta.logs.read okta.users.read.self okta.users.manage.self";

/// An app that has every role and any scope, of which none counts where it calls for a user.
fn powerful(test: &TestOrg) -> UserApp {
    let scopes = SCOPES.split(' ').map(str::to_owned).collect();
    UserApp::register(test, &NewApp { scopes, roles: AdminRole::ALL.to_vec(), ..people::native_app() })
}

/// A token with these scopes for a user who signs in.
async fn token(test: &TestOrg, app: &UserApp, login: &str, scope: &str) -> String {
    let request = app.request().with("scope", scope);
    let response = Browser::default().sign_in(test, &app.authorize_url(test, &request), login).await;
    let code = response.get("code").unwrap_or_else(|| panic!("{response:?}"));
    let granted = app.post(test, "/token", &UserApp::exchange(code), true).await;
    assert_eq!(granted.status, StatusCode::OK, "{granted:?}");
    granted.text("/access_token").to_owned()
}

async fn call(test: &TestOrg, app: &UserApp, token: &str, line: &str, body: Option<Value>) -> Answer {
    let (method, path) = line.split_once(' ').unwrap();
    let url = test.url(path.split('?').next().unwrap());
    let proof = proof(test, &app.dpop_key, method, &url).claim("ath", json!(ath(token)));
    let mut request = test.http.request(method.parse().unwrap(), test.url(path));
    request = request.header("authorization", format!("DPoP {token}"));
    request = request.header("dpop", proof.sign(&app.dpop_key));
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    test.send(request).await
}

#[tokio::test]
async fn a_user_may_do_what_their_own_roles_and_those_of_their_groups_say_and_the_app_s_do_not_count() {
    let test = TestOrg::start().await;
    let app = powerful(&test);
    let id = user_called(&test, LOGIN).await;
    let scopes = "okta.users.read okta.users.manage okta.roles.manage";
    let token = token(&test, &app, LOGIN, scopes).await;
    let status = async |line: &str| call(&test, &app, &token, line, None).await.status.as_u16();

    let refused = call(&test, &app, &token, "GET /api/v1/users", None).await;
    assert_eq!((refused.status.as_u16(), refused.text("/errorCode")), (403, "E0000006"), "{refused:?}");
    assert!(refused.text("/errorCauses/0/errorSummary").contains("assign one of SUPER_ADMIN"), "{refused:?}");

    let group = json!({"profile": {"name": "Readers"}});
    let group = test.administer(Method::POST, "/api/v1/groups", Some(group)).await.text("/id").to_owned();
    let group_roles = format!("/api/v1/groups/{group}/roles");
    let role = json!({"type": "READ_ONLY_ADMIN"});
    assert_eq!(test.administer(Method::POST, &group_roles, Some(role)).await.status.as_u16(), 200);
    assert_eq!(status("GET /api/v1/users").await, 403, "not a member yet");
    let member = format!("/api/v1/groups/{group}/users/{id}");
    test.administer(Method::PUT, &member, None).await;
    assert_eq!(status("GET /api/v1/users").await, 200, "by the group");
    assert_eq!(status("DELETE /api/v1/users/x").await, 403, "it is a role that reads");
    test.administer(Method::DELETE, &member, None).await;
    assert_eq!(status("GET /api/v1/users").await, 403, "a member no more");

    people::assign_role(&test, &id, AdminRole::User).await;
    assert_eq!(status("DELETE /api/v1/users/x").await, 404, "by their own");
    assert_eq!(status("GET /api/v1/logs").await, 403, "the token lacks the scope");
    assert_eq!(status("POST /api/v1/users/x/roles").await, 403, "only a super administrator assigns roles");
    test.administer(Method::POST, &format!("/api/v1/users/{id}/lifecycle/deactivate"), None).await;
    assert_eq!(status("GET /api/v1/users").await, 401, "the user is not active any more");
    let roles = test.administer(Method::GET, &format!("/api/v1/users/{id}/roles"), None).await;
    assert_eq!(roles.json, json!([]), "the roles went with that");
}

#[tokio::test]
async fn a_user_without_roles_sees_themselves_and_nobody_else() {
    let test = TestOrg::start().await;
    let app = powerful(&test);
    let id = user_called(&test, LOGIN).await;
    let other = user_called(&test, "eve@example.com").await;
    let own = format!("GET /api/v1/users/{id}");
    let password =
        json!({"oldPassword": {"value": people::PASSWORD}, "newPassword": {"value": "a-better-password"}});
    for scope in ["okta.users.read.self", "okta.users.read"] {
        let token = token(&test, &app, LOGIN, scope).await;
        for (line, status) in [
            ("GET /api/v1/users/me", 200),
            (&own, 200),
            (&format!("GET /api/v1/users/{LOGIN}"), 200),
            ("GET /api/v1/users/ADA%40example.com", 200),
            ("GET /api/v1/users/me/groups", 200),
            ("GET /api/v1/users/me/appLinks", 200),
            (&format!("GET /api/v1/users/{other}"), 403),
            (&format!("GET /api/v1/users/{other}/groups"), 403),
            ("GET /api/v1/users/eve@example.com", 403),
            ("GET /api/v1/users", 403),
            ("GET /api/v1/users/me/roles", 403),
            ("POST /api/v1/users/me", 403),
            ("DELETE /api/v1/users/me", 403),
            ("POST /api/v1/users/me/lifecycle/suspend", 403),
        ] {
            let answer = call(&test, &app, &token, line, None).await;
            // A body is looked at after the right.
            assert_eq!(answer.status.as_u16(), status, "{line} with {scope}: {answer:?}");
            if line == own {
                assert_eq!(answer.text("/id"), id);
            }
        }
        let change = "POST /api/v1/users/me/credentials/change_password";
        assert_eq!(call(&test, &app, &token, change, Some(password.clone())).await.status.as_u16(), 403);
    }
    let token = token(&test, &app, LOGIN, "okta.users.manage.self").await;
    for (line, status) in [
        (format!("POST /api/v1/users/{other}/credentials/change_password"), 403),
        ("POST /api/v1/users/me/credentials/change_password".to_owned(), 200),
    ] {
        let answer = call(&test, &app, &token, &line, Some(password.clone())).await;
        assert_eq!(answer.status.as_u16(), status, "{line}: {answer:?}");
    }
}

/// A login is for one user after the other, and a token for one: who gets the login of an administrator has none of what
/// that one may do.
#[tokio::test]
async fn a_token_is_for_the_user_and_not_for_the_name() {
    let test = TestOrg::start().await;
    let app = powerful(&test);
    let plain = user_called(&test, LOGIN).await;
    let token = token(&test, &app, LOGIN, "okta.users.read").await;
    let rename = |login: &str| Some(json!({"profile": {"login": login}}));
    test.administer(Method::POST, &format!("/api/v1/users/{plain}"), rename("old@example.com")).await;
    let powerful = user_called(&test, LOGIN).await;
    people::assign_role(&test, &powerful, AdminRole::Super).await;
    assert_eq!(call(&test, &app, &token, "GET /api/v1/users", None).await.status.as_u16(), 403);
    assert_eq!(call(&test, &app, &token, "GET /api/v1/users/me", None).await.text("/id"), plain);
}

/// Whoever could set the password of an administrator, or put themselves into the administrators' group, would be one.
#[tokio::test]
async fn who_has_admin_roles_is_changed_by_a_super_administrator_or_by_themselves() {
    let test = TestOrg::start().await;
    let app = powerful(&test);
    let admin = user_called(&test, "admin@example.com").await;
    people::assign_role(&test, &admin, AdminRole::HelpDesk).await;
    let plain = user_called(&test, "plain@example.com").await;
    let id = user_called(&test, LOGIN).await;
    let group = json!({"profile": {"name": "Administrators"}});
    let group = test.administer(Method::POST, "/api/v1/groups", Some(group)).await.text("/id").to_owned();
    let role = json!({"type": "SUPER_ADMIN"});
    test.administer(Method::POST, &format!("/api/v1/groups/{group}/roles"), Some(role)).await;
    let token = token(&test, &app, LOGIN, "okta.users.manage okta.groups.manage").await;
    let new = json!({
        "profile": {"firstName": "N", "lastName": "N", "email": "new@example.com", "login": "new@example.com"},
        "groupIds": [group],
    });
    let profile = json!({"profile": {"title": "Clerk"}});
    for role in [AdminRole::User, AdminRole::Super] {
        people::assign_role(&test, &id, role).await;
        let expected = if role == AdminRole::Super { 200 } else { 403 };
        for (line, body, by_all) in [
            (format!("POST /api/v1/users/{admin}"), Some(profile.clone()), false),
            (format!("POST /api/v1/users/{plain}"), Some(profile.clone()), true),
            (format!("POST /api/v1/users/{id}"), Some(profile.clone()), true),
            (format!("POST /api/v1/users/{admin}/lifecycle/reset_password?sendEmail=false"), None, false),
            (format!("PUT /api/v1/groups/{group}/users/{plain}"), None, false),
            (format!("DELETE /api/v1/groups/{group}/users/{plain}"), None, false),
            ("POST /api/v1/users".to_owned(), Some(new.clone()), false),
            (format!("PUT /api/v1/groups/{group}"), Some(json!({"profile": {"name": "Others"}})), false),
            (format!("DELETE /api/v1/users/{admin}"), None, false),
            (format!("DELETE /api/v1/groups/{group}"), None, false),
        ] {
            let answer = call(&test, &app, &token, &line, body).await;
            let expected = if by_all { 200 } else { expected };
            let found = if answer.status == StatusCode::NO_CONTENT { 200 } else { answer.status.as_u16() };
            assert_eq!(found, expected, "{line} by {role}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn roles_are_assigned_listed_and_taken_away_and_the_log_tells_of_it() {
    let test = TestOrg::start().await;
    let user = user_called(&test, LOGIN).await;
    let group = json!({"profile": {"name": "Operators"}});
    let group = test.administer(Method::POST, "/api/v1/groups", Some(group)).await.text("/id").to_owned();
    test.administer(Method::PUT, &format!("/api/v1/groups/{group}/users/{user}"), None).await;
    for (holder, kind, event) in [
        (format!("/api/v1/groups/{group}"), "GROUP", "group.privilege"),
        (format!("/api/v1/users/{user}"), "USER", "user.account.privilege"),
    ] {
        let roles = format!("{holder}/roles");
        let ask = async |method: Method, path: &str, body: Option<Value>| {
            let answer = test.administer(method, path, body).await;
            (answer.status.as_u16(), answer.json)
        };
        let body = |role: &str| Some(json!({"type": role}));
        let (status, made) = ask(Method::POST, &roles, body("ORG_ADMIN")).await;
        assert_eq!(
            (status, &made["assignmentType"], &made["label"]),
            (200, &json!(kind), &json!("Organization Administrator"))
        );
        let one = format!("{roles}/{}", made["id"].as_str().unwrap());
        assert_eq!(made["_links"]["self"]["href"], test.url(&one));
        assert_eq!(ask(Method::GET, &one, None).await, (200, made.clone()));
        assert_eq!(ask(Method::GET, &format!("{one}/targets/groups"), None).await, (200, json!([])));
        let (status, listed) = ask(Method::GET, &roles, None).await;
        assert!(status == 200 && listed.as_array().unwrap().contains(&made), "{listed}");
        for (path, role, status, code) in [
            (&roles, "ORG_ADMIN", 409, "E0000090"),
            (&roles, "KING", 400, "E0000001"),
            (&roles, "", 400, "E0000001"),
            (&format!("{holder}x/roles"), "ORG_ADMIN", 404, "E0000007"),
        ] {
            let (found, error) = ask(Method::POST, path, body(role)).await;
            assert_eq!((found, &error["errorCode"]), (status, &json!(code)), "{role}: {error}");
        }
        let listed = test.administer(Method::GET, &format!("/api/v1/users/{user}/roles"), None).await;
        assert_eq!(listed.text("/0/assignmentType"), kind, "a user has the roles of the group");
        assert_eq!(ask(Method::DELETE, &one, None).await.0, 204);
        assert_eq!(ask(Method::DELETE, &one, None).await.0, 404);
        assert_eq!(ask(Method::GET, &one, None).await.0, 404);
        for word in ["grant", "revoke"] {
            let path = format!("/api/v1/logs?filter=eventType+eq+%22{event}.{word}%22");
            let logged = test.administer(Method::GET, &path, None).await;
            assert_eq!(
                logged.text("/0/debugContext/debugData/privilegeGranted"),
                "Organization Administrator"
            );
            assert!(holder.ends_with(logged.text("/0/target/0/id")), "{logged:?}");
        }
    }
    let deactivate = format!("/api/v1/users/{user}/lifecycle/deactivate");
    test.administer(Method::POST, &deactivate, None).await;
    let path = format!("/api/v1/users/{user}/roles");
    let refused = test.administer(Method::POST, &path, Some(json!({"type": "ORG_ADMIN"}))).await;
    assert_eq!(refused.text("/errorCode"), "E0000038", "{refused:?}");
}

#[tokio::test]
async fn the_first_of_the_made_up_users_is_a_super_administrator() {
    let test = TestOrg::start().await;
    let first = test.administer(Method::GET, "/api/v1/users?limit=2", None).await;
    for (pointer, roles) in [("/0/id", vec!["SUPER_ADMIN"]), ("/1/id", vec![])] {
        let path = format!("/api/v1/users/{}/roles", first.text(pointer));
        let found = test.administer(Method::GET, &path, None).await;
        let found: Vec<_> = found.json.as_array().unwrap().iter().map(|role| role["type"].clone()).collect();
        assert_eq!(found, roles, "{pointer}");
    }
    let login = first.text("/0/profile/login");
    assert_eq!(login, "gideon.ackerman@example.com", "as docs/login.md has it");
    let app = powerful(&test);
    let request = app.request().with("scope", "okta.users.read");
    let mut browser = Browser::default();
    let page = browser.open(&app.authorize_url(&test, &request)).await;
    let fields = [("username", login), ("password", keybound_org::SEEDED_PASSWORD)];
    let response = browser.submit(&test, &page, &fields).await.response();
    let exchange = Parameters::new(&[
        ("grant_type", "authorization_code"),
        ("code", &response["code"]),
        ("redirect_uri", people::CALLBACK),
        ("code_verifier", VERIFIER),
    ]);
    let granted = app.post(&test, "/token", &exchange, true).await;
    let users = call(&test, &app, granted.text("/access_token"), "GET /api/v1/users?limit=1", None).await;
    assert_eq!(users.status, StatusCode::OK, "{users:?}");
}
