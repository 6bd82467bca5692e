//! What is logged about tokens: what happened and why, and never a secret.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod logged;
mod scripted;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use keybound_client::{CacheKey, CachedToken, TokenCache};
use scripted::{Asked, Differently, NOW, Rig, Server, answer, grant, refuse, until};

/// Challenges, by which its time is known, then grants, then is down.
fn difficult(asked: &Asked) -> http::Response<String> {
    match asked.before {
        0 => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "a-nonce")]),
        1 => grant("secret-token", "DPoP"),
        _ => answer(503, &[("content-type", "text/plain")], "down"),
    }
}

/// A cache that holds a token for another key.
struct Foreign;

impl TokenCache for Foreign {
    fn load(&self, key: &CacheKey) -> io::Result<Option<CachedToken>> {
        let other = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        assert_ne!(key.thumbprint.to_string(), other);
        let text = format!(
            r#"{{"version":1,"jkt":"{other}","access_token":"secret-cached","granted_at":1,"expires_at":2}}"#
        );
        CachedToken::from_json(text.as_bytes()).map(Some).map_err(io::Error::other)
    }
    fn store(&self, _: &CacheKey, token: &CachedToken) -> io::Result<()> {
        Err(io::Error::other(format!("no room for {token:?}")))
    }
    fn forget(&self, _: &CacheKey) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_happens_to_tokens_is_logged_without_a_secret() {
    let (log, _guard) = logged::log();
    let server = Server::start(difficult).await;
    let clock = NOW.after(Duration::from_secs(7200));
    let cache: Option<Arc<dyn TokenCache>> = Some(Arc::new(Foreign));
    let rig = Rig::with(&server.origin, Differently { clock, cache, ..Differently::default() });
    let tokens = rig.client.tokens();
    tokens.token().await.unwrap();
    rig.clock.advance(Duration::from_secs(3300));
    tokens.token().await.unwrap();
    until(async || log.text().contains("the old one is still good")).await;

    let text = log.text();
    for (said, why) in [
        ("reason=\"first\"", "why there is an exchange"),
        ("reason=\"early\"", "and another"),
        ("client_id=0oa1", "whose it is"),
        ("/oauth2/v1/token", "with whom"),
        ("bound to another key", "a cache that can't be used"),
        ("no room for", "a cache that fails"),
        ("answering a nonce challenge", "the challenge"),
        ("7200 s ahead of the server's", "the clock"),
        ("access token granted", "the outcome"),
        ("lifetime=3600", "how long it lives"),
        ("WARN", "a renewal that failed is worth a look"),
        ("503", "with the reason"),
    ] {
        assert!(text.contains(said), "{why}: {said} is not in\n{text}");
    }
    for secret in ["secret", "eyJhbGciOi", "eyJ0eXAiOi", "client_assertion"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}
