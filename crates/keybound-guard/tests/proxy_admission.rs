//! Only the key's holder gets through the proxy, and the API behind it is told who.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "server")]

mod serving;

use keybound::Nonce;
use keybound_guard::Guard;
use keybound_guard::policy::Policy;
use keybound_guard::server::ServerSettings;
use serving::identity_provider::IdentityProvider;
use serving::{Proxy, Upstream, status, statuses};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

async fn guarded(provider: &IdentityProvider, more: &str, upstream: &Upstream) -> Proxy {
    let guard = Guard::new(Policy::from_file(&provider.policy(more)).unwrap()).unwrap();
    Proxy::before(guard, upstream.settings(), ServerSettings::default()).await
}

fn request(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n")
}

#[tokio::test]
async fn the_api_is_told_who_was_let_in_and_gets_neither_token_nor_proof() {
    let provider = IdentityProvider::new();
    let mut upstream = Upstream::answering(HELLO).await;
    let proxy = guarded(&provider, "", &upstream).await;
    let client = provider.client("user-1", "orders.read");
    let forged = "X-Keybound-Subject: admin\r\nx_keybound_client_id: admin\r\n";
    let fields = client.credentials("GET", "/orders", None) + forged;
    assert_eq!(status(&proxy.send(&request("/orders?limit=2", &fields)).await), 200);
    let head = upstream.next_head().await;
    for field in [
        "x-keybound-subject: user-1\r\n",
        "x-keybound-client-id: client-1\r\n",
        "x-keybound-issuer: https://login.example.com\r\n",
        "x-keybound-scope: orders.read\r\n",
    ] {
        assert!(head.contains(field), "{field} is not in {head}");
    }
    let thumbprint = client.key.thumbprint().to_string().to_lowercase();
    assert!(head.contains(&format!("x-keybound-thumbprint: {thumbprint}\r\n")), "{head}");
    for gone in ["authorization", "\r\ndpop", "admin", "eyj"] {
        assert!(!head.contains(gone), "{gone} is in {head}");
    }
}

#[tokio::test]
async fn what_breaks_a_rule_does_not_reach_the_api() {
    let provider = IdentityProvider::new();
    let mut upstream = Upstream::answering(HELLO).await;
    let route = "[[routes]]\npath = \"/orders\"\nscopes = [\"orders.read\"]\n";
    let proxy = guarded(&provider, route, &upstream).await;
    let client = provider.client("user-1", "orders.read");
    let thief = provider.client("thief", "orders.read");
    let poor = provider.client("user-2", "other");
    let upgrade = "Connection: upgrade\r\nUpgrade: websocket\r\n";
    let stolen =
        format!("Authorization: DPoP {}\r\nDPoP: {}\r\n", client.token, thief.proof("GET", "/orders", None));
    for (path, fields, expected) in [
        ("/orders", String::new(), 401),
        ("/orders", upgrade.to_owned(), 401),
        ("/orders", format!("{upgrade}Authorization: DPoP {}\r\n", client.token), 401),
        ("/orders", format!("Authorization: Bearer {}\r\n", client.token), 401),
        ("/orders", stolen, 401),
        ("/orders", client.credentials("POST", "/orders", None), 401),
        ("/orders", client.credentials("GET", "/other", None), 401),
        ("/orders", poor.credentials("GET", "/orders", None), 403),
        ("/other", client.credentials("GET", "/other", None), 404),
    ] {
        let answer = proxy.send(&request(path, &fields)).await;
        assert_eq!(statuses(&answer), [expected], "{path} {answer}");
        let challenge = answer.to_lowercase().contains("\r\nwww-authenticate: dpop ");
        assert_eq!(challenge, expected != 404, "{answer}");
        assert!(!upstream.has_more(), "{path} {answer}");
    }
}

#[tokio::test]
async fn a_proof_gets_through_once() {
    let provider = IdentityProvider::new();
    let upstream = Upstream::answering(HELLO).await;
    let proxy = guarded(&provider, "", &upstream).await;
    let once = request("/orders", &provider.client("user-1", "").credentials("GET", "/orders", None));
    assert_eq!(status(&proxy.send(&once).await), 200);
    let again = proxy.send(&once).await;
    assert_eq!(status(&again), 401);
    assert!(again.contains("invalid_dpop_proof"), "{again}");
}

#[tokio::test]
async fn every_answer_brings_the_nonce_for_the_next_proof() {
    let provider = IdentityProvider::new();
    let upstream = Upstream::answering(HELLO).await;
    let proxy = guarded(&provider, "[nonces]\nrequired = \"always\"\n", &upstream).await;
    let client = provider.client("user-1", "");
    let nonce_of = |answer: &str| {
        let field = answer.lines().find(|line| line.to_lowercase().starts_with("dpop-nonce: "));
        Nonce::parse(field.unwrap_or_else(|| panic!("{answer}")).split_at(12).1).unwrap()
    };
    let challenge = proxy.send(&request("/orders", &client.credentials("GET", "/orders", None))).await;
    assert_eq!(status(&challenge), 401);
    assert!(challenge.contains("use_dpop_nonce"), "{challenge}");
    let nonce = nonce_of(&challenge);
    let answer = proxy.send(&request("/orders", &client.credentials("GET", "/orders", Some(&nonce)))).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let next = nonce_of(&answer);
    let answer = proxy.send(&request("/orders", &client.credentials("GET", "/orders", Some(&next)))).await;
    assert_eq!(status(&answer), 200, "{answer}");
}

#[tokio::test]
async fn metadata_is_served_without_a_token() {
    let provider = IdentityProvider::new();
    let mut upstream = Upstream::answering(HELLO).await;
    let proxy = guarded(&provider, "", &upstream).await;
    let answer = proxy.send(&request("/.well-known/oauth-protected-resource", "")).await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.contains("\"https://api.example.com\""), "{answer}");
    assert!(!upstream.has_more());
}

/// The policy of `docs/operating.md` for an API that answers browsers itself.
fn for_browsers() -> &'static str {
    let section = include_str!("../../../docs/operating.md").split("## Browsers (CORS)").nth(1).unwrap();
    section.split("```toml\n").nth(2).and_then(|block| block.split("```").next()).unwrap()
}

#[tokio::test]
async fn by_the_policy_for_browsers_a_preflight_gets_through_without_a_token_and_nothing_else_does() {
    const FIELDS: &str = "Origin: https://app.example.com\r\nAccess-Control-Request-Method: GET\r\n\
                          Access-Control-Request-Headers: authorization,dpop\r\n";
    let provider = IdentityProvider::new();
    let mut upstream = Upstream::answering(
        "HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Origin: https://app.example.com\r\n\r\n",
    )
    .await;
    let proxy = guarded(&provider, for_browsers(), &upstream).await;
    let preflight = request("/orders", FIELDS).replacen("GET", "OPTIONS", 1);
    let answer = proxy.send(&preflight).await.to_lowercase();
    assert_eq!(status(&answer), 204, "{answer}");
    assert!(answer.contains("access-control-allow-origin: https://app.example.com\r\n"), "{answer}");
    let head = upstream.next_head().await;
    assert!(head.contains("access-control-request-headers: authorization,dpop\r\n"), "{head}");
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] {
        let answer = proxy.send(&request("/orders", FIELDS).replacen("GET", method, 1)).await.to_lowercase();
        assert_eq!(status(&answer), 401, "{method} {answer}");
        let exposed = "access-control-expose-headers: dpop-nonce, www-authenticate\r\n";
        assert!(answer.contains(exposed), "{method} {answer}");
        assert!(!upstream.has_more(), "{method}");
    }
    let client = provider.client("user-1", "");
    let answer = proxy.send(&request("/orders", &client.credentials("GET", "/orders", None))).await;
    assert_eq!(status(&answer), 204, "{answer}");
}
