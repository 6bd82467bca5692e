//! `keybound token show` and `keybound token revoke`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod refusing_org;
mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use keybound::base64url;
use refusing_org::ScriptedOrg;
use serde_json::{Value, json};
use support::{SCOPE, Service, Workspace};

#[test]
fn a_token_is_shown_without_what_makes_it_good() {
    let service = Service::start();
    let workspace = &service.workspace;
    for prefix in ["dpop", "other"] {
        workspace.run(&["keys", "new", "--alg", "ES256", "--out", prefix]).json();
    }
    let token = workspace.run(&["token", "--key", "dpop_private_key.pem"]).stdout;
    let signature = token.trim().rsplit('.').next().unwrap();
    let thumbprint = workspace.run(&["keys", "thumbprint", "dpop_public_key.json"]).stdout;
    for (arguments, input, bound_to_key, why) in [
        (&["token", "show"][..], token.clone(), Value::Null, "standard input"),
        (&["token", "show", "-"], format!("DPoP {token}"), Value::Null, "as a header field has it"),
        (&["token", "show", token.trim()], String::new(), Value::Null, "an argument"),
        (&["token", "show", "--key", "dpop_private_key.pem"], token.clone(), true.into(), "its key"),
        (&["token", "show", "--key", "other_public_key.json"], token.clone(), false.into(), "another key"),
    ] {
        let shown = workspace.run_with(arguments, &[], &input);
        let told = shown.json();
        assert!(!shown.stdout.contains(signature), "{why}");
        assert_eq!(told["claims"]["cid"], service.client_id.as_str(), "{why}");
        assert_eq!(
            (told["bound_to"].as_str(), &told["bound_to_key"]),
            (Some(thumbprint.trim()), &bound_to_key),
            "{why}"
        );
        assert!(told["times"]["exp"].as_str().unwrap().contains(" GMT (in "), "{why}: {told}");
    }
    for (input, words) in [("opaque", "not a JWT"), ("a.b.c", "not a JWT"), (" \n", "no token")] {
        workspace.run_with(&["token", "show"], &[], input).assert_failed(2, &[words]);
    }
}

#[test]
fn a_token_comes_with_what_is_known_of_it() {
    let service = Service::start();
    let workspace = &service.workspace;
    workspace.run(&["keys", "new", "--alg", "ES256", "--out", "dpop"]).json();
    let thumbprint = workspace.run(&["keys", "thumbprint", "dpop_public_key.json"]).stdout;
    let told = workspace.run(&["token", "--key", "dpop_private_key.pem", "--json"]).json();
    let token = told["access_token"].as_str().unwrap();
    let claims = base64url::decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(told["expires_at"], claims["exp"]);
    assert_eq!((&told["token_type"], &told["scope"]), (&json!("DPoP"), &json!(SCOPE)));
    assert_eq!(told["jkt"].as_str(), Some(thumbprint.trim()));
    let bearer = service.org.create_app(workspace, &workspace.path("cc_public_key.json"), "off");
    let told = workspace.run(&["token", "--no-dpop", "--client-id", &bearer, "--json"]).json();
    assert_eq!((&told["token_type"], &told["jkt"]), (&json!("Bearer"), &Value::Null));
}

#[test]
fn a_token_is_revoked_by_a_client_that_says_who_it_is() {
    let forms = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&forms);
    let org = ScriptedOrg::start(move |asked| {
        (asked.line == "POST /oauth2/v1/revoke").then(|| {
            let form: HashMap<String, String> =
                url::form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
            let is_known = form["token"] != "of another";
            log.lock().unwrap().push(form);
            let refusal = r#"{"error":"invalid_client","error_description":"Not your token."}"#;
            if is_known { (200, String::new()) } else { (401, refusal.to_owned()) }
        })
    });
    let workspace = Workspace::new();
    workspace.run(&["keys", "new", "--alg", "ES256", "--out", "cc"]).json();
    let settings = [
        ("OKTA_ORG_URL", org.url.as_str()),
        ("OKTA_CLIENT_ID", "0oa1"),
        ("OKTA_CC_PRIVATE_KEY_FILE", "cc_private_key.pem"),
    ];
    let revoked = workspace.run_with(&["token", "revoke"], &settings, "a token\n").json();
    assert_eq!(revoked, json!({ "revoked": true }));
    let form = forms.lock().unwrap()[0].clone();
    assert_eq!((form["token"].as_str(), form["token_type_hint"].as_str()), ("a token", "access_token"));
    let claims = base64url::decode(form["client_assertion"].split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(claims["sub"], "0oa1");
    assert_eq!(claims["aud"], format!("{}/oauth2/v1/revoke", org.url), "the assertion is for this endpoint");

    let refused = workspace.run_with(&["token", "revoke", "-"], &settings, "of another");
    assert!(refused.code.is_some_and(|code| code != 0), "{refused:?}");
    assert!(refused.stderr.contains("invalid_client: Not your token."), "{refused:?}");
    assert_eq!(org.lines(), ["POST /oauth2/v1/revoke"; 2], "no token is asked for");
}
