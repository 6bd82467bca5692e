//! Pushed authorization requests (RFC 9126), with a proof that binds the code (RFC 9449 section 10.1).

use http::StatusCode;
use keybound::Signer as _;

use crate::people::{self, Browser, LOGIN, Parameters, UserApp};
use crate::support::{TestOrg, es256};

fn pointing_to(app: &UserApp, request_uri: &str) -> Parameters {
    Parameters::new(&[("client_id", &app.client_id), ("request_uri", request_uri)])
}

#[tokio::test]
async fn a_pushed_request_is_used_once_and_bound_to_the_key_of_its_proof() {
    let (test, app) = people::with_native_app().await;
    let pushed = app.post(&test, "/par", &app.request(), true).await;
    assert_eq!(
        (pushed.status, pushed.json["expires_in"].as_u64()),
        (StatusCode::CREATED, Some(300)),
        "{pushed:?}"
    );
    let request_uri = pushed.text("/request_uri");
    assert!(request_uri.starts_with("urn:ietf:params:oauth:request_uri:"));

    let mut browser = Browser::default();
    let other = people::native(&test);
    let url = other.authorize_url(&test, &pointing_to(&other, request_uri));
    assert_eq!(browser.open(&url).await.status, StatusCode::BAD_REQUEST, "another client's");
    let url = app.authorize_url(&test, &pointing_to(&app, request_uri));
    let response = browser.sign_in(&test, &url, LOGIN).await;
    assert_eq!(response["state"], "s t&ate");
    assert_eq!(browser.open(&url).await.status, StatusCode::BAD_REQUEST, "RFC 9126 section 7.3: once");

    let exchange = UserApp::exchange(&response["code"]);
    let thief = app.copy(|copy| copy.dpop_key = es256());
    assert_eq!(thief.post(&test, "/token", &exchange, true).await.text("/error"), "invalid_dpop_proof");
    assert_eq!(app.post(&test, "/token", &exchange, true).await.status, StatusCode::OK);
}

/// How a request is spoiled, and what is wrong with it.
type Spoiled = (&'static str, fn(Parameters) -> Parameters, &'static str, &'static str);

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_when_it_is_pushed() {
    let test = TestOrg::start().await;
    let app = people::native(&test);
    let cases: [Spoiled; 5] = [
        ("elsewhere", |r| r.with("redirect_uri", "https://evil.example"), "invalid_request", "redirect_uri"),
        ("no challenge", |r| r.without("code_challenge"), "invalid_request", "PKCE"),
        ("another scope", |r| r.with("scope", "x"), "invalid_scope", "scopes"),
        ("a request_uri", |r| r.with("request_uri", "urn:x"), "invalid_request", "request_uri"),
        ("another response_type", |r| r.with("response_type", "token"), "unsupported_response_type", "code"),
    ];
    for (name, spoil, error, description) in cases {
        let refused = app.post(&test, "/par", &spoil(app.request()), true).await;
        assert_eq!((refused.status.as_u16(), refused.text("/error")), (400, error), "{name}: {refused:?}");
        assert!(refused.text("/error_description").contains(description), "{name}: {refused:?}");
    }
    let other_key = es256().public_key().thumbprint().to_string();
    let refused = app.post(&test, "/par", &app.request().with("dpop_jkt", &other_key), true).await;
    assert_eq!(refused.text("/error"), "invalid_dpop_proof", "RFC 9449 section 10.1: {refused:?}");

    let pushed = app.post(&test, "/par", &app.request(), false).await;
    test.wait(300);
    let url = app.authorize_url(&test, &pointing_to(&app, pushed.text("/request_uri")));
    assert_eq!(Browser::default().open(&url).await.status, StatusCode::BAD_REQUEST, "expired");
}
