//! Nothing that leaves the org's memory lets whoever has it act as somebody else.

use http::Method;
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use keybound_org::AdminRole;
use keybound_org::trace::TraceFile;
use serde_json::{Value, json};

use crate::support::{READ, TestOrg, claims, grant, url_encoded};

/// What is sent in places where it is a secret, or may be one.
const CANARIES: [&str; 16] = [
    "canary-secret",
    "canary-basic",
    "canary-code",
    "canary-verifier",
    "canary-refresh",
    "canary-device",
    "canary-cookie",
    "canary-password",
    "canary-ssws",
    "canary-state",
    "canary-exponent",
    "canary-header",
    "canary-name",
    "canary-recovery",
    "canary-query",
    "canary-fragment",
];

#[tokio::test]
async fn a_file_has_none_of_the_secrets_that_went_to_and_fro() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let nonce = test.nonce(&app).await;

    // A good conversation, of which the tokens are known.
    let assertion = app.assertion(&test).sign(&app.client_key);
    let proof = app.token_proof(&test, Some(&nonce)).sign(&app.dpop_key);
    let granted = test.ask(&grant(READ, &assertion), Some(&proof)).await;
    let token = granted.text("/access_token").to_owned();
    let call_proof = app.call_proof(&test, &Method::GET, "/api/v1/users", &token).sign(&app.dpop_key);
    let call = test.http.get(test.url("/api/v1/users?limit=2"));
    test.send(call.header(AUTHORIZATION, format!("DPoP {token}")).header("dpop", &call_proof)).await;

    send_canaries(&test).await;
    let private = app.token_proof(&test, None);
    let mut jwk = private.header["jwk"].clone();
    jwk["d"] = json!("canary-exponent");
    let private = private.header("jwk", jwk).sign(&app.dpop_key);
    test.ask(&grant(READ, "canary-header"), Some(&private)).await;
    for hidden in [
        json!([{"d": "canary-exponent"}]),
        json!("canary-exponent"),
        json!({"keys": [{"priv": "canary-exponent"}]}),
    ] {
        let draft = app.assertion(&test).header("jwk", hidden.clone()).header("jwks", hidden.clone());
        let draft = draft.header("d", json!("canary-exponent")).claim("jwk", hidden.clone());
        let draft =
            draft.claim("cnf", json!({ "jwk": hidden })).claim("client_secret", json!("canary-secret"));
        test.ask(&grant(READ, &draft.sign(&app.client_key)), Some(&private)).await;
    }

    let mut texts: Vec<(String, String)> = Vec::new();
    texts.push(("the file".to_owned(), test.org.traces().export(None).to_json()));
    for exchange in test.org.traces().exchanges(0, 100) {
        texts.push(("the API".to_owned(), json!(exchange).to_string()));
    }
    let admin_token = test.org.admin_token();
    for (name, text) in &texts {
        for canary in CANARIES.iter().chain([&admin_token]) {
            assert!(!text.contains(canary), "{canary} is in {name}: {text}");
        }
        for jwt in [&assertion, &proof, &token, &call_proof, &private] {
            let signature = jwt.rsplit('.').next().unwrap();
            assert!(!text.contains(signature), "a signature is in {name}");
            assert!(!text.contains(jwt.split('.').nth(1).unwrap()), "a JWT is in {name}");
        }
        assert!(!text.contains("Y2FuYXJ5"), "a canary in base64 is in {name}");
    }
    // What the explanation needs is there.
    let file = TraceFile::parse(texts[0].1.as_bytes()).unwrap();
    let issued = file.exchanges.iter().flat_map(|exchange| &exchange.tokens);
    let jti = &claims(&token)["jti"];
    assert!(issued.filter_map(|token| token.claims.as_ref()).any(|claims| claims["jti"] == *jti));
}

async fn send_canaries(test: &TestOrg) {
    let form = [
        ("grant_type", "canary-name"),
        ("client_id", "0oa1"),
        ("redirect_uri", "https://a.example/?x=canary-query"),
        ("client_secret", "canary-secret"),
        ("code", "canary-code"),
        ("code_verifier", "canary-verifier"),
        ("refresh_token", "canary-refresh"),
        ("device_code", "canary-device"),
        ("user_code", "canary-device"),
        ("token", "canary-refresh"),
        ("password", "canary-password"),
        ("state", "canary-state"),
        ("canary-name", "x"),
        ("client_assertion", "canary-secret"),
    ];
    let form = &form[1..];
    for path in
        ["/oauth2/v1/token", "/oauth2/v1/introspect", "/oauth2/v1/revoke", "/oauth2/v1/sign-in", "/activate"]
    {
        for authorization in [
            "Basic MG9hMTpjYW5hcnktYmFzaWM=",
            "Basic Y2FuYXJ5LWJhc2ljOng=",
            "SSWS canary-ssws",
            "canary-header",
            "DPoP canary-ssws",
        ] {
            let request = test.http.post(test.url(path)).header(AUTHORIZATION, authorization);
            let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            let request =
                request.header(COOKIE, "session=canary-cookie").header("x-api-key", "canary-header");
            request.header("dpop", "canary-header").body(url_encoded(form)).send().await.unwrap();
        }
    }
    let query = "q=canary-query&access_token=canary-query&code=canary-code&state=canary-state&client_id=0oa1";
    for path in
        ["/oauth2/v1/authorize", "/api/v1/users", "/api/v1/users/canary-name?limit=1&x=y#canary-fragment"]
    {
        let path = path.replace("canary-name", "nobody");
        let separator = if path.contains('?') { "&" } else { "?" };
        let path = path.replace("#canary-fragment", "");
        test.http.get(test.url(&format!("{path}{separator}{query}"))).send().await.unwrap();
    }
    let user = json!({
        "profile": {"firstName": "canary-name", "lastName": "canary-name", "email": "a@example.com", "login": "a@example.com"},
        "credentials": {"password": {"value": "canary-password"}, "recovery_question": {"question": "?", "answer": "canary-recovery"}},
    });
    let made = test.administer(Method::POST, "/api/v1/users?activate=true", Some(user)).await;
    assert_ne!(made.json["id"], Value::Null, "{made:?}");
}
