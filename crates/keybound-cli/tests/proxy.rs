//! `keybound proxy`: what a program in any language gets from it, and who gets nothing.

#![cfg(unix)]

mod sidecar;
mod support;

use serde_json::Value;
use sidecar::{Echo, Sidecar, basic, request};
use support::{Service, Workspace, token_or_key};

#[test]
fn a_program_follows_pages_without_knowing_of_dpop() {
    let service = Service::start();
    let sidecar = Sidecar::start(&service.workspace, &[]);
    let (mut path, mut users) = ("/api/v1/users?limit=90".to_owned(), 0);
    loop {
        let answer = sidecar.get(&path);
        assert_eq!(answer.status, 200, "{answer:?}");
        users += answer.json().as_array().unwrap().len();
        assert!(answer.field("dpop-nonce").is_none() && answer.field("via").is_some(), "{answer:?}");
        let links = answer.fields("link");
        let next = links.iter().find(|link| link.contains("rel=\"next\""));
        let Some(next) = next else { break };
        let here = next.strip_prefix(&format!("<{}", sidecar.url)).unwrap_or_else(|| panic!("{next}"));
        path = here.split('>').next().unwrap().to_owned();
    }
    assert_eq!(users, 200);
}

#[test]
fn who_has_no_secret_gets_nothing() {
    let service = Service::start();
    let sidecar = Sidecar::start(&service.workspace, &[]);
    let secret = sidecar.secret();
    for (credentials, status, why) in [
        (format!("Authorization: Bearer {secret}\r\n"), 200, "as a token"),
        (format!("Authorization: SSWS {secret}\r\n"), 200, "as an API token of Okta's"),
        (format!("Authorization: {}\r\n", basic(&secret)), 200, "as a password"),
        (String::new(), 401, "none"),
        (format!("Authorization: Bearer {secret}x\r\n"), 401, "another"),
        (format!("Cookie: {secret}\r\n"), 401, "elsewhere"),
    ] {
        let answer = sidecar.send("GET", "/api/v1/users?limit=1", &credentials, b"");
        assert_eq!(answer.status, status, "{why}: {answer:?}");
        if status == 401 {
            assert_eq!(answer.field("content-type"), Some("application/problem+json"));
            assert!(answer.field("www-authenticate").unwrap().starts_with("Bearer "), "{answer:?}");
        }
    }
}

#[test]
fn nothing_is_changed_unless_it_is_allowed() {
    let service = Service::start();
    let echo = Echo::start();
    let to = format!("/echo={}", echo.url);
    let reading = Sidecar::start(&service.workspace, &["--to", &service.org.url, "--to", &to]);
    for (method, path, status) in [
        ("GET", "/echo/a", 200),
        ("POST", "/echo/a", 403),
        ("DELETE", "/api/v1/users/00u1", 403),
        ("GET", "/echo/../api/v1/users", 400),
        ("GET", "/echo/%2e%2e/api", 400),
        ("GET", "//echo", 400),
    ] {
        let answer = reading.send(method, path, &reading.credentials(), b"");
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    let all = Sidecar::start(&service.workspace, &["--to", &to, "--allow", "* /**"]);
    for (method, status, why) in [("TRACE", 501, "it would show the token"), ("PATCH", 200, "any other")] {
        let answer = all.send(method, "/echo/a", &all.credentials(), b"");
        assert_eq!(answer.status, status, "{method}: {why}: {answer:?}");
    }
    let allowed = ["--to", &to, "--allow", "POST /echo/things/*", "--allow", "GET /echo"];
    let some = Sidecar::start(&service.workspace, &allowed);
    for (method, path, status) in [
        ("POST", "/echo/things/1", 200),
        ("GET", "/echo", 200),
        ("GET", "/echo/things/1", 403),
        ("GET", "/x", 404),
    ] {
        assert_eq!(some.send(method, path, &some.credentials(), b"").status, status, "{method} {path}");
    }
}

#[test]
fn an_origin_leads_nobody_past_the_rules() {
    let service = Service::start();
    let echo = Echo::start();
    let sidecar = Sidecar::start(&service.workspace, &["--to", &echo.url, "--allow", "GET /to/**"]);
    let answer = sidecar.get("/to/secret");
    let there = format!("{}/secret", sidecar.url);
    assert_eq!((answer.status, answer.field("location")), (307, Some(there.as_str())), "{answer:?}");
    assert!(echo.next_head().starts_with("GET /to/secret "));
    assert_eq!(sidecar.get("/secret").status, 403);
    assert_eq!(sidecar.get("/to//elsewhere.example/").status, 400);
}

#[test]
fn what_an_origin_refers_to_by_a_path_or_less_is_asked_for_here() {
    let service = Service::start();
    let echo = Echo::start();
    let sidecar = Sidecar::start(&service.workspace, &["--to", &format!("/echo={}", echo.url)]);
    for (asked, location, why) in [
        ("/echo/to/secret", "/echo/secret", "a path"),
        ("/echo/tothings?after=2", "/echo/things?after=2", "a relative path"),
    ] {
        let answer = sidecar.get(asked);
        assert_eq!(
            answer.field("location"),
            Some(format!("{}{location}", sidecar.url).as_str()),
            "{why}: {answer:?}"
        );
    }
}

#[test]
fn an_origin_sees_a_proof_for_itself_and_nothing_of_the_way() {
    let service = Service::start();
    let echo = Echo::start();
    let to = format!("/echo={}/v2", echo.url);
    let sidecar = Sidecar::start(&service.workspace, &["--to", &to, "--allow", "* /**"]);
    let credentials = sidecar.credentials();
    let own = "Connection: close, X-Hop\r\nX-Hop: 1\r\nX-Note: kept\r\nProxy-Authorization: Basic x\r\n\
               X-HTTP-Method-Override: DELETE\r\n";
    let answer = sidecar.send("PUT", "/echo/things?a=b", &format!("{credentials}{own}"), b"a thing");
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"a thing"[..]), "{answer:?}");
    let head = echo.next_head().to_ascii_lowercase();
    assert!(head.starts_with("put /v2/things?a=b http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nauthorization: dpop ") && head.contains("\r\ndpop: eyj"), "{head}");
    assert!(head.contains("\r\nx-note: kept\r\n") && head.contains("\r\ncontent-length: 7\r\n"), "{head}");
    let secret = sidecar.secret().to_ascii_lowercase();
    for private in [secret.as_str(), "x-hop", "proxy-authorization", "override"] {
        assert!(!head.contains(private), "{private}: {head}");
    }
    let proof = head.lines().find_map(|line| line.strip_prefix("dpop: ")).map(str::len);
    assert!(proof.is_some_and(|length| length > 100));
}

#[test]
fn large_bodies_go_both_ways() {
    let service = Service::start();
    let echo = Echo::start();
    let to = format!("/echo={}", echo.url);
    let sidecar = Sidecar::start(&service.workspace, &["--to", &to, "--allow", "* /**"]);
    let body: Vec<u8> = (0..3_000_000_u32).map(|number| number.to_le_bytes()[0]).collect();
    for chunked in [false, true] {
        let answer = sidecar.post("/echo/large", &body, chunked);
        assert_eq!(answer.status, 200, "{:?}", answer.head);
        assert!(answer.body == body, "chunked: {chunked}, {} bytes", answer.body.len());
    }
}

#[test]
fn a_socket_is_for_whoever_may_open_it() {
    use std::os::unix::fs::PermissionsExt as _;

    let service = Service::start();
    let socket = service.workspace.path("okta.sock");
    let listen = format!("unix:{}", socket.display());
    let sidecar = Sidecar::start(&service.workspace, &["--listen", &listen]);
    assert_eq!(sidecar.told["secret"], Value::Null);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let over_socket = |fields: &str| {
        let stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
        request(stream, "GET", "/api/v1/users?limit=1", &format!("Host: localhost\r\n{fields}"), b"").status
    };
    assert_eq!(over_socket(""), 200);
    assert_eq!(over_socket("Origin: https://evil.example\r\n"), 403, "a page in a browser");
    let again = service.workspace.run(&["proxy", "--listen", &listen]);
    again.assert_failed(18, &["something is there already"]);
    assert_eq!(sidecar.end().code(), Some(0));
    assert!(!socket.exists());
}

#[test]
fn it_counts_and_says_that_it_lives_and_logs_no_request() {
    let service = Service::start();
    service.workspace.write("proxy.secret", "a-secret-from-a-file\n");
    service.workspace.make_private("proxy.secret");
    let sidecar = Sidecar::start(&service.workspace, &["-vvv", "--secret-file", "proxy.secret"]);
    assert_eq!(sidecar.told["secret"], Value::Null, "whoever wrote the file knows it");
    let credentials = "Authorization: Bearer a-secret-from-a-file\r\n";
    let answer = sidecar.send("GET", "/api/v1/users?limit=1&q=canary", credentials, b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(sidecar.admin("/healthz").status, 200);
    let metrics = String::from_utf8(sidecar.admin("/metrics").body).unwrap();
    assert!(metrics.contains("keybound_proxy_requests_total{outcome=\"2xx\"} 1"), "{metrics}");
    for counted in ["keybound_client_requests_total{origin=", "keybound_client_token_exchanges_total{"] {
        assert!(metrics.contains(counted), "{metrics}");
    }
    assert!(!metrics.contains("canary") && !metrics.contains("/api/v1"), "no path, no query: {metrics}");
    let (status, log) = sidecar.end_with_log();
    assert_eq!(status.code(), Some(0));
    assert!(!log.is_empty());
    for private in ["a-secret-from-a-file", "BEGIN PRIVATE KEY", "client_assertion="] {
        assert!(!log.contains(private), "{private} is in {log}");
    }
    assert_eq!(token_or_key(&log), None, "{log}");
}

#[test]
fn an_org_that_is_away_is_told_as_that() {
    let workspace = Workspace::new();
    workspace.run(&["init", "--org-url", "http://127.0.0.1:9", "--client-id", "0oa1"]).json();
    let sidecar = Sidecar::start(&workspace, &[]);
    let answer = sidecar.get("/api/v1/users");
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.json()["title"].as_str().unwrap().contains("127.0.0.1:9"), "{answer:?}");
}

#[test]
fn what_can_not_be_served_is_told_at_the_start() {
    let service = Service::start();
    service.workspace.write("short", "abc\n");
    service.workspace.write("open", "a-secret-that-others-can-read\n");
    service.workspace.make_private("short");
    for (arguments, code, words) in [
        (&["--listen", "0.0.0.0:0"][..], 18, "other machines"),
        (&["--admin-listen", "192.0.2.1:0"], 18, "other machines"),
        (&["--allow", "GET"], 2, "--allow"),
        (&["--to", "http://api.example.com"], 2, "--to"),
        (&["--secret-file", "short"], 3, "no secret that can be used"),
        (&["--secret-file", "open"], 4, "used by others"),
    ] {
        let elsewhere = ["--listen", "127.0.0.1:0"];
        let listen = if arguments.contains(&"--listen") { &[][..] } else { &elsewhere[..] };
        service.workspace.run(&[&["proxy"], listen, arguments].concat()).assert_failed(code, &[words]);
    }
}

#[test]
fn without_scopes_each_request_asks_for_what_its_operation_needs() {
    let service = Service::start();
    let settings = service.settings();
    service.workspace.write(".env", &settings.replace("OKTA_SCOPES=okta.users.read\n", ""));
    let sidecar = Sidecar::start(&service.workspace, &[]);
    assert_eq!(sidecar.get("/api/v1/users?limit=1").status, 200);
    let unknown = sidecar.get("/no/operation");
    assert_eq!(unknown.status, 501, "{unknown:?}");
    assert!(unknown.json()["detail"].as_str().unwrap().contains("--scope"), "{unknown:?}");

    let elsewhere = ["proxy", "--listen", "127.0.0.1:0", "--to", "/more=https://more.example"];
    let refused = service.workspace.run(&elsewhere);
    refused.assert_failed(3, &["no scopes are set", "https://more.example has none", "--scope"]);
}
