//! How Okta's SDKs get a token: what they send, and on which words, members and fields of the answers they act.

use keybound::Signer as _;
use serde_json::json;

use crate::raw::{RawAnswer, send};
use crate::sdk::{DOTNET, For, GO_2_0, GO_2_20, GO_6, JAVA, JAVA_8, Sdk, Starts, app};
use crate::support::{READ, TestApp, TestOrg, claims};

const TOKEN: &str = "/oauth2/v1/token";

/// What every SDK needs of every answer of the token endpoint: Go takes no other content type, and reads `Date`.
fn assert_json(sdk: &Sdk, answer: &RawAnswer) {
    let content_type = answer.field("content-type").unwrap_or_default();
    assert!(content_type.contains("application/json"), "{}: {answer:?}", sdk.source);
    assert!(answer.field("date").is_some_and(|date| date.ends_with(" GMT")), "{}: {answer:?}", sdk.source);
    answer.json();
}

fn assert_granted(sdk: &Sdk, answer: &RawAnswer, token_type: &str) {
    assert_json(sdk, answer);
    assert_eq!(answer.status, 200, "{}: {answer:?}", sdk.source);
    let body = answer.json();
    // Go and .NET compare with `DPoP` and `Bearer`, Java reads `expires_in` as an integer.
    assert_eq!(body["token_type"], token_type, "{}", sdk.source);
    assert_eq!(body["expires_in"], 3600, "{}", sdk.source);
    assert_eq!(body["scope"], READ, "{}", sdk.source);
    assert!(body["access_token"].as_str().is_some_and(|token| !token.contains(' ')), "{}", sdk.source);
}

fn ask(sdk: &Sdk, test: &TestOrg, app: &TestApp, proof: Option<&str>) -> RawAnswer {
    let assertion = sdk.assertion(test, app, &test.token_endpoint());
    sdk.ask(test, TOKEN, READ, &assertion, proof)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sdk_gets_a_bearer_token_for_an_app_that_need_not_prove_itself() {
    let test = TestOrg::start().await;
    let app = app(&test, false);
    for sdk in [GO_2_0, JAVA_8, GO_2_20, JAVA] {
        let answer = ask(&sdk, &test, &app, None);
        assert_granted(&sdk, &answer, "Bearer");
        let authorization = format!("Bearer {}", answer.text("/access_token"));
        let fields = [("Accept", "application/json"), ("Authorization", &authorization)];
        let called = send(&test, "GET /api/v1/users?limit=1", &fields, "");
        assert_eq!(called.status, 200, "{}: {called:?}", sdk.source);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sdk_that_knows_dpop_gets_a_bound_token_and_is_led_there_by_the_words_that_it_looks_for() {
    let test = TestOrg::start().await;
    let app = app(&test, true);
    let endpoint = test.token_endpoint();
    for sdk in [GO_2_20, GO_6, JAVA, DOTNET] {
        if sdk.starts == Starts::WithoutProof {
            let missing = ask(&sdk, &test, &app, None);
            assert_json(&sdk, &missing);
            // Java begins at 400 alone; Go looks for the word anywhere in the body.
            assert_eq!((missing.status, missing.text("/error").as_str()), (400, "invalid_dpop_proof"));
        }
        let (first, url) = (sdk.key(), endpoint.as_str());
        let proof = |nonce: &str, key| sdk.proof(&test, &For { method: "POST", url, nonce, token: "" }, key);
        let challenge = ask(&sdk, &test, &app, Some(&proof("", &first)));
        assert_json(&sdk, &challenge);
        assert_eq!((challenge.status, challenge.text("/error").as_str()), (400, "use_dpop_nonce"));
        // .NET finds the field by its name in small letters alone.
        let nonce = challenge.field("dpop-nonce").expect("the nonce, by its name in small letters");
        let key = sdk.next_key(&first);
        let granted = ask(&sdk, &test, &app, Some(&proof(nonce, &key)));
        assert_granted(&sdk, &granted, "DPoP");
        let bound = &claims(&granted.text("/access_token"))["cnf"]["jkt"];
        assert_eq!(*bound, json!(key.public_key().thumbprint().to_string()), "{}", sdk.source);
    }
}

/// Go 6.1 and .NET send a proof to every app. Okta, says a comment in Go's source, then ignores it if the app need not
/// prove itself; both SDKs take what `token_type` says. The org binds the token, as RFC 9449 section 5 has it.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_was_not_demanded_binds_the_token_and_the_sdks_go_by_its_type() {
    let test = TestOrg::start().await;
    let app = app(&test, false);
    for sdk in [GO_6, DOTNET] {
        let granted = sdk.granted(&test, &app);
        let url = test.url("/api/v1/users");
        let called = sdk.call(&test, &granted, "GET /api/v1/users?limit=1", "GET", &url);
        assert_eq!(called.status, 200, "{}: {called:?}", sdk.source);
    }
}

/// Go's mode `JWT` has one assertion from its caller, and sends it again after the challenge.
#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_that_was_challenged_is_good_for_the_next_request() {
    let test = TestOrg::start().await;
    let app = app(&test, true);
    let (endpoint, key) = (test.token_endpoint(), GO_6.key());
    let assertion = GO_6.assertion(&test, &app, &endpoint);
    let ask = |nonce: &str| {
        let what = For { method: "POST", url: &endpoint, nonce, token: "" };
        let proof = GO_6.proof(&test, &what, &key);
        GO_6.ask(&test, TOKEN, READ, &assertion, Some(&proof))
    };
    let nonce = ask("").field("dpop-nonce").unwrap().to_owned();
    assert_granted(&GO_6, &ask(&nonce), "DPoP");
    let again = ask(&nonce);
    assert_eq!((again.status, again.text("/error").as_str()), (401, "invalid_client"), "and for no other");
}

/// `okta-aws-cli` (internal/m2mauth/m2mauth.go): a scope of a custom server, asked for in the URL.
#[tokio::test(flavor = "multi_thread")]
async fn okta_aws_cli_gets_a_token_of_a_custom_server() {
    let test = TestOrg::start().await;
    let app = app(&test, false);
    let scope = json!({"name": "okta-m2m-access"});
    let made =
        test.administer(http::Method::POST, "/api/v1/authorizationServers/default/scopes", Some(scope)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let path = "/oauth2/default/v1/token";
    let assertion = JAVA_8.assertion(&test, &app, &test.url(path));
    let answer = GO_2_0.ask(&test, path, "okta-m2m-access", &assertion, None);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(claims(&answer.text("/access_token"))["aud"], "api://default");
    let refused = GO_2_0.ask(&test, path, "okta-m2m-access", "e30.e30.x", None);
    assert!(refused.json()["error"].is_string() && refused.json()["error_description"].is_string());
}

/// What Okta takes from a URL is what its SDKs send there. Everything else that a token request has is a secret of its
/// own, or stands for one (RFC 6749 sections 2.3.1 and 3.2).
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_taken_from_a_url_and_no_parameter_twice() {
    let test = TestOrg::start().await;
    let app = app(&test, false);
    let assertion = GO_2_0.assertion(&test, &app, &test.token_endpoint());
    let good = format!(
        "client_assertion={assertion}&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer\
         &grant_type=client_credentials&scope={READ}"
    );
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    for (name, query, fields, body, expected) in [
        ("all in the URL", good.as_str(), &[form][..], "", (200, "")),
        ("without the type of the empty body", &good, &[], "", (200, "")),
        ("an empty body of another type", &good, &[("Content-Type", "application/json")], "", (200, "")),
        (
            "one in the body",
            &good.replace("&scope=okta.users.read", ""),
            &[form],
            "scope=okta.users.read",
            (200, ""),
        ),
        ("one in both", &good, &[form], "scope=okta.users.read", (400, "invalid_request")),
        ("another in both", &good, &[form], "grant_type=password", (400, "invalid_request")),
        ("one twice", &format!("{good}&scope=x"), &[form], "", (400, "invalid_request")),
        (
            "a secret",
            "client_id=0oa1&client_secret=s&grant_type=client_credentials",
            &[form],
            "",
            (400, "invalid_request"),
        ),
        ("a secret beside a body", "client_secret=s", &[form], &good, (400, "invalid_request")),
        ("a code", "code=s", &[form], "grant_type=authorization_code", (400, "invalid_request")),
        (
            "a refresh token",
            "refresh_token=s&grant_type=refresh_token",
            &[form],
            "",
            (400, "invalid_request"),
        ),
        ("JSON", &good, &[("Content-Type", "application/json")], "{}", (400, "invalid_request")),
        ("what nobody knows", "cache=1", &[form], &good, (200, "")),
    ] {
        let answer = send(&test, &format!("POST {TOKEN}?{query}"), fields, body);
        assert_eq!((answer.status, answer.text("/error").as_str()), expected, "{name}: {answer:?}");
        if expected.0 == 400 {
            assert!(!answer.body.contains("=s"), "{name}: {answer:?}");
        }
    }
    for path in ["/oauth2/v1/introspect", "/oauth2/v1/revoke", "/oauth2/v1/par"] {
        let answer = send(&test, &format!("POST {path}?{good}&token=x"), &[form], "");
        assert_ne!(answer.status, 200, "only a token request may stand in a URL: {path}");
    }
}

/// A client assertion in a URL is a credential there too: whoever reads a trace could use it.
#[tokio::test(flavor = "multi_thread")]
async fn the_trace_tells_of_a_request_in_the_url_and_has_no_assertion() {
    let test = TestOrg::start().await;
    let app = app(&test, false);
    let assertion = GO_2_0.assertion(&test, &app, &test.token_endpoint());
    assert_eq!(GO_2_0.ask(&test, TOKEN, READ, &assertion, None).status, 200);
    send(&test, &format!("POST {TOKEN}?client_secret=canary-secret&code=canary-code"), &[], "");

    let exchanges = test.org.traces().exchanges(0, 10);
    let granted = exchanges.iter().find(|exchange| exchange.status == Some(200)).unwrap();
    assert_eq!(granted.client_id.as_deref(), Some(app.client_id.as_str()));
    assert!(
        granted
            .tokens
            .iter()
            .any(|token| token.claims.as_ref().is_some_and(|found| found["sub"] == app.client_id.as_str()))
    );
    assert!(granted.target.contains("client_assertion=%5Bremoved%3A+a+JWT"), "{}", granted.target);
    let file = test.org.traces().export(None).to_json();
    for secret in [assertion.split('.').nth(1).unwrap(), assertion.rsplit('.').next().unwrap(), "canary"] {
        assert!(!file.contains(secret), "{secret} is in {file}");
    }
}
