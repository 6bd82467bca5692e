//! `keybound users`: against the local org what that serves, against a scripted org the rest.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod scripted;
mod support;

use scripted::{Reply, ScriptedOrg};
use serde_json::{Value, json};
use support::{Ended, Org, Service, Workspace};

/// A folder whose app may do everything with the users of the local org.
fn administrator() -> (Workspace, Org) {
    let workspace = Workspace::new();
    let org = Org::start(&workspace);
    assert_eq!(workspace.run(&["keys", "new", "--alg", "ES256", "--out", "cc"]).code, Some(0));
    let (create, key) =
        (["org", "app", "create", "--label", "Admin"], ["--public-jwk", "cc_public_key.json"]);
    let rights = ["--role", "SUPER_ADMIN", "--scope", "okta.users.manage", "--scope", "okta.users.read"];
    let created = workspace.run(&[&create[..], &["--data", org.data()], &key, &rights].concat()).json();
    let (url, client_id) = (&org.url, created["client_id"].as_str().unwrap());
    workspace.write(
        ".env",
        &format!(
            "OKTA_ORG_URL={url}\nOKTA_CLIENT_ID={client_id}\nOKTA_CC_PRIVATE_KEY_FILE=cc_private_key.pem\n"
        ),
    );
    (workspace, org)
}

fn users(workspace: &Workspace, arguments: &[&str]) -> Ended {
    workspace.run(&[&["users"], arguments].concat())
}

#[test]
fn an_expression_is_applied_to_each_object_of_a_list() {
    let service = Service::start();
    let list = |options: &[&str]| users(&service.workspace, &[&["list", "--limit", "3"], options].concat());
    let of_all = list(&[]).json();
    let logins: Vec<_> =
        of_all.as_array().unwrap().iter().map(|user| user["profile"]["login"].as_str()).collect();
    let picked = list(&["--jq", ".profile.login"]);
    assert_eq!(picked.stdout.lines().map(Some).collect::<Vec<_>>(), logins, "{picked:?}");
    list(&["--jq", ".["]).assert_failed(2, &["not understood"]);
    list(&["--jq", ".status | keys"]).assert_failed(2, &["can't be applied"]);
    for other in [&["--ndjson"][..], &["--output", "json"]] {
        list(&[&["--jq", ".id"], other].concat()).assert_usage();
    }
}

#[test]
fn lists_are_those_that_are_asked_for() {
    let service = Service::start();
    let list = |options: &[&str]| users(&service.workspace, &[&["list"], options].concat());
    let all = list(&[]).json();
    let first = &all[0];
    let login = first["profile"]["login"].as_str().unwrap();
    for status in ["ACTIVE", "SUSPENDED"] {
        let expected =
            all.as_array().unwrap().iter().filter(|user| user["status"] == status).collect::<Vec<_>>();
        assert_eq!(list(&["--filter", &format!("status eq \"{status}\"")]).json(), json!(expected));
    }
    let by_words = list(&["--q", first["profile"]["lastName"].as_str().unwrap()]).json();
    assert!(by_words.as_array().unwrap().contains(first), "{by_words}");

    let ndjson = list(&["--ndjson"]);
    let lines: Vec<Value> = ndjson.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(Value::from(lines), all, "the same, line by line");
    let table = list(&["--output", "table", "--limit", "3"]).stdout;
    let lines: Vec<_> = table.lines().collect();
    assert_eq!((lines.len(), lines[4]), (5, "3 users"), "{table}");
    assert!(lines[0].contains("LOGIN") && lines[1].contains(login), "{table}");
    list(&["--filter", "nonsense"]).assert_failed(10, &["E0000031"]);
}

#[test]
fn one_is_got_by_id_or_by_login() {
    let service = Service::start();
    let first = users(&service.workspace, &["list", "--limit", "1"]).json()[0].clone();
    for name in [&first["id"], &first["profile"]["login"]] {
        assert_eq!(users(&service.workspace, &["get", name.as_str().unwrap()]).json(), first);
    }
    users(&service.workspace, &["get", "nobody"]).assert_failed(10, &["E0000007", "nobody"]);
}

#[test]
fn a_user_goes_through_a_whole_life() {
    let (workspace, _org) = administrator();
    let run = |arguments: &[&str]| users(&workspace, arguments);
    let name = ["--first-name", "Ada", "--last-name", "Lovelace", "--email", "ada@example.com"];
    let created = run(&[&["create", "--staged", "--set", "title=Analyst"], &name[..]].concat()).json();
    assert_eq!((&created["status"], &created["profile"]["title"]), (&"STAGED".into(), &"Analyst".into()));
    assert_eq!(created["profile"]["login"], "ada@example.com", "the address for mail, if no other is given");

    let user = created["id"].as_str().unwrap();
    let changed = run(&["update", user, "--set", "title=Countess", "--unset", "mobilePhone"]).json();
    assert_eq!(
        (&changed["profile"]["title"], &changed["profile"]["firstName"]),
        (&"Countess".into(), &"Ada".into())
    );
    let input = r#"{"profile":{"title":"Analyst"}}"#;
    let changed = workspace.run_with(&["users", "update", user, "--input", "-"], &[], input).json();
    assert_eq!(changed["profile"]["title"], "Analyst");

    for (verb, status) in [(&["activate"][..], "PROVISIONED"), (&["deactivate", "--yes"], "DEPROVISIONED")] {
        assert_eq!(run(&[verb, &[user]].concat()).json()["status"], status, "{verb:?}");
    }
    let gone = json!({ "user": user, "deleted": true });
    assert_eq!(run(&["delete", user, "--yes"]).json(), gone);
    run(&["get", user]).assert_failed(10, &["E0000007"]);

    let active = users(&workspace, &["list", "--limit", "1"]).json()[0]["id"].as_str().unwrap().to_owned();
    for (verb, status) in [("suspend", "SUSPENDED"), ("unsuspend", "ACTIVE")] {
        assert_eq!(run(&[verb, &active]).json()["status"], status, "{verb}");
    }
}

#[test]
fn a_user_is_created_from_what_the_api_takes() {
    let (workspace, _org) = administrator();
    let profile =
        json!({ "firstName": "A", "lastName": "B", "email": "a@example.com", "login": "a@example.com" });
    let input = json!({ "profile": profile, "credentials": { "password": { "value": "a long one 1" } } });
    let create = ["users", "create", "--input", "-"];
    let created = workspace.run_with(&create, &[], &input.to_string()).json();
    assert_eq!(created["status"], "ACTIVE", "the password came along: {created}");
    for (input, code, words) in [("{", 2, "not what the API takes"), ("{\"profile\":{}}", 10, "E0000001")] {
        workspace.run_with(&create, &[], input).assert_failed(code, &[words]);
    }
    users(&workspace, &["create", "--first-name", "A"]).assert_usage();
    users(&workspace, &["create", "--input", "-", "--email", "a@example.com"]).assert_usage();
    users(&workspace, &["update", "00u1"]).assert_usage();
    users(&workspace, &["update", "00u1", "--set", "title"]).assert_usage();
}

fn user(status: &str) -> Value {
    json!({
        "id": "00u1", "status": status, "created": null, "activated": null, "statusChanged": null,
        "lastLogin": null, "lastUpdated": null, "passwordChanged": null, "profile": { "login": "a" },
    })
}

fn api(asked: &str) -> Reply {
    let (method, target) = asked.split_once(' ').unwrap();
    match (method, target.trim_start_matches("/api/v1/users/00u1")) {
        ("GET", search) if search.starts_with("/api/v1/users?") => Reply::json(&json!([user("ACTIVE")])),
        ("GET", "") => Reply::json(&user("ACTIVE")),
        ("POST", "/lifecycle/unlock") => Reply::json(&json!({})),
        ("POST", "/lifecycle/expire_password") => Reply::json(&user("PASSWORD_EXPIRED")),
        ("POST", step) if step.ends_with("sendEmail=true") => Reply::json(&json!({})),
        ("POST", step) if step.starts_with("/lifecycle/reset_password") => {
            Reply::json(&json!({ "resetPasswordUrl": "https://a.example/reset" }))
        }
        ("POST", step) if step.starts_with("/lifecycle/activate") => {
            Reply::json(&json!({ "activationUrl": "https://a.example/start", "activationToken": "secret" }))
        }
        ("POST", step) if step.starts_with("/lifecycle/deactivate") => Reply::json(&json!({})),
        ("DELETE", _) => Reply::done(),
        ("GET", "/groups") => Reply::json(&json!([])),
        _ => Reply::failed(),
    }
}

#[test]
fn what_the_local_org_does_not_serve_goes_where_it_belongs() {
    const GET: &str = "GET /api/v1/users/00u1";
    let org = ScriptedOrg::start(api);
    org.hold_to(&[
        (
            "users list --search s --sort-by profile.lastName --limit 3",
            &["GET /api/v1/users?search=s&limit=3&sortBy=profile.lastName&sortOrder=asc"],
            json!([user("ACTIVE")]),
        ),
        ("users unlock 00u1", &["POST /api/v1/users/00u1/lifecycle/unlock", GET], user("ACTIVE")),
        (
            "users reset-password 00u1",
            &["POST /api/v1/users/00u1/lifecycle/reset_password?sendEmail=true", GET],
            user("ACTIVE"),
        ),
        (
            "users reset-password 00u1 --no-mail",
            &["POST /api/v1/users/00u1/lifecycle/reset_password?sendEmail=false"],
            json!({ "resetPasswordUrl": "https://a.example/reset" }),
        ),
        (
            "users activate 00u1 --no-mail",
            &["POST /api/v1/users/00u1/lifecycle/activate?sendEmail=false"],
            json!({ "activationUrl": "https://a.example/start", "activationToken": "secret" }),
        ),
        (
            "users expire-password 00u1",
            &["POST /api/v1/users/00u1/lifecycle/expire_password"],
            user("PASSWORD_EXPIRED"),
        ),
        (
            "users deactivate 00u1 --yes --mail",
            &["POST /api/v1/users/00u1/lifecycle/deactivate?sendEmail=true", GET],
            user("ACTIVE"),
        ),
        ("users groups 00u1", &["GET /api/v1/users/00u1/groups"], json!([])),
    ]);
    org.assert_asks_first(&["users delete 00u1", "users deactivate 00u1"]);
}

#[test]
fn a_change_that_held_is_told_of_where_reading_after_it_fails() {
    let org =
        ScriptedOrg::start(
            |asked| {
                if asked.starts_with("GET") { Reply::failed() } else { Reply::json(&json!({})) }
            },
        );
    org.run(&["users", "suspend", "00u1"]).assert_failed(11, &["00u1 is suspended", "could not be read"]);
}
