//! Requests that are refused whatever their access token says: no issuer is asked about them.

use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderValue, Method, Uri};
use keybound::proof::{AccessTokenHash, DpopKey, ProofRefusal, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::{Algorithm, NumericDate, Refusal, SigningKey, TargetUri};
use keybound_guard::{Guard, IncomingRequest};
use serde_json::json;

use crate::introspection::asked_at;
use crate::scripted::{Answer, INTROSPECT, Issuer, Key, NOW, RESOURCE, claims, metadata, policy};

const OPAQUE: &str = "opaque";

struct Client {
    key: DpopKey,
}

impl Client {
    fn new() -> Self {
        Self { key: DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap())) }
    }

    fn proof(&self, path: &str, token: &str, at: NumericDate) -> String {
        let target = TargetUri::parse(RESOURCE).unwrap().with_path(path).unwrap();
        let access_token = Some(AccessTokenHash::of(token));
        let request = ProofRequest { method: &Method::GET, target: &target, access_token, nonce: None };
        self.key.prove(&request, at, &OperatingSystem).unwrap()
    }
}

fn headers(scheme: &str, token: &str, proof: Option<&str>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&format!("{scheme} {token}")).unwrap());
    if let Some(proof) = proof {
        headers.insert("dpop", HeaderValue::from_str(proof).unwrap());
    }
    headers
}

/// Why a request is refused, which is also what a person is told who asks afterwards.
async fn outcome(guard: &Guard, headers: &HeaderMap) -> Option<Refusal> {
    let admitted = admit(guard, headers).await;
    assert_eq!(told(guard, headers).await, admitted);
    admitted
}

async fn told(guard: &Guard, headers: &HeaderMap) -> Option<Refusal> {
    guard.explain(&request(headers), NOW).await.outcome.err().map(|refused| refused.refusal)
}

async fn admit(guard: &Guard, headers: &HeaderMap) -> Option<Refusal> {
    guard.admit(&request(headers)).await.err().map(|refused| refused.refusal)
}

fn request(headers: &HeaderMap) -> IncomingRequest<'_> {
    static ORDERS: LazyLock<Uri> = LazyLock::new(|| Uri::from_static("/orders"));
    IncomingRequest { method: &Method::GET, uri: &ORDERS, headers, peer: None, secure: true }
}

#[tokio::test]
async fn an_issuer_is_asked_about_a_token_only_if_all_else_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let client = Client::new();
    let thumbprint = client.key.thumbprint().to_string();
    let issuer = Issuer::start(move |name, asked| {
        let mut answer = claims(name);
        answer["active"] = json!(true);
        answer["cnf"]["jkt"] = json!(thumbprint);
        if asked.path == INTROSPECT { Answer::Json(200, answer.to_string()) } else { metadata(name) }
    })
    .await;
    let policy = policy(vec![asked_at(&issuer, folder.path())]);
    let guard = Guard::builder(policy).clock(Arc::new(|| NOW)).build().unwrap();

    let old = NumericDate::from_seconds(NOW.seconds() - 3600);
    let too_old = ProofRefusal::TooOld { age: 3600, limit: 60 };
    let other_url = client.proof("/others", OPAQUE, NOW);
    let cases = [
        ("a bearer token", headers("Bearer", OPAQUE, None), Refusal::BearerToken),
        ("no proof", headers("DPoP", OPAQUE, None), ProofRefusal::Missing.into()),
        (
            "an old proof",
            headers("DPoP", OPAQUE, Some(&client.proof("/orders", OPAQUE, old))),
            too_old.into(),
        ),
        (
            "a proof for another token",
            headers("DPoP", OPAQUE, Some(&client.proof("/orders", "another", NOW))),
            ProofRefusal::WrongAccessTokenHash.into(),
        ),
        (
            "a proof whose signature was tampered with",
            headers("DPoP", OPAQUE, Some(&tampered(&client.proof("/orders", OPAQUE, NOW)))),
            ProofRefusal::WrongSignature.into(),
        ),
    ];
    for (why, headers, refusal) in &cases {
        assert_eq!(outcome(&guard, headers).await.as_ref(), Some(refusal), "{why}");
    }
    let found = outcome(&guard, &headers("DPoP", OPAQUE, Some(&other_url))).await;
    assert!(matches!(found, Some(Refusal::Proof(ProofRefusal::WrongTargetUri { .. }))), "{found:?}");
    assert_eq!(issuer.asked().len(), 0, "{:?}", issuer.asked());

    let good = || headers("DPoP", OPAQUE, Some(&client.proof("/orders", OPAQUE, NOW)));
    assert_eq!(admit(&guard, &good()).await, None);
    assert_eq!(issuer.count(INTROSPECT), 1);
    // What is remembered of a token changes no verdict.
    for (why, headers, refusal) in &cases {
        assert_eq!(outcome(&guard, headers).await.as_ref(), Some(refusal), "{why}, of a known token");
    }
    assert_eq!(issuer.count(INTROSPECT), 1);
}

#[tokio::test]
async fn what_a_person_is_told_of_an_unknown_token_is_what_happens() {
    let (client, thief, key) = (Client::new(), Client::new(), Key::named("1"));
    let issuer = Issuer::with_keys(&[&key]).await;
    let mut bound = claims(&issuer.name);
    bound["cnf"]["jkt"] = json!(client.key.thumbprint().to_string());
    let mut forged = bound.clone();
    forged["exp"] = json!(1);
    let (token, expired) = (key.sign(&bound), key.sign(&forged));
    let guard = || {
        let policy = policy(vec![issuer.policy()]);
        Guard::builder(policy).clock(Arc::new(|| NOW)).build().unwrap()
    };
    let good = client.proof("/orders", &token, NOW);
    let stolen = thief.proof("/orders", &token, NOW);
    let elsewhere = client.proof("/others", &token, NOW);
    let of_expired = client.proof("/orders", &expired, NOW);
    for (why, headers, refused) in [
        ("a good request", headers("DPoP", &token, Some(&good)), false),
        ("a thief's proof", headers("DPoP", &token, Some(&stolen)), true),
        ("a proof for another URL", headers("DPoP", &token, Some(&elsewhere)), true),
        ("an expired token", headers("DPoP", &expired, Some(&of_expired)), true),
        ("an expired token with a bad proof", headers("DPoP", &expired, Some(&good)), true),
        ("an expired bearer token", headers("Bearer", &expired, None), true),
        ("no token", headers("Basic", "YTpi", None), true),
    ] {
        let told = told(&guard(), &headers).await;
        assert_eq!(told, admit(&guard(), &headers).await, "{why}");
        assert_eq!(told.is_some(), refused, "{why}");
    }
}

/// The proof with another first character of its signature.
fn tampered(proof: &str) -> String {
    let (signed, signature) = proof.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..])
}
