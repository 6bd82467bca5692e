//! Custom authorization servers: issuer, audience, scopes, claims and access policies of their own.

use std::time::Duration;

use http::StatusCode;
use keybound::access_token::AccessTokenPolicy;
use keybound::random::OperatingSystem;
use keybound::{JwkSet, NumericDate};
use keybound_org::{
    AccessPolicy, AccessPolicyRule, ClaimSource, ClaimedToken, CustomClaim, CustomScope, GrantType,
    Lifetimes, NewAuthorizationServer, StoreError,
};
use serde_json::{Value, json};

use crate::people::{self, LOGIN, Parameters, UserApp};
use crate::support::{TestOrg, claims};

fn scope(name: &str, is_default: bool) -> CustomScope {
    CustomScope { name: name.to_owned(), is_default, ..CustomScope::default() }
}

/// An app that uses a custom server.
fn app_at(test: &TestOrg, id: &str) -> UserApp {
    people::native(test).copy(|copy| copy.base = format!("/oauth2/{id}/v1"))
}

#[tokio::test]
async fn the_default_server_is_there_and_its_tokens_are_for_its_audience_alone() {
    let test = TestOrg::start().await;
    let user_id = people::user(&test).await;
    let store = test.org.store();
    store.add_scope("default", &scope("things.read", false), &OperatingSystem).unwrap();
    for (name, token, source) in [
        ("department", ClaimedToken::Access, ClaimSource::Profile("firstName".to_owned())),
        ("tier", ClaimedToken::Id, ClaimSource::Text("gold".to_owned())),
        ("missing", ClaimedToken::Access, ClaimSource::Profile("no".to_owned())),
        ("iss", ClaimedToken::Access, ClaimSource::Text("https://evil.example".to_owned())),
    ] {
        store.add_claim("default", &CustomClaim::new(name, token, source), &OperatingSystem).unwrap();
    }
    let app = app_at(&test, "default");
    let request = app.request().with("scope", "openid offline_access things.read");
    let code = app.code(&test, &request).await;
    let granted = app.post(&test, "/token", &UserApp::exchange(&code), true).await;
    assert_eq!(granted.status, StatusCode::OK, "{granted:?}");
    let token = granted.text("/access_token");
    let access = claims(token);
    for (claim, expected) in [
        ("iss", json!(test.url("/oauth2/default"))),
        ("aud", json!("api://default")),
        ("sub", json!(LOGIN)),
        ("uid", json!(user_id)),
        ("department", json!("Ada")),
        ("missing", Value::Null),
        ("tier", Value::Null),
    ] {
        assert_eq!(access[claim], expected, "{claim}");
    }
    assert_eq!(claims(granted.text("/id_token"))["tier"], "gold");

    let keys = test.get("/oauth2/default/v1/keys").await.json.to_string();
    assert_ne!(keys, test.get("/oauth2/v1/keys").await.json.to_string());
    let keys = JwkSet::parse(keys.as_bytes()).unwrap();
    let policy = AccessTokenPolicy::new(test.url("/oauth2/default"), "api://default".to_owned());
    policy.verify(token, &keys, NumericDate::from_seconds(test.now())).unwrap();

    assert_eq!(
        app.get(&test, "/api/v1/users", token).await.status,
        StatusCode::UNAUTHORIZED,
        "not for the org"
    );
    assert_eq!(app.get(&test, "/oauth2/v1/userinfo", token).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.get(&test, "/oauth2/default/v1/userinfo", token).await.text("/sub"), user_id);
    let org = app.copy(|copy| copy.base = "/oauth2/v1".to_owned());
    let introspected = org.post(&test, "/introspect", &Parameters::new(&[("token", token)]), false).await;
    assert_eq!(introspected.json, json!({"active": false}), "another server's");
    let refresh = UserApp::refresh(granted.text("/refresh_token"));
    assert_eq!(
        org.post(&test, "/token", &refresh, true).await.text("/error"),
        "invalid_grant",
        "another server's"
    );
    assert_eq!(app.post(&test, "/token", &refresh, true).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_server_gives_the_scopes_that_it_has() {
    let test = TestOrg::start().await;
    people::user(&test).await;
    let store = test.org.store();
    let app = app_at(&test, "default");
    let shown = |scope: &str| app.authorize_url(&test, &app.request().with("scope", scope));
    for (scope, error) in
        [("okta.users.read", "invalid_scope"), ("things.read", "invalid_scope"), ("", "invalid_scope")]
    {
        let shown = people::Browser::default().open(&shown(scope)).await;
        assert_eq!(shown.response()["error"], error, "{scope}");
    }
    store.add_scope("default", &scope("things.read", true), &OperatingSystem).unwrap();
    let code = app.code(&test, &app.request().without("scope")).await;
    let granted = app.post(&test, "/token", &UserApp::exchange(&code), true).await;
    assert_eq!(granted.text("/scope"), "things.read", "the default one");
    assert!(matches!(
        store.add_scope("default", &scope("a b", false), &OperatingSystem),
        Err(StoreError::InvalidScope { .. })
    ));
    assert!(matches!(
        store.add_scope("no", &scope("a", false), &OperatingSystem),
        Err(StoreError::UnknownServer { .. })
    ));
}

#[tokio::test]
async fn the_first_rule_that_fits_decides_and_none_is_no() {
    let test = TestOrg::start().await;
    people::user(&test).await;
    let store = test.org.store();
    let now = NumericDate::from_seconds(test.now());
    let new = NewAuthorizationServer {
        name: "things".to_owned(),
        description: String::new(),
        audience: "https://things.example".to_owned(),
    };
    let server = store.create_authorization_server(&new, now, &OperatingSystem).unwrap();
    assert!(server.id.starts_with("aus") && server.id.len() == 20);
    let again = store.create_authorization_server(&new, now, &OperatingSystem);
    assert!(matches!(again, Err(StoreError::ServerNameTaken { .. })));
    assert_eq!(store.list_authorization_servers().unwrap().len(), 2);
    for name in ["things.read", "things.write"] {
        store.add_scope(&server.id, &scope(name, false), &OperatingSystem).unwrap();
    }
    let app = app_at(&test, &server.id);
    let outcome = async |scope: &str| {
        let code = app.code(&test, &app.request().with("scope", scope)).await;
        let answer = app.post(&test, "/token", &UserApp::exchange(&code), true).await;
        (answer.text("/error").to_owned(), answer.json["expires_in"].as_u64())
    };
    let denied = ("access_denied".to_owned(), None);
    let granted = |minutes: u64| (String::new(), Some(minutes * 60));
    assert_eq!(outcome("things.read").await, denied, "no policy");

    let rule = |scopes: Option<&[&str]>, minutes: u64| AccessPolicyRule {
        name: "a rule".to_owned(),
        grant_types: vec![GrantType::AuthorizationCode],
        scopes: scopes.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        lifetimes: Lifetimes { access_token: Duration::from_secs(minutes * 60), ..Lifetimes::default() },
    };
    let policy = |clients: Option<Vec<String>>, rules| AccessPolicy {
        name: "a policy".to_owned(),
        clients,
        rules,
        ..AccessPolicy::default()
    };
    let add = |policy: &AccessPolicy| store.add_access_policy(&server.id, policy, now, &OperatingSystem);
    add(&policy(Some(vec!["0oa1".to_owned()]), vec![rule(None, 5)])).unwrap();
    assert_eq!(outcome("things.read").await, denied, "a policy for another client");
    let ours =
        policy(Some(vec![app.client_id.clone()]), vec![rule(Some(&["things.read"]), 10), rule(None, 20)]);
    add(&ours).unwrap();
    assert_eq!(outcome("things.read").await, granted(10));
    assert_eq!(outcome("openid things.read").await, granted(10), "those of OpenID Connect are for everybody");
    assert_eq!(outcome("things.read things.write").await, granted(20));
    assert_eq!(store.list_access_policies(&server.id).unwrap().last(), Some(&ours));
    assert!(matches!(add(&policy(None, vec![rule(None, 4)])), Err(StoreError::TokenLife)));

    store.clear_access_policies(&server.id).unwrap();
    assert_eq!(outcome("things.read").await, denied);
}

#[tokio::test]
async fn a_server_of_a_name_that_is_no_text_is_none() {
    let test = TestOrg::start().await;
    for path in ["/oauth2/%ff/v1/keys", "/oauth2/%ff/.well-known/openid-configuration", "/oauth2/no/v1/keys"]
    {
        let answer = test.get(path).await;
        assert_eq!((answer.status, answer.text("/errorCode")), (StatusCode::NOT_FOUND, "E0000007"), "{path}");
    }
    let answer = test.send(test.http.post(test.url("/oauth2/%ff/v1/token"))).await;
    assert_eq!((answer.status, answer.text("/errorCode")), (StatusCode::NOT_FOUND, "E0000007"));
}
