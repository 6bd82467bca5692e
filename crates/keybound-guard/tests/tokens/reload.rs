//! What a new policy keeps of what was known by the one before.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use keybound::Refusal;
use keybound::access_token::AccessTokenRefusal;
use keybound_guard::policy;

use crate::scripted::{Issuer, KEYS, Key, Rig, claims, jwks, policy};

#[tokio::test]
async fn what_is_known_of_an_unchanged_issuer_is_kept() {
    let key = Key::named("one");
    let issuer = Issuer::with_keys(&[&key]).await;
    let before = Rig::new(vec![issuer.policy()]);
    let token = key.token(&issuer);
    let first = before.verify(&token).await.unwrap();

    let other = Issuer::with_keys(&[&key]).await;
    let mut changed = policy(vec![other.policy(), issuer.policy()]);
    changed.limits.cached_tokens = 5;
    let rig = Rig::by(&changed, Some(&before)).unwrap();
    let again = rig.verify(&token).now_or_never().expect("remembered").unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    rig.verify(&key.sign(&claims(&issuer.name))).now_or_never().expect("its keys are known").unwrap();
    assert_eq!((issuer.count(KEYS), other.count(KEYS)), (1, 0));
}

#[tokio::test]
async fn the_tokens_of_an_issuer_that_is_gone_or_has_other_rules_are_not_taken() {
    let key = Key::named("one");
    let (issuer, other) = (Issuer::with_keys(&[&key]).await, Issuer::with_keys(&[&key]).await);
    let before = Rig::new(vec![issuer.policy()]);
    let token = key.token(&issuer);
    before.verify(&token).await.unwrap();

    let without = Rig::by(&policy(vec![other.policy()]), Some(&before)).unwrap();
    let refusal = without.verify(&token).await.unwrap_err();
    assert!(matches!(refusal, Refusal::AccessToken(AccessTokenRefusal::WrongIssuer { .. })), "{refusal:?}");
    let back = Rig::by(&policy(vec![issuer.policy()]), Some(&without)).unwrap();
    back.verify(&token).await.unwrap();
    assert_eq!(issuer.count(KEYS), 2, "nothing of it was kept");

    let elsewhere = policy::Issuer { audiences: vec!["api://other".to_owned()], ..issuer.policy() };
    let rig = Rig::by(&policy(vec![elsewhere]), Some(&back)).unwrap();
    let refusal = rig.verify(&token).await.unwrap_err();
    assert!(matches!(refusal, Refusal::AccessToken(AccessTokenRefusal::WrongAudience { .. })), "{refusal:?}");
}

#[tokio::test]
async fn a_key_file_is_read_anew() {
    let (old, new) = (Key::named("old"), Key::named("new"));
    let issuer = Issuer::with_keys(&[]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let policy = policy(vec![policy::Issuer { jwks_file: Some(file.clone()), ..issuer.policy() }]);
    std::fs::write(&file, jwks(&[&old])).unwrap();
    let before = Rig::with(&policy);
    let token = old.token(&issuer);
    let first = before.verify(&token).await.unwrap();

    let same = Rig::by(&policy, Some(&before)).unwrap();
    assert!(Arc::ptr_eq(&first, &same.verify(&token).await.unwrap()), "the same keys");
    std::fs::write(&file, jwks(&[&new])).unwrap();
    let rig = Rig::by(&policy, Some(&same)).unwrap();
    rig.verify(&token).await.unwrap_err();
    rig.verify(&new.token(&issuer)).await.unwrap();
}

#[test]
fn a_policy_whose_issuers_can_not_be_asked_is_told_so_with_the_place() {
    let issuer = |name: &str| policy::Issuer::new(name.to_owned());
    let good = || issuer("https://as.example");
    for (issuer, place) in [
        (issuer("http://as.example"), "issuers[0].issuer"),
        (issuer("as.example"), "issuers[0].issuer"),
        (issuer("https://as.example?tenant=1"), "issuers[0].issuer"),
        (
            policy::Issuer { jwks_uri: Some("http://as.example/keys".to_owned()), ..good() },
            "issuers[0].jwks_uri",
        ),
        (
            policy::Issuer { keys_fresh_for: Duration::from_secs(9), ..good() },
            "issuers[0].keys_fresh_for_seconds",
        ),
        (policy::Issuer { jwks_file: Some("/nowhere/at/all".into()), ..good() }, "issuers[0].jwks_file"),
    ] {
        let error = Rig::by(&policy(vec![issuer]), None).err().expect(place).to_string();
        assert!(error.contains(place), "{error}");
    }
    let named = policy::Issuer { jwks_uri: Some("https://keys.example".to_owned()), ..issuer("any name") };
    assert!(
        Rig::by(&policy(vec![named]), None).is_ok(),
        "an issuer is not asked that has its keys elsewhere"
    );
    let mut with_authority = policy(vec![good()]);
    with_authority.ca_file = Some("/nowhere/at/all".into());
    let error = Rig::by(&with_authority, None).err().expect("no such file").to_string();
    assert!(error.contains("ca_file"), "{error}");
}
