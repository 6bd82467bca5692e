//! The authorization code grant (RFC 6749 section 4.1) with PKCE (RFC 7636), `dpop_jkt` (RFC 9449 section 10) and ID
//! tokens (OpenID Connect Core).

use http::StatusCode;
use keybound::{Algorithm, JwkSet, Signer as _, UnverifiedJws, VerifyingKey};
use keybound_org::{GrantType, TokenEndpointAuthMethod};
use serde_json::{Value, json};

use crate::people::{self, Browser, CALLBACK, CHALLENGE, LOGIN, LOOPBACK, Parameters, UserApp};
use crate::support::{TestOrg, claims, es256};

#[tokio::test]
async fn a_user_signs_in_and_the_app_gets_tokens_that_are_bound_to_its_key() {
    let test = TestOrg::start().await;
    let user_id = people::user(&test).await;
    let app = people::native(&test);
    let mut browser = Browser::default();
    let thumbprint = app.dpop_key.public_key().thumbprint().to_string();
    let request = app.request().with("dpop_jkt", &thumbprint);
    let response = browser.sign_in(&test, &app.authorize_url(&test, &request), LOGIN).await;
    assert_eq!(response["state"], "s t&ate", "RFC 6749 section 4.1.2");
    assert_eq!(response["iss"], test.org.url(), "RFC 9207 section 2");
    test.wait(60);
    let granted = app.post(&test, "/token", &UserApp::exchange(&response["code"]), true).await;
    assert_eq!(granted.status, StatusCode::OK, "{granted:?}");
    assert_eq!(granted.text("/token_type"), "DPoP");

    let access = claims(granted.text("/access_token"));
    for (claim, expected) in [
        ("sub", json!(LOGIN)),
        ("uid", json!(user_id)),
        ("cid", json!(app.client_id)),
        ("auth_time", json!(test.now() - 60)),
        ("iat", json!(test.now())),
        ("scp", json!(["openid", "profile", "email", "offline_access", "okta.users.read"])),
        ("cnf", json!({"jkt": thumbprint})),
    ] {
        assert_eq!(access[claim], expected, "{claim}");
    }
    let id_token = granted.text("/id_token");
    let id = claims(id_token);
    for (claim, expected) in [
        ("iss", json!(test.org.url())),
        ("aud", json!(app.client_id)),
        ("sub", json!(user_id)),
        ("nonce", json!("n-1")),
        ("auth_time", json!(test.now() - 60)),
        ("exp", json!(test.now() + 3600)),
        ("preferred_username", json!(LOGIN)),
        ("name", json!("Ada Lovelace")),
        ("email", json!(LOGIN)),
        ("groups", Value::Null),
    ] {
        assert_eq!(id[claim], expected, "{claim}");
    }
    assert!(id["at_hash"].is_string() && id["jti"].as_str().unwrap().starts_with("ID."));
    let keys = test.get("/oauth2/v1/keys").await;
    let keys = JwkSet::parse(keys.json.to_string().as_bytes()).unwrap();
    let jws = UnverifiedJws::decode(id_token, 16_384).unwrap();
    let is_signed = keys.keys().iter().any(|key| {
        VerifyingKey::new(key, Algorithm::RS256).unwrap().verify(jws.signing_input(), jws.signature()).is_ok()
    });
    assert!(is_signed);

    let called = app.get(&test, "/api/v1/users?limit=1", granted.text("/access_token")).await;
    assert_eq!(called.status, StatusCode::OK, "{called:?}");
    let me = app.get(&test, "/api/v1/users/me", granted.text("/access_token")).await;
    assert_eq!((me.status, me.text("/profile/login")), (StatusCode::OK, LOGIN), "{me:?}");
    let told = app.get(&test, "/oauth2/v1/userinfo", granted.text("/access_token")).await;
    assert_eq!((told.text("/sub"), told.text("/email")), (user_id.as_str(), LOGIN), "{told:?}");

    // Signed in already: no page this time.
    let again = browser.open(&app.authorize_url(&test, &app.request().with("prompt", "none"))).await;
    assert!(again.response().contains_key("code"), "{again:?}");
}

#[tokio::test]
async fn a_code_is_good_once_and_its_second_use_ends_what_it_was_exchanged_for() {
    let (test, app) = people::with_native_app().await;
    let code = app.code(&test, &app.request()).await;
    let granted = app.post(&test, "/token", &UserApp::exchange(&code), true).await;
    let access = granted.text("/access_token");
    assert_eq!(app.get(&test, "/api/v1/users?limit=1", access).await.status, StatusCode::OK);

    let refused = app.post(&test, "/token", &UserApp::exchange(&code), true).await;
    assert_eq!(refused.text("/error"), "invalid_grant", "RFC 6749 section 4.1.2: {refused:?}");
    assert_eq!(app.get(&test, "/api/v1/users?limit=1", access).await.status, StatusCode::UNAUTHORIZED);
    let refused = app.post(&test, "/token", &UserApp::refresh(granted.text("/refresh_token")), true).await;
    assert_eq!(refused.text("/error"), "invalid_grant");
}

#[tokio::test]
async fn of_many_at_once_one_exchanges_a_code() {
    let (test, app) = people::with_native_app().await;
    let code = app.code(&test, &app.request()).await;
    let exchange = UserApp::exchange(&code);
    let answers = tokio::join!(
        app.post(&test, "/token", &exchange, true),
        app.post(&test, "/token", &exchange, true),
        app.post(&test, "/token", &exchange, true),
        app.post(&test, "/token", &exchange, true),
    );
    let answers = [answers.0, answers.1, answers.2, answers.3];
    let granted = answers.iter().filter(|answer| answer.status == StatusCode::OK).count();
    assert_eq!(granted, 1, "{answers:?}");
}

const CODE: &str = "The authorization code is invalid or has expired.";
const PKCE: &str = "PKCE verification failed.";

/// How an exchange is spoiled, and the answer.
type Spoiled = (&'static str, fn(Parameters) -> Parameters, &'static str, &'static str);

#[tokio::test]
async fn a_code_that_does_not_fit_its_request_is_refused_and_stays_good() {
    let (test, app) = people::with_native_app().await;
    let code = app.code(&test, &app.request()).await;
    let cases: [Spoiled; 7] = [
        ("another code", |f| f.with("code", "x"), "invalid_grant", CODE),
        ("a long code", |f| f.with("code", &"x".repeat(5000)), "invalid_grant", CODE),
        ("no code", |f| f.without("code"), "invalid_request", "code is missing"),
        ("no verifier", |f| f.without("code_verifier"), "invalid_grant", PKCE),
        ("another verifier", |f| f.with("code_verifier", CHALLENGE), "invalid_grant", PKCE),
        ("another redirect_uri", |f| f.with("redirect_uri", LOOPBACK), "invalid_grant", "redirect_uri"),
        ("no redirect_uri", |f| f.without("redirect_uri"), "invalid_request", "redirect_uri is missing"),
    ];
    for (name, spoil, error, description) in cases {
        let refused = app.post(&test, "/token", &spoil(UserApp::exchange(&code)), true).await;
        assert_eq!(refused.text("/error"), error, "{name}: {refused:?}");
        assert!(refused.text("/error_description").contains(description), "{name}: {refused:?}");
    }
    let other = people::native(&test);
    let refused = other.post(&test, "/token", &UserApp::exchange(&code), true).await;
    assert_eq!(refused.text("/error"), "invalid_grant", "another client's");
    let refused = app.post(&test, "/token", &UserApp::exchange(&code), false).await;
    assert_eq!(refused.text("/error"), "invalid_dpop_proof", "the app requires a proof");
    assert_eq!(app.post(&test, "/token", &UserApp::exchange(&code), true).await.status, StatusCode::OK);

    let code = app.code(&test, &app.request()).await;
    test.wait(300);
    let refused = app.post(&test, "/token", &UserApp::exchange(&code), true).await;
    assert_eq!(refused.text("/error_description"), CODE, "five minutes");
}

#[tokio::test]
async fn a_code_that_is_bound_to_a_key_needs_a_proof_of_that_key() {
    let test = TestOrg::start().await;
    people::user(&test).await;
    // Of this one no proof is required.
    let app = people::web(&test, TokenEndpointAuthMethod::ClientSecretPost);
    let jkt = app.dpop_key.public_key().thumbprint().to_string();
    let code = app.code(&test, &app.request().with("dpop_jkt", &jkt)).await;
    let exchange = UserApp::exchange(&code);
    assert_eq!(app.post(&test, "/token", &exchange, false).await.text("/error"), "invalid_dpop_proof");
    let thief = app.copy(|copy| copy.dpop_key = es256());
    let refused = thief.post(&test, "/token", &exchange, true).await;
    assert_eq!(refused.text("/error"), "invalid_dpop_proof", "RFC 9449 section 10: {refused:?}");
    assert_eq!(app.post(&test, "/token", &exchange, true).await.text("/token_type"), "DPoP");

    let code = app.code(&test, &app.request()).await;
    assert_eq!(
        app.post(&test, "/token", &UserApp::exchange(&code), false).await.text("/token_type"),
        "Bearer"
    );
}

#[tokio::test]
async fn each_client_authenticates_as_its_app_says() {
    use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost, None};
    let test = TestOrg::start().await;
    people::user(&test).await;
    for method in [ClientSecretBasic, ClientSecretPost] {
        let app = people::web(&test, method);
        let code = app.code(&test, &app.request()).await;
        let public = app.copy(|copy| copy.method = None);
        let refused = public.post(&test, "/token", &UserApp::exchange(&code), false).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{method:?}: {refused:?}");
        assert!(refused.text("/error_description").contains(method.name()), "{refused:?}");
        let wrong = app.copy(|copy| copy.secret = Some("x".to_owned()));
        let refused = wrong.post(&test, "/token", &UserApp::exchange(&code), false).await;
        assert_eq!(
            refused.text("/error_description"),
            "The client secret supplied for a confidential client is invalid."
        );
        assert!(refused.header("www-authenticate").starts_with("Basic"), "RFC 6749 section 5.2");
        let twice = UserApp::exchange(&code).with("client_secret", "x").with("client_assertion", "x");
        let refused = app.post(&test, "/token", &twice, false).await;
        assert_eq!(refused.text("/error"), "invalid_request", "RFC 6749 section 5.2: {refused:?}");
        assert_eq!(app.post(&test, "/token", &UserApp::exchange(&code), false).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_secret_may_stand_in_the_field_and_in_the_form_whatever_the_app_says() {
    use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost};
    let test = TestOrg::start().await;
    people::user(&test).await;
    for (method, sent) in [(ClientSecretBasic, ClientSecretPost), (ClientSecretPost, ClientSecretBasic)] {
        let app = people::web(&test, method);
        let code = app.code(&test, &app.request()).await;
        let client = app.copy(|copy| copy.method = sent);
        let answer = client.post(&test, "/token", &UserApp::exchange(&code), false).await;
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "RFC 6749 section 2.3.1, {method:?} by {sent:?}: {answer:?}"
        );
    }
}

/// How a request is spoiled, and what the client is told.
type Redirected = (&'static str, fn(Parameters) -> Parameters, &'static str, &'static str);

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_to_the_client_by_redirect() {
    let (test, app) = people::with_native_app().await;
    let scopes = "One or more scopes are not configured for the authorization server resource.";
    let cases: [Redirected; 19] = [
        ("no response_type", |r| r.without("response_type"), "invalid_request", "response_type is missing"),
        (
            "another response_type",
            |r| r.with("response_type", "token"),
            "unsupported_response_type",
            "[code]",
        ),
        ("another response_mode", |r| r.with("response_mode", "x"), "invalid_request", "response mode"),
        ("no scope", |r| r.without("scope"), "invalid_scope", "'scope' must be provided"),
        (
            "a scope that is not granted",
            |r| r.with("scope", "openid okta.apps.read"),
            "invalid_scope",
            scopes,
        ),
        ("a long scope", |r| r.with("scope", &"openid ".repeat(2000)), "invalid_scope", scopes),
        (
            "no challenge",
            |r| r.without("code_challenge"),
            "invalid_request",
            "PKCE code challenge is required",
        ),
        ("a plain challenge", |r| r.with("code_challenge_method", "plain"), "invalid_request", "S256"),
        ("no method", |r| r.without("code_challenge_method"), "invalid_request", "S256"),
        ("a short challenge", |r| r.with("code_challenge", "abc"), "invalid_request", "S256"),
        ("no thumbprint", |r| r.with("dpop_jkt", "abc"), "invalid_request", "dpop_jkt"),
        ("another prompt", |r| r.with("prompt", "x"), "invalid_request", "prompt"),
        ("none and login", |r| r.with("prompt", "none login"), "invalid_request", "prompt"),
        ("nobody is signed in", |r| r.with("prompt", "none"), "login_required", "not to prompt"),
        ("a max_age that is no number", |r| r.with("max_age", "-1"), "invalid_request", "max_age"),
        ("a long nonce", |r| r.with("nonce", &"x".repeat(3000)), "invalid_request", "nonce is too long"),
        (
            "a long login_hint",
            |r| r.with("login_hint", &"x".repeat(400)),
            "invalid_request",
            "login_hint is too long",
        ),
        ("a request object", |r| r.with("request", "e30.e30."), "request_not_supported", "request"),
        ("a long state", |r| r.with("state", &"x".repeat(3000)), "invalid_request", "state is too long"),
    ];
    let mut browser = Browser::default();
    for (name, spoil, error, description) in cases {
        let shown = browser.open(&app.authorize_url(&test, &spoil(app.request()))).await;
        assert_eq!(shown.status, StatusCode::SEE_OTHER, "{name}: {shown:?}");
        assert!(shown.location().starts_with(&format!("{CALLBACK}?error=")), "{name}: {shown:?}");
        let response = shown.response();
        assert_eq!(response["error"], error, "{name}");
        assert!(response["error_description"].contains(description), "{name}: {response:?}");
        assert_eq!(response["iss"], test.org.url(), "{name}: RFC 9207 section 2");
        if name != "a long state" {
            assert_eq!(response["state"], "s t&ate", "{name}: RFC 6749 section 4.1.2.1");
        }
    }
    let mut service = people::native_app();
    service.client.grant_types = vec![GrantType::DeviceCode];
    let service = UserApp::register(&test, &service);
    let shown = browser.open(&service.authorize_url(&test, &service.request().with("scope", "openid"))).await;
    assert_eq!(shown.response()["error"], "unauthorized_client");
}

#[tokio::test]
async fn nobody_is_sent_where_the_app_did_not_register() {
    let test = TestOrg::start().await;
    let app = people::native(&test);
    let mut web = people::native_app();
    web.client.application_type = keybound_org::ApplicationType::Web;
    web.client.redirect_uris.push("javascript:alert(1)".to_owned());
    web.client.redirect_uris.push("https://app.example/#fragment".to_owned());
    let web = UserApp::register(&test, &web);
    let mut browser = Browser::default();
    for (name, app, uri) in [
        ("none", &app, ""),
        ("another host", &app, "https://evil.example/callback"),
        ("a longer path", &app, "https://app.example/callback/x"),
        ("a query", &app, "https://app.example/callback?x=1"),
        ("user information", &app, "https://app.example@evil.example/callback"),
        ("another port", &app, "https://app.example:444/callback"),
        ("no URI", &app, "x"),
        ("a long one", &app, format!("https://app.example/callback?{}", "x".repeat(3000)).as_str()),
        ("a loopback port of a web app", &web, "http://127.0.0.1:4567/callback"),
        ("a script, though registered", &web, "javascript:alert(1)"),
        ("a fragment, though registered", &web, "https://app.example/#fragment"),
        ("a line break", &app, "https://app.example/callback\r\nx: y"),
    ] {
        // Whatever else is wrong, this comes first.
        for request in [app.request(), app.request().with("response_type", "x").with("prompt", "none")] {
            let shown = browser.open(&app.authorize_url(&test, &request.with("redirect_uri", uri))).await;
            assert_eq!((shown.status, shown.location()), (StatusCode::BAD_REQUEST, ""), "{name}: {shown:?}");
        }
    }
    let unknown = app.request().with("client_id", "<script>");
    let shown = browser.open(&app.authorize_url(&test, &unknown)).await;
    assert_eq!(shown.status, StatusCode::BAD_REQUEST);
    assert!(!shown.html.contains("<script>"));
    let twice = app.request().and("state", "x");
    assert_eq!(browser.open(&app.authorize_url(&test, &twice)).await.status, StatusCode::BAD_REQUEST);
    let shown = browser
        .open(
            &app.authorize_url(&test, &app.request().with("redirect_uri", "http://127.0.0.1:4567/callback")),
        )
        .await;
    assert_eq!(shown.status, StatusCode::OK, "RFC 8252 section 7.3: any port of a native app");
}
