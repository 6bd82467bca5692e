//! `keybound org trace` against a running org, and on files.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use serde_json::Value;
use support::{Ended, Service, USERS};

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
    assert_ne!(again.code, Some(0), "it is not written over");
    assert!(!again.stderr.contains("eyJ"));

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
