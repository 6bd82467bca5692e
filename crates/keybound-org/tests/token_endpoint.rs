//! The token endpoint: what it grants and, in a table, what it refuses and how (RFC 6749 section 5.2,
//! RFC 7523 section 3, RFC 9449 sections 5 and 8).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, StatusCode};
use keybound::access_token::AccessTokenPolicy;
use keybound::assertion::CLIENT_ASSERTION_TYPE;
use keybound::exchange::{DPOP, DPOP_NONCE};
use keybound::{Algorithm, JwkSet, NumericDate, Rule, Signer as _, SigningKey};
use serde_json::{Value, json};
use support::{Draft, NOW, READ, TestApp, TestOrg, claims, copy_of, es256, grant, header_value, url_encoded};

const DAY: u64 = 24 * 60 * 60;

#[tokio::test]
async fn a_challenge_is_answered_with_a_fresh_proof_and_assertion_and_the_token_is_bound() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    let first = app.assertion(&test).sign(&app.client_key);
    let challenge =
        test.ask(&grant(READ, &first), Some(&app.token_proof(&test, None).sign(&app.dpop_key))).await;
    assert_eq!(challenge.status, StatusCode::BAD_REQUEST);
    assert_eq!(challenge.text("/error"), "use_dpop_nonce");
    assert_eq!(challenge.text("/error_description"), "Authorization server requires nonce in DPoP proof.");
    assert_eq!(challenge.header("cache-control"), "no-store");
    let nonce = challenge.header("dpop-nonce");
    assert_eq!(nonce.len(), 32);

    let assertion = app.assertion(&test).sign(&app.client_key);
    let proof = app.token_proof(&test, Some(nonce)).sign(&app.dpop_key);
    let granted = test.ask(&grant("okta.users.read  okta.users.read", &assertion), Some(&proof)).await;
    assert_eq!(granted.status, StatusCode::OK, "{granted:?}");
    assert_eq!(granted.text("/token_type"), "DPoP");
    assert_eq!(granted.text("/scope"), READ);
    assert_eq!(granted.json["expires_in"], 3600);
    assert_eq!(granted.header("cache-control"), "no-store");

    let token = granted.text("/access_token");
    let found = claims(token);
    assert!(found["jti"].as_str().unwrap().starts_with("AT."));
    let thumbprint = app.dpop_key.public_key().thumbprint().to_string();
    for (claim, expected) in [
        ("ver", json!(1)),
        ("iss", json!(test.org.url())),
        ("aud", json!(test.org.url())),
        ("iat", json!(test.now())),
        ("exp", json!(test.now() + 3600)),
        ("cid", json!(app.client_id)),
        ("sub", json!(app.client_id)),
        ("scp", json!([READ])),
        ("cnf", json!({ "jkt": thumbprint })),
    ] {
        assert_eq!(found[claim], expected, "{claim}");
    }

    let keys = test.get("/oauth2/v1/keys").await;
    let keys = JwkSet::parse(keys.json.to_string().as_bytes()).unwrap();
    let policy = AccessTokenPolicy::new(test.org.url().to_owned(), test.org.url().to_owned());
    policy.verify(token, &keys, NumericDate::from_seconds(test.now())).unwrap();
}

#[tokio::test]
async fn every_algorithm_of_okta_is_taken_for_assertions_and_for_proofs() {
    use Algorithm::{ES256, ES384, ES512, RS256, RS384, RS512};
    let test = TestOrg::start().await;
    for algorithm in [RS256, RS384, RS512, ES256, ES384, ES512] {
        let mut app = test.app(&[READ], &[]);
        app.client_key = SigningKey::generate(algorithm).unwrap();
        app.dpop_key = SigningKey::generate(algorithm).unwrap();
        let now = NumericDate::from_seconds(test.now());
        test.org.store().add_key(&app.client_id, app.client_key.public_key(), now).unwrap();
        let token = test.token(&app, READ).await;
        let thumbprint = app.dpop_key.public_key().thumbprint().to_string();
        assert_eq!(claims(&token)["cnf"]["jkt"], thumbprint, "{algorithm}");
    }
}

#[tokio::test]
async fn a_proof_binds_the_token_of_an_app_that_need_not_send_one() {
    let test = TestOrg::start().await;
    let app = test.app_that(false, &[READ], &[]);
    assert!(claims(&test.token(&app, READ).await)["cnf"]["jkt"].is_string());
    assert_eq!(claims(&test.bearer_token(&app, READ).await)["cnf"], Value::Null);

    test.org.store().require_dpop(&app.client_id, true).unwrap();
    let assertion = app.assertion(&test).sign(&app.client_key);
    assert_eq!(test.ask(&grant(READ, &assertion), None).await.text("/error"), "invalid_dpop_proof");
}

#[tokio::test]
async fn an_assertion_names_the_issuer_or_the_token_endpoint_as_its_audience_and_may_lack_a_jti() {
    let test = TestOrg::start().await;
    let app = test.app_that(false, &[READ], &[]);
    for audience in [json!(test.token_endpoint()), json!(test.org.url()), json!(["x", test.org.url()])] {
        let assertion = app.assertion(&test).claim("aud", audience.clone()).sign(&app.client_key);
        assert_eq!(test.ask(&grant(READ, &assertion), None).await.status, StatusCode::OK, "{audience}");
    }
    let assertion = app.assertion(&test).without_claim("jti").sign(&app.client_key);
    for _ in 0..2 {
        assert_eq!(test.ask(&grant(READ, &assertion), None).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_nonce_is_renewed_after_a_day_and_accepted_until_the_third() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    let nonce = test.nonce(&app).await;
    let outcome = async || {
        let assertion = app.assertion(&test).sign(&app.client_key);
        let proof = app.token_proof(&test, Some(&nonce)).sign(&app.dpop_key);
        let answer = test.ask(&grant(READ, &assertion), Some(&proof)).await;
        (answer.status.as_u16(), answer.text("/error").to_owned())
    };
    test.wait(DAY);
    assert_ne!(test.nonce(&app).await, nonce);
    assert_eq!(outcome().await.0, 200);
    test.wait(2 * DAY);
    assert_eq!(outcome().await, (400, "use_dpop_nonce".to_owned()));
}

/// A token request: a good one that a case spoils in one way.
struct Request {
    form: Vec<(&'static str, String)>,
    fields: HeaderMap,
    assertion: Draft,
    assertion_key: SigningKey,
    proof: Option<Draft>,
    proof_key: SigningKey,
}

impl Request {
    fn good(test: &TestOrg, app: &TestApp, nonce: &str) -> Self {
        let mut fields = HeaderMap::new();
        fields.insert(CONTENT_TYPE, header_value("application/x-www-form-urlencoded"));
        let parameters = [("grant_type", "client_credentials"), ("scope", READ)];
        let method = ("client_assertion_type", CLIENT_ASSERTION_TYPE);
        Self {
            form: parameters
                .into_iter()
                .chain([method])
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
            fields,
            assertion: app.assertion(test),
            assertion_key: copy_of(&app.client_key),
            proof: Some(app.token_proof(test, Some(nonce))),
            proof_key: copy_of(&app.dpop_key),
        }
    }

    fn without(mut self, name: &str) -> Self {
        self.form.retain(|(known, _)| *known != name);
        self
    }

    fn with(self, name: &'static str, value: &str) -> Self {
        let mut request = self.without(name);
        request.form.push((name, value.to_owned()));
        request
    }

    fn field(mut self, name: HeaderName, value: &str) -> Self {
        self.fields.insert(name, header_value(value));
        self
    }

    fn assertion(mut self, spoil: impl FnOnce(Draft) -> Draft) -> Self {
        self.assertion = spoil(self.assertion);
        self
    }

    fn claim(self, name: &str, value: Value) -> Self {
        self.assertion(|assertion| assertion.claim(name, value))
    }

    fn proof(mut self, spoil: impl FnOnce(Draft) -> Draft) -> Self {
        self.proof = self.proof.map(spoil);
        self
    }

    async fn send(mut self, test: &TestOrg) -> support::Answer {
        if !self.form.iter().any(|(name, _)| *name == "client_assertion") {
            self.form.push(("client_assertion", self.assertion.sign(&self.assertion_key)));
        }
        if let Some(proof) = &self.proof {
            self.fields.append(DPOP, header_value(&proof.sign(&self.proof_key)));
        }
        let form: Vec<_> = self.form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        test.send(test.http.post(test.token_endpoint()).headers(self.fields).body(url_encoded(&form))).await
    }
}

/// What is wrong with a request, how it is made so, and a part of the answer's description.
type Case = (&'static str, fn(Request) -> Request, &'static str);

/// A case whose answer names the rule that is broken.
type RuleCase = (&'static str, fn(Request) -> Request, &'static str, Rule);

/// Sends each case; every answer has this status and this error.
async fn assert_refused(status: u16, error: &str, cases: impl IntoIterator<Item = Case>) {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    let nonce = test.nonce(&app).await;
    let good = Request::good(&test, &app, &nonce).send(&test).await;
    assert_eq!(good.status, StatusCode::OK, "{good:?}");
    for (name, spoil, description) in cases {
        let answer = spoil(Request::good(&test, &app, &nonce)).send(&test).await;
        assert_eq!((answer.status.as_u16(), answer.text("/error")), (status, error), "{name}: {answer:?}");
        let found = answer.text("/error_description");
        assert!(found.contains(description), "{name}: {found}");
        assert_eq!(answer.headers.contains_key(DPOP_NONCE), error == "use_dpop_nonce", "{name}");
        assert_eq!(answer.header("cache-control"), "no-store", "{name}");
    }
}

async fn assert_refused_by_rule(status: u16, error: &str, cases: &[RuleCase]) {
    assert_refused(status, error, cases.iter().map(|(name, spoil, says, _)| (*name, *spoil, *says))).await;
    assert_refused(status, error, cases.iter().map(|(name, spoil, _, rule)| (*name, *spoil, rule.source())))
        .await;
}

#[tokio::test]
async fn a_form_that_cannot_be_read_is_an_invalid_request() {
    const TYPE: &str = "application/x-www-form-urlencoded";
    let cases: [Case; 5] = [
        ("another content type", |r| r.field(CONTENT_TYPE, "application/json"), TYPE),
        ("no content type", |r| r.field(CONTENT_TYPE, ""), TYPE),
        ("no grant type", |r| r.without("grant_type"), "grant_type is missing"),
        ("no assertion", |r| r.with("client_assertion", ""), "client_assertion is missing"),
        (
            "a parameter twice",
            |mut r| {
                r.form.push(("scope", READ.to_owned()));
                r
            },
            "more than once",
        ),
    ];
    assert_refused(400, "invalid_request", cases).await;
    let large: Case = ("a large body", |r| r.with("padding", &"x".repeat(40_000)), "larger than 32768 bytes");
    assert_refused(413, "invalid_request", [large]).await;
}

#[tokio::test]
async fn a_grant_or_a_scope_that_the_app_does_not_have_is_refused_in_oktas_words() {
    const UNKNOWN: &str = "One or more scopes are not configured for the authorization server resource.";
    let grant: Case = (
        "another grant",
        |r| r.with("grant_type", "password"),
        "The authorization grant type is not supported by the authorization server.",
    );
    assert_refused(400, "unsupported_grant_type", [grant]).await;
    let scopes: [Case; 3] = [
        ("no scope", |r| r.without("scope"), "'scope' must be provided."),
        ("a scope that is not granted", |r| r.with("scope", "okta.users.manage"), UNKNOWN),
        ("a granted one and another", |r| r.with("scope", "okta.users.read okta.users.manage"), UNKNOWN),
    ];
    assert_refused(400, "invalid_scope", scopes).await;
}

#[tokio::test]
async fn a_client_that_does_not_authenticate_with_a_key_is_invalid() {
    const METHOD: &str = "private_key_jwt and nothing else";
    let cases: [Case; 3] = [
        ("no assertion type", |r| r.without("client_assertion_type"), METHOD),
        ("another assertion type", |r| r.with("client_assertion_type", "urn:x"), METHOD),
        ("another client_id", |r| r.with("client_id", "0oa1"), "client_id is not the sub"),
    ];
    assert_refused(401, "invalid_client", cases).await;
}

#[tokio::test]
async fn a_client_that_authenticates_twice_is_refused() {
    // RFC 6749 section 5.2: "utilizes more than one mechanism for authenticating the client".
    const TWICE: &str = "Cannot supply multiple client credentials";
    let cases: [Case; 2] = [
        ("a secret too", |r| r.with("client_secret", "s"), TWICE),
        ("Basic too", |r| r.field(AUTHORIZATION, "Basic YTpi"), TWICE),
    ];
    assert_refused(400, "invalid_request", cases).await;
}

#[tokio::test]
async fn an_assertion_is_refused_by_the_rule_that_it_breaks() {
    use Rule::{
        AssertionAudience as Audience, AssertionClient as Client, AssertionSignature as Signature,
        AssertionTimes as Times, WellFormedAssertion as WellFormed,
    };
    let cases: [RuleCase; 16] = [
        ("not a JWS", |r| r.with("client_assertion", "e30.e30"), "cannot be read", WellFormed),
        ("no audience", |r| r.assertion(|a| a.without_claim("aud")), "aud", WellFormed),
        ("no exp", |r| r.assertion(|a| a.without_claim("exp")), "exp", WellFormed),
        ("crit", |r| r.assertion(|a| a.header("crit", json!(["x"]))), "crit", WellFormed),
        ("a proof", |r| r.assertion(|a| a.header("typ", json!("dpop+jwt"))), "typ", WellFormed),
        ("iss is not sub", |r| r.claim("iss", json!("x")), "`iss` and `sub` differ", Client),
        ("an unknown client", |r| r.claim("iss", json!("x")).claim("sub", json!("x")), "registered", Client),
        (
            "another server",
            |r| r.claim("aud", json!("https://x.example")),
            "does not name this server",
            Audience,
        ),
        ("expired", |r| r.claim("exp", json!(NOW - 10)), "expired", Times),
        ("lives too long", |r| r.claim("exp", json!(NOW + 3606)), "3600 are accepted", Times),
        ("from the future", |r| r.claim("iat", json!(NOW + 60)), "future", Times),
        ("not yet valid", |r| r.claim("nbf", json!(NOW + 60)), "future", Times),
        ("another kid", |r| r.assertion(|a| a.header("kid", json!("x"))), "no key registered", Signature),
        ("unsigned", |r| r.assertion(|a| a.header("alg", json!("none"))), "none", Signature),
        (
            "a key that is not registered",
            |r| Request { assertion_key: es256(), ..r },
            "does not verify",
            Signature,
        ),
        (
            "an algorithm that Okta does not take",
            |r| Request { assertion_key: ed25519(), ..r }.assertion(|a| a.header("alg", json!("EdDSA"))),
            "EdDSA",
            Signature,
        ),
    ];
    assert_refused_by_rule(401, "invalid_client", &cases).await;
}

#[tokio::test]
async fn a_proof_is_refused_by_the_rule_that_it_breaks() {
    let missing: Case =
        ("no proof", |r| Request { proof: None, ..r }, "The DPoP proof JWT header is missing.");
    assert_refused(400, "invalid_dpop_proof", [missing]).await;
    let cases: [RuleCase; 9] = [
        ("two proofs", |r| r.field(DPOP, "a.b.c"), "more than one", Rule::OneProof),
        ("another method", |r| r.proof(|p| p.claim("htm", json!("GET"))), "`GET`", Rule::Method),
        (
            "another URL",
            |r| r.proof(|p| p.claim("htu", json!("https://x.example"))),
            "x.example",
            Rule::TargetUri,
        ),
        ("old", |r| r.proof(|p| p.claim("iat", json!(NOW - 61))), "61 seconds ago", Rule::Freshness),
        ("from the future", |r| r.proof(|p| p.claim("iat", json!(NOW + 6))), "6 seconds in", Rule::Freshness),
        ("another type", |r| r.proof(|p| p.header("typ", json!("JWT"))), "typ", Rule::ProofType),
        ("another key", |r| Request { proof_key: es256(), ..r }, "does not verify", Rule::ProofSignature),
        (
            "an algorithm that Okta does not take",
            |r| Request { proof_key: ed25519(), ..r }.proof(|p| p.header("alg", json!("EdDSA"))),
            "EdDSA",
            Rule::ProofAlgorithm,
        ),
        (
            "a private key in the proof",
            |r| {
                let jwk: Value = serde_json::from_str(&r.proof_key.private_key().to_jwk().unwrap()).unwrap();
                r.proof(|p| p.header("jwk", jwk))
            },
            "private key",
            Rule::PublicKeyOnly,
        ),
    ];
    assert_refused_by_rule(400, "invalid_dpop_proof", &cases).await;
}

#[tokio::test]
async fn a_proof_without_a_nonce_of_this_org_is_challenged() {
    let cases: [Case; 2] = [
        (
            "no nonce",
            |r| r.proof(|p| p.without_claim("nonce")),
            "Authorization server requires nonce in DPoP proof.",
        ),
        (
            "a nonce of another",
            |r| r.proof(|p| p.claim("nonce", json!("A".repeat(32)))),
            Rule::ServerNonce.source(),
        ),
    ];
    assert_refused(400, "use_dpop_nonce", cases).await;
}

fn ed25519() -> SigningKey {
    SigningKey::generate(Algorithm::EdDSA).unwrap()
}

#[tokio::test]
async fn an_assertion_and_a_proof_are_good_for_one_token() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    let nonce = test.nonce(&app).await;
    let assertion = || app.assertion(&test).sign(&app.client_key);
    let proof = || app.token_proof(&test, Some(&nonce)).sign(&app.dpop_key);
    let (used_assertion, used_proof) = (assertion(), proof());
    assert_eq!(test.ask(&grant(READ, &used_assertion), Some(&used_proof)).await.status, StatusCode::OK);

    let (unused_assertion, unused_proof) = (assertion(), proof());
    let replayed = test.ask(&grant(READ, &used_assertion), Some(&unused_proof)).await;
    assert_eq!((replayed.status.as_u16(), replayed.text("/error")), (401, "invalid_client"));
    let replayed = test.ask(&grant(READ, &unused_assertion), Some(&used_proof)).await;
    assert_eq!((replayed.status.as_u16(), replayed.text("/error")), (400, "invalid_dpop_proof"));
    let granted = test.ask(&grant(READ, &unused_assertion), Some(&unused_proof)).await;
    assert_eq!(granted.status, StatusCode::OK, "what was refused is not used up: {granted:?}");
}

#[tokio::test]
async fn of_many_requests_with_one_assertion_or_one_proof_one_is_granted() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    let nonce = test.nonce(&app).await;
    let assertion = || app.assertion(&test).sign(&app.client_key);
    let proof = || app.token_proof(&test, Some(&nonce)).sign(&app.dpop_key);
    let (one_assertion, one_proof) = (assertion(), proof());
    let with_one_assertion: Vec<_> = (0..8).map(|_| (one_assertion.clone(), proof())).collect();
    let with_one_proof: Vec<_> = (0..8).map(|_| (assertion(), one_proof.clone())).collect();
    for requests in [with_one_assertion, with_one_proof] {
        let mut running = tokio::task::JoinSet::new();
        for (assertion, proof) in requests {
            let request = test.http.post(test.token_endpoint()).header(DPOP, proof);
            let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            let request = request.body(url_encoded(&grant(READ, &assertion)));
            running.spawn(async move { request.send().await.unwrap().status() });
        }
        let statuses = running.join_all().await;
        let granted = statuses.iter().filter(|status| **status == StatusCode::OK).count();
        assert_eq!(granted, 1, "{statuses:?}");
    }
}

#[tokio::test]
async fn the_metadata_name_what_is_here() {
    let test = TestOrg::start().await;
    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let metadata = test.get(path).await.json;
        assert_eq!(metadata["issuer"], test.org.url());
        assert_eq!(metadata["token_endpoint"], test.token_endpoint());
        assert_eq!(metadata["jwks_uri"], test.url("/oauth2/v1/keys"));
        let algorithms = json!(["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]);
        assert_eq!(metadata["dpop_signing_alg_values_supported"], algorithms);
    }
}
