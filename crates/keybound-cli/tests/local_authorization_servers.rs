//! A custom authorization server from its making by `keybound api` to a token that an API of one's own gets.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![cfg(unix)]

mod guard_support;
mod sidecar;
mod support;

use std::fs;
use std::sync::Arc;

use guard_support::{Guard, Upstream, free_address};
use keybound::exchange::ClientCredentials;
use keybound::proof::DpopKey;
use keybound::{Algorithm, PrivateKey, SigningKey, base64url};
use keybound_client::{System, TokenBinding, TokenSource};
use serde_json::{Value, json};
use sidecar::Sidecar;
use support::{Org, Workspace, text};

const SERVERS: &str = "/api/v1/authorizationServers";

/// A POST that must work; what it answers comes back.
fn post(workspace: &Workspace, path: &str, body: &Value) -> Value {
    let ended = workspace.run_with(&["api", path, "-X", "POST", "--input", "-"], &[], &body.to_string());
    assert_eq!(ended.code, Some(0), "{path}: {ended:?}");
    if ended.stdout.trim().is_empty() { Value::Null } else { ended.json() }
}

/// An org and an app that may make authorization servers, and may have Bearer tokens too; gives the app's client id.
fn administrator() -> (Workspace, Org, String) {
    let workspace = Workspace::new();
    let org = Org::start(&workspace);
    let made = workspace.run(&["keys", "new", "--alg", "ES256", "--out", "cc"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    let public = workspace.path("cc_public_key.json");
    let scope = "okta.authorizationServers.manage";
    let create = ["org", "app", "create", "--data", org.data(), "--label", "Admin", "--scope", scope];
    let more = ["--role", "SUPER_ADMIN", "--public-jwk", text(&public), "--dpop", "off"];
    let create = [&create[..], &more].concat();
    let client_id = workspace.run(&create).json()["client_id"].as_str().unwrap().to_owned();
    let settings = format!(
        "OKTA_ORG_URL={}\nOKTA_CLIENT_ID={client_id}\nOKTA_SCOPES={scope}\nOKTA_CC_PRIVATE_KEY_FILE=cc_private_key.pem\n",
        org.url
    );
    workspace.write(".env", &settings);
    (workspace, org, client_id)
}

/// What a token for `scope` of the server says, or why there is none.
fn token(workspace: &Workspace, endpoint: &str, client_id: &str, scope: &str) -> Result<Value, String> {
    let pem = fs::read_to_string(workspace.path("cc_private_key.pem")).unwrap();
    let client_key = SigningKey::new(PrivateKey::from_pem(&pem).unwrap(), Algorithm::ES256).unwrap();
    let dpop_key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()));
    let grant = ClientCredentials::new(endpoint, client_id, [scope]).unwrap();
    let tokens =
        TokenSource::new(System::default(), grant, Arc::new(client_key), TokenBinding::Dpop(dpop_key));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let token = runtime.block_on(tokens.token()).map_err(|error| error.to_string())?;
    let claims = token.secret().split('.').nth(1).unwrap();
    Ok(serde_json::from_slice(&base64url::decode(claims).unwrap()).unwrap())
}

/// A server for things, at which the app may have tokens for reading them; gives its id.
fn server_for_things(workspace: &Workspace, client_id: &str) -> String {
    let server =
        post(workspace, SERVERS, &json!({"name": "Things", "audiences": ["https://things.example"]}));
    let id = server["id"].as_str().unwrap();
    let base = format!("{SERVERS}/{id}");
    for scope in ["things.read", "things.write"] {
        post(workspace, &format!("{base}/scopes"), &json!({"name": scope}));
    }
    let policy = json!({"name": "Ours", "conditions": {"clients": {"include": [client_id]}}});
    let policy = post(workspace, &format!("{base}/policies"), &policy);
    let rules = format!("{base}/policies/{}/rules", policy["id"].as_str().unwrap());
    let rule = json!({
        "name": "Reading",
        "conditions": {"grantTypes": {"include": ["client_credentials"]}, "scopes": {"include": ["things.read"]}},
        "actions": {"token": {"accessTokenLifetimeMinutes": 7}},
    });
    post(workspace, &rules, &rule);
    id.to_owned()
}

#[test]
fn a_server_is_made_and_its_claim_is_in_the_token_that_its_rule_grants() {
    let (workspace, org, client_id) = administrator();
    let id = server_for_things(&workspace, &client_id);
    let base = format!("{SERVERS}/{id}");
    let claim =
        json!({"name": "tier", "claimType": "RESOURCE", "valueType": "EXPRESSION", "value": "\"gold\""});
    post(&workspace, &format!("{base}/claims"), &claim);
    let endpoint = format!("{}/oauth2/{id}/v1/token", org.url);
    let claims = token(&workspace, &endpoint, &client_id, "things.read").unwrap();
    assert_eq!((&claims["tier"], &claims["aud"]), (&json!("gold"), &json!("https://things.example")));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 7 * 60);
    assert!(claims["cnf"]["jkt"].is_string(), "{claims}");
    let refused = token(&workspace, &endpoint, &client_id, "things.write").unwrap_err();
    assert!(refused.contains("access_denied"), "no rule is for it: {refused}");

    post(&workspace, &format!("{base}/lifecycle/deactivate"), &json!({}));
    let refused = token(&workspace, &endpoint, &client_id, "things.read").unwrap_err();
    assert!(refused.contains("404"), "{refused}");
}

#[test]
fn a_service_calls_an_api_behind_the_guard_with_tokens_of_its_issuer() {
    let (workspace, org, client_id) = administrator();
    let issuer = format!("{}/oauth2/{}", org.url, server_for_things(&workspace, &client_id));
    let made = workspace.run(&["keys", "new", "--alg", "ES256", "--out", "dpop"]);
    assert_eq!(made.code, Some(0), "{made:?}");
    // No org: an issuer is enough.
    workspace.write(
        ".env",
        &format!(
            "OKTA_OAUTH2_ISSUER={issuer}\nOKTA_CLIENT_ID={client_id}\nOKTA_SCOPES=things.read\n\
             OKTA_CC_PRIVATE_KEY_FILE=cc_private_key.pem\nOKTA_DPOP_PRIVATE_KEY_FILE=dpop_private_key.pem\n"
        ),
    );
    let upstream = Upstream::start();
    let address = free_address();
    let resource = format!("http://{address}");
    let guarded = [
        "--listen",
        &address,
        "--upstream",
        &upstream.url,
        "--resource",
        &resource,
        "--issuer",
        &issuer,
        "--audience",
        "https://things.example",
        "--scope",
        "things.read",
    ];
    let guard = Guard::start(&workspace, &guarded);
    let things = format!("{resource}/things");

    let called = workspace.run(&["api", &things]);
    assert_eq!((called.code, called.stdout.as_str()), (Some(0), "hello"), "{called:?}");
    let token = workspace.run(&["token"]).stdout;
    let shown = workspace.run_with(&["token", "show", "--key", "dpop_private_key.pem"], &[], &token).json();
    let told = (&shown["claims"]["iss"], &shown["claims"]["aud"], &shown["bound_to_key"]);
    assert_eq!(told, (&json!(issuer), &json!("https://things.example"), &json!(true)), "{shown}");
    let stolen = guard.get(&address, "/things", &format!("Authorization: Bearer {}\r\n", token.trim()));
    assert!(stolen.starts_with("HTTP/1.1 401 "), "a bound token without its key: {stolen}");

    upstream.next_head();
    let bearer = ["api", "--no-dpop", "--resource", upstream.url.as_str()];
    let own = workspace.run(&[&bearer[..], &[&format!("{}/things", upstream.url)]].concat());
    assert_eq!((own.code, own.stdout.as_str()), (Some(0), "hello"), "the resource that was named: {own:?}");
    assert!(upstream.next_head().to_lowercase().contains("authorization: bearer "));
    let elsewhere = workspace.run(&[&bearer[..], &[&things]].concat());
    elsewhere.assert_failed(2, &[&resource, "Bearer"]);
    let unbound = workspace.run(&["api", "--no-dpop", "--resource", &resource, &things]);
    assert_eq!(unbound.code, Some(10), "{unbound:?}");
    assert!(unbound.stderr.contains("the API answered 401"), "{unbound:?}");

    let proxy = Sidecar::start(&workspace, &["--to", &resource]);
    assert_eq!(proxy.get("/things").status, 200);
    drop(proxy);

    let examined = workspace.run(&["doctor"]).json();
    let steps = examined.as_array().unwrap();
    assert!(steps.iter().all(|step| step["outcome"] == "ok"), "{examined}");
    let step = |name: &str| steps.iter().find(|step| step["step"] == name).unwrap().to_string();
    assert!(step("settings").contains("OKTA_OAUTH2_ISSUER in "), "{examined}");
    assert!(step("issuer").contains(&issuer) && step("scopes").contains("things.read"), "{examined}");

    let who = workspace.run(&["whoami"]).json();
    assert_eq!((&who["issuer"], &who["org_url"]), (&json!(issuer), &Value::Null));
    assert_eq!(workspace.run_with(&["token", "revoke"], &[], &token).json(), json!({ "revoked": true }));
    let refused = workspace.run(&["api", &things, "--scope", "things.write"]);
    refused.assert_failed(7, &["access_denied", "Access Policies"]);
    workspace.run(&["users", "list"]).assert_failed(2, &["org's API", &issuer]);
}
