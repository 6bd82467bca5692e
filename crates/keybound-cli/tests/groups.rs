//! `keybound groups`, and what all lists have in common, against an org that a test scripts.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod scripted;
mod support;

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::Command;
use std::thread;
use std::time::Duration;

use scripted::{Reply, ScriptedOrg};
use serde_json::{Value, json};

fn group(id: &str, name: &str) -> Value {
    json!({
        "id": id, "created": null, "lastUpdated": null, "lastMembershipUpdated": null, "type": "OKTA_GROUP",
        "profile": { "name": name, "description": "Old words", "costCenter": 12 }, "_links": { "logo": [] },
    })
}

fn api(asked: &str) -> Reply {
    let (method, target) = asked.split_once(' ').unwrap();
    match (method, target.split('?').next().unwrap()) {
        ("GET", "/api/v1/groups") => Reply::json(&json!([group("00g1", "A"), group("00g2", "B")])),
        ("GET" | "POST" | "PUT", "/api/v1/groups/00g1" | "/api/v1/groups") => {
            Reply::json(&group("00g1", "A"))
        }
        ("GET", "/api/v1/groups/00g1/users") => {
            Reply::json(&json!([{ "id": "00u1", "status": "ACTIVE", "profile": {} }]))
        }
        ("PUT", "/api/v1/groups/00g1/users/00u1") | ("DELETE", _) => Reply::done(),
        _ => Reply::failed(),
    }
}

#[test]
fn every_verb_makes_its_call_and_prints_what_came_of_it() {
    let org = ScriptedOrg::start(api);
    let both = json!([group("00g1", "A"), group("00g2", "B")]);
    let one = group("00g1", "A");
    let member = json!([{
        "id": "00u1", "status": "ACTIVE", "created": null, "activated": null, "statusChanged": null,
        "lastLogin": null, "lastUpdated": null, "passwordChanged": null, "profile": {},
    }]);
    org.hold_to(&[
        ("groups list", &["GET /api/v1/groups?limit=200"], both.clone()),
        (
            "groups list --q A --filter f --search s --sort-by profile.name --sort-order desc --limit 2",
            &["GET /api/v1/groups?search=s&filter=f&q=A&limit=2&sortBy=profile.name&sortOrder=desc"],
            both,
        ),
        ("groups get 00g1", &["GET /api/v1/groups/00g1"], one.clone()),
        ("groups create A", &[r#"POST /api/v1/groups {"profile":{"name":"A"}}"#], one.clone()),
        (
            "groups update 00g1 --name New",
            &[
                "GET /api/v1/groups/00g1",
                r#"PUT /api/v1/groups/00g1 {"profile":{"name":"New","description":"Old words","costCenter":12}}"#,
            ],
            one.clone(),
        ),
        (
            "groups update 00g1 --description=",
            &[
                "GET /api/v1/groups/00g1",
                r#"PUT /api/v1/groups/00g1 {"profile":{"name":"A","description":"","costCenter":12}}"#,
            ],
            one,
        ),
        (
            "groups delete 00g1 --yes",
            &["DELETE /api/v1/groups/00g1"],
            json!({ "group": "00g1", "deleted": true }),
        ),
        ("groups members 00g1", &["GET /api/v1/groups/00g1/users?limit=200"], member),
        (
            "groups add 00g1 00u1",
            &["PUT /api/v1/groups/00g1/users/00u1"],
            json!({ "group": "00g1", "user": "00u1", "member": true }),
        ),
        (
            "groups remove 00g1 00u1",
            &["DELETE /api/v1/groups/00g1/users/00u1"],
            json!({ "group": "00g1", "user": "00u1", "member": false }),
        ),
    ]);
    org.assert_asks_first(&["groups delete 00g1"]);
    for wrong in [&["groups", "update", "00g1"][..], &["groups", "list", "--sort-by", "x"]] {
        org.run(wrong).assert_usage();
    }
}

#[test]
fn a_list_is_printed_in_the_format_that_is_asked_for() {
    let org = ScriptedOrg::start(api);
    let (first, second) = (group("00g1", "A"), group("00g2", "B"));
    for (options, expected) in [
        (&[][..], format!("[{first},\n{second}]\n")),
        (&["--output", "json"], format!("[{first},\n{second}]\n")),
        (&["--output", "ndjson"], format!("{first}\n{second}\n")),
        (&["--ndjson"], format!("{first}\n{second}\n")),
        (
            &["--output", "table"],
            " ID    TYPE        NAME  DESCRIPTION\n 00g1  OKTA_GROUP  A     Old words\n 00g2  OKTA_GROUP  B     Old words\n2 groups\n"
                .to_owned(),
        ),
    ] {
        let ended = org.run(&[&["groups", "list"], options].concat());
        assert_eq!((ended.code, ended.stdout), (Some(0), expected), "{options:?}");
        assert_eq!(ended.stderr, "", "a pipe is told of no progress");
    }
    org.run(&["groups", "list", "--ndjson", "--output", "json"]).assert_usage();
}

#[test]
fn an_empty_list_is_a_list() {
    let org = ScriptedOrg::start(|_| Reply::json(&json!([])));
    for (options, expected) in
        [(&[][..], "[]\n"), (&["--ndjson"], ""), (&["--output", "table"], "0 groups\n")]
    {
        let ended = org.run(&[&["groups", "list"], options].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(0), expected), "{options:?}");
    }
}

#[test]
fn a_list_that_broke_off_is_gone_on_with_from_the_cursor_that_was_told() {
    let failures = std::sync::atomic::AtomicBool::new(true);
    let org = ScriptedOrg::start(move |asked| {
        if !asked.contains("after=") {
            return Reply::page(&json!([group("00g1", "A")]), "/api/v1/groups?after=1&limit=200");
        }
        if failures.swap(false, std::sync::atomic::Ordering::SeqCst) {
            return Reply::failed();
        }
        Reply::json(&json!([group("00g2", "B")]))
    });
    let broken = org.run(&["groups", "list", "--ndjson"]);
    assert_eq!((broken.code, broken.stdout), (Some(11), format!("{}\n", group("00g1", "A"))));
    let cursor = broken.stderr.split_once("--from-cursor '").unwrap().1.split_once('\'').unwrap().0;
    let rest = org.run(&["groups", "list", "--ndjson", "--from-cursor", cursor]);
    assert_eq!((rest.code, rest.stdout), (Some(0), format!("{}\n", group("00g2", "B"))), "{cursor}");

    let foreign = org.run(&["groups", "list", "--from-cursor", "https://evil.example/api/v1/groups"]);
    foreign.assert_failed(2, &["evil.example"]);
}

#[test]
fn a_broken_array_is_left_open() {
    let org = ScriptedOrg::start(|asked| {
        if asked.contains("after=") {
            return Reply::failed();
        }
        Reply::page(&json!([group("00g1", "A")]), "/api/v1/groups?after=1")
    });
    let broken = org.run(&["groups", "list"]);
    assert_eq!((broken.code, broken.stdout), (Some(11), format!("[{}", group("00g1", "A"))));
}

#[cfg(unix)]
#[test]
fn a_list_that_is_told_to_end_says_where_it_goes_on() {
    let org = ScriptedOrg::start(|asked| {
        if asked.contains("after=") {
            thread::sleep(Duration::MAX);
        }
        Reply::page(&json!([group("00g1", "A")]), "/api/v1/groups?after=1")
    });
    let mut child = org.workspace.command(&["groups", "list", "--ndjson"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let mut stderr = String::new();
    child.stderr.as_mut().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(17), "{stderr}");
    assert!(stderr.contains("--from-cursor 'http") && stderr.contains("after=1'"), "{stderr}");
}
