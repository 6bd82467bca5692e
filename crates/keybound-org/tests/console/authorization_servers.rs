//! Authorization servers in the console: from nothing to a token, and everything taken away again.

use http::{Method, StatusCode};
use serde_json::Value;

use crate::browser::{Browser, Page};
use crate::support::TestOrg;

const SERVERS: &str = "/admin/authorization-servers";
const NEW: &str = "/admin/authorization-servers/new";
const API: &str = "/api/v1/authorizationServers";

/// A server of this name, made in the console; the path of its page.
async fn server(browser: &mut Browser, name: &str) -> String {
    let page = browser.open(NEW).await;
    let made = browser.submit(&page, NEW, &[("name", name), ("audiences", "https://orders.example")]).await;
    path(&made)
}

/// The path of the page that a form has led to.
fn path(page: &Page) -> String {
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{page:?}");
    page.location().split('?').next().unwrap().to_owned()
}

/// What the management API says of a server, or of something that belongs to it.
async fn seen(test: &TestOrg, server: &str, part: &str) -> Value {
    let id = server.rsplit('/').next().unwrap();
    test.administer(Method::GET, &format!("{API}/{id}{part}"), None).await.json
}

/// The form of the page at `at` that sends to `action`, with these fields in place of its own.
async fn send(browser: &mut Browser, at: &str, action: &str, fields: &[(&str, &str)]) -> Page {
    let page = browser.open(at).await;
    assert_eq!(page.status, StatusCode::OK, "{at}: {page:?}");
    browser.submit(&page, action, fields).await
}

/// Where the thing is that `page` shows beside this text in its table: the action of its form.
fn action_beside(page: &Page, text: &str) -> String {
    let rows = page.html.split("<tr>").map(|row| row.split("</tr>").next().unwrap());
    let row = rows.into_iter().find(|row| row.contains(text)).unwrap_or_else(|| panic!("{text}: {page:?}"));
    row.split("action=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn servers_are_listed_and_found() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    server(&mut browser, "Orders").await;
    for (query, shown) in [
        ("", &["default", "Orders"][..]),
        ("?q=ord", &["Orders"]),
        ("?q=api%3A", &["default"]),
        ("?q=https%3A%2F%2Forders", &["Orders"]),
        ("?q=zzz", &[]),
    ] {
        let page = browser.open(&format!("{SERVERS}{query}")).await;
        let rows = page.html.matches("<th scope=\"row\">").count();
        assert_eq!(rows, shown.len(), "{query}: {}", page.html);
        for name in shown {
            assert!(page.html.contains(&format!(">{name}</a>")), "{query}: {name}");
        }
        assert!(page.html.contains("aria-current=\"page\">Authorization servers</a>"), "{query}");
    }
}

#[tokio::test]
async fn a_server_is_made_changed_and_deleted() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    for (name, audience, problem) in
        [("", "api://x", "name"), ("default", "api://x", "name"), ("Orders", " ", "audiences")]
    {
        let refused = send(&mut browser, NEW, NEW, &[("name", name), ("audiences", audience)]).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{name} {audience}");
        assert!(refused.html.contains(&format!("id=\"{problem}-problem\"")), "{refused:?}");
        assert_eq!(refused.form(NEW)["name"], name, "what was typed stays");
    }
    let at = server(&mut browser, "Orders").await;
    let page = browser.open(&at).await;
    let id = at.rsplit('/').next().unwrap();
    assert!(page.html.contains(&test.url(&format!("/oauth2/{id}"))), "the issuer: {}", page.html);

    let fields = [("name", "Bills"), ("audiences", "api://bills"), ("description", "For bills")];
    assert_eq!(send(&mut browser, &at, &at, &fields).await.location(), format!("{at}?done=server-saved"));
    let view = seen(&test, &at, "").await;
    assert_eq!((&view["name"], &view["audiences"][0]), (&"Bills".into(), &"api://bills".into()));

    let delete = format!("{at}/delete");
    let status = format!("{at}/status");
    let page = browser.open(&at).await;
    assert!(!page.html.contains(&delete), "one that answers is not deleted");
    let token = page.form(&at)["form_token"].clone();
    let refused = browser.post(&delete, &[("form_token", &token)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "nor by a form that is not there");
    for (word, done) in [("INACTIVE", "server-deactivated"), ("ACTIVE", "server-activated")] {
        let changed = send(&mut browser, &at, &status, &[("status", word)]).await;
        assert_eq!(changed.location(), format!("{at}?done={done}"));
        assert_eq!(seen(&test, &at, "").await["status"], word);
    }
    send(&mut browser, &at, &status, &[("status", "INACTIVE")]).await;
    let gone = send(&mut browser, &at, &delete, &[]).await;
    assert_eq!(gone.location(), format!("{SERVERS}?done=server-deleted"));
    assert_eq!(browser.open(&at).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_default_server_can_be_switched_off_and_not_deleted() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let at = format!("{SERVERS}/default");
    send(&mut browser, &at, &format!("{at}/status"), &[("status", "INACTIVE")]).await;
    let page = browser.open(&at).await;
    assert!(!page.html.contains("/delete\""), "{}", page.html);
    let token = page.form(&at)["form_token"].clone();
    let refused = browser.post(&format!("{at}/delete"), &[("form_token", &token)]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn scopes_are_added_and_deleted() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let at = format!("{}/scopes", server(&mut browser, "Orders").await);
    for (name, problem) in [("a b", "name"), ("openid", "name"), ("", "name")] {
        let refused = send(&mut browser, &at, &at, &[("name", name), ("default", "true")]).await;
        assert!(refused.html.contains(&format!("id=\"{problem}-problem\"")), "{name}: {refused:?}");
        assert_eq!(refused.form(&at).get("default").map(String::as_str), Some("true"), "{name}: it stays");
    }
    let fields = [("name", "orders.read"), ("description", "See orders"), ("metadataPublish", "true")];
    let added = send(&mut browser, &at, &at, &fields).await;
    assert_eq!(added.location(), format!("{at}?done=server-scope-added"));
    let scopes = seen(&test, at.trim_end_matches("/scopes"), "/scopes?q=orders").await;
    let scope = &scopes[0];
    assert_eq!((&scope["description"], &scope["default"]), (&"See orders".into(), &false.into()));
    assert_eq!(scope["metadataPublish"], "ALL_CLIENTS");

    let page = browser.open(&at).await;
    assert_eq!(page.html.matches("OpenID Connect</td>").count(), 5, "those have no button: {}", page.html);
    let action = action_beside(&page, "orders.read");
    let deleted = browser.submit(&page, &action, &[]).await;
    assert_eq!(deleted.location(), format!("{at}?done=server-scope-deleted"));
    assert!(!browser.open(&at).await.html.contains("<code>orders.read</code>"));
}

#[tokio::test]
async fn claims_are_added_and_deleted() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let at = format!("{}/claims", server(&mut browser, "Orders").await);
    let claim = |name, value, scopes| {
        [("name", name), ("claimType", "RESOURCE"), ("value", value), ("conditions.scopes", scopes)]
    };
    for (fields, problem, why) in [
        (claim("sub", "\"x\"", ""), "name", "tokens have it from the server"),
        (claim("tier", "gold", ""), "value", "no expression"),
        (claim("tier", "\"gold\"", "a\"b"), "conditions.scopes", "no scope"),
    ] {
        let refused = send(&mut browser, &at, &at, &fields).await;
        assert!(refused.html.contains(&format!("id=\"{problem}-problem\"")), "{why}: {refused:?}");
        assert_eq!(refused.form(&at)["value"], fields[2].1, "{why}: it stays");
    }
    let unknown = send(&mut browser, &at, &at, &[("name", "x"), ("claimType", "OTHER"), ("value", "\"x\"")]);
    assert_eq!(unknown.await.status, StatusCode::BAD_REQUEST);
    let added = send(&mut browser, &at, &at, &claim("tier", "\"gold\"", "orders.read profile")).await;
    assert_eq!(added.location(), format!("{at}?done=claim-added"));
    let claims = seen(&test, at.trim_end_matches("/claims"), "/claims").await;
    assert_eq!(claims[0]["conditions"]["scopes"], serde_json::json!(["orders.read", "profile"]));

    let page = browser.open(&at).await;
    assert!(page.html.contains("<td>Access token</td>"), "{}", page.html);
    let action = action_beside(&page, "tier");
    assert_eq!(browser.submit(&page, &action, &[]).await.location(), format!("{at}?done=claim-deleted"));
    assert!(browser.open(&at).await.html.contains("There are no claims yet"));
}

#[tokio::test]
async fn policies_and_rules_are_made_switched_and_deleted() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let server = server(&mut browser, "Orders").await;
    let policies = format!("{server}/policies");
    let fields = [("name", "Partners"), ("conditions.clients.include", "0oa1\n0oa2")];
    let policy = path(&send(&mut browser, &policies, &policies, &fields).await);
    let everybody = path(&send(&mut browser, &policies, &policies, &[("name", "Everybody")]).await);
    let include = |policy: &Value| policy["conditions"]["clients"]["include"].clone();
    let found = seen(&test, &server, "/policies").await;
    assert_eq!(include(&found[0]), serde_json::json!(["0oa1", "0oa2"]));
    assert_eq!(include(&found[1]), serde_json::json!(["ALL_CLIENTS"]), "no client is every client");

    let rules = format!("{policy}/rules");
    let page = browser.open(&policy).await;
    let mut form = page.form(&rules);
    assert_eq!((&*form["authorization_code"], &*form["accessTokenLifetimeMinutes"]), ("true", "60"));
    form.insert("name".to_owned(), "Reads".to_owned());
    form.insert("conditions.scopes.include".to_owned(), "orders.read".to_owned());
    form.remove("authorization_code");
    for (member, text, problem) in [
        ("accessTokenLifetimeMinutes", "soon", "accessTokenLifetimeMinutes-problem"),
        ("accessTokenLifetimeMinutes", "-5", "accessTokenLifetimeMinutes-problem"),
        ("accessTokenLifetimeMinutes", "1", "class=\"problems\""),
        ("conditions.scopes.include", "a\"b", "conditions.scopes.include-problem"),
        ("name", "", "name-problem"),
    ] {
        let mut form = form.clone();
        form.insert(member.to_owned(), text.to_owned());
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let refused = browser.post(&rules, &form).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{member} {text}");
        assert!(refused.html.contains(problem), "{member} {text}: {}", refused.html);
        assert_eq!(refused.form(&rules)[member], text, "{member}: it stays");
    }
    let none = form.iter().filter(|(name, _)| !name.contains("client") && !name.contains("grant"));
    let none: Vec<_> = none.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let refused = browser.post(&rules, &none).await;
    assert!(refused.html.contains("conditions.grantTypes.include-problem"), "{}", refused.html);
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(browser.post(&rules, &form).await.location(), format!("{policy}?done=rule-created"));
    let at = format!("/policies/{}/rules", policy.rsplit('/').next().unwrap());
    let rule = seen(&test, &server, &at).await[0].clone();
    let grant_types = &rule["conditions"]["grantTypes"]["include"];
    let device = "urn:ietf:params:oauth:grant-type:device_code";
    assert_eq!(grant_types, &serde_json::json!(["client_credentials", device]));
    assert_eq!(rule["conditions"]["scopes"]["include"], serde_json::json!(["orders.read"]));
    assert_eq!(rule["actions"]["token"]["refreshTokenWindowMinutes"], 10_080);

    for (page_of, text, led_to, kind) in
        [(&policy, "Reads", &policy, "rule"), (&policies, "Everybody", &policies, "policy")]
    {
        for (action, done) in
            [("deactivate", "deactivated"), ("activate", "activated"), ("delete", "deleted")]
        {
            let page = browser.open(page_of).await;
            let form = action_beside(&page, text);
            let changed = browser.submit(&page, &form, &[("action", action)]).await;
            assert_eq!(changed.location(), format!("{led_to}?done={kind}-{done}"), "{text} {action}");
            assert!(!browser.open(changed.location()).await.html.is_empty());
        }
        assert!(!browser.open(page_of).await.html.contains(&format!("<th scope=\"row\">{text}")));
    }
    assert_eq!(browser.open(&everybody).await.status, StatusCode::NOT_FOUND);
    let page = browser.open(&policies).await;
    let unknown = browser.submit(&page, &action_beside(&page, "Partners"), &[("action", "explode")]).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn keys_are_seen_and_rotated() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let server = format!("{SERVERS}/default");
    let at = format!("{server}/keys");
    let active = async || {
        let keys = seen(&test, &server, "/credentials/keys").await;
        let active = keys.as_array().unwrap().iter().find(|key| key["status"] == "ACTIVE").unwrap().clone();
        active["kid"].as_str().unwrap().to_owned()
    };
    let before = active().await;
    let page = browser.open(&at).await;
    assert!(page.html.contains(&before) && page.html.contains("NEXT"), "{}", page.html);
    assert!(!page.html.contains("PRIVATE"), "private keys are not shown");
    let rotated = browser.submit(&page, &format!("{at}/rotate"), &[]).await;
    assert_eq!(rotated.location(), format!("{at}?done=keys-rotated"));
    assert_ne!(active().await, before);
    let page = browser.open(&at).await;
    assert!(page.html.contains("EXPIRED") && page.html.contains("Verifies what it signed"), "{}", page.html);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_was_not_sent_from_here_changes_nothing() {
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    for path in
        ["/x", "/x/scopes", "/x/claims", "/x/policies", "/x/keys", "/default/policies/x", "/default/y"]
    {
        let page = browser.open(&format!("{SERVERS}{path}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in ["/status", "/delete", "/scopes", "/claims", "/policies", "/keys/rotate", ""] {
        let form = [("name", "x"), ("status", "INACTIVE"), ("form_token", "guessed")];
        let refused = browser.post(&format!("{SERVERS}/default{path}"), &form).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(seen(&test, "/default", "").await["status"], "ACTIVE");
}

#[tokio::test]
async fn hostile_text_is_text_in_every_page_of_a_server() {
    const HOSTILE: &str = "\"><script>alert(1)</script>'&{{7*7}}";
    let test = TestOrg::start().await;
    let mut browser = Browser::signed_in(&test).await;
    let page = browser.open(NEW).await;
    let fields = [("name", HOSTILE), ("audiences", HOSTILE), ("description", HOSTILE)];
    let server = path(&browser.submit(&page, NEW, &fields).await);
    let [scopes, claims, policies] = ["scopes", "claims", "policies"].map(|tab| format!("{server}/{tab}"));
    send(&mut browser, &scopes, &scopes, &[("name", "<script>"), ("description", HOSTILE)]).await;
    let claim = [("name", HOSTILE), ("claimType", "IDENTITY"), ("value", "'\"><script>alert(1)</script>'")];
    send(&mut browser, &claims, &claims, &claim).await;
    let policy = [("name", HOSTILE), ("description", HOSTILE), ("conditions.clients.include", HOSTILE)];
    let policy = path(&send(&mut browser, &policies, &policies, &policy).await);
    let rules = format!("{policy}/rules");
    send(&mut browser, &policy, &rules, &[("name", HOSTILE)]).await;
    for path in
        [SERVERS.to_owned(), server.clone(), scopes, claims, policies, policy, format!("{server}/keys")]
    {
        let page = browser.open(&path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.html.contains("&#60;script&#62;alert(1)"), "{path} shows it: {}", page.html);
        assert!(!page.html.contains("<script"), "{path}: {}", page.html);
    }
}
