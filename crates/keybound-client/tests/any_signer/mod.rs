//! What every signer has to do, wherever its key is.
#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::Arc;

use keybound::exchange::ClientCredentials;
use keybound::proof::{DpopKey, ProofContext, ProofPolicy, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::{Signer, TargetUri, VerifyingKey};
use keybound_client::{Client, System, TokenBinding, TokenSource};

use crate::scripted::{NOW, Server, SetClock, answer, grant, refuse};

/// Its signature verifies with its public key.
pub(crate) fn assert_signs(signer: &dyn Signer) {
    assert_signs_message(signer, b"what is said");
}

/// The same of a message that matters.
pub(crate) fn assert_signs_message(signer: &dyn Signer, message: &[u8]) {
    let signature = signer.sign(message).unwrap();
    let verifying_key = VerifyingKey::new(signer.public_key(), signer.algorithm()).unwrap();
    verifying_key.verify(message, signature.as_bytes()).unwrap();
}

/// A proof that it makes passes every check (RFC 9449 section 4.3).
pub(crate) fn assert_makes_proofs(key: &DpopKey) {
    let target = TargetUri::parse("https://api.example.com/things").unwrap();
    let method = http::Method::GET;
    let request = ProofRequest { method: &method, target: &target, access_token: None, nonce: None };
    let proof = key.prove(&request, NOW, &OperatingSystem).unwrap();
    let context =
        ProofContext { method: &method, target: &target, access_token: None, nonces: None, now: NOW };
    let verified = ProofPolicy::default().check(&proof, &context).unwrap();
    assert_eq!(verified.thumbprint(), key.thumbprint());
}

/// A token is got with an assertion of the one key and proofs of the other, after a nonce challenge, and used.
pub(crate) async fn assert_gets_and_uses_a_token(client_key: Arc<dyn Signer>, dpop_key: &DpopKey) {
    let server = Server::start(|asked| match (asked.is_for_token(), asked.before) {
        (true, 0) => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "one")]),
        (true, _) => grant("token", "DPoP"),
        (false, _) => answer(200, &[], ""),
    })
    .await;
    let mut system = System::default();
    system.clock = SetClock::at(NOW);
    let grant = ClientCredentials::new(&server.url("/oauth2/v1/token"), "0oa1", ["things.read"]).unwrap();
    let binding = TokenBinding::Dpop(dpop_key.clone());
    let client = Client::new(TokenSource::new(system, grant, client_key, binding));
    let request = http::Request::get(server.url("/api")).body(bytes::Bytes::new()).unwrap();
    assert_eq!(client.send(request).await.unwrap().status(), 200);
    let asked = server.asked_for_token();
    assert_eq!(asked.len(), 2, "the challenge, and the grant");
    for asked in asked {
        asked.check_proof(&server.origin, None, dpop_key).unwrap();
    }
    server.called()[0].check_proof(&server.origin, Some("token"), dpop_key).unwrap();
}
