//! The client for code that is not async.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod scripted;

use bytes::Bytes;
use http::Request;
use keybound_client::blocking::{BlockingError, Client};
use scripted::{Rig, Server, answer, challenge, grant};

async fn server() -> Server {
    Server::start(|asked| match asked.before {
        _ if asked.is_for_token() => grant("token", "DPoP"),
        0 => challenge("use_dpop_nonce", &[("dpop-nonce", "nonce")]),
        _ => answer(200, &[], "things"),
    })
    .await
}

fn get(url: &str) -> Request<Bytes> {
    Request::get(url).body(Bytes::new()).unwrap()
}

#[test]
fn a_call_blocks_until_its_answer_is_there() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = runtime.block_on(server());
    let client = Client::new(Rig::new(&server.origin).client).unwrap();
    let url = server.url("/api");
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| assert_eq!(client.send(get(&url)).unwrap().body(), "things"));
        }
    });
}

#[tokio::test]
async fn async_code_is_told_and_not_blocked() {
    let server = server().await;
    let client = Client::new(Rig::new(&server.origin).client).unwrap();
    let outcome = client.send(get(&server.url("/api")));
    assert!(matches!(outcome, Err(BlockingError::InsideAsync)), "{outcome:?}");
    assert!(server.asked().is_empty());
    drop(client);
}
