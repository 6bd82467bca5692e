//! `keybound api` as scripts use it: fields, filters, pages, previews.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::{Ended, SCOPE, Service, USERS, Workspace, token_or_key};

fn api(service: &Service, arguments: &[&str]) -> Ended {
    service.workspace.run(&[&["api"], arguments].concat())
}

fn lines(ended: &Ended) -> Vec<&str> {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.stdout.lines().collect()
}

#[test]
fn fields_are_the_query_of_a_get() {
    let service = Service::start();
    let three = api(&service, &[USERS, "-X", "GET", "-F", "limit=3"]).json();
    assert_eq!(three.as_array().unwrap().len(), 3);
    let two = api(&service, &["/api/v1/users?limit=2", "-X", "GET", "-f", "q=a"]).json();
    assert!(two.as_array().unwrap().len() <= 2);
}

#[test]
fn an_expression_picks_what_is_wanted() {
    let service = Service::start();
    let page = "/api/v1/users?limit=2";
    let logins = api(&service, &[page, "--jq", ".[].profile.login"]);
    assert_eq!(lines(&logins).len(), 2);
    assert!(!logins.stdout.contains('"'), "texts come without quotes: {}", logins.stdout);
    assert_eq!(lines(&api(&service, &[page, "-q", "length, [.[0].status]"])), ["2", "[\"ACTIVE\"]"]);
    let all = api(&service, &["/api/v1/users?limit=90", "--paginate", "--jq", "length"]);
    assert_eq!(lines(&all), ["90", "90", "20"], "each page by itself");

    for (expression, code, words) in [
        (".[", Some(2), "not understood"),
        (".[] | nonsense", Some(2), "nonsense"),
        (".[].status | keys", Some(2), "can't be applied"),
    ] {
        let refused = api(&service, &[page, "--jq", expression]);
        assert_eq!(refused.code, code, "{refused:?}");
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
}

#[test]
fn a_list_is_printed_as_one_array_or_line_by_line() {
    let service = Service::start();
    let page = "/api/v1/users?limit=90";
    let array = api(&service, &[page, "--paginate"]).json();
    let ndjson = api(&service, &[page, "--paginate", "--ndjson"]);
    let items: Vec<Value> =
        lines(&ndjson).into_iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((items.len(), Value::from(items)), (200, array));
    let silent = api(&service, &[page, "--paginate", "--silent"]);
    assert_eq!((silent.code, silent.stdout.as_str()), (Some(0), ""));
}

#[test]
fn a_refusal_is_printed_whatever_was_asked_of_the_answer() {
    let service = Service::start();
    for option in [&["--jq", ".[].id"][..], &["--silent"]] {
        let refused = api(&service, &[&["/api/v1/users/00uNoSuchUser0000000"], option].concat());
        assert_eq!(refused.code, Some(10), "{refused:?}");
        assert!(refused.stdout.contains("E0000007"), "{refused:?}");
    }
}

#[test]
fn a_dry_run_shows_the_request_and_sends_nothing() {
    let service = Service::start();
    let Service { workspace, org, .. } = &service;
    workspace.write("title.txt", "Director");
    let fields = ["-f", "profile[login]=ada@example.com", "-F", "profile[title]=@title.txt", "-F", "n[]=1"];
    let shown = api(&service, &[&[USERS, "--dry-run", "-H", "If-Match: x"], &fields[..]].concat());
    let (head, body) = shown.stdout.split_once("\n\n").unwrap();
    assert_eq!(
        head,
        format!(
            "POST {}{USERS} HTTP/1.1\nauthorization: DPoP <access token>\ndpop: <proof for this request>\n\
             if-match: x\naccept: application/json\ncontent-type: application/json",
            org.url
        )
    );
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body, json!({"profile": {"login": "ada@example.com", "title": "Director"}, "n": [1]}));

    let unreachable =
        ["--org-url", "http://127.0.0.1:9", "--no-dpop", "--dry-run", "-X", "GET", "-f", "q=a b"];
    let shown = api(&service, &[&[USERS], &unreachable[..]].concat());
    assert_eq!(
        lines(&shown)[..2],
        ["GET http://127.0.0.1:9/api/v1/users?q=a%20b HTTP/1.1", "authorization: Bearer <access token>"]
    );
}

/// What commands print that are pasted into a shell in the workspace.
#[cfg(unix)]
fn pasted(workspace: &Workspace, commands: &str) -> String {
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_keybound")).parent().unwrap();
    let ran = std::process::Command::new("sh")
        .args(["-euc", &commands.replace("\ncurl ", "\ncurl -sS ")])
        .current_dir(workspace.path(""))
        .env_clear()
        .env("HOME", workspace.path(""))
        .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
        .output()
        .unwrap();
    assert!(ran.status.success(), "{commands}\n{ran:?}");
    String::from_utf8(ran.stdout).unwrap()
}

#[test]
#[cfg(unix)]
fn the_command_for_curl_makes_the_same_call() {
    let service = Service::start_with(&[]);
    let Service { workspace, org, client_id } = &service;
    let bearer = org.create_app(workspace, &workspace.path("cc_public_key.json"), "off");
    // Nothing is set but by flags and a profile.
    std::fs::remove_file(workspace.path(".env")).unwrap();
    std::fs::create_dir_all(workspace.path(".config/keybound")).unwrap();
    let ca_file = org.ca_file.as_deref().unwrap();
    let profile = format!(
        "[profiles.desk]\norg_url = \"{}\"\nclient_id = \"{client_id}\"\nprivate_key_file = \"../../cc_private_key.pem\"\n\
         ca_file = \"ca.pem\"\n",
        org.url
    );
    workspace.write(".config/keybound/config.toml", &profile);
    std::fs::copy(workspace.path(ca_file), workspace.path(".config/keybound/ca.pem")).unwrap();
    let by_flags = |client_id: &str, more: &[&str]| -> Vec<String> {
        let who =
            ["--org-url", &org.url, "--client-id", client_id, "--private-key-file", "cc_private_key.pem"];
        who.iter().chain(&["--ca-file", ca_file]).chain(more).map(|flag| (*flag).to_owned()).collect()
    };
    let two = "/api/v1/users?limit=2";
    for (call, flags, why) in [
        (&[two, "-H", "X-Note: it's $(here)"][..], by_flags(client_id, &[]), "a key that is made"),
        (&["listUsers", "-F", "limit=2"], by_flags(client_id, &["--scope", SCOPE]), "the same, made already"),
        (&[two], vec!["--profile".to_owned(), "desk".to_owned()], "a profile"),
        (
            &[two],
            by_flags(client_id, &["--dpop-private-key-file", "dpop_private_key.pem"]),
            "a key that is set",
        ),
        (&[two], by_flags(&bearer, &["--no-dpop"]), "Bearer"),
    ] {
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        let shown = api(&service, &[call, &flags, &["--curl"]].concat()).stdout;
        assert_eq!(token_or_key(&shown), None, "{why}: no token, no proof: {shown}");
        let users: Value = serde_json::from_str(&pasted(workspace, &shown)).unwrap();
        assert_eq!(
            users.as_array().unwrap_or_else(|| panic!("{why}: {shown}{users}")).len(),
            2,
            "{why}: {shown}"
        );
    }
    let head =
        api(&service, &[&[two, "-X", "HEAD", "--profile", "desk", "--scope", SCOPE, "--curl"][..]].concat())
            .stdout;
    assert!(pasted(workspace, &head).starts_with("HTTP/"), "{head}");
    let openly = ["getWellknownOrgMetadata", "--profile", "desk", "--curl"];
    let openly = api(&service, &openly).stdout;
    assert!(!openly.contains("keybound token") && !openly.contains("TOKEN"), "it needs no token: {openly}");
    let answer = pasted(workspace, &format!("\n{openly}"));
    assert!(serde_json::from_str::<Value>(&answer).is_ok(), "{answer}");
    workspace.write("body", "\0");
    let binary = api(&service, &[USERS, "-d", "body", "--profile", "desk", "--curl"]);
    binary.assert_failed(2, &["no text", "--data-binary @FILE"]);
}

#[test]
fn an_operation_is_called_by_its_name() {
    let service = Service::start();
    let users = api(&service, &["listUsers", "-F", "limit=2"]).json();
    let id = users[0]["id"].as_str().unwrap();
    for user in [&["getUser", id][..], &["getUser", "-f", &format!("id={id}")]] {
        assert_eq!(api(&service, user).json()["id"], id);
    }
    assert_eq!(
        api(&service, &["listUsers", "-F", "limit=90", "--paginate"]).json().as_array().unwrap().len(),
        200
    );

    let shown =
        api(&service, &["createUser", "-F", "activate=false", "-f", "profile[login]=a@b.c", "--dry-run"]);
    let (head, body) = shown.stdout.split_once("\n\n").unwrap();
    assert!(head.starts_with(&format!("POST {}{USERS}?activate=false HTTP/1.1", service.org.url)), "{head}");
    assert_eq!(body.trim(), "{\"profile\":{\"login\":\"a@b.c\"}}");

    for (arguments, words) in [
        (&["listUser"][..], "listUsers"),
        (&["getUser"], "`id`"),
        (&["getUser", "a", "b"], "no place for so many values"),
        (&["getUser", ".."], "can't stand for"),
        (&["listUsers", "-f", "limits=5"], "limit"),
        (&["listUsers", "-f", "limit=some"], "whole number"),
        (&["getUser", id, "--paginate"], "not in pages"),
        (&["listUsers", "-X", "POST"], "leave -X out"),
        (&["/api/v1/users", "x"], "parameters in it already"),
    ] {
        api(&service, arguments).assert_failed(2, &[words]);
    }
}

#[test]
fn the_scope_is_asked_for_that_the_call_needs() {
    let service = Service::start();
    let settings = service.settings().replace("OKTA_SCOPES=okta.users.read\n", "");
    service.workspace.write(".env", &settings);
    assert_eq!(api(&service, &["listUsers", "-F", "limit=1"]).json().as_array().unwrap().len(), 1);
    assert_eq!(api(&service, &["/api/v1/users?limit=1"]).json().as_array().unwrap().len(), 1);
    let refused = api(&service, &["listGroups"]);
    assert_eq!(refused.code, Some(8), "the app has no such scope: {refused:?}");
    assert!(refused.stderr.contains("okta.groups.read"), "{refused:?}");
}

#[test]
fn operations_are_found_by_words_and_scopes() {
    let workspace = support::Workspace::new();
    let found = |arguments: &[&str]| workspace.run(&[&["operations"], arguments].concat());
    let all = found(&[]);
    assert_eq!(all.json().as_array().unwrap().len(), 732);
    assert_eq!(all.stdout.lines().count(), 732, "one on each line, for those who look at some");
    let one = found(&["listUsers"]).json();
    assert_eq!((one.as_array().unwrap().len(), &one[0]["path"]), (1, &Value::from(USERS)), "{one}");
    assert_eq!(one[0]["scopes"], json!(["okta.users.read"]));
    let rules = found(&["group", "rule", "--scope", "okta.groups.read"]).json();
    assert!(rules.as_array().unwrap().iter().any(|operation| operation["id"] == "listGroupRules"), "{rules}");
    found(&["listUsrs"]).assert_failed(2, &["listUsers"]);
}

#[test]
fn fields_that_can_not_be_sent_are_told() {
    let service = Service::start();
    for (arguments, words) in [
        (&["-f", "name"][..], "no `=`"),
        (&["-f", "a=1", "-f", "a=2"], "another field has that name"),
        (&["-X", "GET", "-f", "a[b]=1"], "no place in a query"),
        (&["-F", "a=@nowhere"], "nowhere"),
        (&["--input", "nowhere"], "nowhere"),
    ] {
        api(&service, &[&[USERS], arguments].concat()).assert_failed(2, &[words]);
    }
    for arguments in [&["--dry-run", "--curl"][..], &["--paginate", "--include"], &["--ndjson"]] {
        api(&service, &[&[USERS], arguments].concat()).assert_usage();
    }
}
