//! The log, at its most talkative, with known secrets going through the org: none of them is in it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use http::Method;
use keybound_org::AdminRole;
use serde_json::json;
use support::{MANAGE, TestOrg, grant};
use tracing_subscriber::EnvFilter;

/// Keeps all that is written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_secret_is_in_the_log() {
    const PASSWORD: &str = "a-password-as-a-canary";
    let log = Log::default();
    let writer = log.clone();
    let filter =
        EnvFilter::new("keybound=trace,keybound_org=trace,axum=trace,tower_http=trace,axum_server=trace");
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone());
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();

    let test = TestOrg::start().await;
    let app = test.app(&[MANAGE], &[AdminRole::Super]);
    let nonce = test.nonce(&app).await;
    let assertion = app.assertion(&test).sign(&app.client_key);
    let proof = app.token_proof(&test, Some(&nonce)).sign(&app.dpop_key);
    let granted = test.ask(&grant(MANAGE, &assertion), Some(&proof)).await;
    let token = granted.text("/access_token");
    for _ in 0..2 {
        let replayed = test.ask(&grant(MANAGE, &assertion), Some(&proof)).await;
        assert_eq!(replayed.text("/error"), "invalid_client");
    }
    // As Okta's older SDKs ask: in the URL, which servers are used to log.
    let in_url = app.assertion(&test).sign(&app.client_key);
    let query = support::url_encoded(&grant(MANAGE, &in_url));
    for (secret, error) in [("", "invalid_dpop_proof"), (PASSWORD, "invalid_request")] {
        let url = format!("{}?{query}&client_secret={secret}", test.token_endpoint());
        assert_eq!(test.send(test.http.post(url)).await.text("/error"), error);
    }
    let call_proof = app.call_proof(&test, &Method::GET, "/api/v1/users", token).sign(&app.dpop_key);
    for scheme in ["DPoP", "DPoP", "Bearer", "SSWS"] {
        let call = test.http.get(test.url("/api/v1/users")).header("dpop", &call_proof);
        test.send(call.header("authorization", format!("{scheme} {token}"))).await;
    }
    let body = json!({"profile": {}, "credentials": {"password": {"value": PASSWORD}}});
    test.administer(Method::POST, "/api/v1/users", Some(body)).await;

    // With faults, which look at what is sent.
    let of_client = app.client_id.clone();
    for fault in [
        json!({"kind": "replay", "times": 1}),
        json!({"kind": "revoke-token", "presented": true, "client_id": of_client, "times": 1}),
        json!({"kind": "revoke-token", "token": token}),
    ] {
        test.administer(Method::POST, "/keybound/v1/faults", Some(fault)).await;
        test.call(&app, token, Method::GET, "/api/v1/users").await;
    }
    let events = test.administer(Method::GET, "/api/v1/logs?limit=1000", None).await.json.to_string();
    assert!(events.contains("keybound.fault.replay"), "{events}");

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for line in [
        "token granted",
        "token refused",
        "answered",
        "RFC 9449 section 11.1",
        "asked for strikes",
        "a replay was",
    ] {
        assert!(log.contains(line), "{line} is in the log:\n{log}");
    }
    for secret in [token, &assertion, &in_url, &proof, &call_proof, test.org.admin_token(), PASSWORD] {
        // A token is told by its signature too.
        let end = secret.rsplit('.').next().unwrap();
        assert!(!log.contains(end), "a secret is in the log:\n{log}");
        assert!(!events.contains(end), "a secret is in the system log:\n{events}");
    }
}
