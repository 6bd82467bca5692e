//! `keybound org trace` against a running org, and on files.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead as _, BufReader};

use serde_json::Value;
use support::{Ended, Service, USERS, exchange};

fn trace(service: &Service, arguments: &[&str]) -> Ended {
    let (verb, rest) = arguments.split_first().unwrap();
    service.workspace.run(&[&["org", "trace", verb, "--data", service.org.data()], rest].concat())
}

fn lines(ended: &Ended) -> Vec<Value> {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_programs_own_calls_are_listed_shown_sent_again_exported_and_opened() {
    let service = Service::start();
    assert_eq!(service.workspace.run(&["api", USERS]).code, Some(0));
    let listed = lines(&trace(&service, &["list"]));
    let told: Vec<_> = listed
        .iter()
        .map(|one| (one["status"].as_u64().unwrap(), one["verdict"]["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(told, [(400, "challenged"), (200, "admitted"), (200, "admitted")]);
    let id = listed[2]["id"].to_string();
    let one_more = lines(&trace(&service, &["list", "--limit", "1"]));
    assert_eq!(one_more.len(), 1);

    let shown = trace(&service, &["show", &id]).json();
    assert_eq!(shown["target"].as_str().unwrap(), USERS);
    let replayed = trace(&service, &["replay", &id]).json();
    assert_eq!(replayed["again"]["verdict"]["rule"], "RFC 9449 section 11.1");
    trace(&service, &["show", "999"]).assert_failed(10, &["there is no request 999", "org trace list"]);

    let conversation = listed[2]["conversation"].to_string();
    let exported =
        trace(&service, &["export", "--conversation", &conversation, "--out", "trace.json"]).json();
    assert!(exported["bytes"].as_u64().unwrap() > 1000);
    let again = trace(&service, &["export", "--out", "trace.json"]);
    again.assert_failed(15, &["trace.json is there already", "choose another name"]);
    trace(&service, &["export", "--conversation", "99999"]).assert_failed(10, &["Conversation", "99999"]);

    let run = |arguments: &[&str]| service.workspace.run(&[&["org", "trace", "open"], arguments].concat());
    let opened = run(&["trace.json"]);
    assert_eq!(opened.code, Some(0), "{opened:?}");
    for text in ["challenged", "replay of 3", "RFC 9449 section 11.1", "Make a new proof, with a fresh jti"] {
        assert!(opened.stdout.contains(text), "{text}: {}", opened.stdout);
    }
    let whole = run(&["trace.json", "--message", &id, "--rules"]).stdout;
    assert!(
        whole.contains("htu is the URI of the request") && whole.contains("removed; it had verified"),
        "{whole}"
    );
    run(&["trace.json", "--message", "999"]).assert_failed(2, &["no message 999"]);

    assert_eq!(trace(&service, &["clear"]).code, Some(0));
    assert_eq!(lines(&trace(&service, &["list"])), [] as [Value; 0]);
}

#[test]
fn as_many_requests_are_remembered_as_one_asks_for() {
    for (remembered, told) in [("0", 0), ("2", 2), ("1000", 3)] {
        let service = Service::start_with(&["--http", "--traces", remembered]);
        assert_eq!(service.workspace.run(&["api", USERS]).code, Some(0));
        assert_eq!(lines(&trace(&service, &["list"])).len(), told, "--traces {remembered}");
    }
}

#[test]
fn a_file_that_is_no_trace_is_refused_and_what_cannot_be_shown_is_not_printed() {
    let service = Service::start();
    let workspace = &service.workspace;
    workspace.write("har.json", r#"{"log": {}}"#);
    workspace.run(&["org", "trace", "open", "har.json"]).assert_failed(2, &["no trace"]);
    workspace.run(&["org", "trace", "open", "nowhere.json"]).assert_failed(2, &["nowhere.json"]);

    assert_eq!(workspace.run(&["api", USERS]).code, Some(0));
    let mut file = trace(&service, &["export"]).json();
    let hostile = "\u{1b}[2J\u{202e}x";
    file["org"] = hostile.into();
    file["exchanges"][0]["method"] = hostile.into();
    file["exchanges"][0]["verdict"]["reason"] = hostile.into();
    workspace.write("hostile.json", &file.to_string());
    let opened = workspace.run(&["org", "trace", "open", "hostile.json", "--rules"]);
    assert_eq!(opened.code, Some(0), "{opened:?}");
    assert!(!opened.stdout.contains(['\u{1b}', '\u{202e}']), "{opened:?}");
}

#[test]
fn what_would_be_done_a_second_time_is_sent_again_only_if_that_is_meant() {
    let service = Service::start();
    let fields =
        format!("Authorization: SSWS {}\r\nContent-Type: application/json\r\n", service.org.admin_token);
    let group = r#"{"profile": {"name": "a"}}"#;
    exchange("POST", &format!("{}/api/v1/groups", service.org.url), &fields, group);
    let listed = lines(&trace(&service, &["list", "--limit", "1"]));
    assert_eq!((&listed[0]["method"], &listed[0]["is_administrator"]), (&"POST".into(), &true.into()));
    let id = listed[0]["id"].to_string();
    trace(&service, &["replay", &id]).assert_failed(2, &["POST /api/v1/groups", "a second time", "--yes"]);
    let newest = lines(&trace(&service, &["list", "--limit", "1"]));
    assert_eq!(newest[0]["id"], listed[0]["id"], "it was not sent");
    let replayed = trace(&service, &["replay", &id, "--yes"]).json();
    assert_eq!(replayed["again"]["replay_of"], listed[0]["id"]);
}

#[test]
fn who_follows_is_told_that_the_org_has_ended() {
    let Service { workspace, org, .. } = Service::start();
    assert_eq!(workspace.run(&["api", USERS]).code, Some(0));
    let arguments = ["org", "trace", "list", "--follow", "--limit", "1", "--data", org.data()];
    let mut following = workspace.command(&arguments).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(following.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    assert!(first.contains(USERS), "{first}");
    org.terminate();
    let ended = Ended::of(following);
    assert_eq!(ended.code, Some(5), "{ended:?}");
    assert!(ended.stderr.contains("the org has ended"), "{ended:?}");
    assert!(!ended.stderr.contains("DNS"), "{ended:?}");
}
