//! Who may sign in to an app: the users who are assigned to it, by themselves or by a group; and how that is said by the
//! management API.

use http::{Method, StatusCode};
use keybound_org::{ApplicationType, NewApp};
use serde_json::{Value, json};

use crate::people::{
    self, Browser, CALLBACK, LOGIN, PASSWORD, Parameters, UserApp, everyone, user, user_called,
};
use crate::support::TestOrg;

const REFUSED: &str = "User is not assigned to the client application.";

async fn ask(test: &TestOrg, line: &str, body: Option<Value>) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let answer = test.administer(method.parse().unwrap(), path, body).await;
    (answer.status.as_u16(), answer.json)
}

/// An app to which nobody is assigned.
fn unassigned(test: &TestOrg) -> UserApp {
    UserApp::register(test, &NewApp { assign_everyone: false, ..people::native_app() })
}

/// What a client gets for a user who signs in: the error, or the empty text if there is a code.
async fn sign_in(test: &TestOrg, app: &UserApp, request: &Parameters) -> String {
    let response = Browser::default().sign_in(test, &app.authorize_url(test, request), LOGIN).await;
    if let Some(error) = response.get("error") {
        assert_eq!((error.as_str(), response["error_description"].as_str()), ("access_denied", REFUSED));
        assert_eq!((response["state"].as_str(), response.get("code")), ("s t&ate", None), "{response:?}");
    }
    response.get("error").cloned().unwrap_or_default()
}

#[tokio::test]
async fn who_is_assigned_by_themselves_or_by_a_group_may_sign_in_and_nobody_else() {
    let test = TestOrg::start().await;
    let (id, app) = (user(&test).await, unassigned(&test));
    let base = format!("/api/v1/apps/{}", app.client_id);
    let group = json!({"profile": {"name": "Pilots"}});
    let group = ask(&test, "POST /api/v1/groups", Some(group)).await.1["id"].as_str().unwrap().to_owned();
    let everyone = everyone(&test).await;
    let request = app.request();
    assert_eq!(sign_in(&test, &app, &request).await, "access_denied", "nobody is assigned");
    for (why, line, body, is_let_in) in [
        ("by themselves", format!("POST {base}/users"), Some(json!({"id": id})), true),
        ("taken away", format!("DELETE {base}/users/{id}"), None, false),
        ("a group without the user", format!("PUT {base}/groups/{group}"), Some(json!({})), false),
        ("a member", format!("PUT /api/v1/groups/{group}/users/{id}"), None, true),
        ("the group taken away", format!("DELETE {base}/groups/{group}"), None, false),
        ("everyone", format!("PUT {base}/groups/{everyone}"), None, true),
        ("everyone taken away", format!("DELETE {base}/groups/{everyone}"), None, false),
        ("an old call of Okta's", format!("PUT {base}/users/{id}"), Some(json!({})), true),
        ("taken away", format!("DELETE {base}/users/{id}"), None, false),
    ] {
        let (status, answer) = ask(&test, &line, body).await;
        assert!((200..300).contains(&status), "{line}: {answer}");
        assert_eq!(sign_in(&test, &app, &request).await.is_empty(), is_let_in, "{why}");
    }
    let attempts = "/api/v1/logs?filter=eventType+eq+%22app.generic.unauth_app_access_attempt%22";
    let logged = test.administer(Method::GET, attempts, None).await;
    assert_eq!(logged.text("/0/outcome/result"), "FAILURE");
    assert_eq!((logged.text("/0/actor/id"), logged.text("/0/target/0/id")), (id.as_str(), &*app.client_id));
}

#[tokio::test]
async fn assignment_is_asked_for_with_every_way_to_a_token() {
    let (test, app) = people::with_native_app().await;
    let id =
        test.administer(Method::GET, &format!("/api/v1/users/{LOGIN}"), None).await.text("/id").to_owned();
    let tokens = app.tokens(&test).await;
    let code = app.code(&test, &app.request()).await;
    let mut browser = Browser::default();
    let consent = app.request().with("prompt", "consent");
    let page = browser.open(&app.authorize_url(&test, &consent)).await;
    let page = browser.submit(&test, &page, &[("username", LOGIN), ("password", PASSWORD)]).await;
    assert!(page.html.contains("name=\"decision\""), "{page:?}");
    let begun = app.post(&test, "/device/authorize", &Parameters::new(&[("scope", "openid")]), false).await;

    let path = format!("/api/v1/apps/{}/groups/{}", app.client_id, everyone(&test).await);
    assert_eq!(test.administer(Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);

    let refresh = UserApp::refresh(tokens.text("/refresh_token"));
    for (what, form) in [("code", UserApp::exchange(&code)), ("refresh", refresh.clone())] {
        let refused = app.post(&test, "/token", &form, true).await;
        assert_eq!((refused.status.as_u16(), refused.text("/error")), (400, "access_denied"), "{what}");
        assert_eq!(refused.text("/error_description"), REFUSED, "{what}");
    }
    let allowed = browser.submit(&test, &page, &[("decision", "allow")]).await.response();
    assert_eq!(allowed["error"], "access_denied", "who leaves the consent page open");
    let silent = app.request().with("prompt", "none");
    let silent = browser.open(&app.authorize_url(&test, &silent)).await.response();
    assert_eq!(silent["error_description"], REFUSED, "who is signed in already");

    let shown = browser.open(begun.text("/verification_uri_complete")).await;
    let shown = browser.submit(&test, &shown, &[]).await;
    assert_eq!(shown.status, StatusCode::FORBIDDEN);
    assert!(shown.html.contains(REFUSED), "{shown:?}");
    let poll = Parameters::new(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", begun.text("/device_code")),
    ]);
    assert_eq!(app.post(&test, "/token", &poll, true).await.text("/error"), "access_denied", "the device");

    let logged =
        test.administer(Method::GET, "/api/v1/logs?q=access_denied&sortOrder=DESCENDING", None).await;
    assert!(logged.json.as_array().unwrap().len() >= 3, "the token requests that were refused: {logged:?}");
    let assigned = format!("/api/v1/apps/{}/users", app.client_id);
    test.administer(Method::POST, &assigned, Some(json!({"id": id}))).await;
    assert_eq!(app.post(&test, "/token", &refresh, true).await.status, StatusCode::OK, "nothing was used up");
}

#[tokio::test]
async fn a_new_app_has_everyone_unless_it_is_a_service_or_the_body_says_otherwise() {
    let test = TestOrg::start().await;
    user(&test).await;
    let everyone = everyone(&test).await;
    let new = |kind: &str, implicit: Option<bool>| {
        let mut settings = json!({"oauthClient": {
            "application_type": kind, "redirect_uris": [CALLBACK], "grant_types": ["authorization_code"],
            "response_types": ["code"],
        }});
        if kind == "service" {
            settings = json!({"oauthClient": {"application_type": kind}});
        }
        if let Some(implicit) = implicit {
            settings["implicitAssignment"] = implicit.into();
        }
        json!({"label": kind, "signOnMode": "OPENID_CONNECT", "settings": settings})
    };
    for (kind, implicit, has_everyone, is_let_in) in [
        (ApplicationType::Web, None, true, true),
        (ApplicationType::Native, None, true, true),
        (ApplicationType::Browser, None, true, true),
        (ApplicationType::Service, None, false, false),
        (ApplicationType::Browser, Some(false), false, false),
        (ApplicationType::Browser, Some(true), true, true),
    ] {
        let (_, made) = ask(&test, "POST /api/v1/apps", Some(new(kind.name(), implicit))).await;
        assert_eq!(made["settings"]["implicitAssignment"], implicit.unwrap_or(false), "{made}");
        let groups = format!("/api/v1/apps/{}/groups", made["id"].as_str().unwrap());
        let listed = test.administer(Method::GET, &groups, None).await;
        assert_eq!(listed.text("/0/id") == everyone, has_everyone, "{kind:?} {implicit:?}: {listed:?}");
        if kind == ApplicationType::Service || kind == ApplicationType::Web {
            continue;
        }
        let app = unassigned(&test).copy(|app| app.client_id = made["id"].as_str().unwrap().to_owned());
        let request = app.request().with("scope", "openid");
        assert_eq!(sign_in(&test, &app, &request).await.is_empty(), is_let_in, "{kind:?} {implicit:?}");
        if implicit == Some(true) {
            ask(&test, &format!("DELETE {groups}/{everyone}"), None).await;
            assert_eq!(sign_in(&test, &app, &request).await, "", "nobody has to be assigned");
            let path = format!("PUT /api/v1/apps/{}", app.client_id);
            ask(&test, &path, Some(new(kind.name(), Some(false)))).await;
            assert_eq!(sign_in(&test, &app, &request).await, "access_denied", "now they have to");
        }
    }
}

#[tokio::test]
async fn the_users_of_an_app_are_listed_changed_and_taken_away() {
    let test = TestOrg::start().await;
    let (id, app) = (user(&test).await, unassigned(&test));
    let users = format!("/api/v1/apps/{}/users", app.client_id);
    let one = format!("{users}/{id}");
    let body = json!({
        "id": id, "scope": "USER", "credentials": {"userName": "ada", "password": {"value": "not kept"}},
        "profile": {"nickName": "A"},
    });
    let (status, made) = ask(&test, &format!("POST {users}"), Some(body)).await;
    assert_eq!((status, &made["scope"], &made["status"]), (200, &json!("USER"), &json!("ACTIVE")), "{made}");
    assert!(!made.to_string().contains("not kept"));
    let profile = json!({"profile": {"title": "Dr"}});
    let (_, changed) = ask(&test, &format!("POST {one}"), Some(profile)).await;
    assert_eq!(changed["profile"], json!({"nickName": "A", "title": "Dr"}), "what is left out stays");
    assert_eq!(changed["credentials"], json!({"userName": "ada"}));
    let (_, read) = ask(&test, &format!("GET {one}?expand=user"), None).await;
    assert_eq!((&read["id"], &read["_embedded"]["user"]["id"]), (&json!(id), &json!(id)));
    assert_eq!(read["_links"]["user"]["href"], test.url(&format!("/api/v1/users/{id}")));
    // Each is taken by itself, and both together are more than is kept.
    for (name, status) in [("a", 200), ("b", 400)] {
        let large = json!({"profile": {name: "x".repeat(40_000)}});
        assert_eq!(ask(&test, &format!("POST {one}"), Some(large)).await.0, status, "{name}");
    }
    for (line, body, status, code) in [
        (format!("POST {users}"), json!({}), 400, "E0000001"),
        (format!("POST {users}"), json!({"id": "00unobody"}), 404, "E0000007"),
        (format!("POST {users}"), json!({"id": id, "scope": "GROUP"}), 400, "E0000001"),
        (format!("POST {one}"), json!({"credentials": {"userName": "x".repeat(256)}}), 400, "E0000001"),
        (format!("POST {one}"), json!({"profile": 5}), 400, "E0000003"),
        (format!("POST {one}x"), json!({}), 404, "E0000007"),
        ("POST /api/v1/apps/0oanone/users".to_owned(), json!({"id": id}), 404, "E0000007"),
    ] {
        let (found, error) = ask(&test, &line, Some(body)).await;
        assert_eq!((found, error["errorCode"].as_str()), (status, Some(code)), "{line}: {error}");
    }

    let everyone = format!("/api/v1/apps/{}/groups/{}", app.client_id, everyone(&test).await);
    ask(&test, &format!("PUT {everyone}"), Some(json!({"profile": {"title": "Anybody"}}))).await;
    let (mut found, mut path) = (Vec::new(), format!("{users}?limit=150"));
    loop {
        let page = test.administer(Method::GET, &path, None).await;
        found.extend(page.json.as_array().unwrap().clone());
        let mut links = page.headers.get_all("link").iter().map(|link| link.to_str().unwrap());
        let Some(next) = links.find_map(|link| link.strip_suffix("; rel=\"next\"")) else { break };
        path = next.trim_matches(['<', '>']).strip_prefix(test.org.url()).unwrap().to_owned();
    }
    assert_eq!(found.len(), 201, "the made-up ones and this one");
    let own: Vec<_> = found.iter().filter(|one| one["scope"] == "USER").collect();
    assert!(own.len() == 1 && own[0]["id"] == json!(id), "{own:?}");
    let (_, matches) = ask(&test, &format!("GET {users}?q={LOGIN}"), None).await;
    assert_eq!(matches[0]["id"], json!(id));

    assert_eq!(ask(&test, &format!("DELETE {one}"), None).await.0, 204);
    let (_, by_group) = ask(&test, &format!("GET {one}"), None).await;
    assert_eq!((&by_group["scope"], &by_group["profile"]), (&json!("GROUP"), &json!({"title": "Anybody"})));
    assert_eq!(by_group["credentials"]["userName"], LOGIN);
    let (status, error) = ask(&test, &format!("DELETE {one}"), None).await;
    assert_eq!(
        (status, &error["errorCode"]),
        (403, &json!("E0000038")),
        "the group is what lets the user in"
    );
    ask(&test, &format!("DELETE {everyone}"), None).await;
    assert_eq!(ask(&test, &format!("GET {one}"), None).await.0, 404);
    assert_eq!(ask(&test, &format!("DELETE {one}"), None).await.0, 404);

    for word in ["add", "update", "remove"] {
        let path = format!("/api/v1/logs?filter=eventType+eq+%22application.user_membership.{word}%22");
        let logged = test.administer(Method::GET, &path, None).await;
        let targets = ["/0/target/0/id", "/0/target/1/id", "/0/target/2/id"].map(|at| logged.text(at));
        assert_eq!(targets, [&id, &app.client_id, &id], "{word}: {logged:?}");
    }
}

#[tokio::test]
async fn the_groups_of_an_app_have_an_order_and_a_profile() {
    let test = TestOrg::start().await;
    let app = unassigned(&test);
    let groups = format!("/api/v1/apps/{}/groups", app.client_id);
    let mut ids = Vec::new();
    for (name, priority) in [("Blue", 0), ("Green", 1)] {
        let group = json!({"profile": {"name": name}});
        let group = ask(&test, "POST /api/v1/groups", Some(group)).await.1["id"].as_str().unwrap().to_owned();
        let (status, made) = ask(&test, &format!("PUT {groups}/{group}"), None).await;
        assert_eq!(
            (status, &made["priority"], &made["profile"]),
            (200, &json!(priority), &json!({})),
            "{made}"
        );
        ids.push(group);
    }
    let one = format!("{groups}/{}", ids[1]);
    let (_, changed) =
        ask(&test, &format!("PUT {one}"), Some(json!({"priority": 7, "profile": {"a": 1}}))).await;
    assert_eq!((&changed["priority"], &changed["profile"]), (&json!(7), &json!({"a": 1})));
    let (_, read) = ask(&test, &format!("GET {one}?expand=group"), None).await;
    assert_eq!(read["_embedded"]["group"]["profile"]["name"], "Green");
    let (_, listed) = ask(&test, &format!("GET {groups}?expand=group"), None).await;
    let names: Vec<_> =
        listed.as_array().unwrap().iter().map(|one| &one["_embedded"]["group"]["profile"]["name"]).collect();
    assert_eq!(names, ["Blue", "Green"]);
    let first = test.administer(Method::GET, &format!("{groups}?limit=1"), None).await;
    assert_eq!((first.text("/0/id"), first.headers.get_all("link").iter().count()), (&*ids[0], 2));
    let (_, found) = ask(&test, &format!("GET {groups}?q=gre"), None).await;
    assert_eq!((found.as_array().unwrap().len(), &found[0]["id"]), (1, &json!(ids[1])));
    for (line, body, status) in [
        (format!("PUT {one}"), Some(json!({"priority": 101})), 400),
        (format!("PUT {one}"), Some(json!({"priority": -1})), 400),
        (format!("PUT {one}"), Some(json!({"profile": []})), 400),
        (format!("PUT {groups}/00gnone"), None, 404),
        (format!("GET {groups}/00gnone"), None, 404),
        (format!("DELETE {one}"), None, 204),
        (format!("DELETE {one}"), None, 404),
    ] {
        let (found, answer) = ask(&test, &line, body).await;
        assert_eq!(found, status, "{line}: {answer}");
    }
}

#[tokio::test]
async fn apps_are_found_by_who_may_sign_in_to_them() {
    let test = TestOrg::start().await;
    let id = user(&test).await;
    let (open, closed) = (people::native(&test), unassigned(&test));
    let group = json!({"profile": {"name": "Pilots"}});
    let group = ask(&test, "POST /api/v1/groups", Some(group)).await.1["id"].as_str().unwrap().to_owned();
    let stranger = user_called(&test, "eve@example.com").await;
    ask(&test, &format!("PUT /api/v1/groups/{group}/users/{id}"), None).await;
    ask(&test, &format!("PUT /api/v1/apps/{}/groups/{group}", closed.client_id), None).await;
    let both = [&open.client_id, &closed.client_id];
    let filter = |text: &str| format!("/api/v1/apps?filter={}", text.replace(' ', "+").replace('"', "%22"));
    for (path, expected) in [
        (filter(&format!("user.id eq \"{id}\"")), &both[..]),
        (filter(&format!("user.id eq \"{id}\" and label eq \"x\"")), &[]),
        (filter(&format!("user.id eq \"{stranger}\"")), &both[..1]),
        (filter("user.id eq \"00unobody\""), &[]),
        (filter(&format!("group.id eq \"{group}\"")), &both[1..]),
        (filter(&format!("group.id ne \"{group}\"")), &both[..1]),
        (format!("/api/v1/groups/{group}/apps"), &both[1..]),
        (format!("/api/v1/users/{id}/appLinks"), &both[..]),
        (format!("/api/v1/users/{stranger}/appLinks"), &both[..1]),
    ] {
        let found = test.administer(Method::GET, &path, None).await;
        let found: Vec<_> = found.json.as_array().unwrap().iter().map(|app| app["id"].clone()).collect();
        assert_eq!(found, expected.iter().map(|id| json!(id)).collect::<Vec<_>>(), "{path}");
    }
    for refused in ["user.id pr", "user.id gt \"x\"", "group.id eq 1"] {
        let answer = test.administer(Method::GET, &filter(refused), None).await;
        assert_eq!((answer.status.as_u16(), answer.text("/errorCode")), (400, "E0000031"), "{refused}");
    }
    test.administer(Method::POST, &format!("/api/v1/users/{id}/lifecycle/deactivate"), None).await;
    let gone = test.administer(Method::GET, &filter(&format!("user.id eq \"{id}\"")), None).await;
    assert_eq!(gone.json, json!([]), "a deactivated user has no apps");
}
