//! `keybound org seed`, `reset`, `export` and `import`: an org's data, filled, emptied, taken along and brought back.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde_json::{Value, json};
use support::{Ended, Org, Service, Workspace};

fn lines(ended: &Ended) -> Vec<Value> {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn users(export: &[Value]) -> Vec<&Value> {
    export.iter().filter(|record| record["kind"] == "user").collect()
}

#[test]
fn users_are_seeded_before_the_org_starts_and_while_it_runs() {
    let workspace = Workspace::new();
    let seed =
        |arguments: &[&str]| workspace.run(&[&["org", "seed", "--data", "org-data"], arguments].concat());
    assert_eq!(seed(&["--users", "30"]).json(), json!({"added": 30, "already_there": 0}));
    assert_eq!(seed(&["--users", "30"]).json(), json!({"added": 0, "already_there": 30}));
    let org = Org::start(&workspace);
    assert_eq!(seed(&["--users", "20", "--seed", "5"]).json(), json!({"added": 20, "already_there": 0}));
    let export = lines(&workspace.run(&["org", "export", "--data", org.data()]));
    assert_eq!(users(&export).len(), 50, "the org that starts adds none of its own");
    for refused in [&["--users", "0"][..], &["--users", "10000001"], &["--users", "x"], &[]] {
        seed(refused).assert_usage();
    }
}

#[test]
fn an_org_is_taken_along_and_its_apps_go_on_working_there() {
    let service = Service::start();
    let Service { workspace, org, .. } = &service;
    assert!(
        workspace.run(&["users", "list", "--limit", "1"]).json().is_array(),
        "by then there is a signing key"
    );
    let export = ["org", "export", "--data", org.data()];
    let text = workspace.run(&export);
    let records = lines(&text);
    assert_eq!(
        records[0],
        json!({"kind": "header", "format": "keybound-org", "version": 2, "secrets": false})
    );
    assert_eq!(records.last().unwrap(), &json!({"kind": "end", "records": records.len() - 2}));

    let with_secrets = [&export[..], &["--secrets", "--out", "all.jsonl"]].concat();
    assert_eq!(workspace.run(&with_secrets).code, Some(0));
    workspace.run(&with_secrets).assert_failed(15, &["all.jsonl", "there already"]);
    workspace.run(&[&export[..], &["--secrets"]].concat()).assert_usage();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(workspace.path("all.jsonl")).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let secret = fs::read_to_string(workspace.path("all.jsonl")).unwrap();
    assert!(secret.contains("PRIVATE KEY") && !text.stdout.contains("PRIVATE KEY"));

    let told = workspace.run(&["org", "import", "--data", "other", "all.jsonl"]).json();
    assert_eq!(told["records"], secret.lines().count() - 2);
    let again = workspace.run(&["org", "export", "--data", "other"]);
    assert_eq!(again.stdout, text.stdout);
    workspace
        .run(&["org", "import", "--data", "other", "all.jsonl"])
        .assert_failed(14, &["org reset", "new folder"]);

    let piped = workspace.run_with(&["org", "import", "--data", "third", "-"], &[], &text.stdout);
    assert_eq!(piped.json()["records"], records.len() - 2);
    // The same client, by the same keys, at another org.
    let arguments = ["org", "start", "--http", "--listen", "127.0.0.1:0", "--data", "third"];
    let mut child = workspace.command(&arguments).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let url = serde_json::from_str::<Value>(&line).unwrap()["url"].as_str().unwrap().to_owned();
    let listed = workspace.run_with(&["users", "list", "--limit", "3"], &[("OKTA_ORG_URL", &url)], "");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(listed.json().as_array().unwrap().len(), 3);
}

#[test]
fn a_file_that_cannot_be_imported_is_told_by_its_line_and_nothing_is_there() {
    let workspace = Workspace::new();
    workspace.run(&["org", "seed", "--data", "one", "--users", "3"]).json();
    let text = workspace.run(&["org", "export", "--data", "one"]).stdout;
    workspace.write("spoiled.jsonl", &text.replacen("\"status\":\"", "\"mood\":\"", 1));
    let import = |file: &str| workspace.run(&["org", "import", "--data", "two", file]);
    import("missing.jsonl").assert_failed(2, &["missing.jsonl"]);
    assert!(!workspace.path("two").exists(), "a wrong name leaves nothing behind");
    import("spoiled.jsonl").assert_failed(2, &["spoiled.jsonl", "nothing was", "line 2", "`mood`"]);
    let export = lines(&workspace.run(&["org", "export", "--data", "two"]));
    assert!(users(&export).is_empty());
}

#[test]
fn an_org_is_made_new_and_its_certificate_authority_stays_unless_it_is_told_to_go() {
    let workspace = Workspace::new();
    let org = Org::start_with(&workspace, &[]);
    let (data, ca_file) = (org.data().to_owned(), org.ca_file.clone().unwrap());
    let authority = fs::read(&ca_file).unwrap();
    let reset = |flags: &[&str]| workspace.run(&[&["org", "reset", "--data", &data], flags].concat());
    reset(&[]).assert_failed(2, &["nobody can be asked", "--yes"]);
    assert_eq!(org.terminate().code(), Some(0));
    assert_eq!(reset(&["--yes"]).json(), json!({"reset": true}));
    assert_eq!(users(&lines(&workspace.run(&["org", "export", "--data", &data]))).len(), 0);
    let org = Org::start_with(&workspace, &[]);
    assert_eq!(fs::read(&ca_file).unwrap(), authority, "trust stays");
    assert_eq!(
        users(&lines(&workspace.run(&["org", "export", "--data", &data]))).len(),
        200,
        "as in a new org"
    );
    reset(&["--yes", "--all"]).assert_failed(14, &["runs", "end it first"]);
    assert_eq!(org.terminate().code(), Some(0));
    reset(&["--yes", "--all"]).json();
    assert!(!Path::new(&ca_file).exists());
    workspace.run(&["org", "reset", "--data", "typo", "--yes"]).assert_failed(14, &["typo"]);
    assert!(!workspace.path("typo").exists());
}

#[test]
fn an_org_without_a_folder_says_where_its_data_is_and_takes_it_along_when_it_ends() {
    let workspace = Workspace::new();
    let mut child =
        workspace.command(&["org", "start", "--http", "--listen", "127.0.0.1:0"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    let folder = line.split("data is in ").nth(1).and_then(|rest| rest.split(" and ends").next()).unwrap();
    let made = workspace.run(&["org", "app", "list", "--data", folder]);
    assert_eq!(made.json(), json!([]));
    let mut told = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut told).unwrap();
    assert!(told.contains("\"url\""), "{told}");
    assert!(std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(!Path::new(folder).exists());
}
