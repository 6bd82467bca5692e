//! `keybound apps`, `groups`, `users` and `logs` against a local org: each verb works there as it does with Okta.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::{Org, Workspace, text};

const SCOPES: [&str; 8] = [
    "okta.apps.manage",
    "okta.apps.read",
    "okta.appGrants.manage",
    "okta.roles.manage",
    "okta.groups.manage",
    "okta.users.manage",
    "okta.logs.read",
    "okta.users.read",
];

/// A workspace with an org and an app that may do everything.
fn administrator() -> (Workspace, Org) {
    let workspace = Workspace::new();
    let org = Org::start(&workspace);
    let made = workspace.run(&["keys", "new", "--alg", "ES256", "--out", "cc"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let public = workspace.path("cc_public_key.json");
    let mut create = vec!["org", "app", "create", "--data", org.data(), "--label", "Administrator"];
    create.extend(["--public-jwk", text(&public), "--role", "SUPER_ADMIN"]);
    create.extend(SCOPES.iter().flat_map(|scope| ["--scope", scope]));
    let created = workspace.run(&create).json();
    workspace.write(
        ".env",
        &format!(
            "OKTA_ORG_URL={}\nOKTA_CLIENT_ID={}\nOKTA_SCOPES={}\nOKTA_CC_PRIVATE_KEY_FILE=cc_private_key.pem\n",
            org.url,
            created["client_id"].as_str().unwrap(),
            SCOPES.join(" "),
        ),
    );
    (workspace, org)
}

/// Runs a verb that must work; what it prints comes back.
fn run(workspace: &Workspace, arguments: &[&str]) -> Value {
    let ended = workspace.run(arguments);
    assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
    ended.json()
}

#[test]
fn an_app_goes_through_its_life() {
    let (workspace, _org) = administrator();
    let app = run(&workspace, &["apps", "create", "Billing", "--public-jwk", "cc_public_key.json"]);
    let id = app["id"].as_str().unwrap();
    assert_eq!(app["settings"]["oauthClient"]["dpop_bound_access_tokens"], true);
    assert_eq!(run(&workspace, &["apps", "list", "--q", "Bill"])[0]["id"], app["id"]);
    assert_eq!(run(&workspace, &["apps", "get", id])["label"], "Billing");

    let made = workspace.run(&["keys", "new", "--alg", "ES256", "--out", "next"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let key = run(&workspace, &["apps", "add-key", id, "next_public_key.json"]);
    assert_eq!(run(&workspace, &["apps", "keys", id]).as_array().unwrap().len(), 2);
    run(&workspace, &["apps", "delete-key", id, key["kid"].as_str().unwrap(), "--yes"]);
    assert_eq!(run(&workspace, &["apps", "keys", id]).as_array().unwrap().len(), 1);

    run(&workspace, &["apps", "grant", id, "okta.users.read"]);
    assert_eq!(run(&workspace, &["apps", "grants", id])[0]["scopeId"], "okta.users.read");
    run(&workspace, &["apps", "assign", id, "READ_ONLY_ADMIN"]);
    assert_eq!(run(&workspace, &["apps", "roles", id])[0]["type"], "READ_ONLY_ADMIN");
    run(&workspace, &["apps", "revoke", id, "okta.users.read", "--yes"]);
    run(&workspace, &["apps", "unassign", id, "READ_ONLY_ADMIN", "--yes"]);
    for list in ["grants", "roles"] {
        assert_eq!(run(&workspace, &["apps", list, id]), json!([]), "{list}");
    }

    assert_eq!(run(&workspace, &["apps", "deactivate", id, "--yes"])["status"], "INACTIVE");
    assert_eq!(run(&workspace, &["apps", "activate", id])["status"], "ACTIVE");
    run(&workspace, &["apps", "deactivate", id, "--yes"]);
    run(&workspace, &["apps", "delete", id, "--yes"]);
    assert_eq!(run(&workspace, &["apps", "list", "--q", "Bill"]), json!([]));
}

#[test]
fn a_group_and_a_user_go_through_theirs_and_the_log_tells_it() {
    let (workspace, _org) = administrator();
    let group = run(&workspace, &["groups", "create", "Night shift"]);
    let group = group["id"].as_str().unwrap();
    let updated = run(&workspace, &["groups", "update", group, "--description", "They sleep by day"]);
    assert_eq!(updated["profile"]["description"], "They sleep by day");
    let users = run(&workspace, &["users", "list", "--search", "status eq \"ACTIVE\"", "--limit", "1"]);
    let user = users[0]["id"].as_str().unwrap();
    run(&workspace, &["groups", "add", group, user]);
    assert_eq!(run(&workspace, &["groups", "members", group])[0]["id"], user);
    run(&workspace, &["groups", "remove", group, user]);
    assert_eq!(run(&workspace, &["groups", "members", group]), json!([]));
    let found = run(&workspace, &["groups", "list", "--filter", "type eq \"BUILT_IN\""]);
    assert_eq!(found[0]["profile"]["name"], "Everyone");
    run(&workspace, &["groups", "delete", group, "--yes"]);

    let filter = "eventType sw \"group.\"";
    let events = run(&workspace, &["logs", "list", "--since", "1h", "--filter", filter]);
    let types: Vec<_> = events.as_array().unwrap().iter().map(|event| &event["eventType"]).collect();
    assert_eq!(
        types,
        [
            "group.lifecycle.create",
            "group.profile.update",
            "group.user_membership.add",
            "group.user_membership.remove",
            "group.lifecycle.delete",
        ]
    );
    let followed = workspace.run(&["logs", "follow", "--since", "1h", "--filter", filter, "--limit", "5"]);
    assert_eq!((followed.code, followed.stdout.lines().count()), (Some(0), 5), "{followed:?}");
    let granted = "eventType eq \"app.oauth2.token.grant.access_token\" and outcome.result eq \"SUCCESS\"";
    let granted = run(&workspace, &["logs", "list", "--since", "1h", "--filter", granted]);
    assert_eq!(granted[0]["actor"]["displayName"], "Administrator");
}
