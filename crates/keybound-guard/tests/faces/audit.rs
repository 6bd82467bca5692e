//! The line in the log for each refusal.

use http::HeaderMap;
use keybound_guard::{Guard, IncomingRequest};
use tracing::Level;

use super::face::header_map;
use super::logged::logged as at_level;
use super::workshop::{ClientRequest, HOST, Setting, TOKEN};

/// What is logged at the finest level while `guard` judges `request`.
fn logged(guard: &Guard, request: &ClientRequest) -> String {
    logged_at(Level::TRACE, guard, request)
}

fn logged_at(level: Level, guard: &Guard, request: &ClientRequest) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let headers: HeaderMap = header_map(&request.headers);
    let uri = request.path.parse().unwrap();
    let incoming = IncomingRequest {
        method: &request.method,
        uri: &uri,
        headers: &headers,
        peer: Some([192, 0, 2, 7].into()),
        secure: true,
    };
    at_level(level, || {
        let _ = runtime.block_on(guard.admit(&incoming));
    })
}

#[test]
fn each_refusal_is_one_line_that_says_who_was_refused_what_by_which_rule() {
    let guard = Setting::Routes.guard();
    let path = "/orders/1?secret=in-the-query";
    let forbidden = ClientRequest::to(http::Method::DELETE, HOST, path, &TOKEN, None);
    let (_, proof) = forbidden.headers.iter().find(|(name, _)| *name == "dpop").unwrap().clone();
    let log = logged(&guard, &forbidden);
    let lines: Vec<_> = log.lines().filter(|line| line.contains("keybound::audit")).collect();
    let [line] = lines[..] else { panic!("{lines:?}") };
    let thumbprint = keybound::Signer::public_key(&*super::workshop::ES256).thumbprint().to_string();
    for part in [
        "INFO",
        "status=403",
        "code=\"insufficient_scope\"",
        "rule=\"RFC 6750 section 3.1\"",
        "method=DELETE",
        "path=\"/orders/1\"",
        "peer=192.0.2.7",
        "client=192.0.2.7",
        "subject=\"user 1\"",
        "client_id=\"0oa1\"",
        "issuer=\"https://login.example.com\"",
        &format!("thumbprint={thumbprint}"),
    ] {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
    let proof = String::from_utf8(proof).unwrap();
    for secret in ["in-the-query", TOKEN.rsplit('.').next().unwrap(), proof.rsplit('.').next().unwrap()] {
        assert!(!log.contains(secret), "{secret} is in: {log}");
    }
}

#[test]
fn a_request_that_is_admitted_or_unknown_says_no_more_than_that() {
    let guard = Setting::Strict.guard();
    let admitted = logged(&guard, &ClientRequest::with_token(&TOKEN));
    let lines: Vec<_> = admitted.lines().filter(|line| line.contains("keybound::audit")).collect();
    let [line] = lines[..] else { panic!("{lines:?}") };
    assert!(
        line.contains("DEBUG") && line.contains("subject=\"user 1\""),
        "only who asks for it sees it: {line}"
    );
    assert!(!admitted.contains("INFO"), "{admitted}");
    let nobody = logged(&guard, &ClientRequest::get("/orders/1"));
    assert!(nobody.contains("status=401") && !nobody.contains("subject"), "{nobody}");
}

#[test]
fn no_claim_and_no_path_writes_a_line_of_its_own() {
    let token = super::workshop::Draft::token()
        .claim("sub", "x\nforged=\"line\"".into())
        .claim("scope", "none".into())
        .sign(&super::workshop::RS256);
    let request = ClientRequest::to(http::Method::DELETE, HOST, "/orders/1", &token, None);
    let log = logged(&Setting::Routes.guard(), &request);
    assert!(log.contains("status=403"), "{log}");
    assert!(log.lines().all(|line| !line.starts_with("forged")), "{log}");
}

#[test]
fn a_line_is_bounded_whatever_a_request_is_like() {
    let long = "A".repeat(6000);
    let good = || ClientRequest::with_token(&TOKEN);
    for request in [
        ClientRequest { method: long.parse().unwrap(), ..good() },
        ClientRequest { path: format!("/{long}"), ..good() },
        ClientRequest::with_proof(long.as_bytes()),
    ] {
        let line = logged_at(Level::INFO, &Setting::Strict.guard(), &request);
        assert!(line.contains("refused") && line.len() < 2500, "{} bytes", line.len());
    }
}
