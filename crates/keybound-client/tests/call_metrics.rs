//! What is counted about calls, and that it is documented.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod counts;
mod scripted;

use std::collections::BTreeMap;

use bytes::Bytes;
use counts::Counts;
use http::Request;
use keybound_client::{ClientOptions, Pacing, call_metrics, token_metrics};
use scripted::{Asked, Differently, Rig, Server, answer, challenge, grant};

/// The page that lists all metrics.
const DOCUMENTED: &str = include_str!("../../../docs/metrics.md");

#[test]
fn requests_retries_challenges_and_times_are_counted() {
    let counts = Counts::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let origin = metrics::with_local_recorder(&counts, || {
        call_metrics::describe();
        runtime.block_on(story())
    });
    let requests = |labels: &str| format!("keybound_client_requests_total origin={origin},{labels}");
    let seconds = |labels: &str| format!("keybound_client_call_seconds origin={origin},{labels}");
    let attempts = |labels: &str| format!("keybound_client_attempt_seconds origin={origin},{labels}");
    let retries = |reason: &str| format!("keybound_client_retries_total reason={reason}");
    let challenges = |error: &str| format!("keybound_client_challenges_total error={error}");
    let expected = [
        (requests("method=GET,outcome=2xx"), 3),
        (requests("method=GET,outcome=3xx"), 1),
        (requests("method=GET,outcome=4xx"), 4),
        (requests("method=GET,outcome=5xx"), 1),
        (requests("method=POST,outcome=5xx"), 1),
        (requests("method=other,outcome=2xx"), 1),
        (requests("method=GET,outcome=broken"), 1),
        (attempts("method=GET"), 10),
        (attempts("method=POST"), 1),
        (attempts("method=other"), 1),
        (seconds("method=GET,outcome=2xx"), 3),
        (seconds("method=GET,outcome=4xx"), 1),
        (seconds("method=POST,outcome=5xx"), 1),
        (seconds("method=other,outcome=2xx"), 1),
        (retries("nonce"), 1),
        (retries("token"), 1),
        (retries("rate_limit"), 1),
        (retries("unavailable"), 1),
        (retries("connection"), 1),
        (retries("redirect"), 1),
        (challenges("use_dpop_nonce"), 1),
        (challenges("invalid_token"), 1),
        (challenges("other"), 1),
        (format!("keybound_client_pacing_seconds origin={origin}"), 12),
    ];
    let of_calls = |(name, _): &(String, u64)| !name.starts_with("keybound_client_token_");
    let counted: BTreeMap<_, _> = counts.all().into_iter().filter(of_calls).collect();
    assert_eq!(counted, BTreeMap::from(expected));
}

/// A server that answers with each of these in turn, and a client that is paced.
async fn story() -> String {
    let server = Server::start(|asked: &Asked| match asked.uri.path() {
        "/oauth2/v1/token" => grant(&format!("token-{}", asked.before), "DPoP"),
        "/moved" => answer(302, &[("location", "/there")], ""),
        "/refused" => challenge("made_up_by_the_server", &[]),
        "/failing" => answer(503, &[], ""),
        "/in-turn" => match asked.before {
            0 => challenge("use_dpop_nonce", &[("dpop-nonce", "n1")]),
            1 => challenge("invalid_token", &[]),
            2 => answer(429, &[("retry-after", "1")], ""),
            3 => answer(503, &[], ""),
            // A body that is shorter than it is said to be breaks the connection.
            4 => answer(200, &[("content-length", "100")], "x"),
            _ => answer(200, &[], "done"),
        },
        _ => answer(200, &[], ""),
    })
    .await;
    let mut options = ClientOptions::default();
    options.pacing = Some(Pacing::default());
    let rig = Rig::with(&server.origin, Differently { options, ..Differently::default() });
    rig.get(&server.url("/in-turn?who=ada")).await.unwrap();
    rig.get(&server.url("/moved")).await.unwrap();
    rig.get(&server.url("/users/00u1")).await.unwrap();
    rig.get(&server.url("/refused")).await.unwrap_err();
    let send = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(server.url(path)).body(Bytes::new()).unwrap();
        rig.client.send(request).await.unwrap();
    };
    send("POST", "/failing").await;
    send("MADEUP", "/").await;
    server.origin.clone()
}

#[test]
fn every_metric_is_documented_and_nothing_else_is() {
    let counts = Counts::default();
    metrics::with_local_recorder(&counts, || {
        call_metrics::describe();
        token_metrics::describe();
    });
    let of_client = |line: &&str| line.starts_with("| `keybound_client_");
    let documented: Vec<_> =
        DOCUMENTED.lines().filter(of_client).filter_map(|line| line.split('`').nth(1)).collect();
    let described = counts.described();
    assert_eq!(documented.len(), described.len(), "each stands there once: {documented:?}");
    assert!(documented.iter().all(|name| described.contains(*name)), "{documented:?}");
}
