//! `/api/v1/groups`: groups, and who is in them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use serde_json::{Value, json};
use support::TestOrg;

const GROUPS: &str = "/api/v1/groups";

async fn ask(test: &TestOrg, line: &str, body: Option<Value>) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let answer = test.administer(method.parse().unwrap(), path, body).await;
    (answer.status.as_u16(), answer.json)
}

async fn names(test: &TestOrg, query: &str) -> Vec<String> {
    let (status, found) = ask(test, &format!("GET {GROUPS}?{query}"), None).await;
    assert_eq!(status, 200, "{query}: {found}");
    let groups = found.as_array().unwrap().iter();
    groups.map(|group| group["profile"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_group_is_created_renamed_filled_emptied_and_deleted() {
    let test = TestOrg::start().await;
    let body = json!({"profile": {"name": "Night shift", "costCenter": 12}});
    let (status, created) = ask(&test, &format!("POST {GROUPS}"), Some(body.clone())).await;
    assert_eq!(status, 200, "{created}");
    let id = created["id"].as_str().unwrap();
    assert!(id.starts_with("00g") && id.len() == 20, "{id}");
    let profile = json!({"name": "Night shift", "description": null, "costCenter": 12});
    assert_eq!((&created["type"], &created["profile"]), (&json!("OKTA_GROUP"), &profile));
    assert_eq!(ask(&test, &format!("GET {GROUPS}/{id}"), None).await.1, created);
    let (status, taken) = ask(&test, &format!("POST {GROUPS}"), Some(body)).await;
    assert_eq!((status, &taken["errorCode"]), (400, &json!("E0000001")), "{taken}");

    let users = ask(&test, "GET /api/v1/users?limit=3", None).await.1;
    let user = |index: usize| users[index]["id"].as_str().unwrap().to_owned();
    test.wait(1);
    for index in [0, 1, 1] {
        assert_eq!(ask(&test, &format!("PUT {GROUPS}/{id}/users/{}", user(index)), None).await.0, 204);
    }
    let members = ask(&test, &format!("GET {GROUPS}/{id}/users"), None).await.1;
    assert_eq!(members, json!([users[0], users[1]]));
    let read = ask(&test, &format!("GET {GROUPS}/{id}"), None).await.1;
    assert_eq!(read["lastMembershipUpdated"], "2027-01-15T08:00:01.000Z");
    let of_user = ask(&test, &format!("GET /api/v1/users/{}/groups", user(0)), None).await.1;
    let of_user: Vec<_> = of_user.as_array().unwrap().iter().map(|group| &group["profile"]["name"]).collect();
    assert_eq!(of_user.len(), 3, "everyone, the department, and this one: {of_user:?}");

    assert_eq!(ask(&test, &format!("DELETE {GROUPS}/{id}/users/{}", user(0)), None).await.0, 204);
    assert_eq!(ask(&test, &format!("GET {GROUPS}/{id}/users"), None).await.1, json!([users[1]]));
    let body = json!({"profile": {"name": "Day shift", "description": "They sleep at night"}});
    let (_, renamed) = ask(&test, &format!("PUT {GROUPS}/{id}"), Some(body.clone())).await;
    assert_eq!(renamed["profile"], body["profile"]);

    assert_eq!(ask(&test, &format!("DELETE {GROUPS}/{id}"), None).await.0, 204);
    for line in [
        format!("GET {GROUPS}/{id}"),
        format!("DELETE {GROUPS}/{id}"),
        format!("GET {GROUPS}/{id}/users"),
        format!("PUT {GROUPS}/{id}/users/{}", user(0)),
    ] {
        assert_eq!(ask(&test, &line, None).await.0, 404, "{line}");
    }
    assert_eq!(ask(&test, &format!("GET /api/v1/users/{}", user(0)), None).await.0, 200, "members stay");
}

#[tokio::test]
async fn everyone_has_all_users_and_cannot_be_changed() {
    let test = TestOrg::start().await;
    let (_, found) = ask(&test, &format!("GET {GROUPS}?filter=type+eq+%22BUILT_IN%22"), None).await;
    assert_eq!(found[0]["profile"]["name"], "Everyone");
    let id = found[0]["id"].as_str().unwrap();
    let users = ask(&test, "GET /api/v1/users", None).await.1;
    assert_eq!(ask(&test, &format!("GET {GROUPS}/{id}/users"), None).await.1, users);
    let user = users[0]["id"].as_str().unwrap();
    for (line, body) in [
        (format!("PUT {GROUPS}/{id}"), Some(json!({"profile": {"name": "Nobody"}}))),
        (format!("DELETE {GROUPS}/{id}"), None),
        (format!("PUT {GROUPS}/{id}/users/{user}"), None),
        (format!("DELETE {GROUPS}/{id}/users/{user}"), None),
    ] {
        let (status, refused) = ask(&test, &line, body).await;
        assert_eq!((status, &refused["errorCode"]), (403, &json!("E0000006")), "{line}");
    }
    assert_eq!(ask(&test, &format!("GET {GROUPS}/{id}"), None).await.1, found[0]);
}

#[tokio::test]
async fn groups_are_found_sorted_and_listed_in_pages() {
    let test = TestOrg::start().await;
    let all = names(&test, "").await;
    assert_eq!(all.len(), 10, "everyone, and nine departments: {all:?}");
    let mut departments = all[1..].to_vec();
    assert_eq!(names(&test, "filter=type+eq+%22OKTA_GROUP%22").await, departments);
    assert_eq!(names(&test, "q=every").await, ["Everyone"]);
    departments.sort_by_key(|name| std::cmp::Reverse(name.to_lowercase()));
    let query = "search=type+eq+%22OKTA_GROUP%22&sortBy=profile.name&sortOrder=desc";
    assert_eq!(names(&test, query).await, departments);
    assert_eq!(names(&test, &format!("{query}&limit=4")).await, departments[..4]);
    for (query, code) in
        [("filter=colour+pr", "E0000031"), ("search=type+eq", "E0000031"), ("limit=0", "E0000001")]
    {
        assert_eq!(ask(&test, &format!("GET {GROUPS}?{query}"), None).await.1["errorCode"], code, "{query}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_group_is_refused() {
    let test = TestOrg::start().await;
    for profile in [
        json!({}),
        json!({"name": " "}),
        json!({"name": 7}),
        json!({"name": "x".repeat(256)}),
        json!({"name": "x", "description": 7}),
        json!({"name": "x", "description": "x".repeat(1025)}),
        json!({"name": "EVERYONE"}),
    ] {
        let body = json!({"profile": profile});
        let (status, refused) = ask(&test, &format!("POST {GROUPS}"), Some(body)).await;
        assert_eq!((status, &refused["errorCode"]), (400, &json!("E0000001")), "{profile}");
    }
    let body = json!({"profile": {"firstName": "A", "lastName": "B", "email": "a@example.com", "login": "a@example.com"}, "groupIds": ["00gnobody"]});
    assert_eq!(ask(&test, "POST /api/v1/users", Some(body)).await.0, 400);
    assert_eq!(ask(&test, "GET /api/v1/users/a@example.com", None).await.0, 404, "nothing is left behind");
}
