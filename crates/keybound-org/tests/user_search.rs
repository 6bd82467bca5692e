//! `search`, `filter` and `sortBy` of `/api/v1/users`, in a table: what an expression finds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use http::Method;
use keybound_org::OrgSettings;
use serde_json::json;
use support::{Answer, TestOrg};

/// An org with three users: Ada, Ben and Çelik.
async fn org_of_three() -> TestOrg {
    let test = TestOrg::start_with(OrgSettings { seed_users: 0, ..OrgSettings::default() }).await;
    for (first, last, login, extra) in [
        (
            "Ada",
            "Young",
            "ada@example.com",
            json!({"department": "Engineering", "age": 36, "tags": ["a", "b"]}),
        ),
        ("Ben", "adams", "ben@example.org", json!({"department": "Legal", "age": 7, "isRemote": true})),
        ("Çelik", "O\"Neil", "celik@example.com", json!({"title": "50%_x"})),
    ] {
        let mut profile = json!({"firstName": first, "lastName": last, "email": login, "login": login});
        profile.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let activate = if first == "Ben" { "?activate=false" } else { "" };
        let path = format!("/api/v1/users{activate}");
        let created = test.administer(Method::POST, &path, Some(json!({ "profile": profile }))).await;
        assert_eq!(created.status.as_u16(), 200, "{created:?}");
        test.wait(10);
    }
    test
}

async fn ask(test: &TestOrg, parameters: &[(&str, &str)]) -> Answer {
    let query = support::url_encoded(parameters);
    test.administer(Method::GET, &format!("/api/v1/users?{query}"), None).await
}

async fn found(test: &TestOrg, parameters: &[(&str, &str)]) -> Vec<String> {
    let answer = ask(test, parameters).await;
    assert_eq!(answer.status.as_u16(), 200, "{parameters:?}: {answer:?}");
    let users = answer.json.as_array().unwrap().iter();
    users
        .map(|user| user["profile"]["login"].as_str().unwrap().split('@').next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_search_finds_what_its_expression_says() {
    let test = org_of_three().await;
    for (search, expected) in [
        (r#"status eq "STAGED""#, &["ben"][..]),
        (r#"status ne "STAGED""#, &["ada", "celik"]),
        (r#"profile.login eq "ADA@example.com""#, &["ada"]),
        (r#"profile.login sw "B" or profile.firstName eq "Ada""#, &["ada", "ben"]),
        (r#"profile.email ew ".COM" and not (profile.firstName eq "Ada")"#, &["celik"]),
        (r#"profile.lastName co "da""#, &["ben"]),
        (r#"profile.lastName eq "O\"Neil""#, &["celik"]),
        (r#"profile.firstName sw "Ç""#, &["celik"]),
        (r#"profile.title eq "50%_x""#, &["celik"]),
        (r#"profile.title sw "%""#, &[]),
        ("profile.department pr", &["ada", "ben"]),
        ("not (profile.department pr)", &["celik"]),
        (r#"profile.department ne "Legal""#, &["ada", "celik"]),
        (r#"profile.department sw "eng""#, &["ada"]),
        (r#"profile.department ew """#, &["ada", "ben"]),
        ("profile.age gt 7", &["ada"]),
        ("profile.age ge 7 and profile.age lt 36", &["ben"]),
        (r#"profile.age eq "7""#, &[]),
        (r#"profile.tags eq "b""#, &["ada"]),
        ("profile.isRemote eq true", &["ben"]),
        ("profile.isRemote eq false", &[]),
        (r#"created gt "2027-01-15T08:00:00.000Z""#, &["ben", "celik"]),
        (r#"created ge "2027-01-15T08:00:10.000Z""#, &["ben", "celik"]),
        (r#"created gt "2027-01-15T08:00:09.999Z""#, &["ben", "celik"]),
        (r#"created lt "2027-01-15T08:00:10.001Z""#, &["ada", "ben"]),
        (r#"created le "2027-01-15T08:00:10.000Z""#, &["ada", "ben"]),
        (r#"created eq "2027-01-15T08:00:10.000Z""#, &["ben"]),
        (r#"created eq "2027-01-15T08:00:10.500Z""#, &[]),
        ("activated pr", &["ada", "celik"]),
        (r#"type.id eq "otyKeyboundDefault01""#, &["ada", "ben", "celik"]),
        (r#"id eq "00u' OR '1'='1""#, &[]),
        (r#"profile.x eq "'); DROP TABLE users; --""#, &[]),
    ] {
        assert_eq!(found(&test, &[("search", search)]).await, expected, "{search}");
    }
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_e0000031() {
    let test = org_of_three().await;
    for parameters in [
        &[("search", r#"colour eq "red""#)][..],
        &[("search", r#"profile.a-b eq "x""#)],
        &[("search", r#"profile. eq "x""#)],
        &[("search", r#"profile.a.b eq "x""#)],
        &[("search", "profile.login eq 7")],
        &[("search", r#"created eq "soon""#)],
        &[("search", r#"created co "2027""#)],
        &[("search", "status eq")],
        &[("search", r#"status eq "A" status"#)],
        &[("filter", r#"profile.department eq "Legal""#)],
        &[("filter", "created pr")],
        &[("filter", "status pr"), ("q", "a")],
        &[("search", "status pr"), ("sortBy", "colour")],
        &[("search", "status pr"), ("sortOrder", "up")],
    ] {
        let answer = ask(&test, parameters).await;
        assert_eq!((answer.status.as_u16(), answer.text("/errorCode")), (400, "E0000031"), "{parameters:?}");
    }
}

#[tokio::test]
async fn a_search_is_sorted_by_any_property_and_its_pages_go_on_from_there() {
    let test = org_of_three().await;
    for (by, ascending) in [
        ("profile.lastName", ["ben", "celik", "ada"]),
        ("profile.firstName", ["ada", "ben", "celik"]),
        ("created", ["ada", "ben", "celik"]),
        ("activated", ["ben", "ada", "celik"]),
        ("profile.department", ["celik", "ada", "ben"]),
        ("status", ["ada", "celik", "ben"]),
        ("type.id", ["ada", "ben", "celik"]),
    ] {
        for (order, expected) in [
            ("asc", ascending),
            ("desc", {
                let mut descending = ascending;
                descending.reverse();
                descending
            }),
        ] {
            let all = [("search", "id pr"), ("sortBy", by), ("sortOrder", order)];
            assert_eq!(found(&test, &all).await, expected, "{by} {order}");
            let mut path = format!("/api/v1/users?{}&limit=1", support::url_encoded(&all));
            for login in expected {
                let page = test.administer(Method::GET, &path, None).await;
                assert!(page.text("/0/profile/login").starts_with(login), "{by} {order}: {page:?}");
                let links: Vec<_> =
                    page.headers.get_all("link").iter().map(|link| link.to_str().unwrap()).collect();
                let Some(next) = links.iter().find_map(|link| link.strip_suffix("; rel=\"next\"")) else {
                    assert_eq!(Some(&login), expected.last(), "{by} {order}");
                    break;
                };
                path = next.trim_matches(['<', '>']).strip_prefix(test.org.url()).unwrap().to_owned();
            }
        }
    }
    assert_eq!(
        found(&test, &[("sortBy", "colour")]).await.len(),
        3,
        "without a search, sortBy counts for nothing"
    );
}

#[tokio::test]
async fn a_filter_finds_by_what_okta_lets_it() {
    let test = org_of_three().await;
    for (filter, expected) in [
        (r#"status eq "STAGED" or profile.email eq "ada@example.com""#, &["ada", "ben"][..]),
        (r#"lastUpdated gt "2027-01-15T08:00:05.000Z""#, &["ben", "celik"]),
        (r#"profile.lastName eq "ADAMS""#, &["ben"]),
    ] {
        assert_eq!(found(&test, &[("filter", filter)]).await, expected, "{filter}");
    }
}
