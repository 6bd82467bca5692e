//! `/api/v1/logs`: what was done by the API and at the token endpoint, and how it is found again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use http::Method;
use keybound_org::AdminRole;
use serde_json::{Value, json};
use support::{Answer, READ, TestOrg};

const LOGS: &str = "/api/v1/logs";
const GRANT: &str = "app.oauth2.token.grant.access_token";

async fn events(test: &TestOrg, query: &str) -> Vec<Value> {
    let answer = test.administer(Method::GET, &format!("{LOGS}?{query}"), None).await;
    assert_eq!(answer.status.as_u16(), 200, "{query}: {answer:?}");
    answer.json.as_array().unwrap().clone()
}

fn next(test: &TestOrg, answer: &Answer) -> Option<String> {
    let mut links = answer.headers.get_all("link").iter().map(|link| link.to_str().unwrap());
    let link = links.find_map(|link| link.strip_suffix("; rel=\"next\""))?;
    let url = link.strip_prefix('<')?.strip_suffix('>')?;
    Some(url.strip_prefix(test.org.url()).unwrap().to_owned())
}

#[tokio::test]
async fn a_token_that_is_granted_and_one_that_is_refused_are_in_the_log_with_the_reason() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    test.token(&app, READ).await;
    let assertion = app.assertion(&test).sign(&app.client_key);
    let nonce = test.nonce(&app).await;
    let proof = app.token_proof(&test, Some(&nonce)).sign(&app.dpop_key);
    let refused = test.ask(&support::grant("okta.users.manage", &assertion), Some(&proof)).await;
    assert_eq!(refused.text("/error"), "invalid_scope");

    let outcomes: Vec<_> = events(&test, &format!("filter=eventType+eq+%22{GRANT}%22"))
        .await
        .into_iter()
        .map(|event| {
            assert_eq!(event["actor"]["id"], json!(app.client_id));
            assert_eq!(event["client"]["ipAddress"], "127.0.0.1");
            (event["outcome"].clone(), event["severity"].clone())
        })
        .collect();
    let challenge = (json!({"result": "CHALLENGE", "reason": "use_dpop_nonce"}), json!("INFO"));
    assert_eq!(
        outcomes,
        [
            challenge.clone(),
            (json!({"result": "SUCCESS", "reason": null}), json!("INFO")),
            challenge,
            (json!({"result": "FAILURE", "reason": "invalid_scope"}), json!("WARN")),
        ]
    );
}

#[tokio::test]
async fn each_change_by_the_api_is_in_the_log() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]).client_id;
    let user = test.administer(Method::GET, "/api/v1/users?limit=1", None).await.text("/0/id").to_owned();
    let group = json!({"profile": {"name": "Night shift"}});
    let group = test.administer(Method::POST, "/api/v1/groups", Some(group)).await.text("/id").to_owned();
    let grant = json!({"scopeId": "okta.apps.read", "issuer": test.org.url()});
    for (line, body, event_type, target) in [
        (format!("POST /api/v1/users/{user}/lifecycle/suspend"), None, "user.lifecycle.suspend", &user),
        (
            format!("POST /api/v1/users/{user}"),
            Some(json!({"profile": {"title": "Clerk"}})),
            "user.account.update_profile",
            &user,
        ),
        (format!("DELETE /api/v1/users/{user}"), None, "user.lifecycle.deactivate", &user),
        (format!("PUT /api/v1/groups/{group}/users/{user}"), None, "group.user_membership.add", &user),
        (format!("DELETE /api/v1/groups/{group}"), None, "group.lifecycle.delete", &group),
        (format!("POST /api/v1/apps/{app}/grants"), Some(grant), "app.oauth2.as.consent.grant", &app),
        (
            format!("POST /oauth2/v1/clients/{app}/roles"),
            Some(json!({"type": "APP_ADMIN"})),
            "app.oauth2.client.privilege.grant",
            &app,
        ),
        (
            format!("POST /api/v1/apps/{app}/lifecycle/deactivate"),
            None,
            "application.lifecycle.deactivate",
            &app,
        ),
        (format!("DELETE /api/v1/apps/{app}"), None, "application.lifecycle.delete", &app),
    ] {
        let (method, path) = line.split_once(' ').unwrap();
        let answer = test.administer(method.parse().unwrap(), path, body).await;
        assert!(answer.status.is_success(), "{line}: {answer:?}");
        let last = events(&test, "sortOrder=DESCENDING&limit=1").await;
        assert_eq!(
            (&last[0]["eventType"], &last[0]["target"][0]["id"]),
            (&json!(event_type), &json!(target)),
            "{line}"
        );
        assert_eq!(last[0]["actor"]["id"], "administrator");
    }
    let before = events(&test, "").await.len();
    test.administer(Method::DELETE, "/api/v1/users/00unobody", None).await;
    assert_eq!(events(&test, "").await.len(), before, "what was refused changed nothing");
}

#[tokio::test]
async fn a_log_without_an_end_always_leads_on_and_one_with_an_end_does_not() {
    let test = TestOrg::start().await;
    let since = "since=2020-01-01T00:00:00.000Z";
    let get = async |path: &str| test.administer(Method::GET, path, None).await;
    let empty = get(&format!("{LOGS}?{since}")).await;
    let first = next(&test, &empty).expect("there is more to come");
    assert_eq!(get(&first).await.json, json!([]));

    let create = async |name: &str| {
        let body = json!({"profile": {"name": name}});
        test.administer(Method::POST, "/api/v1/groups", Some(body)).await;
    };
    for name in ["A", "B", "C"] {
        create(name).await;
    }
    let names = |answer: &Answer| {
        let events = answer.json.as_array().unwrap().iter();
        events.map(|event| event["target"][0]["displayName"].clone()).collect::<Vec<_>>()
    };
    let page = get(&format!("{first}&limit=2")).await;
    assert_eq!(names(&page), ["A", "B"]);
    let rest = get(&next(&test, &page).unwrap()).await;
    assert_eq!(names(&rest), ["C"]);
    let polled = get(&next(&test, &rest).unwrap()).await;
    assert_eq!(names(&polled), [""; 0]);
    test.wait(1);
    create("D").await;
    let later = get(&next(&test, &polled).unwrap()).await;
    assert_eq!(names(&later), ["D"]);

    let bounded = get(&format!("{LOGS}?{since}&until=2027-01-15T08:00:01.000Z&limit=2")).await;
    assert_eq!(names(&bounded), ["A", "B"]);
    let last = get(&next(&test, &bounded).unwrap()).await;
    assert_eq!((names(&last), next(&test, &last)), (vec![json!("C")], None), "D is not before the end");
    let newest = get(&format!("{LOGS}?{since}&sortOrder=DESCENDING&limit=3")).await;
    assert_eq!(names(&newest), ["D", "C", "B"]);
    let oldest = get(&next(&test, &newest).unwrap()).await;
    assert_eq!((names(&oldest), next(&test, &oldest)), (vec![json!("A")], None));
}

#[tokio::test]
async fn events_are_found_by_words_filters_and_time() {
    let test = TestOrg::start().await;
    // Words so long that no random id has one in it.
    for name in ["Nightingale shift", "Daylight shift"] {
        let body = json!({"profile": {"name": name}});
        test.administer(Method::POST, "/api/v1/groups", Some(body)).await;
    }
    for (query, count) in [
        ("q=shift", 2),
        ("q=nightingale+SHIFT", 1),
        ("q=nightingale+daylight", 0),
        ("q=%25", 0),
        ("filter=target.displayName+eq+%22daylight+shift%22", 1),
        ("filter=target.displayName+sw+%22Daylight%22+and+target.type+eq+%22UserGroup%22", 1),
        ("filter=target.type+eq+%22User%22", 0),
        ("filter=outcome.result+eq+%22SUCCESS%22+and+eventType+sw+%22group.%22", 2),
        ("filter=outcome.reason+pr", 0),
        ("filter=published+ge+%222027-01-15T08:00:00.000Z%22", 2),
        ("filter=published+gt+%222027-01-15T08:00:00.000Z%22", 0),
        ("filter=not+(severity+eq+%22INFO%22)", 0),
        ("filter=severity+ne+%22WARN%22&q=daylight", 1),
        ("until=2027-01-15T08:00:00.000Z", 0),
        ("since=2027-01-15T08:00:00.000Z", 2),
        ("since=2027-01-15T08:00:00.001Z", 0),
    ] {
        assert_eq!(events(&test, query).await.len(), count, "{query}");
    }
    for (query, code) in [
        ("since=yesterday", "E0000001"),
        ("sortOrder=up", "E0000001"),
        ("filter=colour+eq+%22red%22", "E0000031"),
        ("filter=published+co+%222027-01-15%22", "E0000031"),
        ("filter=target.id+gt+%221%22", "E0000031"),
        ("after=x", "E0000001"),
    ] {
        let answer = test.administer(Method::GET, &format!("{LOGS}?{query}"), None).await;
        assert_eq!((answer.status.as_u16(), answer.text("/errorCode")), (400, code), "{query}");
    }
}
