//! The client as a service of tower, and as a layer around hyper's client.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod scripted;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client as Hyper;
use hyper_util::rt::TokioExecutor;
use keybound_client::{CallError, DpopLayer, LayerError, RequestBody, TransportError};
use scripted::{Rig, Server, all_differ, answer, challenge, grant};
use tower::ServiceBuilder;
use tower::ServiceExt as _;

/// A server that wants a nonce, then revokes the token, then is busy, then fails, and then serves.
async fn server() -> Server {
    Server::start(|asked| match asked.before {
        _ if asked.is_for_token() => grant(&format!("token-{}", asked.before), "DPoP"),
        _ if asked.uri.path() == "/moved" => answer(200, &[], "things"),
        0 => challenge("use_dpop_nonce", &[("dpop-nonce", "nonce")]),
        1 => challenge("invalid_token", &[]),
        2 => answer(429, &[("retry-after", "3")], ""),
        3 => answer(503, &[], ""),
        _ => answer(307, &[("location", "/moved")], ""),
    })
    .await
}

fn check(server: &Server, rig: &Rig) {
    let called = server.called();
    assert_eq!(called.len(), 6);
    assert!(all_differ(called.iter().map(|call| call.proof()["jti"].clone())));
    for call in called {
        let token = call.authorization().strip_prefix("DPoP ").unwrap();
        call.check_proof(&server.origin, Some(token), &rig.key).unwrap();
        assert_eq!(call.body, "body");
    }
    assert_eq!(server.asked_for_token().len(), 2);
}

#[tokio::test]
async fn the_client_is_a_service() {
    let server = server().await;
    let rig = Rig::new(&server.origin);
    let request = Request::put(server.url("/api?a=b")).body(RequestBody::from("body")).unwrap();
    let response = ServiceBuilder::new().service(rig.client.clone()).oneshot(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "things");
    check(&server, &rig);
}

#[tokio::test]
async fn the_layer_lends_it_to_another_client() {
    let server = server().await;
    let rig = Rig::new(&server.origin);
    let hyper = Hyper::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let service = ServiceBuilder::new().layer(DpopLayer::new(rig.client.clone())).service(hyper);
    let request = Request::put(server.url("/api?a=b")).body(Full::from("body")).unwrap();
    let response = service.clone().oneshot(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "things");
    check(&server, &rig);

    let request = Request::get("http://things.example/").body(Full::default()).unwrap();
    let outcome = service.clone().oneshot(request).await;
    assert!(
        matches!(outcome, Err(LayerError::Call(CallError::Transport(TransportError::NotSecure { .. })))),
        "a token goes over https whatever the client: {outcome:?}"
    );
    // Discard's port, at which nobody listens: one that is free now may be another's in a moment.
    let gone = "127.0.0.1:9";
    let request = Request::get(format!("http://{gone}/")).body(Full::default()).unwrap();
    let outcome = service.oneshot(request).await;
    assert!(matches!(outcome, Err(LayerError::Inner(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_refusal_is_an_answer_to_the_layer() {
    let server = Server::start(|asked| {
        if asked.is_for_token() { grant("token", "DPoP") } else { challenge("insufficient_scope", &[]) }
    })
    .await;
    let rig = Rig::new(&server.origin);
    let hyper = Hyper::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let service = ServiceBuilder::new().layer(DpopLayer::new(rig.client.clone())).service(hyper);
    let request = Request::get(server.url("/api")).body(Full::default()).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 401);
    assert_eq!(server.called().len(), 1);
}
