//! `keybound apps` against an org that a test scripts.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod scripted;
mod support;

use scripted::{Reply, ScriptedOrg};
use serde_json::{Value, json};

fn app() -> Value {
    json!({
        "id": "0oa1", "name": "oidc_client", "label": "Mine", "status": "ACTIVE", "created": null,
        "lastUpdated": null, "signOnMode": "OPENID_CONNECT", "settings": {},
    })
}

fn key(id: &str, kid: &str, status: &str) -> Value {
    json!({ "id": id, "kid": kid, "status": status, "created": null, "lastUpdated": null, "kty": "EC" })
}

fn keys() -> Value {
    json!([
        key("pks1", "k1", "ACTIVE"),
        key("pks2", "k2", "INACTIVE"),
        key("pks3", "twice", "INACTIVE"),
        key("pks4", "twice", "ACTIVE")
    ])
}

fn grant() -> Value {
    json!({
        "id": "oag1", "scopeId": "okta.users.read", "issuer": "https://a.example", "status": "ACTIVE",
        "created": null,
    })
}

fn role() -> Value {
    json!({
        "id": "JBC1", "type": "READ_ONLY_ADMIN", "label": "Read-only", "status": "ACTIVE", "created": null,
    })
}

fn api(asked: &str) -> Reply {
    let (method, target) = asked.split_once(' ').unwrap();
    match (method, target.split('?').next().unwrap()) {
        ("GET", "/api/v1/apps") => Reply::json(&json!([app()])),
        ("GET", "/api/v1/apps/0oa1") | ("POST", "/api/v1/apps") => Reply::json(&app()),
        ("GET", "/api/v1/apps/0oa1/credentials/jwks") => Reply::json(&keys()),
        ("POST", "/api/v1/apps/0oa1/credentials/jwks") => Reply::json(&key("pks5", "k5", "ACTIVE")),
        ("GET", "/api/v1/apps/0oa1/grants") => Reply::json(&json!([grant()])),
        ("POST", "/api/v1/apps/0oa1/grants") => Reply::json(&grant()),
        ("GET", "/oauth2/v1/clients/0oa1/roles") => Reply::json(&json!([role()])),
        ("POST", "/oauth2/v1/clients/0oa1/roles") => Reply::json(&role()),
        ("POST", step) if step.contains("/lifecycle/") => Reply::json(&json!({})),
        ("DELETE", _) => Reply::done(),
        _ => Reply::failed(),
    }
}

#[test]
fn every_verb_makes_its_call_and_prints_what_came_of_it() {
    const KEYS: &str = "GET /api/v1/apps/0oa1/credentials/jwks";
    const GRANTS: &str = "GET /api/v1/apps/0oa1/grants";
    const ROLES: &str = "GET /oauth2/v1/clients/0oa1/roles";
    let org = ScriptedOrg::start(api);
    let granted =
        format!(r#"POST /api/v1/apps/0oa1/grants {{"scopeId":"okta.users.read","issuer":"{}"}}"#, org.url);
    let deleted = |key: &str| json!({ "app": "0oa1", "key": key, "deleted": true });
    let revoked = json!({ "app": "0oa1", "grant": "oag1", "revoked": true });
    let removed = json!({ "app": "0oa1", "assignment": "JBC1", "removed": true });
    org.hold_to(&[
        ("apps list", &["GET /api/v1/apps?limit=200"], json!([app()])),
        ("apps list --q M --filter f --limit 2", &["GET /api/v1/apps?q=M&limit=2&filter=f"], json!([app()])),
        ("apps get 0oa1", &["GET /api/v1/apps/0oa1"], app()),
        (
            "apps activate 0oa1",
            &["POST /api/v1/apps/0oa1/lifecycle/activate", "GET /api/v1/apps/0oa1"],
            app(),
        ),
        (
            "apps deactivate 0oa1 --yes",
            &["POST /api/v1/apps/0oa1/lifecycle/deactivate", "GET /api/v1/apps/0oa1"],
            app(),
        ),
        ("apps delete 0oa1 --yes", &["DELETE /api/v1/apps/0oa1"], json!({ "app": "0oa1", "deleted": true })),
        ("apps keys 0oa1", &[KEYS], keys()),
        (
            "apps delete-key 0oa1 k1 --yes",
            &[
                KEYS,
                "POST /api/v1/apps/0oa1/credentials/jwks/pks1/lifecycle/deactivate",
                "DELETE /api/v1/apps/0oa1/credentials/jwks/pks1",
            ],
            deleted("pks1"),
        ),
        (
            "apps delete-key 0oa1 pks2 --yes",
            &[KEYS, "DELETE /api/v1/apps/0oa1/credentials/jwks/pks2"],
            deleted("pks2"),
        ),
        ("apps grants 0oa1", &[GRANTS], json!([grant()])),
        ("apps grant 0oa1 okta.users.read", &[&granted], grant()),
        (
            "apps revoke 0oa1 okta.users.read --yes",
            &[GRANTS, "DELETE /api/v1/apps/0oa1/grants/oag1"],
            revoked.clone(),
        ),
        ("apps revoke 0oa1 oag1 --yes", &[GRANTS, "DELETE /api/v1/apps/0oa1/grants/oag1"], revoked),
        ("apps roles 0oa1", &[ROLES], json!([role()])),
        (
            "apps assign 0oa1 READ_ONLY_ADMIN",
            &[r#"POST /oauth2/v1/clients/0oa1/roles {"type":"READ_ONLY_ADMIN"}"#],
            role(),
        ),
        (
            "apps unassign 0oa1 READ_ONLY_ADMIN --yes",
            &[ROLES, "DELETE /oauth2/v1/clients/0oa1/roles/JBC1"],
            removed.clone(),
        ),
        ("apps unassign 0oa1 JBC1 --yes", &[ROLES, "DELETE /oauth2/v1/clients/0oa1/roles/JBC1"], removed),
    ]);
    org.assert_asks_first(&[
        "apps deactivate 0oa1",
        "apps delete 0oa1",
        "apps delete-key 0oa1 k1",
        "apps revoke 0oa1 oag1",
        "apps unassign 0oa1 JBC1",
    ]);
}

#[test]
fn what_an_app_does_not_have_or_has_twice_is_not_ended() {
    let org = ScriptedOrg::start(api);
    for (command_line, words) in [
        ("apps delete-key 0oa1 k9 --yes", "no key k9"),
        ("apps delete-key 0oa1 twice --yes", "by its id"),
        ("apps revoke 0oa1 okta.groups.read --yes", "no grant okta.groups.read"),
        ("apps unassign 0oa1 SUPER_ADMIN --yes", "no role SUPER_ADMIN"),
    ] {
        org.run(&command_line.split(' ').collect::<Vec<_>>()).assert_failed(2, &[words]);
        assert_eq!(org.asked().len(), 1, "nothing was ended");
    }
}

#[test]
fn keys_are_registered_under_a_name() {
    let org = ScriptedOrg::start(api);
    let key = org.run(&["keys", "show", "cc_public_key.json"]).json();
    org.workspace.write("key.pem", key["pem"].as_str().unwrap());
    let thumbprint = &key["thumbprint"];

    for file in ["cc_public_key.json", "key.pem"] {
        assert_eq!(org.run(&["apps", "add-key", "0oa1", file]).json()["id"], "pks5");
        let asked = org.asked().concat();
        let body = asked.strip_prefix("POST /api/v1/apps/0oa1/credentials/jwks ").unwrap();
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!((&body["kid"], body.get("d")), (thumbprint, None), "{file}");
    }
    for (options, is_bound) in [(&[][..], true), (&["--allow-bearer"], false)] {
        let create = ["apps", "create", "Mine", "--public-jwk", "key.pem"];
        assert_eq!(org.run(&[&create[..], options].concat()).json(), app());
        let asked = org.asked().concat();
        let body: Value = serde_json::from_str(asked.strip_prefix("POST /api/v1/apps ").unwrap()).unwrap();
        let client = &body["settings"]["oauthClient"];
        assert_eq!(
            (&client["dpop_bound_access_tokens"], &client["jwks"]["keys"][0]["kid"]),
            (&is_bound.into(), thumbprint)
        );
    }
    org.run(&["apps", "add-key", "0oa1", "cc_private_key.pem"]).assert_failed(4, &["not a public key"]);
    assert_eq!(org.asked(), [""; 0]);
}
