//! `keybound guard` as a server: what scripts and service managers rely on.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]
#![cfg(unix)]

mod guard_support;
mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use guard_support::{Guard, ISSUER, RESOURCE, Upstream, policy};
use support::{Org, Workspace, token_or_key};

#[test]
fn one_line_says_where_it_serves_and_it_ends_when_it_is_asked() {
    let workspace = Workspace::new();
    policy(&workspace, "");
    let upstream = Upstream::start();
    let guard = Guard::start(&workspace, &["--policy", "guard.toml", "--upstream", &upstream.url]);
    assert!(guard.told["url"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{}", guard.told);
    assert_eq!(guard.told["upstream"], upstream.url.as_str());
    assert!(guard.get(&guard.admin, "/readyz", "").starts_with("HTTP/1.1 200 "));
    let (status, log) = guard.signal_and_wait("TERM");
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn only_the_keys_holder_gets_through_and_a_new_policy_comes_with_a_hangup() {
    let workspace = Workspace::new();
    let caller = policy(&workspace, "");
    let upstream = Upstream::start();
    let guard = Guard::start(
        &workspace,
        &["--policy", "guard.toml", "--upstream", &upstream.url, "--reload-every", "0"],
    );
    let fields = || caller.credentials("GET", "/orders");
    assert!(guard.get(&guard.address, "/orders", &fields()).starts_with("HTTP/1.1 200 "));
    assert!(guard.get(&guard.address, "/orders", "").starts_with("HTTP/1.1 401 "));

    policy(&workspace, "[[routes]]\npath = \"/other\"\n");
    guard.signal("HUP");
    let refused = (0..500).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        guard.get(&guard.address, "/orders", &fields()).starts_with("HTTP/1.1 404 ")
    });
    assert!(refused, "the new policy did not come into force");
}

#[test]
fn a_forward_auth_guard_that_no_proxy_could_ask_does_not_start() {
    let workspace = Workspace::new();
    policy(&workspace, "");
    let start = |arguments: &[&str]| {
        let arguments = [&["guard", "--policy", "guard.toml", "--forward-auth"], arguments].concat();
        workspace.run(&arguments)
    };
    start(&[]).assert_failed(3, &["trusted_proxies", "127.0.0.1/32"]);
    let trusting = std::fs::read_to_string(workspace.path("guard.toml")).unwrap();
    workspace.write("guard.toml", &format!("trusted_proxies = [\"127.0.0.1/32\"]\n{trusting}"));
    start(&["--listen", "unix:guard.sock"]).assert_failed(3, &["Unix socket", "TCP"]);
}

#[test]
fn a_guard_that_is_only_asked_does_not_start_with_a_policy_for_browsers() {
    let workspace = Workspace::new();
    let pages = "[cors]\nallowed_origins = [\"https://app.example.com\"]\n";
    policy(&workspace, pages);
    let policy = std::fs::read_to_string(workspace.path("guard.toml")).unwrap();
    workspace.write("guard.toml", &format!("trusted_proxies = [\"127.0.0.1/32\"]\n{policy}"));
    for face in ["--forward-auth", "--ext-authz"] {
        let ran = workspace.run(&["guard", "--policy", "guard.toml", face]);
        ran.assert_failed(3, &["[cors]", "--upstream", "docs/nginx.md"]);
    }
}

#[test]
fn requests_that_are_cut_short_at_the_end_are_told_of() {
    let workspace = Workspace::new();
    let caller = policy(&workspace, "");
    let upstream = Upstream::silent();
    let guard = Guard::start(
        &workspace,
        &["--policy", "guard.toml", "--upstream", &upstream.url, "--drain-timeout", "0"],
    );
    let mut under_way = TcpStream::connect(&guard.address).unwrap();
    let fields = caller.credentials("GET", "/orders");
    write!(under_way, "GET /orders HTTP/1.1\r\nHost: api.example.com\r\n{fields}\r\n").unwrap();
    upstream.next_head();
    let (status, log) = guard.signal_and_wait("TERM");
    assert_eq!(status.code(), Some(17), "{log}");
    assert!(log.contains("--drain-timeout"), "{log}");
}

#[test]
fn no_token_and_no_proof_is_logged_however_much_is() {
    let workspace = Workspace::new();
    let caller = policy(&workspace, "[nonces]\nrequired = \"always\"\n");
    let upstream = Upstream::start();
    let arguments = ["-vvv", "--policy", "guard.toml", "--upstream", &upstream.url];
    let guard = Guard::start(&workspace, &arguments);
    let mut secrets = Vec::new();
    for path in ["/orders", "/orders?access_token=eyJcanary"] {
        let fields = caller.credentials("GET", "/orders");
        secrets
            .extend(fields.split(['.', ' ', '\r', '\n']).filter(|part| part.len() > 30).map(str::to_owned));
        guard.get(&guard.address, path, &fields);
        guard.get_over_http2(path, &fields);
    }
    assert!(secrets.len() >= 8);
    let (_, log) = guard.signal_and_wait("TERM");
    assert!(log.contains("refused"), "{log}");
    for secret in secrets.iter().map(String::as_str).chain(["canary", "BEGIN"]) {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
    }
    assert_eq!(token_or_key(&log), None);
}

#[test]
fn flags_are_enough_for_the_common_case() {
    let workspace = Workspace::new();
    let caller = policy(&workspace, "");
    let upstream = Upstream::start();
    let flags = |scope| {
        [
            &["--resource", RESOURCE, "--issuer", ISSUER, "--audience", "api", "--jwks-file", "jwks.json"][..],
            &["--token-alg", "ES256", "--scope", scope, "--upstream", &upstream.url],
        ]
        .concat()
    };
    for (scope, expected) in [("orders.read", "HTTP/1.1 200 "), ("orders.write", "HTTP/1.1 403 ")] {
        let guard = Guard::start(&workspace, &flags(scope));
        let answer = guard.get(&guard.address, "/orders", &caller.credentials("GET", "/orders"));
        assert!(answer.starts_with(expected), "{scope}: {answer}");
    }
    let head = upstream.next_head();
    assert!(head.contains("x-keybound-subject: user-1\r\n"), "{head}");
}

#[test]
fn of_an_issuer_whose_certificate_is_not_trusted_the_log_says_where_its_authority_is_named() {
    let workspace = Workspace::new();
    let caller = policy(&workspace, "");
    let org = Org::start_with(&workspace, &[]);
    let text = std::fs::read_to_string(workspace.path("guard.toml")).unwrap();
    let keys = format!("jwks_uri = \"{}/oauth2/v1/keys\"", org.url);
    workspace.write("guard.toml", &text.replace("jwks_file = \"jwks.json\"", &keys));
    let upstream = Upstream::start();
    let guard = Guard::start(&workspace, &["--policy", "guard.toml", "--upstream", &upstream.url]);
    let answer = guard.get(&guard.address, "/orders", &caller.credentials("GET", "/orders"));
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    let (_, log) = guard.signal_and_wait("TERM");
    assert!(log.contains("can't be fetched") && log.contains("`ca_file`"), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let workspace = Workspace::new();
    policy(&workspace, "[[routes]]\npath = \"/**\"\nadmit_without_token = true\n");
    let upstream = Upstream::silent();
    let guard = Guard::start(&workspace, &["--policy", "guard.toml", "--upstream", &upstream.url]);
    let mut under_way = TcpStream::connect(&guard.address).unwrap();
    under_way.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    upstream.next_head();
    guard.signal("TERM");
    while guard.get(&guard.admin, "/readyz", "").starts_with("HTTP/1.1 200 ") {
        std::thread::sleep(Duration::from_millis(5));
    }
    let (status, log) = guard.signal_and_wait("INT");
    assert_eq!(status.code(), Some(17), "{log}");
    let mut rest = Vec::new();
    let _ = under_way.read_to_end(&mut rest);
    assert!(rest.is_empty());
}

#[test]
fn a_guard_that_cannot_start_says_why() {
    let workspace = Workspace::new();
    policy(&workspace, "");
    let run = |arguments: &[&str]| workspace.run(&[&["guard"], arguments].concat());
    let upstream = ["--upstream", "http://127.0.0.1:1"];
    let with = |more: &[&str]| run(&[more, &upstream].concat());
    with(&[]).assert_failed(2, &["policy", "--issuer"]);
    with(&["--issuer", "https://a"]).assert_failed(2, &["--resource"]);
    with(&["--resource", "https://a"]).assert_failed(2, &["--issuer"]);
    run(&["--policy", "guard.toml"]).assert_usage();
    with(&["--policy", "guard.toml", "--forward-auth"]).assert_usage();
    with(&["--policy", "guard.toml", "--issuer", "https://a"]).assert_usage();
    with(&["--policy", "guard.toml", "--tls-key", "k"]).assert_usage();
    with(&["--policy", "missing.toml"]).assert_failed(3, &["missing.toml", "docs/guard.toml"]);
    let flags = |issuer| ["--resource", "https://a", "--issuer", issuer];
    with(&flags("127.0.0.1:8443")).assert_failed(3, &["--issuer"]);
    with(&[&flags("https://a")[..], &["--scope", "a b"]].concat()).assert_failed(3, &["--scope", "several"]);
    with(&[&flags("https://a")[..], &["--ca-file", "guard.toml"]].concat())
        .assert_failed(3, &["--ca-file", "guard.toml", "BEGIN CERTIFICATE"]);
    with(&["--resource", "https://a?b", "--issuer", "https://a"]).assert_usage();
    workspace.write("wrong.toml", "resourcs = []\n");
    with(&["--policy", "wrong.toml"]).assert_failed(3, &["resourcs", "line 1"]);
    workspace.write("empty.pem", "");
    let tls = ["--policy", "guard.toml", "--tls-certificate", "empty.pem", "--tls-key", "empty.pem"];
    with(&tls).assert_failed(16, &["empty.pem", "PEM"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    with(&["--policy", "guard.toml", "--listen", &taken]).assert_failed(16, &[&taken, "another address"]);
    run(&["--policy", "guard.toml", "--upstream", "http://a/path"]).assert_usage();
    let with_password = run(&["--policy", "guard.toml", "--upstream", "http://user:hunter2@a"]);
    with_password.assert_usage();
    assert!(!with_password.stderr.contains("hunter2"), "{with_password:?}");
    with(&["--policy", "guard.toml", "--max-header-bytes", "10"]).assert_failed(16, &["--max-header-bytes"]);
    with(&["--policy", "guard.toml", "--listen", "unix:missing/socket"]).assert_failed(16, &["folder"]);
    with(&["--policy", "guard.toml", "--listen", "192.0.2.1:0"]).assert_failed(16, &["of this machine"]);
    // Of an upstream that there is none of: said and ignored, it would seem to hold.
    for flag in [["--upstream-host", "a"], ["--upstream-ca-file", "a"], ["--connect-timeout", "1"]] {
        run(&[&["--policy", "guard.toml", "--forward-auth"], &flag[..]].concat()).assert_usage();
    }
}
