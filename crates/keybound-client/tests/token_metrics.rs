//! What is counted about tokens.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod counts;
mod scripted;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use counts::Counts;
use keybound_client::{FileTokenCache, TokenCache, token_metrics};
use scripted::{Differently, Rig, Server, answer, grant, refuse, until};

#[test]
fn exchanges_renewals_challenges_and_the_cache_are_counted() {
    let counts = Counts::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&counts, || {
        token_metrics::describe();
        runtime.block_on(story());
    });
    let expected = [
        ("keybound_client_token_cache_hits_total", 1),
        ("keybound_client_token_challenges_total", 1),
        ("keybound_client_token_exchanges_total outcome=granted", 3),
        ("keybound_client_token_exchanges_total outcome=refused", 1),
        ("keybound_client_token_exchanges_total outcome=unreachable", 1),
        ("keybound_client_token_renewals_total reason=early", 1),
        ("keybound_client_token_renewals_total reason=expired", 1),
        ("keybound_client_token_renewals_total reason=refused", 1),
    ];
    let expected: BTreeMap<_, _> = expected.map(|(name, count)| (name.to_owned(), count)).into();
    assert_eq!(counts.all(), expected);
}

async fn story() {
    let server = Server::start(|asked| match asked.before {
        0 => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "one")]),
        1..=3 => grant(&format!("token-{}", asked.before), "DPoP"),
        4 => refuse(400, "invalid_scope", &[]),
        _ => answer(302, &[("location", "/")], ""),
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let cache: Arc<dyn TokenCache> = Arc::new(FileTokenCache::open(folder.path().join("tokens")).unwrap());
    let first =
        Rig::with(&server.origin, Differently { cache: Some(Arc::clone(&cache)), ..Differently::default() });
    let tokens = first.client.tokens();
    tokens.token().await.unwrap();
    let key = first.key.clone();
    let second = Rig::with(&server.origin, Differently { key, cache: Some(cache), ..Differently::default() });
    second.client.tokens().token().await.unwrap();

    first.clock.advance(Duration::from_secs(3300));
    until(async || tokens.token().await.unwrap().secret() == "token-2").await;
    first.clock.advance(Duration::from_secs(3600));
    let token = tokens.token().await.unwrap();
    tokens.renew(&token).await.unwrap_err();
    first.clock.advance(Duration::from_secs(5));
    tokens.token().await.unwrap_err();
}
