//! A job of many calls, paced by what the server tells of its limit.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod scripted;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use keybound_client::{Bucket, ClientOptions, Pacing};
use scripted::{Differently, Rig, Server, answer, grant};

/// A server that takes ten requests in a minute, of which it has counted as many as came.
async fn server() -> Server {
    Server::start(|asked| {
        if asked.is_for_token() {
            return grant("token", "DPoP");
        }
        let left = 9_usize.saturating_sub(asked.before).to_string();
        let fields = [("ratelimit-limit", "10"), ("ratelimit-remaining", &left), ("ratelimit-reset", "60")];
        answer(200, &fields, "")
    })
    .await
}

/// The answers to `calls` calls, all made at once.
async fn at_once(rig: &Rig, server: &Server, calls: usize) -> Vec<u16> {
    let url = server.url("/api");
    let outcomes = join_all((0..calls).map(|_| rig.get(&url))).await;
    outcomes.into_iter().map(|outcome| outcome.unwrap().status().as_u16()).collect()
}

fn rig(server: &Server, pacing: Option<Pacing>) -> Rig {
    let mut options = ClientOptions::default();
    options.pacing = pacing;
    Rig::with(&server.origin, Differently { options, ..Differently::default() })
}

#[tokio::test]
async fn a_job_is_spread_over_the_window() {
    let server = server().await;
    let rig = rig(&server, Some(Pacing::default()));
    assert_eq!(at_once(&rig, &server, 9).await, [200; 9]);
    assert_eq!(server.called().len(), 9);
    // The first asks what the limit is, the second may follow at once, the others a seventh of a minute apart.
    let noted = rig.timer.noted();
    assert_eq!(noted.len(), 7, "{noted:?}");
    let longest = noted.iter().max().unwrap();
    assert!((45..=60).contains(&longest.as_secs()), "{noted:?}");
    assert!(noted.iter().all(|pause| *pause <= Duration::from_secs(60)), "{noted:?}");
}

#[tokio::test]
async fn without_pacing_and_in_another_bucket_nothing_waits() {
    let server = server().await;
    let unpaced = rig(&server, None);
    at_once(&unpaced, &server, 9).await;
    assert!(unpaced.timer.noted().is_empty());

    let paced = rig(&server, Some(Pacing::default()));
    for bucket in ["one", "two", "three"] {
        let mut request = Request::get(server.url("/api")).body(Bytes::new()).unwrap();
        request.extensions_mut().insert(Bucket(bucket.to_owned()));
        paced.client.send(request).await.unwrap();
    }
    assert!(paced.timer.noted().is_empty(), "each is the first of its own");
}

#[tokio::test]
async fn a_server_without_limits_is_not_waited_for() {
    let server =
        Server::start(
            |asked| {
                if asked.is_for_token() { grant("token", "DPoP") } else { answer(200, &[], "") }
            },
        )
        .await;
    let rig = rig(&server, Some(Pacing::default()));
    at_once(&rig, &server, 50).await;
    assert!(rig.timer.noted().is_empty());
    assert_eq!(server.called().len(), 50);
}
