//! `/api/v1/users/{id}/clients`: an administrator sees which apps hold refresh tokens of a user, and revokes them.

use std::collections::BTreeSet;

use http::{Method, StatusCode};
use keybound_org::AdminRole;
use serde_json::{Value, json};

use crate::people::{self, LOGIN, UserApp};
use crate::support::TestOrg;

fn tokens_of(user: &str, app: &UserApp) -> String {
    format!("/api/v1/users/{user}/clients/{}/tokens", app.client_id)
}

async fn listed(test: &TestOrg, path: &str) -> Vec<Value> {
    let found = test.administer(Method::GET, path, None).await;
    assert_eq!(found.status, StatusCode::OK, "{found:?}");
    found.json.as_array().unwrap().clone()
}

#[tokio::test]
async fn what_an_app_holds_of_a_user_is_shown_under_one_id_while_it_rotates() {
    let (test, app) = people::with_native_app().await;
    let user = test.administer(Method::GET, &format!("/api/v1/users/{LOGIN}"), None).await;
    let user_id = user.text("/id");
    assert_eq!(listed(&test, &format!("/api/v1/users/{LOGIN}/clients")).await, [] as [Value; 0]);
    let granted = app.tokens(&test).await;
    let path = tokens_of(LOGIN, &app);
    let first = listed(&test, &path).await.remove(0);
    let id = first["id"].as_str().unwrap();
    assert!(id.starts_with("oar") && id.len() == 20, "{id}");
    let url = test.url(&format!("{}/{id}", tokens_of(user_id, &app)));
    let title = "A <native> app";
    let expected = json!({
        "id": id, "status": "ACTIVE", "issuer": test.org.url(), "clientId": app.client_id, "userId": user_id,
        "created": "2027-01-15T08:00:00.000Z", "lastUpdated": "2027-01-15T08:00:00.000Z",
        "expiresAt": first["expiresAt"],
        "scopes": ["openid", "profile", "email", "offline_access", "okta.users.read"],
        "_links": {
            "self": { "href": url, "hints": { "allow": ["GET", "DELETE"] } },
            "revoke": { "href": url, "hints": { "allow": ["DELETE"] } },
            "app": { "href": test.url(&format!("/api/v1/apps/{}", app.client_id)), "title": title },
            "client": { "href": test.url(&format!("/oauth2/v1/clients/{}", app.client_id)), "title": title },
            "user": { "href": test.url(&format!("/api/v1/users/{user_id}")), "title": LOGIN },
        },
    });
    assert_eq!(first, expected);
    for secret in ["refresh_token", "access_token"] {
        assert!(!first.to_string().contains(granted.json[secret].as_str().unwrap()), "{secret}");
    }
    let clients = json!([{
        "client_id": app.client_id, "client_name": title, "client_uri": null, "logo_uri": null,
        "_links": {"tokens": {
            "href": test.url(&tokens_of(user_id, &app)), "hints": { "allow": ["GET", "DELETE"] },
        }},
    }]);
    let found = test.administer(Method::GET, &format!("/api/v1/users/{user_id}/clients"), None).await;
    assert_eq!(found.json, clients);

    test.wait(60);
    let refreshed = app.post(&test, "/token", &UserApp::refresh(granted.text("/refresh_token")), true).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:?}");
    let rotated = listed(&test, &path).await;
    assert_eq!((rotated.len(), &rotated[0]["id"]), (1, &first["id"]));
    assert_eq!(rotated[0]["lastUpdated"], "2027-01-15T08:01:00.000Z");
    assert_eq!(test.administer(Method::GET, &format!("{path}/{id}"), None).await.json, rotated[0]);
}

#[tokio::test]
async fn what_an_administrator_revokes_is_good_for_nothing_and_the_rest_stays() {
    let (test, app) = people::with_native_app().await;
    let other = people::native(&test);
    let (first, second, of_other) =
        (app.tokens(&test).await, app.tokens(&test).await, other.tokens(&test).await);
    let path = tokens_of(LOGIN, &app);
    let refresh = async |app: &UserApp, token: &str| {
        app.post(&test, "/token", &UserApp::refresh(token), true).await.status.as_u16()
    };
    // Ids are random, and tell not which sign-in they are of: one of two ends, and then the other.
    let ids: Vec<_> = listed(&test, &path).await.into_iter().map(|token| token["id"].clone()).collect();
    assert_eq!(ids.len(), 2);
    let one = format!("{path}/{}", ids[0].as_str().unwrap());
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        assert_eq!(test.administer(Method::DELETE, &one, None).await.status, status);
    }
    assert_eq!(test.administer(Method::GET, &one, None).await.text("/errorCode"), "E0000007");
    let works =
        async |token: &str| app.get(&test, "/api/v1/users?limit=1", token).await.status == StatusCode::OK;
    let work = [works(first.text("/access_token")).await, works(second.text("/access_token")).await];
    assert_eq!(work.into_iter().filter(|works| *works).count(), 1, "access tokens end with it");
    let (ended, alive) = if work[0] { (&second, &first) } else { (&first, &second) };
    assert_eq!(refresh(&app, ended.text("/refresh_token")).await, 400);
    let left = listed(&test, &path).await;
    assert_eq!((left.len(), &left[0]["id"]), (1, &ids[1]));

    for _ in 0..2 {
        let revoked = test.administer(Method::DELETE, &path, None).await;
        assert_eq!((revoked.status, &revoked.json), (StatusCode::NO_CONTENT, &Value::Null));
    }
    assert_eq!(refresh(&app, alive.text("/refresh_token")).await, 400);
    assert!(!works(alive.text("/access_token")).await);
    assert_eq!(refresh(&other, of_other.text("/refresh_token")).await, 200, "of another app");
    let clients = listed(&test, &format!("/api/v1/users/{LOGIN}/clients")).await;
    assert_eq!((clients.len(), &clients[0]["client_id"]), (1, &json!(other.client_id)));

    let events = "/api/v1/logs?filter=eventType+eq+%22app.oauth2.token.revoke%22";
    let log = test.administer(Method::GET, events, None).await;
    let told: Vec<_> = log
        .json
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["debugContext"]["debugData"]["tokenId"])
        .collect();
    assert_eq!(told, [&ids[0], &ids[1]], "each once: {log:?}");
    assert_eq!([log.text("/0/target/0/id"), log.text("/0/target/1/alternateId")], [&*app.client_id, LOGIN]);
}

#[tokio::test]
async fn tokens_come_in_pages_that_a_revocation_between_them_does_not_shift() {
    let (test, app) = people::with_native_app().await;
    for _ in 0..5 {
        app.tokens(&test).await;
    }
    let path = tokens_of(LOGIN, &app);
    let mut seen = BTreeSet::new();
    let mut next = Some(format!("{path}?limit=2"));
    while let Some(page) = next {
        let found = test.administer(Method::GET, &page, None).await;
        for token in found.json.as_array().unwrap() {
            let id = token["id"].as_str().unwrap().to_owned();
            test.administer(Method::DELETE, &format!("{path}/{id}"), None).await;
            assert!(seen.insert(id), "{found:?}");
        }
        let links = found.headers.get_all("link").iter().map(|link| link.to_str().unwrap());
        let link = links.into_iter().find(|link| link.ends_with("rel=\"next\""));
        next = link.map(|link| {
            let url = link.split(['<', '>']).nth(1).unwrap();
            url.strip_prefix(test.org.url()).unwrap().to_owned()
        });
    }
    assert_eq!(seen.len(), 5);
    for query in ["limit=0", "after=x", "filter=id+pr"] {
        let refused = test.administer(Method::GET, &format!("{path}?{query}"), None).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn tokens_are_shown_while_they_are_good_and_to_whom_they_belong() {
    let (test, app) = people::with_native_app().await;
    people::user_called(&test, "grace@example.com").await;
    let web = people::native(&test);
    let without = web.request().with("scope", "openid");
    let code = web.code(&test, &without).await;
    web.post(&test, "/token", &UserApp::exchange(&code), true).await;
    let custom = app.copy(|copy| copy.base = "/oauth2/default/v1".to_owned());
    let request = custom.request().with("scope", "openid offline_access");
    let code = custom.code(&test, &request).await;
    let granted = custom.post(&test, "/token", &UserApp::exchange(&code), true).await;
    assert_eq!(granted.status, StatusCode::OK, "{granted:?}");
    let path = tokens_of(LOGIN, &app);
    let found = listed(&test, &path).await.remove(0);
    assert_eq!(found["issuer"], test.url("/oauth2/default"));
    let id = found["id"].as_str().unwrap();
    for (path, expected) in [
        (tokens_of(LOGIN, &web), StatusCode::OK),
        (tokens_of("grace@example.com", &app), StatusCode::OK),
        (format!("{}/{id}", tokens_of("grace@example.com", &app)), StatusCode::NOT_FOUND),
        (format!("{}/{id}", tokens_of(LOGIN, &web)), StatusCode::NOT_FOUND),
        (tokens_of("nobody@example.com", &app), StatusCode::NOT_FOUND),
        (format!("/api/v1/users/{LOGIN}/clients/0oanone/tokens"), StatusCode::NOT_FOUND),
    ] {
        let answer = test.administer(Method::GET, &path, None).await;
        assert_eq!(answer.status, expected, "{path}");
        assert!(expected != StatusCode::OK || answer.json == json!([]), "{path}: {answer:?}");
        if path.contains(id) {
            assert_eq!(test.administer(Method::DELETE, &path, None).await.status, expected, "{path}");
        }
    }
    assert_eq!(listed(&test, &path).await.len(), 1, "nobody else's id ended it");
    test.wait(365 * 24 * 60 * 60);
    assert_eq!(listed(&test, &path).await, [] as [Value; 0], "it has expired");
}

#[tokio::test]
async fn the_help_desk_revokes_nothing_of_an_administrator() {
    let (test, app) = people::with_native_app().await;
    app.tokens(&test).await;
    people::user_called(&test, "grace@example.com").await;
    let helper = test.app(&["okta.users.manage"], &[AdminRole::HelpDesk]);
    let token = test.token(&helper, "okta.users.manage").await;
    let id = listed(&test, &tokens_of(LOGIN, &app)).await[0]["id"].as_str().unwrap().to_owned();
    for (path, status) in [
        (tokens_of(LOGIN, &app), StatusCode::FORBIDDEN),
        (format!("{}/{id}", tokens_of(LOGIN, &app)), StatusCode::FORBIDDEN),
        (tokens_of("grace@example.com", &app), StatusCode::NO_CONTENT),
    ] {
        assert_eq!(test.call(&helper, &token, Method::DELETE, &path).await.status, status, "{path}");
    }
    assert_eq!(listed(&test, &tokens_of(LOGIN, &app)).await.len(), 1);
}
