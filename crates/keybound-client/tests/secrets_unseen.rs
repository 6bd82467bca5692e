//! The `Debug` text of every type of the client that holds a secret: it has none.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod scripted;

use std::fmt::Debug;
use std::sync::Arc;

use keybound::Secret;
use keybound::endpoint::Endpoint;
use keybound::exchange::RefreshToken;
use keybound_client::{
    AuthorizationClient, CachedToken, ClientRegistration, NotStored, Refresher, ServiceCredential, System,
    TokenBinding, TokenSource,
};
use scripted::{Rig, Server, grant};

const SECRET: &str = "canary-of-the-client-77aa";

#[tokio::test]
async fn no_debug_text_has_a_token_or_a_clients_secret() {
    let server = Server::start(|_| grant(SECRET, "DPoP")).await;
    let rig = Rig::new(&server.origin);
    let token = rig.client.tokens().token().await.unwrap();
    assert_eq!(token.secret(), SECRET);
    let jkt = rig.key.thumbprint();
    let cached = format!(
        r#"{{"version":1,"jkt":"{jkt}","access_token":"{SECRET}","granted_at":1,"expires_at":2,"nonces":[]}}"#
    );
    let cached = CachedToken::from_json(cached.as_bytes()).unwrap();
    let registration = ClientRegistration::with_secret("c1", Secret::new(SECRET));
    let in_form = ClientRegistration::with_secret_in_form("c1", Secret::new(SECRET));
    let refresher = || {
        let endpoint = Endpoint::parse(&server.url("/token")).unwrap();
        Refresher::new(endpoint, RefreshToken::new(Secret::new(SECRET), None), Arc::new(NotStored))
    };
    let client = AuthorizationClient::new(
        System::default(),
        registration.clone(),
        TokenBinding::Dpop(rig.key.clone()),
    );
    let refreshing = TokenSource::refreshing(client.clone(), refresher());
    let credential = ServiceCredential::Secret { secret: Secret::new(SECRET), method: None };
    let rows: [(&str, &dyn Debug); 9] = [
        ("Token", &token),
        ("CachedToken", &cached),
        ("ClientRegistration", &registration),
        ("ClientRegistration, in the form", &in_form),
        ("ServiceCredential", &credential),
        ("Refresher", &refresher()),
        ("AuthorizationClient", &client),
        ("TokenSource", rig.client.tokens()),
        ("TokenSource, refreshing", &refreshing),
    ];
    for (name, value) in rows {
        for text in [format!("{value:?}"), format!("{value:#?}")] {
            assert!(!text.contains(SECRET), "{name}: {text}");
        }
    }
}
