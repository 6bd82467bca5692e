//! Issuers that answer what they should not, or not at all.

use std::time::Duration;

use keybound::Refusal;
use keybound_guard::policy;
use serde_json::json;

use crate::scripted::{Answer, INTROSPECT, Issuer, KEYS, Key, METADATA, OPENID, Rig, metadata, policy};

fn ok(text: impl Into<String>) -> Answer {
    Answer::Json(200, text.into())
}

/// To the same server: a redirect that were followed would show there.
fn redirect() -> Answer {
    let head = format!("HTTP/1.1 302 Found\r\nlocation: {ELSEWHERE}\r\ncontent-length: 0\r\n\r\n");
    Answer::Raw(head.into_bytes())
}

const ELSEWHERE: &str = "/elsewhere";

/// An answer without an end in sight.
fn huge() -> Answer {
    let mut bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n{\"keys\":\"".to_vec();
    bytes.resize(2_000_000, b' ');
    Answer::Raw(bytes)
}

/// What no endpoint should answer.
fn bad_answers() -> Vec<(Answer, &'static str)> {
    vec![
        (huge(), "without end"),
        (Answer::Silence, "never"),
        (Answer::Drip, "slowly, and never to its end"),
        (Answer::Down, "nothing"),
        (Answer::Raw(b"SSH-2.0-OpenSSH\r\n".to_vec()), "not HTTP"),
        (Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()), "cut short"),
        (redirect(), "a redirect"),
        (Answer::Json(500, "{}".to_owned()), "an error"),
        (Answer::Json(204, String::new()), "no content"),
        (ok(""), "empty"),
        (ok("<html></html>"), "a page"),
        (ok("[]"), "an array"),
        (ok("[".repeat(100_000)), "too deep"),
        (ok(r#"{"a":1,"a":2}"#), "a member twice"),
        (Answer::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{\xff}".to_vec()), "not UTF-8"),
    ]
}

fn rig(issuer: policy::Issuer) -> Rig {
    let mut policy = policy(vec![issuer]);
    policy.limits.issuer_timeout = Duration::from_millis(100);
    Rig::with(&policy)
}

fn assert_unverifiable<T: std::fmt::Debug>(outcome: Result<T, Refusal>, token: &str, why: &str) {
    let refusal = outcome.unwrap_err();
    assert!(matches!(refusal, Refusal::TokenUnverifiable { .. }), "{why}: {refusal:?}");
    let text = format!("{refusal} {refusal:?}");
    assert!(!text.contains(token) && !text.contains("hush"), "{why}: {text}");
}

#[tokio::test]
async fn metadata_that_can_not_be_used_leaves_a_token_unverifiable() {
    let key = Key::named("one");
    let issuer = Issuer::start(|_, _| Answer::Down).await;
    let name = issuer.name.clone();
    let member = |name: &str, value: serde_json::Value| {
        let mut metadata = json!({"issuer": issuer.name, "jwks_uri": format!("{}{KEYS}", issuer.name)});
        metadata[name] = value;
        ok(metadata.to_string())
    };
    let mut cases = bad_answers();
    cases.extend([
        (member("issuer", json!("https://other.example")), "another issuer"),
        (member("issuer", json!(format!("{name}/"))), "another spelling"),
        (member("issuer", json!(null)), "no issuer"),
        (member("jwks_uri", json!("http://keys.example/")), "keys over plain http"),
        (member("jwks_uri", json!(7)), "keys at a number"),
        (member("jwks_uri", json!(null)), "keys nowhere"),
        (member("padding", json!(" ".repeat(100_000))), "more than metadata may have"),
        (ok(json!({"issuer": name}).to_string()), "no keys"),
    ]);
    let token = key.token(&issuer);
    for (answer, why) in cases {
        issuer.go_by(move |_, asked| match asked.path.as_str() {
            METADATA | OPENID => answer.clone(),
            _ => Answer::Down,
        });
        let asked_before = issuer.count(METADATA);
        assert_unverifiable(rig(issuer.policy()).verify(&token).await, &token, why);
        assert_eq!(issuer.count(METADATA), asked_before + 1, "{why}");
    }
    assert_eq!((issuer.count(KEYS), issuer.count(ELSEWHERE)), (0, 0));
}

#[tokio::test]
async fn keys_that_can_not_be_used_leave_a_token_unverifiable() {
    let key = Key::named("one");
    let issuer = Issuer::start(|_, _| Answer::Down).await;
    let token = key.token(&issuer);
    let mut cases = bad_answers();
    let too_many = vec![json!({"kty": "EC"}); 101];
    cases.extend([
        (ok("{}"), "no keys"),
        (ok(r#"{"keys":{}}"#), "keys that are no array"),
        (ok(json!({"keys": too_many}).to_string()), "too many"),
    ]);
    for (answer, why) in cases {
        issuer.go_by(move |name, asked| match asked.path.as_str() {
            METADATA => metadata(name),
            KEYS => answer.clone(),
            _ => Answer::Down,
        });
        let asked_before = issuer.count(KEYS);
        assert_unverifiable(rig(issuer.policy()).verify(&token).await, &token, why);
        assert_eq!(issuer.count(KEYS), asked_before + 1, "{why}");
    }
    assert_eq!(issuer.count(ELSEWHERE), 0);
    issuer.publish(&[&key]);
    rig(issuer.policy()).verify(&token).await.expect("a good answer is used");
}

#[tokio::test]
async fn introspection_that_can_not_be_used_leaves_a_token_unverifiable() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::start(|_, _| Answer::Down).await;
    let asked = crate::introspection::asked_at(&issuer, folder.path());
    let mut cases = bad_answers();
    cases.extend([
        (Answer::Json(401, r#"{"error":"invalid_client"}"#.to_owned()), "the guard's own fault"),
        (ok("{}"), "no word of it"),
        (ok(r#"{"active":"true"}"#), "a text"),
        (ok(r#"{"active":null}"#), "nothing"),
        (ok(format!(r#"{{"active":true,"p":"{}"}}"#, "x".repeat(100_000))), "more than it may have"),
    ]);
    for (answer, why) in cases {
        issuer.go_by(move |_, asked| match asked.path.as_str() {
            INTROSPECT => answer.clone(),
            _ => Answer::Down,
        });
        let asked_before = issuer.count(INTROSPECT);
        assert_unverifiable(rig(asked.clone()).verify("a-token").await, "a-token", why);
        assert_eq!(issuer.count(INTROSPECT), asked_before + 1, "{why}");
    }
    assert_eq!(issuer.count(ELSEWHERE), 0);
}
