//! Admin roles of users, and who may sign in to an application, in the console.

use http::{Method, StatusCode};
use serde_json::json;

use crate::browser::Browser;
use crate::support::TestOrg;

const HOSTILE: &str = "\"><script>alert(1)</script>";

#[tokio::test]
async fn admin_roles_of_a_user_are_assigned_and_taken_away() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let users = test.administer(Method::GET, "/api/v1/users?limit=2", None).await;
    let first = browser.open(&format!("/admin/users/{}", users.text("/0/id"))).await;
    assert!(first.html.contains("<code>SUPER_ADMIN</code>"), "the org's administrator: {}", first.html);

    let id = users.text("/1/id");
    let (page, form) = (format!("/admin/users/{id}"), format!("/admin/users/{id}/roles"));
    let shown = browser.open(&page).await;
    assert!(shown.html.contains("No role is assigned yet"), "{}", shown.html);
    let done = browser.submit(&shown, &form, &[("type", "APP_ADMIN")]).await;
    assert_eq!(done.location(), format!("{page}?done=role-assigned"));
    let refused = browser.submit(&shown, &form, &[("type", "APP_ADMIN")]).await;
    assert!(refused.status.is_client_error() && refused.html.contains("has this role"), "{refused:?}");
    let refused = browser.submit(&shown, &form, &[("type", HOSTILE)]).await;
    assert!(
        refused.html.contains("id=\"type-problem\"") && !refused.html.contains("<script>"),
        "{refused:?}"
    );

    let roles = test.administer(Method::GET, &format!("/api/v1/users/{id}/roles"), None).await;
    let one = format!("{form}/{}", roles.text("/0/id"));
    let shown = browser.open(&page).await;
    assert!(!shown.html.contains("<option value=\"APP_ADMIN\""), "offered is what is not assigned");
    let done = browser.submit(&shown, &one, &[]).await;
    assert_eq!(done.location(), format!("{page}?done=role-unassigned"));

    // What a group gives is taken away from the group.
    let groups = test.administer(Method::GET, &format!("/api/v1/users/{id}/groups"), None).await;
    let path = format!("/api/v1/groups/{}/roles", groups.text("/0/id"));
    test.administer(Method::POST, &path, Some(json!({"type": "ORG_ADMIN"}))).await;
    let shown = browser.open(&page).await;
    assert!(
        shown.html.contains("<code>ORG_ADMIN</code>") && shown.html.contains("By a group"),
        "{}",
        shown.html
    );
}

#[tokio::test]
async fn groups_and_users_are_assigned_to_an_application_and_taken_away() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let web = json!({"label": "Site", "settings": {"oauthClient": {
        "application_type": "web", "redirect_uris": ["https://a.example/"],
    }}});
    let app = test.administer(Method::POST, "/api/v1/apps", Some(web)).await.text("/id").to_owned();
    let path = format!("/admin/apps/{app}/assignments");
    let shown = browser.open(&path).await;
    for part in [">Everyone</a>", "By a group", "rel=\"next\"", "aria-current=\"page\">Assignments"] {
        assert!(shown.html.contains(part), "{part}: {}", shown.html);
    }
    let everyone =
        test.administer(Method::GET, "/api/v1/groups?q=Everyone", None).await.text("/0/id").to_owned();
    let group = format!("{path}/groups/{everyone}");
    let done = browser.submit(&shown, &group, &[]).await;
    assert_eq!(done.location(), format!("{path}?done=group-unassigned"));
    let shown = browser.open(&path).await;
    assert!(
        shown.html.contains("No group is assigned") && shown.html.contains("Nobody is assigned"),
        "{shown:?}"
    );

    let login =
        test.administer(Method::GET, "/api/v1/users?limit=1", None).await.text("/0/profile/login").to_owned();
    let users = format!("{path}/users");
    let done = browser.submit(&shown, &users, &[("user", &login)]).await;
    assert_eq!(done.location(), format!("{path}?done=user-assigned"));
    for typed in [HOSTILE, "nobody@example.com", ""] {
        let refused = browser.submit(&shown, &users, &[("user", typed)]).await;
        assert_eq!((refused.status, &*refused.form(&users)["user"]), (StatusCode::BAD_REQUEST, typed));
        assert!(
            refused.html.contains("id=\"user-problem\"") && !refused.html.contains("<script>"),
            "{refused:?}"
        );
    }
    let done = browser.submit(&shown, &format!("{path}/groups"), &[("group", &everyone)]).await;
    assert_eq!(done.location(), format!("{path}?done=group-assigned"));
    let assigned = test.administer(Method::GET, &format!("/api/v1/apps/{app}/users?limit=1"), None).await;
    assert_eq!(assigned.text("/0/scope"), "USER");
    let shown = browser.open(&path).await;
    let done = browser.submit(&shown, &format!("{users}/{}", assigned.text("/0/id")), &[]).await;
    assert_eq!(done.location(), format!("{path}?done=user-unassigned"));
    assert_eq!(browser.open("/admin/apps/0oanone/assignments").await.status, StatusCode::NOT_FOUND);
}
