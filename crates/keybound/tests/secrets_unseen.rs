//! The `Debug` text of every type that holds a secret: it ends in logs and in failed assertions, so it has none.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Debug;
use std::sync::Arc;

use http::Response;
use keybound::authorization::AuthorizationRequest;
use keybound::device::{DeviceExchange, DeviceRequest};
use keybound::endpoint::Endpoint;
use keybound::exchange::{
    ClientAuthentication, ClientIdentity, Grant, Progress, RefreshToken, TokenExchange, TokenRequest,
};
use keybound::proof::DpopKey;
use keybound::random::OperatingSystem;
use keybound::{Algorithm, KeyKind, NumericDate, PrivateKey, Secret, SigningKey};
use serde_json::Value;

const NOW: NumericDate = NumericDate::from_seconds(1_800_000_000);
const SECRET: &str = "canary-of-the-core-5f1e";

fn endpoint() -> Endpoint {
    Endpoint::parse("https://as.example/token").unwrap()
}

fn client(authentication: ClientAuthentication) -> ClientIdentity {
    ClientIdentity { id: "c1".to_owned(), authentication }
}

/// Neither form of the text, on one line or on many, has it.
fn assert_unseen(name: &str, value: &dyn Debug, secrets: &[String]) {
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        for secret in secrets {
            assert!(!secret.is_empty() && !text.contains(secret.as_str()), "{name}: {text}");
        }
    }
}

#[test]
fn no_debug_text_has_a_private_key() {
    for kind in [KeyKind::P256, KeyKind::Ed25519, KeyKind::for_algorithm(Algorithm::RS256)] {
        let key = PrivateKey::generate(kind).unwrap();
        let jwk: Value = serde_json::from_str(&key.to_jwk().unwrap()).unwrap();
        let private = ["d", "p", "q", "dp", "dq", "qi"];
        let secrets: Vec<_> =
            private.iter().filter_map(|name| jwk[name].as_str()).map(str::to_owned).collect();
        assert!(!secrets.is_empty());
        assert_unseen("PrivateKey", &key, &secrets);
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.fits(kind)).unwrap();
        let signing = SigningKey::new(key, algorithm).unwrap();
        assert_unseen("SigningKey", &signing, &secrets);
        assert_unseen("DpopKey", &DpopKey::new(Arc::new(signing)), &secrets);
    }
}

#[test]
fn no_debug_text_has_a_secret_of_a_grant() {
    let secret = || Secret::new(SECRET);
    let canary = [SECRET.to_owned()];
    let refresh = RefreshToken::new(secret(), None);
    let grant = Grant::RefreshToken { token: refresh.clone(), scopes: Vec::new() };
    let basic = client(ClientAuthentication::SecretBasic(secret()));
    let post = client(ClientAuthentication::SecretPost(secret()));
    let request = TokenRequest::new(endpoint(), post.clone(), grant.clone());
    let exchange = || TokenExchange::for_request(request.clone(), None, None).unwrap();
    let granted = granted(&format!(
        r#"{{"access_token":"{SECRET}","token_type":"Bearer","refresh_token":"{SECRET}","id_token":"{SECRET}"}}"#
    ));
    let rows: [(&str, &dyn Debug); 9] = [
        ("Secret", &secret()),
        ("RefreshToken", &refresh),
        ("Grant", &grant),
        ("ClientIdentity, basic", &basic),
        ("ClientIdentity, post", &post),
        ("TokenRequest", &request),
        ("TokenExchange", &exchange()),
        ("GrantedToken", &granted),
        ("Progress", &Progress::Granted(granted.clone())),
    ];
    for (name, value) in rows {
        assert_unseen(name, value, &canary);
    }
}

#[test]
fn no_debug_text_has_a_secret_of_an_authorization() {
    let mut request =
        AuthorizationRequest::new("https://as.example", endpoint(), "c1", "https://client.example/cb");
    request.scopes = vec!["openid".to_owned()];
    let pending = request.begin(&OperatingSystem).unwrap();
    let url = pending.url();
    let parameter = |name: &str| {
        let found = url.split(['?', '&']).find_map(|pair| pair.strip_prefix(name)).unwrap();
        found.to_owned()
    };
    let (state, nonce) = (parameter("state="), parameter("nonce="));
    let code = pending.receive(&format!("code={SECRET}&state={state}")).unwrap();
    let secrets = [SECRET.to_owned(), state, nonce];
    assert_unseen("PendingAuthorization", &pending, &secrets);
    assert_unseen("AuthorizationCode", &code, &secrets);
    assert_unseen("Grant", &Grant::AuthorizationCode(code), &secrets);
}

#[test]
fn no_debug_text_has_a_device_code() {
    let client = client(ClientAuthentication::SecretPost(Secret::new(SECRET)));
    let request = DeviceRequest { endpoint: endpoint(), client, scopes: Vec::new(), resources: Vec::new() };
    let canary = [SECRET.to_owned()];
    assert_unseen("DeviceRequest", &request, &canary);
    let mut exchange = DeviceExchange::new(request);
    assert_unseen("DeviceExchange", &exchange, &canary);
    drop(exchange.attempt(NOW, &OperatingSystem).unwrap());
    let body = format!(
        r#"{{"device_code":"{SECRET}","user_code":"A","verification_uri":"https://as.example/d","expires_in":60}}"#
    );
    let authorization = exchange.receive(&Response::new(body)).unwrap();
    assert_unseen("DeviceAuthorization", &authorization, &canary);
    assert_unseen("Grant", &Grant::DeviceCode(authorization.grant().clone()), &canary);
}

/// A token as an exchange gives it.
fn granted(body: &str) -> keybound::exchange::GrantedToken {
    let grant = Grant::ClientCredentials { scopes: Vec::new() };
    let request = TokenRequest::new(endpoint(), client(ClientAuthentication::None), grant);
    let mut exchange = TokenExchange::for_request(request, None, None).unwrap();
    drop(exchange.attempt(NOW, &OperatingSystem).unwrap());
    match exchange.receive(&Response::new(body.to_owned())).unwrap() {
        Progress::Granted(token) => token,
        other => panic!("{other:?}"),
    }
}
