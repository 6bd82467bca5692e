//! Signing keys: the next one is published before it is used, and the one before verifies what it signed. And nonces,
//! whose period is a setting.

use std::time::Duration;

use http::{Method, StatusCode};
use keybound::{JwkSet, NumericDate};
use keybound_org::{AdminRole, NoncePolicy, OrgSettings, ServerId};

use crate::support::{READ, TestApp, TestOrg};

const DAY: u64 = 24 * 60 * 60;

async fn key_ids(test: &TestOrg) -> Vec<String> {
    let keys = test.get("/oauth2/v1/keys").await.json.to_string();
    let keys = JwkSet::parse(keys.as_bytes()).unwrap();
    keys.keys().iter().map(|key| key.key_id().unwrap().to_owned()).collect()
}

fn key_id(token: &str) -> String {
    let header = keybound::base64url::decode(token.split('.').next().unwrap()).unwrap();
    let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

async fn is_taken(test: &TestOrg, app: &TestApp, token: &str) -> bool {
    test.call(app, token, Method::GET, "/api/v1/users?limit=1").await.status == StatusCode::OK
}

#[tokio::test]
async fn a_rotated_key_was_published_before_and_the_old_one_verifies_for_as_long_as_its_tokens_live() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let before = key_ids(&test).await;
    assert_eq!(before.len(), 2, "one that signs, and the next one");
    let old = test.token(&app, READ).await;
    assert_eq!(key_id(&old), before[0]);

    let now = NumericDate::from_seconds(test.now());
    test.org.store().rotate_signing_key(&ServerId::Org, now).unwrap();
    let new = test.token(&app, READ).await;
    assert_eq!(key_id(&new), before[1], "who had fetched the keys had this one");
    assert!(is_taken(&test, &app, &old).await && is_taken(&test, &app, &new).await);
    let after = key_ids(&test).await;
    assert_eq!((&after[..2], after.len()), (&before[..], 3));
    test.wait(DAY + 3601);
    assert_eq!(key_ids(&test).await, after[1..], "the old one is gone when its tokens are");
}

#[tokio::test]
async fn keys_are_renewed_in_time() {
    let settings =
        OrgSettings { signing_keys_renewed_every: Duration::from_secs(30 * DAY), ..OrgSettings::default() };
    let test = TestOrg::start_with(settings).await;
    let app = test.app(&[READ], &[]);
    let published = key_ids(&test).await;
    test.wait(30 * DAY);
    assert_eq!(key_id(&test.token(&app, READ).await), published[0]);
    test.wait(1);
    assert_eq!(key_id(&test.token(&app, READ).await), published[1]);
}

#[tokio::test]
async fn the_period_of_nonces_and_how_long_they_are_taken_are_settings() {
    let nonces =
        NoncePolicy { renewed_every: Duration::from_secs(60), accepted_for: Duration::from_secs(180) };
    let test = TestOrg::start_with(OrgSettings { nonces, ..OrgSettings::default() }).await;
    let app = test.app(&[READ], &[]);
    let first = test.nonce(&app).await;
    test.wait(60);
    assert_ne!(test.nonce(&app).await, first);
}
