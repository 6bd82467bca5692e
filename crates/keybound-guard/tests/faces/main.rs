//! Every face of the guard gives the same verdict: status, challenges, nonce, `Retry-After`, body, identity.
#![allow(unreachable_pub, reason = "the modules of one test")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod audit;
mod cases;
mod envoy;
mod face;
mod grpc;
mod in_axum;
#[path = "../logged/mod.rs"]
mod logged;
mod metadata;
mod pages;
mod proxies;
mod wire;
mod workshop;

use std::collections::BTreeMap;

use face::{FACES, Face, Verdict};
use workshop::Setting;

/// At least this many requests go through each face, so that a table that lost its rows is noticed.
const LEAST_CASES: usize = 150;

#[tokio::test]
async fn every_face_gives_the_same_verdict_on_every_request() {
    let cases = cases::all();
    assert!(cases.len() >= LEAST_CASES, "{}", cases.len());
    let mut expected: Vec<Verdict> = Vec::new();
    for (name, start) in FACES {
        let mut by_setting: BTreeMap<Setting, Box<dyn Face>> = BTreeMap::new();
        for setting in Setting::ALL {
            by_setting.insert(setting, start(setting.guard()).await);
        }
        for (number, case) in cases.iter().enumerate() {
            let face = &by_setting[&case.setting];
            let mut found = face.ask(&case.request).await;
            for _ in 1..case.times {
                found = face.ask(&case.request).await;
            }
            if let Some(expected) = expected.get(number) {
                assert_eq!(found, *expected, "{name}: {}", case.why);
            } else {
                assert_judged_rightly(case, &found);
                expected.push(found);
            }
        }
    }
}

/// What the table says, and what RFC 9449 and RFC 6750 say of any answer.
fn assert_judged_rightly(case: &cases::Case, found: &Verdict) {
    let why = format!("{}: {found:?}", case.why);
    assert_eq!(found.status, case.status, "{why}");
    let error = |code: &str| format!("error=\"{code}\"");
    match case.code {
        Some(code) => assert!(found.body.starts_with(&format!("{{\"error\":\"{code}\"")), "{why}"),
        None => assert_eq!(found.body, "", "{why}"),
    }
    let challenged = matches!(found.status, 400 | 401 | 403);
    assert_eq!(!found.challenges.is_empty(), challenged, "{why}");
    if let Some(code) = case.code.filter(|_| challenged) {
        assert!(found.challenges.contains(&error(code)), "{why}");
    }
    assert_eq!(challenged, found.challenges.contains("resource_metadata=\"https://"), "{why}");
    assert_eq!(found.retry_after.is_some(), matches!(found.status, 429 | 503), "{why}");
    if case.code == Some("use_dpop_nonce") {
        assert_eq!(found.nonce.as_deref(), Some(workshop::nonces().current(workshop::NOW).as_str()), "{why}");
    }
}
