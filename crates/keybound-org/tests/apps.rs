//! `/api/v1/apps` and `/oauth2/v1/clients`: apps with their keys, scopes and roles.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use http::{Method, StatusCode};
use keybound::Signer as _;
use serde_json::{Value, json};
use support::{Answer, READ, TestApp, TestOrg, es256};

const APPS: &str = "/api/v1/apps";

fn jwk(key: &keybound::SigningKey, key_id: &str) -> Value {
    serde_json::from_str(&key.public_key().clone().with_key_id(key_id).jwk().to_json()).unwrap()
}

/// A service app as Okta's console makes one.
fn service(label: &str, key: &Value) -> Value {
    json!({
        "name": "oidc_client",
        "label": label,
        "signOnMode": "OPENID_CONNECT",
        "credentials": {"oauthClient": {"token_endpoint_auth_method": "private_key_jwt"}},
        "settings": {"oauthClient": {
            "application_type": "service",
            "grant_types": ["client_credentials"],
            "response_types": ["token"],
            "jwks": {"keys": [key]},
        }},
    })
}

async fn create(test: &TestOrg, body: Value) -> Answer {
    test.administer(Method::POST, APPS, Some(body)).await
}

async fn ask(test: &TestOrg, line: &str, body: Option<Value>) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let answer = test.administer(method.parse().unwrap(), path, body).await;
    (answer.status.as_u16(), answer.json)
}

fn codes(found: &(u16, Value)) -> (u16, &str) {
    (found.0, found.1["errorCode"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn an_app_made_by_the_api_gets_a_token_and_calls_the_api() {
    let test = TestOrg::start().await;
    let client_key = es256();
    let created = create(&test, service("My service", &jwk(&client_key, "one"))).await;
    assert_eq!(created.status, StatusCode::OK, "{created:?}");
    let id = created.text("/id").to_owned();
    assert!(id.starts_with("0oa") && id.len() == 20, "{id}");
    assert_eq!(created.text("/credentials/oauthClient/client_id"), id);
    assert_eq!(created.json["settings"]["oauthClient"]["dpop_bound_access_tokens"], true, "on by default");
    assert_eq!(created.json["settings"]["oauthClient"]["jwks"]["keys"][0]["kid"], "one");
    assert_eq!(test.administer(Method::GET, &format!("{APPS}/{id}"), None).await.json, created.json);

    let app = TestApp { client_id: id.clone(), scope: READ.to_owned(), client_key, dpop_key: es256() };
    let grant = json!({"scopeId": READ, "issuer": test.org.url()});
    let granted = ask(&test, &format!("POST {APPS}/{id}/grants"), Some(grant)).await;
    assert_eq!((granted.0, &granted.1["scopeId"]), (201, &json!(READ)), "{granted:?}");
    let token = test.token(&app, READ).await;
    let refused = test.call(&app, &token, Method::GET, "/api/v1/users?limit=1").await;
    assert_eq!((refused.status.as_u16(), refused.text("/errorCode")), (403, "E0000006"), "no role");

    let role = json!({"type": "READ_ONLY_ADMIN"});
    let roles = format!("/oauth2/v1/clients/{id}/roles");
    let assigned = ask(&test, &format!("POST {roles}"), Some(role.clone())).await;
    assert_eq!((assigned.0, &assigned.1["type"]), (200, &json!("READ_ONLY_ADMIN")), "{assigned:?}");
    assert_eq!(codes(&ask(&test, &format!("POST {roles}"), Some(role)).await), (409, "E0000090"));
    assert_eq!(test.call(&app, &token, Method::GET, "/api/v1/users?limit=1").await.status, StatusCode::OK);

    assert_eq!(ask(&test, &format!("DELETE {APPS}/{id}"), None).await.0, 403, "it is active");
    assert_eq!(ask(&test, &format!("POST {APPS}/{id}/lifecycle/deactivate"), None).await.0, 200);
    let refused = test.call(&app, &token, Method::GET, "/api/v1/users?limit=1").await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "an app that is not active has no rights");
    assert_eq!(ask(&test, &format!("POST {APPS}/{id}/lifecycle/activate"), None).await.0, 200);
    assert_eq!(test.call(&app, &token, Method::GET, "/api/v1/users?limit=1").await.status, StatusCode::OK);
    ask(&test, &format!("POST {APPS}/{id}/lifecycle/deactivate"), None).await;
    assert_eq!(ask(&test, &format!("DELETE {APPS}/{id}"), None).await.0, 204);
    assert_eq!(codes(&ask(&test, &format!("GET {APPS}/{id}"), None).await), (404, "E0000007"));
}

#[tokio::test]
async fn keys_are_added_deactivated_and_deleted() {
    let test = TestOrg::start().await;
    let (first, second) = (es256(), es256());
    let id = create(&test, service("App", &jwk(&first, "one"))).await.text("/id").to_owned();
    let keys = format!("{APPS}/{id}/credentials/jwks");
    let added = ask(&test, &format!("POST {keys}"), Some(jwk(&second, "two"))).await;
    assert_eq!((added.0, &added.1["kid"], &added.1["status"]), (201, &json!("two"), &json!("ACTIVE")));
    let key = added.1["id"].as_str().unwrap().to_owned();
    assert!(key.starts_with("pks") && key.len() == 20, "{key}");

    for (line, body, expected) in [
        (format!("POST {keys}"), Some(jwk(&second, "two")), (400, "E0000001")),
        (format!("POST {keys}"), Some(json!({"kty": "EC"})), (400, "E0000001")),
        (format!("DELETE {keys}/{key}"), None, (403, "E0000038")),
        (format!("POST {keys}/{key}/lifecycle/forget"), None, (404, "E0000007")),
        (format!("POST {keys}/{key}/lifecycle/deactivate"), None, (200, "")),
        (format!("GET {keys}/two"), None, (200, "")),
        (format!("POST {keys}/{key}/lifecycle/activate"), None, (200, "")),
        (format!("POST {keys}/two/lifecycle/deactivate"), None, (200, "")),
        (format!("DELETE {keys}/{key}"), None, (204, "")),
        (format!("GET {keys}/{key}"), None, (404, "E0000007")),
        (format!("DELETE {keys}/{key}"), None, (404, "E0000007")),
        (format!("GET {APPS}/0oanobody/credentials/jwks"), None, (404, "E0000007")),
    ] {
        assert_eq!(codes(&ask(&test, &line, body).await), expected, "{line}");
    }
    let left = ask(&test, &format!("GET {keys}"), None).await.1;
    assert_eq!((left.as_array().unwrap().len(), &left[0]["kid"]), (1, &json!("one")));

    let mut private: Value = jwk(&es256(), "three");
    private["d"] = json!("AAAA");
    let refused = ask(&test, &format!("POST {keys}"), Some(private)).await;
    assert!(refused.1["errorCauses"][0]["errorSummary"].as_str().unwrap().contains("private"), "{refused:?}");
}

#[tokio::test]
async fn a_key_that_was_deactivated_authenticates_nobody() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[keybound_org::AdminRole::ReadOnly]);
    test.token(&app, READ).await;
    let keys = format!("{APPS}/{}/credentials/jwks", app.client_id);
    let key = ask(&test, &format!("GET {keys}"), None).await.1[0]["id"].as_str().unwrap().to_owned();
    ask(&test, &format!("POST {keys}/{key}/lifecycle/deactivate"), None).await;
    let assertion = app.assertion(&test).sign(&app.client_key);
    let refused = test.ask(&support::grant(READ, &assertion), None).await;
    assert_eq!((refused.status.as_u16(), refused.text("/error")), (401, "invalid_client"));
}

#[tokio::test]
async fn grants_and_roles_are_listed_and_taken_back_by_their_ids() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[keybound_org::AdminRole::ReadOnly]).client_id;
    for (path, prefix) in
        [(format!("{APPS}/{app}/grants"), "oag"), (format!("/oauth2/v1/clients/{app}/roles"), "irb")]
    {
        let listed = ask(&test, &format!("GET {path}"), None).await.1;
        let id = listed[0]["id"].as_str().unwrap().to_owned();
        assert!(id.starts_with(prefix) && id.len() == 20, "{id}");
        assert_eq!(ask(&test, &format!("GET {path}/{id}"), None).await.1, listed[0]);
        assert_eq!(ask(&test, &format!("DELETE {path}/{id}"), None).await.0, 204);
        assert_eq!(codes(&ask(&test, &format!("DELETE {path}/{id}"), None).await), (404, "E0000007"));
        assert_eq!(ask(&test, &format!("GET {path}"), None).await.1, json!([]));
    }
    for (path, body) in [
        (format!("{APPS}/{app}/grants"), json!({"scopeId": READ, "issuer": "https://elsewhere.example"})),
        (format!("{APPS}/{app}/grants"), json!({"scopeId": "users", "issuer": test.org.url()})),
        (format!("{APPS}/{app}/grants"), json!({"scopeId": "okta.a b", "issuer": test.org.url()})),
        (format!("{APPS}/{app}/grants"), json!({"scopeId": "okta.user.read", "issuer": test.org.url()})),
        (format!("/oauth2/v1/clients/{app}/roles"), json!({"type": "KING"})),
    ] {
        let refused = ask(&test, &format!("POST {path}"), Some(body.clone())).await;
        assert_eq!(codes(&refused), (400, "E0000001"), "{body}");
    }
}

#[tokio::test]
async fn what_cannot_be_an_app_is_refused_with_its_cause() {
    const OAUTH: &str = "/settings/oauthClient";
    let test = TestOrg::start().await;
    let key = jwk(&es256(), "one");
    let with = |pointer: &str, value: Value| {
        let mut body = service("App", &key);
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[member] = value;
        body
    };
    for (pointer, value, member) in [
        ("/label".to_owned(), json!(" "), "label"),
        ("/label".to_owned(), json!("x".repeat(101)), "label"),
        ("/name".to_owned(), json!("saml"), "name"),
        ("/signOnMode".to_owned(), json!("SAML_2_0"), "signOnMode"),
        (format!("{OAUTH}/application_type"), json!("robot"), "application_type"),
        (format!("{OAUTH}/grant_types"), json!([]), "grant_types"),
        (format!("{OAUTH}/grant_types"), json!(["magic"]), "grant_types"),
        (format!("{OAUTH}/response_types"), json!(["code"]), "response_types"),
        (format!("{OAUTH}/application_type"), json!("browser"), "token_endpoint_auth_method"),
        (format!("{OAUTH}/jwks"), json!({"keys": []}), "jwks"),
        (format!("{OAUTH}/jwks"), json!({"keys": [{"kty": "oct", "k": "AAAA"}]}), "jwks"),
        (format!("{OAUTH}/jwks_uri"), json!("https://keys.example"), "jwks_uri"),
        (format!("{OAUTH}/redirect_uris"), json!(["https://a.example/#x"]), "redirect_uris"),
        (format!("{OAUTH}/redirect_uris"), json!(["javascript:alert(1)"]), "redirect_uris"),
        ("/credentials/oauthClient/client_id".to_owned(), json!("mine"), "client_id"),
        ("/credentials/oauthClient/client_secret".to_owned(), json!("short"), "client_secret"),
    ] {
        let answer = create(&test, with(&pointer, value.clone())).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text("/errorCode")),
            (400, "E0000001"),
            "{pointer} {value}"
        );
        let cause = answer.text("/errorCauses/0/errorSummary");
        assert!(cause.starts_with(&format!("{member}: ")), "{pointer} {value}: {cause}");
    }
    assert!(test.org.store().list_apps().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_secret_is_shown_once_and_only_its_hash_is_kept() {
    let test = TestOrg::start().await;
    let body = json!({"label": "Web", "settings": {"oauthClient": {
        "application_type": "web", "redirect_uris": ["https://a.example/back"],
    }}});
    let created = create(&test, body).await;
    let secret = created.text("/credentials/oauthClient/client_secret").to_owned();
    assert_eq!(secret.len(), 40, "{created:?}");
    assert_eq!(created.text("/credentials/oauthClient/token_endpoint_auth_method"), "client_secret_basic");
    assert_eq!(created.json["settings"]["oauthClient"]["dpop_bound_access_tokens"], false);
    let id = created.text("/id");
    let read = test.administer(Method::GET, &format!("{APPS}/{id}"), None).await;
    assert!(!read.json.to_string().contains(&secret));
    let app = test.org.store().app(id).unwrap().unwrap();
    assert!(app.client_secret_hash.unwrap().is_of(&secret));
}

#[tokio::test]
async fn an_app_is_changed_by_what_a_client_sends_back() {
    let test = TestOrg::start().await;
    let (first, second) = (jwk(&es256(), "one"), jwk(&es256(), "two"));
    let created = create(&test, service("App", &first)).await;
    let path = format!("{APPS}/{}", created.text("/id"));
    test.wait(1);
    let mut changed = created.json.clone();
    changed["label"] = json!("Renamed");
    changed["settings"]["oauthClient"]["dpop_bound_access_tokens"] = json!(false);
    changed["settings"]["oauthClient"]["jwks"]["keys"] = json!([second]);
    let answer = test.administer(Method::PUT, &path, Some(changed)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!((answer.text("/label"), answer.text("/id")), ("Renamed", created.text("/id")));
    assert_eq!(answer.json["settings"]["oauthClient"]["dpop_bound_access_tokens"], false);
    assert_eq!(answer.text("/lastUpdated"), "2027-01-15T08:00:01.000Z");
    let keys = test.administer(Method::GET, &format!("{path}/credentials/jwks"), None).await;
    assert_eq!((keys.json.as_array().unwrap().len(), keys.text("/0/kid")), (1, "two"));
}

#[tokio::test]
async fn apps_are_listed_in_pages_and_found() {
    let test = TestOrg::start().await;
    let key = jwk(&es256(), "one");
    let mut ids = Vec::new();
    for label in ["Alpha", "Beta", "Alphabet"] {
        ids.push(create(&test, service(label, &key)).await.text("/id").to_owned());
    }
    ask(&test, &format!("POST {APPS}/{}/lifecycle/deactivate", ids[1]), None).await;
    for (query, expected) in [
        ("", vec![0, 1, 2]),
        ("?q=alpha", vec![0, 2]),
        ("?q=alpha&limit=1", vec![0]),
        ("?filter=status+eq+%22INACTIVE%22", vec![1]),
        ("?filter=name+eq+%22oidc_client%22+and+status+eq+%22ACTIVE%22", vec![0, 2]),
        ("?filter=name+eq+%22saml%22", vec![]),
        ("?includeNonDeleted=true&limit=2", vec![0, 1]),
    ] {
        let found = ask(&test, &format!("GET {APPS}{query}"), None).await.1;
        let found: Vec<_> = found.as_array().unwrap().iter().map(|app| app["id"].as_str().unwrap()).collect();
        let expected: Vec<_> = expected.into_iter().map(|index: usize| ids[index].as_str()).collect();
        assert_eq!(found, expected, "{query}");
    }
    let refused = ask(&test, &format!("GET {APPS}?filter=colour+eq+%22red%22"), None).await;
    assert_eq!(codes(&refused), (400, "E0000031"));
}
