//! `keybound org fault` against a running org: faults for other people's test suites.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod refusing_org;
mod support;

use std::fs;
use std::sync::{Arc, Mutex};

use refusing_org::ScriptedOrg;
use serde_json::{Value, json};
use support::{Ended, Service, USERS, Workspace, token_or_key};

fn fault(service: &Service, arguments: &[&str]) -> Ended {
    let (verb, rest) = arguments.split_first().unwrap();
    service.workspace.run(&[&["org", "fault", verb, "--data", service.org.data()], rest].concat())
}

#[test]
fn faults_are_added_listed_removed_and_cleared() {
    let service = Service::start_with(&[]);
    let added = fault(&service, &["add", "rate-limited", "--path", USERS, "--times", "3"]).json();
    let expected = json!({
        "id": "f1", "kind": "rate-limited", "path": USERS, "times": 3, "reset_after_seconds": 1, "struck": 0,
        "over": false,
    });
    assert_eq!(added, expected);
    for add in [
        &["add", "server-error", "--status", "503", "--body", "html", "--path", "/never"][..],
        &["add", "clock-skew", "--seconds", "-2", "--for-seconds", "60"],
        &["add", "rotate-nonce", "--old", "accepted"],
        &["add", "rotate-key", "--server", "default"],
        &["add", "revoke-token", "--of-client", "0oa1"],
        &["add", "cut-connection", "--at", "in-body", "--method", "PATCH"],
        &["add", "slow", "--delay-ms", "1", "--probability", "0.5", "--client-id", "0oa1"],
        &["add", "replay", "--endpoint", "token"],
    ] {
        let added = fault(&service, add).json();
        assert_eq!(added["kind"], add[1], "{added}");
    }
    let listed = fault(&service, &["list"]).json();
    let struck: Vec<_> = listed.as_array().unwrap().iter().map(|fault| fault["struck"].as_u64()).collect();
    assert_eq!(struck.len(), 9);
    assert_eq!((listed[2]["seconds"].as_i64(), struck[3], struck[4]), (Some(-2), Some(1), Some(1)));
    assert_eq!(fault(&service, &["remove", "f1", "f3"]).code, Some(0));
    fault(&service, &["remove", "f1"]).assert_failed(10, &["there is no fault f1", "org fault list"]);
    assert_eq!(fault(&service, &["list"]).json().as_array().unwrap().len(), 7);
    assert_eq!(fault(&service, &["clear"]).code, Some(0));
    assert_eq!(fault(&service, &["list"]).json(), json!([]));
}

#[test]
fn a_fault_strikes_the_programs_own_calls() {
    let service = Service::start();
    fault(&service, &["add", "server-error", "--endpoint", "api"]).json();
    assert_eq!(service.workspace.run(&["users", "list"]).code, Some(11));
    assert_eq!(fault(&service, &["clear"]).code, Some(0));
    assert_eq!(service.workspace.run(&["users", "list"]).code, Some(0));
}

#[test]
fn a_token_to_revoke_comes_from_a_file_and_is_told_nobody() {
    let service = Service::start();
    let workspace = &service.workspace;
    workspace.run(&["keys", "new", "--alg", "ES256", "--out", "dpop"]).json();
    let token = workspace.run(&["token", "--key", "dpop_private_key.pem"]).stdout;
    workspace.write("token", &token);
    #[cfg(unix)]
    fault(&service, &["add", "revoke-token", "--token-file", "token"]).assert_failed(4, &["chmod 600"]);
    workspace.make_private("token");
    let revoked = fault(&service, &["add", "revoke-token", "--token-file", "token"]);
    assert!(revoked.json()["jti"].as_str().unwrap().starts_with("AT."));
    assert_eq!((token_or_key(&revoked.stdout), token_or_key(&revoked.stderr)), (None, None));

    // Whatever answers at the URL is told which token it is, and not the token.
    let sent = Arc::new(Mutex::new(String::new()));
    let body = Arc::clone(&sent);
    let org = ScriptedOrg::start(move |asked| {
        body.lock().unwrap().clone_from(&asked.body);
        Some((201, "{}".to_owned()))
    });
    workspace.write("admin", &service.org.admin_token);
    workspace.make_private("admin");
    let add = ["org", "fault", "add", "revoke-token", "--org-url", &org.url, "--admin-token-file", "admin"];
    workspace.run(&[&add[..], &["--token-file", "token"]].concat()).json();
    let sent: Value = serde_json::from_str(&sent.lock().unwrap()).unwrap();
    assert_eq!(sent, json!({ "kind": "revoke-token", "jti": revoked.json()["jti"] }));

    workspace.write("token", "a.b.c");
    fault(&service, &["add", "revoke-token", "--token-file", "token"]).assert_failed(2, &["no access token"]);
    let missing = fault(&service, &["add", "revoke-token", "--token-file", "none"]);
    missing.assert_failed(4, &["the file none cannot be read", "check the path"]);
    assert!(!missing.stderr.contains("key"), "{missing:?}");
}

#[cfg(unix)]
#[test]
fn word_of_an_org_that_others_could_have_left_is_not_believed() {
    use std::os::unix::fs::PermissionsExt as _;

    let service = Service::start_with(&[]);
    let folder = std::path::PathBuf::from(service.org.data());
    let set = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for (name, wrong, right) in
        [("running.json", 0o620, 0o600), ("running.lock", 0o602, 0o600), (".", 0o720, 0o755)]
    {
        let path = folder.join(name);
        set(&path, wrong);
        fault(&service, &["list"]).assert_failed(14, &["others can write", "chmod go-w"]);
        if name == "." {
            let trust = service.workspace.run(&["org", "trust", "--data", service.org.data()]);
            trust.assert_failed(14, &["others can write", "chmod go-w"]);
            let start = ["org", "start", "--listen", "127.0.0.1:0", "--data", service.org.data()];
            service.workspace.run(&start).assert_failed(14, &["others can write", "chmod go-w"]);
        }
        set(&path, right);
        assert_eq!(fault(&service, &["list"]).json(), json!([]), "{name}");
    }
}

#[test]
fn what_is_no_fault_is_refused_by_the_program_or_by_the_org() {
    let service = Service::start();
    for wrong in [
        &["add", "nonsense"][..],
        &["add", "cut-connection", "--at", "nowhere"],
        &["add", "slow", "--delay-ms", "soon"],
        &["add", "rate-limited", "--times", "-1"],
        &["remove"],
        &["remove", "one"],
    ] {
        fault(&service, wrong).assert_usage();
    }
    for (wrong, words) in [
        (&["add", "slow"][..], "--delay-ms"),
        (&["add", "slow", "--delay-ms", "1", "--status", "500"], "status is no member"),
        (&["add", "clock-skew", "--seconds", "5", "--times", "1"], "whole org"),
    ] {
        fault(&service, wrong).assert_failed(10, &[words]);
    }
}

#[test]
fn an_org_is_found_by_its_folder_or_by_its_url_and_one_that_is_gone_is_not() {
    let service = Service::start_with(&[]);
    let Service { workspace, org, .. } = &service;
    workspace.write("admin-token", &org.admin_token);
    workspace.make_private("admin-token");
    let authority = org.ca_file.as_deref().unwrap();
    let by_url = ["org", "fault", "list", "--org-url", &org.url, "--admin-token-file", "admin-token"];
    assert_eq!(workspace.run(&[&by_url[..], &["--ca-file", authority]].concat()).json(), json!([]));
    workspace.run(&by_url).assert_failed(5, &["certificate"]);
    let missing = workspace.run(&[&by_url[..], &["--ca-file", "none.pem"]].concat());
    missing.assert_failed(4, &["the certificate file none.pem", "check the path"]);
    workspace.write("admin-token", "of-another-start");
    let refused = workspace.run(&[&by_url[..], &["--ca-file", authority]].concat());
    refused.assert_failed(10, &["another one at each start", "running.json"]);
    assert!(!refused.stderr.contains("Security"), "{refused:?}");
    workspace.run(&["org", "fault", "list"]).assert_usage();
    workspace.run(&["org", "fault", "list", "--org-url", &org.url]).assert_usage();

    let data = org.data().to_owned();
    let file = std::path::Path::new(&data).join("running.json");
    drop(service.org);
    assert!(file.exists(), "it was killed");
    let list = ["org", "fault", "list", "--data", &data];
    service.workspace.run(&list).assert_failed(14, &["no org runs", "org start --data"]);
    Workspace::new().run(&["org", "fault", "list", "--data", "nowhere"]).assert_failed(14, &["no org runs"]);
    let told: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert!(told["admin_token"].is_string());
}
