//! `keybound logs` against an org that a test scripts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod scripted;
mod support;

use std::io::{BufRead as _, BufReader};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use scripted::{Reply, ScriptedOrg};
use serde_json::{Value, json};

const SINCE: &str = "2026-11-01T00%3A00%3A00.000Z";

fn event(id: &str) -> Value {
    json!({
        "uuid": id, "published": "2026-11-01T12:00:00.000Z", "eventType": "user.session.start",
        "severity": "INFO", "displayMessage": "User login", "actor": null, "target": [],
        "outcome": { "result": "SUCCESS", "reason": null }, "transaction": { "id": "t1" },
    })
}

/// Pages of the log never end: the last one is empty.
fn api(asked: &str) -> Reply {
    if asked.contains("after=") {
        return Reply::page(&json!([]), "/api/v1/logs?after=e2");
    }
    Reply::page(&json!([event("e1"), event("e2")]), "/api/v1/logs?after=e1")
}

#[test]
fn events_are_listed_up_to_the_last_one() {
    let org = ScriptedOrg::start(api);
    let both = json!([event("e1"), event("e2")]);
    let first = format!("GET /api/v1/logs?since={SINCE}&limit=100&sortOrder=ASCENDING");
    let bounded = format!(
        "GET /api/v1/logs?since={SINCE}&until=2026-11-02T00%3A00%3A00.000Z&filter=f&q=w&limit=2&sortOrder=DESCENDING"
    );
    org.hold_to(&[
        ("logs list --since 2026-11-01", &[&first, "GET /api/v1/logs?after=e1"], both.clone()),
        (
            "logs list --since 2026-11-01 --until 2026-11-02 --filter f --q w --order desc --limit 2",
            &[&bounded],
            both,
        ),
    ]);
    let ended = org.run(&["logs", "list", "--output", "table"]);
    let row = " 2026-11-01T12:00:00.000Z  INFO      user.session.start                 SUCCESS  User login";
    let expected = [
        " TIME                      SEVERITY  EVENT               ACTOR  TARGET  OUTCOME  MESSAGE",
        row,
        row,
        "2 events",
    ];
    assert_eq!(ended.stdout.lines().collect::<Vec<_>>(), expected, "{ended:?}");
    org.run(&["logs", "list", "--since", "yesterday"]).assert_usage();
}

#[test]
fn a_span_is_counted_back_from_now() {
    let org = ScriptedOrg::start(api);
    // A clock that is far off shows whose time it is.
    let ended = org.run(&["logs", "list", "--since", "1h", "--limit", "1", "--clock-offset=-788918400"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let asked = org.asked().concat();
    assert!(asked.contains("since=20") && !asked.contains("since=202"), "25 years back: {asked}");
}

#[test]
fn events_are_followed_as_they_happen() {
    let org = ScriptedOrg::start(api);
    let ended = org.run(&["logs", "follow", "--since", "2026-11-01", "--filter", "f", "--limit", "2"]);
    let expected = format!("{}\n{}\n", event("e1"), event("e2"));
    assert_eq!((ended.code, ended.stdout), (Some(0), expected));
    let probe = format!("GET /api/v1/logs?since={SINCE}&filter=f&limit=1");
    let followed = format!("GET /api/v1/logs?since={SINCE}&filter=f&limit=100&sortOrder=ASCENDING");
    assert_eq!(org.asked(), [probe, followed]);
}

#[test]
fn what_is_wrong_from_the_start_ends_it_and_what_fails_later_is_waited_out() {
    let org = ScriptedOrg::start(|_| Reply::failed());
    org.run(&["logs", "follow"]).assert_failed(11, &["Internal Server Error"]);

    let requests = AtomicUsize::new(0);
    let org = ScriptedOrg::start(move |asked| match requests.fetch_add(1, Ordering::SeqCst) {
        1 => Reply::failed(),
        _ => api(asked),
    });
    let ended = org.run(&["logs", "follow", "--limit", "1"]);
    assert_eq!((ended.code, ended.stdout), (Some(0), format!("{}\n", event("e1"))));
    assert!(ended.stderr.contains("Internal Server Error") && ended.stderr.contains("asking again"));
}

#[cfg(unix)]
#[test]
fn it_ends_well_when_it_is_told_to() {
    let org = ScriptedOrg::start(api);
    let mut child = org.workspace.command(&["logs", "follow"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("{}\n", event("e1")));
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}
