//! Users, groups, Trusted Origins and the system log in the console; and what anybody may have written into them.

use http::{Method, StatusCode};
use serde_json::json;

use crate::browser::{Browser, Page};
use crate::support::TestOrg;

const HOSTILE: &str = "\"><script>alert(1)</script>'&{{7*7}}";

const ADA: [(&str, &str); 5] = [
    ("firstName", "Ada"),
    ("lastName", "Lovelace"),
    ("email", "ada@example.com"),
    ("login", "ada@example.com"),
    ("password", "Correct-Horse-9"),
];

async fn create(browser: &mut Browser, kind: &str, fields: &[(&str, &str)]) -> Page {
    let path = format!("/admin/{kind}/new");
    let page = browser.open(&path).await;
    browser.submit(&page, &path, fields).await
}

/// The path of the page that a form has led to.
fn path(page: &Page) -> String {
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{page:?}");
    page.location().split('?').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_is_created_and_goes_through_life() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let user = path(&create(&mut browser, "users", &ADA).await);
    let id = user.rsplit('/').next().unwrap();
    let status = async || {
        test.administer(Method::GET, &format!("/api/v1/users/{id}"), None).await.text("/status").to_owned()
    };
    assert_eq!(status().await, "ACTIVE");
    for (step, expected) in [
        ("suspend", "SUSPENDED"),
        ("unsuspend", "ACTIVE"),
        ("expire_password", "PASSWORD_EXPIRED"),
        ("deactivate", "DEPROVISIONED"),
        ("activate", "PROVISIONED"),
    ] {
        let page = browser.open(&user).await;
        assert!(page.html.contains(&format!("value=\"{step}\"")), "{step} is not offered: {}", page.html);
        let done = browser.submit(&page, &format!("{user}/lifecycle"), &[("step", step)]).await;
        assert_eq!((path(&done), status().await), (user.clone(), expected.to_owned()), "{step}");
    }
    let page = browser.open(&user).await;
    assert!(!page.html.contains("value=\"unlock\""), "only what the status allows is offered");
    let refused = browser.submit(&page, &format!("{user}/lifecycle"), &[("step", "unlock")]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.html.contains("not locked out"), "{refused:?}");
    let unknown = browser.submit(&page, &format!("{user}/lifecycle"), &[("step", "x")]).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);

    let saved = browser.submit(&page, &user, &[("lastName", "King")]).await;
    assert_eq!(saved.location(), format!("{user}?done=user-saved"));
    assert!(browser.open(&user).await.html.contains("<h1>Ada King</h1>"));
    let token = page.form(&user)["form_token"].clone();
    for done in [format!("{user}?done=user-changed"), "/admin/users?done=user-deleted".to_owned()] {
        let deleted = browser.post(&format!("{user}/delete"), &[("form_token", &token)]).await;
        assert_eq!(deleted.location(), done);
    }
    assert_eq!(browser.open(&user).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_wrong_with_a_user_stands_beside_its_field_and_a_password_is_not_shown_again() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    for (name, value, problem) in [
        ("firstName", "", "firstName-problem"),
        ("login", "ada", "login-problem"),
        ("email", "ada", "email-problem"),
        ("password", "short-1", "password-problem"),
    ] {
        let fields: Vec<_> =
            ADA.iter().map(|&(known, good)| (known, if known == name { value } else { good })).collect();
        let shown = create(&mut browser, "users", &fields).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{name}");
        assert!(shown.html.contains(&format!("id=\"{problem}\"")), "{name}: {}", shown.html);
        assert!(!shown.html.contains("Correct-Horse") && !shown.html.contains("short-1"), "{name}");
        assert_eq!(shown.form("/admin/users/new")["lastName"], "Lovelace", "{name}");
    }
    create(&mut browser, "users", &ADA).await;
    let taken = create(&mut browser, "users", &ADA).await;
    assert!(taken.html.contains("login-problem"), "{taken:?}");
}

#[tokio::test]
async fn users_are_found_and_listed_page_by_page() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let (mut pages, mut query) = (0, String::new());
    loop {
        let page = browser.open(&format!("/admin/users{query}")).await;
        pages += 1;
        let next = page.html.split("class=\"pages\"><a href=\"").nth(1);
        let Some(next) = next else { break };
        query = next.split('"').next().unwrap().replace("&#38;", "&");
    }
    assert_eq!(pages, 8, "200 users but the deactivated ones, 25 on a page");
    let rows = |page: &Page| page.html.matches("<th scope=\"row\">").count();
    for (query, status, is_somebody) in [
        ("?q=gideon&search=", StatusCode::OK, true),
        ("?q=&search=profile.lastName+eq+%22Sato%22", StatusCode::OK, true),
        ("?q=zzz", StatusCode::OK, false),
        ("?search=nothing", StatusCode::BAD_REQUEST, false),
        ("?q=a&search=status+pr", StatusCode::BAD_REQUEST, false),
        ("?after=x", StatusCode::BAD_REQUEST, false),
    ] {
        let page = browser.open(&format!("/admin/users{query}")).await;
        assert_eq!((page.status, rows(&page) > 0), (status, is_somebody), "{query}: {}", page.html);
        assert_eq!(page.status.is_client_error(), page.html.contains("class=\"problems\""), "{query}");
    }
}

#[tokio::test]
async fn a_group_has_the_members_that_it_is_given() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let user = path(&create(&mut browser, "users", &ADA).await);
    let group =
        path(&create(&mut browser, "groups", &[("name", "Engines"), ("description", "Analytical")]).await);
    let (user_id, group_id) = (user.rsplit('/').next().unwrap(), group.rsplit('/').next().unwrap());
    let members = format!("{group}/members");
    let page = browser.open(&group).await;
    let nobody = browser.submit(&page, &members, &[("user", "nobody@example.com")]).await;
    assert_eq!(
        (nobody.status, &*nobody.form(&members)["user"]),
        (StatusCode::BAD_REQUEST, "nobody@example.com")
    );
    let added = browser.submit(&page, &members, &[("user", "ada@example.com")]).await;
    assert_eq!(added.location(), format!("{group}?done=member-added"));
    let page = browser.open(&group).await;
    assert!(page.html.contains("Ada Lovelace"));
    browser.submit(&page, &format!("{members}/{user_id}"), &[]).await;
    assert!(!browser.open(&group).await.html.contains("Ada Lovelace"));

    let page = browser.open(&user).await;
    let joined = browser.submit(&page, &format!("{user}/groups"), &[("group", group_id)]).await;
    assert_eq!(joined.location(), format!("{user}?done=member-added"));
    let page = browser.open(&user).await;
    browser.submit(&page, &format!("{user}/groups/{group_id}"), &[]).await;
    assert!(!browser.open(&group).await.html.contains("Ada Lovelace"));

    let taken = create(&mut browser, "groups", &[("name", "Engines")]).await;
    assert!(taken.html.contains("name-problem"), "{taken:?}");
    let page = browser.open(&group).await;
    let deleted = browser.submit(&page, &format!("{group}/delete"), &[]).await;
    assert_eq!(deleted.location(), "/admin/groups?done=group-deleted");
    assert_eq!(browser.open(&group).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_log_is_read_newest_first_and_can_be_filtered() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    create(&mut browser, "users", &ADA).await;
    let page = browser.open("/admin/logs").await;
    let place = |text: &str| page.html.find(text).unwrap_or_else(|| panic!("{text} is not in {}", page.html));
    assert!(place("user.lifecycle.create") < place("user.session.access_admin_app"));
    let filtered = browser.open("/admin/logs?q=&filter=eventType+eq+%22user.lifecycle.create%22").await;
    assert!(filtered.html.contains("Ada Lovelace") && !filtered.html.contains("user.session"));
    let wrong = browser.open("/admin/logs?filter=eventType").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    assert!(
        wrong.html.contains("value=\"eventType\"") && wrong.html.contains("class=\"problems\""),
        "{wrong:?}"
    );
}

#[tokio::test]
async fn hostile_text_is_text_in_every_page_that_shows_it() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let user = json!({ "profile": { "firstName": HOSTILE, "lastName": HOSTILE, "email": "e@example.com",
        "login": "e@example.com" } });
    let user = test.administer(Method::POST, "/api/v1/users", Some(user)).await.text("/id").to_owned();
    let group = json!({ "profile": { "name": HOSTILE, "description": HOSTILE } });
    let group = test.administer(Method::POST, "/api/v1/groups", Some(group)).await.text("/id").to_owned();
    let put = test.administer(Method::PUT, &format!("/api/v1/groups/{group}/users/{user}"), None).await;
    assert_eq!(put.status, StatusCode::NO_CONTENT);
    let fields = [("name", HOSTILE), ("origin", "http://localhost:3000")];
    let origin = path(&create(&mut browser, "trusted-origins", &fields).await);
    let created = create(&mut browser, "apps", &[("label", HOSTILE)]).await;
    let app = path(&created);
    let mut paths = vec![
        "/admin/apps".to_owned(),
        "/admin/groups".to_owned(),
        "/admin/logs".to_owned(),
        "/admin/users?search=profile.login+eq+%22e%40example.com%22".to_owned(),
        format!("/admin/users/{user}"),
        format!("/admin/groups/{group}"),
        "/admin/trusted-origins".to_owned(),
        origin,
    ];
    paths.extend(["", "/scopes", "/roles", "/program"].map(|tab| format!("{app}{tab}")));
    for (list, field) in [
        ("apps", "q"),
        ("users", "q"),
        ("users", "search"),
        ("groups", "q"),
        ("logs", "q"),
        ("logs", "filter"),
    ] {
        let query = crate::support::url_encoded(&[(field, HOSTILE), ("done", HOSTILE)]);
        paths.push(format!("/admin/{list}?{query}"));
    }
    for path in paths {
        let page = browser.open(&path).await;
        assert!(page.html.contains("&#60;script&#62;alert(1)"), "{path} shows it: {}", page.html);
        assert!(!page.html.contains("<script"), "{path}: {}", page.html);
    }
    for (action, form) in [
        (
            "/admin/users/new",
            vec![("firstName", HOSTILE), ("lastName", HOSTILE), ("email", HOSTILE), ("login", HOSTILE)],
        ),
        ("/admin/groups/new", vec![("name", ""), ("description", HOSTILE)]),
        ("/admin/trusted-origins/new", vec![("name", HOSTILE), ("origin", HOSTILE)]),
        ("/admin/apps/new", vec![("label", ""), ("application_type", "web"), ("redirect_uris", HOSTILE)]),
        (&*format!("{app}/keys"), vec![("jwks", HOSTILE)]),
        (&*format!("/admin/groups/{group}/members"), vec![("user", HOSTILE)]),
    ] {
        let opened =
            action.strip_suffix("/keys").or_else(|| action.strip_suffix("/members")).unwrap_or(action);
        let page = browser.open(opened).await;
        let shown = browser.submit(&page, action, &form).await;
        assert_eq!(shown.status, StatusCode::BAD_REQUEST, "{action}");
        assert!(
            shown.html.contains("&#60;script") && !shown.html.contains("<script"),
            "{action}: {}",
            shown.html
        );
    }
}

#[tokio::test]
async fn an_origin_is_trusted_for_as_long_as_it_is_said_to_be() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let fields = [("name", "A site"), ("origin", " http://localhost:3000 "), ("redirect", "true")];
    let origin = path(&create(&mut browser, "trusted-origins", &fields).await);
    let id = origin.rsplit('/').next().unwrap();
    let seen = async || {
        let seen = test.administer(Method::GET, &format!("/api/v1/trustedOrigins/{id}"), None).await;
        let scopes = seen.json["scopes"].as_array().unwrap().len();
        (seen.text("/name").to_owned(), seen.text("/status").to_owned(), scopes)
    };
    // The form of a new one comes with CORS checked.
    assert_eq!(seen().await, ("A site".to_owned(), "ACTIVE".to_owned(), 2));

    let page = browser.open(&origin).await;
    let saved = browser.submit(&page, &origin, &[("name", "Mine")]).await;
    assert_eq!(saved.location(), format!("{origin}?done=trusted-origin-saved"));
    assert_eq!(seen().await.0, "Mine");
    for (name, value, problem) in [
        ("origin", "http://localhost:3000/callback", "write http://localhost:3000."),
        ("origin", "localhost", "Origin value is not valid."),
        ("name", "", "The field cannot be left blank."),
    ] {
        let refused = browser.submit(&page, &origin, &[(name, value)]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{name} {value}");
        assert!(refused.html.contains(problem), "{value}: {}", refused.html);
    }
    let none = [
        ("name", "None"),
        ("origin", "http://localhost:4000"),
        ("form_token", &page.form(&origin)["form_token"]),
    ];
    let refused = browser.post("/admin/trusted-origins/new", &none).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.html.contains("id=\"scopes-problem\""), "{}", refused.html);

    for (step, status) in [("deactivate", "INACTIVE"), ("activate", "ACTIVE")] {
        let page = browser.open(&origin).await;
        let done = browser.submit(&page, &format!("{origin}/{step}"), &[]).await;
        assert_eq!((path(&done), seen().await.1), (origin.clone(), status.to_owned()), "{step}");
    }
    let page = browser.open(&origin).await;
    let gone = browser.submit(&page, &format!("{origin}/delete"), &[]).await;
    assert_eq!(gone.location(), "/admin/trusted-origins?done=trusted-origin-deleted");
    assert_eq!(browser.open(&origin).await.status, StatusCode::NOT_FOUND);
    let list = browser.open("/admin/trusted-origins").await;
    assert!(list.html.contains("There are no Trusted Origins"), "{}", list.html);
}
