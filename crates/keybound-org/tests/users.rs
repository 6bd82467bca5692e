//! `/api/v1/users`: creating, reading, changing, listing and deleting.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::HashSet;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, StatusCode};
use keybound_org::{Data, OrgSettings};
use serde_json::{Value, json};
use support::{Answer, TestOrg};

const USERS: &str = "/api/v1/users";

fn isaac() -> Value {
    json!({"firstName": "Isaac", "lastName": "Brock", "email": "isaac.brock@example.com", "login": "Isaac.Brock@example.com"})
}

async fn create(test: &TestOrg, query: &str, body: Value) -> Answer {
    test.administer(Method::POST, &format!("{USERS}{query}"), Some(body)).await
}

#[tokio::test]
async fn a_user_is_created_read_changed_replaced_deactivated_and_deleted() {
    let test = TestOrg::start().await;
    let created =
        create(&test, "", json!({"profile": isaac(), "credentials": {"password": {"value": "tlpWENT2m"}}}))
            .await;
    assert_eq!(created.status, StatusCode::OK, "{created:?}");
    assert!(!created.json.to_string().contains("tlpWENT2m"));
    let id = created.text("/id").to_owned();
    assert!(id.starts_with("00u") && id.len() == 20, "{id}");
    let at = "2027-01-15T08:00:00.000Z";
    let expected = json!({
        "id": id, "status": "ACTIVE",
        "created": at, "activated": at, "statusChanged": at, "lastLogin": null, "lastUpdated": at, "passwordChanged": at,
        "type": {"id": "otyKeyboundDefault01"}, "profile": isaac(),
        "credentials": {"password": {}, "provider": {"type": "OKTA", "name": "OKTA"}},
        "_links": {"self": {"href": test.url(&format!("{USERS}/{id}"))}},
    });
    assert_eq!(created.json, expected);

    let path = format!("{USERS}/{id}");
    for name in
        [&path, &format!("{USERS}/isaac.brock@EXAMPLE.com"), &format!("{USERS}/isaac.brock%40example.com")]
    {
        assert_eq!(test.administer(Method::GET, name, None).await.json, expected, "{name}");
    }

    test.wait(1);
    let change = json!({"profile": {"department": "Legal", "lastName": "Ames"}});
    let changed = test.administer(Method::POST, &path, Some(change)).await;
    assert_eq!(changed.text("/profile/lastName"), "Ames");
    assert_eq!(changed.text("/profile/firstName"), "Isaac");
    assert_eq!(changed.text("/lastUpdated"), "2027-01-15T08:00:01.000Z");
    let replaced = test.administer(Method::PUT, &path, Some(json!({"profile": isaac()}))).await;
    assert_eq!(replaced.json["profile"], isaac(), "the department is gone");
    assert_eq!(test.administer(Method::GET, &path, None).await.json, replaced.json);

    let status = async || test.administer(Method::GET, &path, None).await.text("/status").to_owned();
    for (step, answer, then) in [
        ("suspend", 200, "SUSPENDED"),
        ("suspend", 400, "SUSPENDED"),
        ("unsuspend", 200, "ACTIVE"),
        ("unsuspend", 400, "ACTIVE"),
        ("activate", 403, "ACTIVE"),
        ("deactivate", 200, "DEPROVISIONED"),
        ("deactivate", 403, "DEPROVISIONED"),
        ("activate", 200, "PROVISIONED"),
    ] {
        let taken = test.administer(Method::POST, &format!("{path}/lifecycle/{step}"), None).await;
        assert_eq!((taken.status.as_u16(), status().await.as_str()), (answer, then), "{step}: {taken:?}");
    }

    assert_eq!(test.administer(Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(status().await, "DEPROVISIONED");
    assert_eq!(test.administer(Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(test.administer(Method::DELETE, &path, None).await.text("/errorCode"), "E0000007");
}

#[tokio::test]
async fn a_new_users_status_follows_from_activation_and_password() {
    let test = TestOrg::start().await;
    let password = json!({"password": {"value": "tlpWENT2m"}});
    let hook = json!({"password": {"hook": {"type": "default"}}});
    for (number, (query, credentials, expected)) in [
        ("", Value::Null, "PROVISIONED"),
        ("?activate=true", password.clone(), "ACTIVE"),
        ("?activate=true", hook, "ACTIVE"),
        ("?activate=false", password, "STAGED"),
        ("?activate=false", json!({}), "STAGED"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut body = json!({"profile": isaac()});
        body["profile"]["login"] = json!(format!("isaac{number}@example.com"));
        if !credentials.is_null() {
            body["credentials"] = credentials;
        }
        assert_eq!(create(&test, query, body).await.text("/status"), expected, "{query}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_user_is_refused_with_each_cause() {
    let test = TestOrg::start().await;
    assert_eq!(create(&test, "", json!({"profile": isaac()})).await.status, StatusCode::OK);
    let with = |name: &str, value: Value| {
        let mut profile = isaac();
        profile["login"] = json!("other@example.com");
        profile[name] = value;
        json!({ "profile": profile })
    };
    let blank = |name: &str| format!("{name}: The field cannot be left blank");
    for (body, subject, causes) in [
        (json!({}), "firstName", vec![blank("firstName"), blank("lastName"), blank("email"), blank("login")]),
        (with("lastName", json!("")), "lastName", vec![blank("lastName")]),
        (with("email", json!("x")), "email", vec!["email: Does not match required pattern".to_owned()]),
        (
            with("login", json!("x")),
            "login",
            vec!["login: Username must be in the form of an email address".to_owned()],
        ),
        (
            with("login", json!("ISAAC.brock@example.com")),
            "login",
            vec!["login: An object with this field already exists in the current organization".to_owned()],
        ),
    ] {
        let answer = create(&test, "", body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.text("/errorCode")), (400, "E0000001"), "{body}");
        assert_eq!(answer.text("/errorSummary"), format!("Api validation failed: {subject}"));
        let found: Vec<_> = answer.json["errorCauses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|cause| cause["errorSummary"].as_str().unwrap())
            .collect();
        assert_eq!(found, causes, "{body}");
    }

    let mut weak = with("email", json!("other@example.com"));
    weak["credentials"] = json!({"password": {"value": "short"}});
    let answer = create(&test, "", weak).await;
    assert_eq!(answer.text("/errorSummary"), "Api validation failed: password");
    assert!(!answer.json.to_string().contains("short"));

    let other = create(&test, "", with("department", json!("Legal"))).await.text("/id").to_owned();
    let path = format!("{USERS}/{other}");
    let taken = test
        .administer(Method::POST, &path, Some(json!({"profile": {"login": "isaac.brock@example.com"}})))
        .await;
    assert_eq!(taken.text("/errorCode"), "E0000001");
    let removed = test.administer(Method::POST, &path, Some(json!({"profile": {"email": null}}))).await;
    assert_eq!(removed.text("/errorCode"), "E0000001");
    assert_eq!(test.administer(Method::GET, &path, None).await.text("/profile/login"), "other@example.com");
}

#[tokio::test]
async fn a_body_that_is_not_json_is_refused_and_repeats_nothing() {
    const JSON: &str = "application/json";
    let test = TestOrg::start().await;
    let post = |content_type: &'static str, body: String| {
        let request = test.http.post(test.url(USERS)).header(CONTENT_TYPE, content_type).body(body);
        test.send(request.header(AUTHORIZATION, format!("SSWS {}", test.org.admin_token())))
    };
    for (content_type, body, status) in [
        (JSON, String::new(), 400),
        (JSON, "{".to_owned(), 400),
        (JSON, "[]".to_owned(), 400),
        (JSON, r#"{"credentials":{"password":"hunter2"}}"#.to_owned(), 400),
        (JSON, r#"{"profile":7}"#.to_owned(), 400),
        (JSON, "[".repeat(50_000), 400),
        (JSON, format!(r#"{{"profile":{{"firstName":"{}"}}}}"#, "x".repeat(70_000)), 413),
        ("application/x-www-form-urlencoded", json!({"profile": isaac()}).to_string(), 400),
    ] {
        let answer = post(content_type, body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text("/errorCode")),
            (status, "E0000003"),
            "{content_type} {answer:?}"
        );
        assert!(!answer.json.to_string().contains("hunter2"));
    }
    assert_eq!(
        post("application/json; charset=utf-8", json!({"profile": isaac()}).to_string()).await.status,
        StatusCode::OK
    );
}

/// The target of a link, as a path of the org.
fn link(test: &TestOrg, answer: &Answer, relation: &str) -> Option<String> {
    let suffix = format!("; rel=\"{relation}\"");
    let mut fields = answer.headers.get_all("link").iter().map(|field| field.to_str().unwrap());
    let target = fields.find_map(|field| field.strip_suffix(&suffix))?;
    let target = target.strip_prefix('<')?.strip_suffix('>')?;
    Some(target.strip_prefix(test.org.url()).expect("links stay within the org").to_owned())
}

/// All users, page by page, and how many each page has.
async fn pages(test: &TestOrg, first: &str) -> (Vec<Value>, Vec<usize>) {
    let (mut users, mut lengths) = (Vec::new(), Vec::new());
    let mut next = Some(first.to_owned());
    while let Some(path) = next {
        let answer = test.administer(Method::GET, &path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        let page = answer.json.as_array().unwrap().clone();
        lengths.push(page.len());
        users.extend(page);
        next = link(test, &answer, "next");
        assert!(link(test, &answer, "self").is_some());
    }
    (users, lengths)
}

#[tokio::test]
async fn a_walk_over_the_pages_sees_every_user_once() {
    let test = TestOrg::start().await;
    for (query, lengths) in [
        ("", vec![200]),
        ("?limit=60", vec![60, 60, 60, 20]),
        ("?limit=200", vec![200]),
        ("?limit=199", vec![199, 1]),
        ("?limit=100", vec![100, 100]),
    ] {
        let (users, found) = pages(&test, &format!("{USERS}{query}")).await;
        assert_eq!(found, lengths, "{query}");
        let ids: HashSet<_> = users.iter().map(|user| user["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), 200, "{query}");
    }
}

#[tokio::test]
async fn users_that_come_and_go_during_a_walk_disturb_no_other() {
    let test = TestOrg::start_with(OrgSettings { seed_users: 6, ..OrgSettings::default() }).await;
    let first = test.administer(Method::GET, &format!("{USERS}?limit=2"), None).await;
    let last_of_page = format!("{USERS}/{}", first.text("/1/id"));
    for _ in 0..2 {
        test.administer(Method::DELETE, &last_of_page, None).await;
    }
    create(&test, "", json!({"profile": isaac()})).await;
    let (rest, lengths) = pages(&test, &link(&test, &first, "next").unwrap()).await;
    assert_eq!(lengths, [2, 2, 1]);
    assert_eq!(rest.last().unwrap()["profile"], isaac());
}

#[tokio::test]
async fn lists_can_be_cut_down_and_leave_deactivated_users_out() {
    let test = TestOrg::start().await;
    create(&test, "", json!({"profile": isaac()})).await;
    let count = async |query: &str| pages(&test, &format!("{USERS}?{query}")).await.0.len();
    assert_eq!(count("limit=200").await, 201);
    assert_eq!(count("q=brock").await, 1);
    assert_eq!(count("q=isaac.brock%40example.com").await, 1);
    assert_eq!(count("q=saac").await, 0, "from the beginning only");
    assert_eq!(count("q=%25").await, 0, "% stands for itself");
    assert_eq!(count("filter=status+eq+%22SUSPENDED%22").await, 8);
    assert_eq!(count("filter=status+eq+%22DEPROVISIONED%22").await, 0);

    test.administer(Method::POST, &format!("{USERS}/isaac.brock@example.com/lifecycle/deactivate"), None)
        .await;
    assert_eq!(count("limit=200").await, 200);
    assert_eq!(count("q=brock").await, 0);
    assert_eq!(count("filter=status+eq+%22DEPROVISIONED%22").await, 1);

    let refused = test.administer(Method::GET, &format!("{USERS}?search=status"), None).await;
    assert_eq!((refused.status.as_u16(), refused.text("/errorCode")), (400, "E0000031"));
}

#[tokio::test]
async fn data_stays_after_a_restart_and_made_up_users_come_once() {
    let folder = tempfile::tempdir().unwrap();
    let data = Data::Directory(folder.path().join("org"));
    let test = TestOrg::start_in(data.clone()).await;
    let created = create(&test, "", json!({"profile": isaac()})).await;
    let (before, _) = pages(&test, &format!("{USERS}?limit=200")).await;
    let app = test.app(&[support::READ], &[keybound_org::AdminRole::ReadOnly]);
    let nonce = test.nonce(&app).await;
    test.org.stop().await;

    let test = TestOrg::start_in(data).await;
    let (after, _) = pages(&test, &format!("{USERS}?limit=200")).await;
    let ids = |users: &[Value]| users.iter().map(|user| user["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&before), ids(&after));
    let user = format!("{USERS}/{}", created.text("/id"));
    assert_eq!(test.administer(Method::GET, &user, None).await.json["profile"], isaac());
    assert_eq!(test.nonce(&app).await, nonce, "clients may keep their nonces");
    let token = test.token(&app, support::READ).await;
    assert_eq!(test.call(&app, &token, Method::GET, USERS).await.status, StatusCode::OK);
}
