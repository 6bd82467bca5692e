//! The management API: who is let in and, in a table, who is not and how that is said (RFC 9449 section 7,
//! RFC 6750 section 3, Okta's error bodies).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Method, StatusCode};
use keybound::exchange::DPOP;
use keybound::{Rule, Signer as _, SigningKey};
use keybound_org::{AdminRole, OrgSettings};
use serde_json::{Value, json};
use support::{Answer, Draft, MANAGE, NOW, READ, TestApp, TestOrg, ath, copy_of, es256, proof};

const USERS: &str = "/api/v1/users?limit=1";

#[tokio::test]
async fn a_bound_token_with_a_fresh_proof_is_let_in_by_each_scope_and_role() {
    let test = TestOrg::start().await;
    for (scopes, role, reads, writes) in [
        (&[READ][..], AdminRole::ReadOnly, 200, 403),
        (&[READ], AdminRole::Super, 200, 403),
        (&[READ, MANAGE], AdminRole::ReadOnly, 200, 403),
        (&[MANAGE], AdminRole::ReadOnly, 200, 403),
        (&[MANAGE], AdminRole::User, 200, 200),
        (&[MANAGE], AdminRole::Org, 200, 200),
        (&[MANAGE], AdminRole::Super, 200, 200),
    ] {
        let app = test.app(scopes, &[role]);
        let token = test.token(&app, &scopes.join(" ")).await;
        let list = test.call(&app, &token, Method::GET, USERS).await;
        assert_eq!(list.status.as_u16(), reads, "{scopes:?} {role}");
        assert_eq!(list.json.as_array().unwrap().len(), 1);
        assert!(!list.header("x-okta-request-id").is_empty());

        // Not the first, who is an administrator.
        let user = test.administer(Method::GET, "/api/v1/users?limit=2", None).await.text("/1/id").to_owned();
        let suspend =
            test.call(&app, &token, Method::POST, &format!("/api/v1/users/{user}/lifecycle/suspend")).await;
        assert_eq!(suspend.status.as_u16(), writes, "{scopes:?} {role}: {suspend:?}");
        if writes == 200 {
            test.administer(Method::POST, &format!("/api/v1/users/{user}/lifecycle/unsuspend"), None).await;
        }
    }
}

#[tokio::test]
async fn a_bearer_token_that_is_bound_to_nothing_is_let_in() {
    let test = TestOrg::start().await;
    let app = test.app_that(false, &[READ], &[AdminRole::ReadOnly]);
    let token = test.bearer_token(&app, READ).await;
    let call = test.http.get(test.url(USERS)).header(AUTHORIZATION, format!("Bearer {token}"));
    assert_eq!(test.send(call).await.status, StatusCode::OK);
}

/// A call: a good one that a case spoils in one way.
struct Call {
    credentials: Vec<String>,
    query: &'static str,
    proofs: Vec<Draft>,
    proof_key: SigningKey,
}

impl Call {
    fn good(test: &TestOrg, app: &TestApp, token: &str) -> Self {
        Self {
            credentials: vec![format!("DPoP {token}")],
            query: "limit=1",
            proofs: vec![app.call_proof(test, &Method::GET, USERS, token)],
            proof_key: copy_of(&app.dpop_key),
        }
    }

    fn proof(mut self, spoil: impl FnOnce(Draft) -> Draft) -> Self {
        self.proofs = self.proofs.pop().map(spoil).into_iter().collect();
        self
    }

    fn claim(self, name: &str, value: Value) -> Self {
        self.proof(|proof| proof.claim(name, value))
    }

    fn credential(mut self, change: impl FnOnce(String) -> String) -> Self {
        self.credentials = self.credentials.pop().map(change).into_iter().collect();
        self
    }

    fn also(mut self, credential: &str) -> Self {
        self.credentials.push(credential.to_owned());
        self
    }

    async fn send(self, test: &TestOrg) -> Answer {
        let mut request = test.http.get(test.url(&format!("/api/v1/users?{}", self.query)));
        for credential in self.credentials {
            request = request.header(AUTHORIZATION, credential);
        }
        for proof in self.proofs {
            request = request.header(DPOP, proof.sign(&self.proof_key));
        }
        test.send(request).await
    }
}

/// What is wrong with a call, how it is made so, and the rule that it breaks.
type Case = (&'static str, fn(Call) -> Call, Rule);

async fn assert_all_refused(status: u16, error: Option<&str>, cases: &[Case]) {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let token = test.token(&app, READ).await;
    assert_eq!(Call::good(&test, &app, &token).send(&test).await.status, StatusCode::OK);
    for (name, spoil, rule) in cases {
        let answer = spoil(Call::good(&test, &app, &token)).send(&test).await;
        assert_refused(name, &answer, status, error, *rule);
    }
}

#[tokio::test]
async fn a_call_without_credentials_is_told_what_they_are_and_no_error() {
    let cases: [Case; 2] = [
        ("nothing", |c| Call { credentials: vec![], proofs: vec![], ..c }, Rule::CredentialsRequired),
        ("Basic", |c| c.credential(|_| "Basic YTpi".to_owned()), Rule::Scheme),
    ];
    assert_all_refused(401, None, &cases).await;
}

#[tokio::test]
async fn a_call_with_several_credentials_is_malformed() {
    let cases: [Case; 4] = [
        ("two tokens", |c| c.also("DPoP x"), Rule::OneCredential),
        ("SSWS beside a token", |c| c.also("SSWS x"), Rule::OneCredential),
        ("a token in the query", |c| Call { query: "access_token=x", ..c }, Rule::OneCredential),
        ("no token", |c| c.credential(|_| "DPoP".to_owned()), Rule::OneCredential),
    ];
    assert_all_refused(400, Some("invalid_request"), &cases).await;
}

#[tokio::test]
async fn a_stolen_or_damaged_token_is_invalid() {
    let cases: [Case; 6] = [
        (
            "stolen, as Bearer",
            |c| Call { proofs: vec![], ..c }.credential(|token| token.replace("DPoP", "Bearer")),
            Rule::SchemeFitsBinding,
        ),
        (
            "as Bearer with its proof",
            |c| c.credential(|token| token.replace("DPoP", "bearer")),
            Rule::SchemeFitsBinding,
        ),
        (
            "stolen, with a proof of the thief's key",
            |c| {
                let key = es256();
                let jwk = json!(key.public_key().jwk());
                Call { proof_key: key, ..c }.proof(|proof| proof.header("jwk", jwk))
            },
            Rule::KeyBinding,
        ),
        ("not a token", |c| c.credential(|_| "DPoP x".to_owned()), Rule::AccessToken),
        (
            "another end",
            |c| c.credential(|token| token[..token.len() - 4].to_owned() + "AAAA"),
            Rule::AccessToken,
        ),
        (
            "a proof for a token",
            |c| {
                let proof = c.proofs[0].sign(&c.proof_key);
                c.credential(|_| format!("DPoP {proof}"))
            },
            Rule::AccessToken,
        ),
    ];
    assert_all_refused(401, Some("invalid_token"), &cases).await;
}

#[tokio::test]
async fn a_proof_for_anything_but_this_very_call_is_invalid() {
    let cases: [Case; 10] = [
        ("no proof", |c| Call { proofs: vec![], ..c }, Rule::ProofRequired),
        (
            "two proofs",
            |mut c| {
                c.proofs.push(c.proofs[0].clone());
                c
            },
            Rule::OneProof,
        ),
        ("another URL", |c| c.claim("htu", json!("https://x.example/api/v1/users")), Rule::TargetUri),
        (
            "another path",
            |c| {
                let users = c.proofs[0].claims["htu"].as_str().unwrap().to_owned();
                c.claim("htu", json!(users + "/me"))
            },
            Rule::TargetUri,
        ),
        ("another method", |c| c.claim("htm", json!("POST")), Rule::Method),
        ("another token", |c| c.claim("ath", json!(ath("another"))), Rule::AccessTokenHash),
        ("no token", |c| c.proof(|proof| proof.without_claim("ath")), Rule::AccessTokenHash),
        ("old", |c| c.claim("iat", json!(NOW - 61)), Rule::Freshness),
        ("from the future", |c| c.claim("iat", json!(NOW + 6)), Rule::Freshness),
        ("signed by another key", |c| Call { proof_key: es256(), ..c }, Rule::ProofSignature),
    ];
    assert_all_refused(401, Some("invalid_dpop_proof"), &cases).await;
}

#[tokio::test]
async fn a_proof_is_good_for_one_call_and_a_token_for_an_hour() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let token = test.token(&app, READ).await;
    let proof = app.call_proof(&test, &Method::GET, USERS, &token).sign(&app.dpop_key);
    let call = || {
        let call = test.http.get(test.url(USERS)).header(AUTHORIZATION, format!("DPoP {token}"));
        test.send(call.header(DPOP, &proof))
    };
    assert_eq!(call().await.status, StatusCode::OK);
    assert_refused("a replay", &call().await, 401, Some("invalid_dpop_proof"), Rule::Replay);

    test.wait(3600);
    assert_eq!(Call::good(&test, &app, &token).send(&test).await.status, StatusCode::OK, "within the leeway");
    test.wait(5);
    let answer = Call::good(&test, &app, &token).send(&test).await;
    assert_refused("an expired token", &answer, 401, Some("invalid_token"), Rule::AccessToken);
}

#[tokio::test]
async fn a_token_that_is_bound_to_nothing_is_refused_under_the_dpop_scheme() {
    let test = TestOrg::start().await;
    let app = test.app_that(false, &[READ], &[AdminRole::ReadOnly]);
    let token = test.bearer_token(&app, READ).await;
    let answer = Call::good(&test, &app, &token).send(&test).await;
    assert_refused("unbound", &answer, 401, Some("invalid_token"), Rule::SchemeFitsBinding);
}

/// Okta's error body and the challenge of the RFCs, both naming the rule.
fn assert_refused(name: &str, answer: &Answer, status: u16, error: Option<&str>, rule: Rule) {
    let code = if status == 403 { "E0000006" } else { "E0000011" };
    assert_eq!((answer.status.as_u16(), answer.text("/errorCode")), (status, code), "{name}: {answer:?}");
    assert_eq!(answer.text("/errorLink"), code);
    assert!(answer.text("/errorId").starts_with("oae"), "{name}: {answer:?}");
    let cause = answer.text("/errorCauses/0/errorSummary");
    assert!(cause.contains(rule.source()), "{name}: {cause} names {}", rule.source());

    let challenges: Vec<_> =
        answer.headers.get_all(WWW_AUTHENTICATE).iter().map(|field| field.to_str().unwrap()).collect();
    let dpop = challenges.iter().find(|challenge| challenge.starts_with("DPoP ")).expect(name);
    assert!(dpop.contains(r#"algs="RS256 RS384 RS512 ES256 ES384 ES512""#), "{name}: {dpop}");
    assert!(challenges.iter().any(|challenge| challenge.starts_with("Bearer")), "{name}: {challenges:?}");
    match error {
        None => assert!(!dpop.contains("error"), "{name}: {dpop}"),
        Some(error) => assert!(dpop.contains(&format!("error=\"{error}\"")), "{name}: {dpop}"),
    }
    assert!(!answer.header("x-rate-limit-remaining").is_empty(), "{name}");
}

#[tokio::test]
async fn a_missing_scope_and_a_missing_role_are_told_apart() {
    let test = TestOrg::start().await;
    let user = test.administer(Method::GET, USERS, None).await.text("/0/id").to_owned();
    let suspend = format!("/api/v1/users/{user}/lifecycle/suspend");

    let app = test.app(&[READ, MANAGE], &[AdminRole::Super]);
    let token = test.token(&app, READ).await;
    let answer = test.call(&app, &token, Method::POST, &suspend).await;
    assert_refused("no scope", &answer, 403, Some("insufficient_scope"), Rule::Scope);
    assert!(answer.header("www-authenticate").contains(r#"scope="okta.users.manage""#));

    let app = test.app(&["okta.groups.read"], &[AdminRole::Super]);
    let token = test.token(&app, "okta.groups.read").await;
    let answer = test.call(&app, &token, Method::GET, USERS).await;
    assert_refused("another scope", &answer, 403, Some("insufficient_scope"), Rule::Scope);

    for roles in [&[][..], &[AdminRole::ReadOnly]] {
        let app = test.app(&[MANAGE], roles);
        let token = test.token(&app, MANAGE).await;
        let answer = test.call(&app, &token, Method::POST, &suspend).await;
        assert_eq!((answer.status.as_u16(), answer.text("/errorCode")), (403, "E0000006"), "{roles:?}");
        assert!(answer.text("/errorCauses/0/errorSummary").contains("admin role"), "{answer:?}");
        assert!(!answer.headers.contains_key(WWW_AUTHENTICATE), "the token is good: {roles:?}");
    }
}

#[tokio::test]
async fn the_administrators_token_does_everything_and_another_nothing() {
    let test = TestOrg::start().await;
    let list = test.administer(Method::GET, USERS, None).await;
    assert_eq!(list.status, StatusCode::OK);
    let call = test.http.get(test.url(USERS)).header(AUTHORIZATION, "SSWS 00x");
    let answer = test.send(call).await;
    assert_eq!((answer.status.as_u16(), answer.text("/errorCode")), (401, "E0000011"));
    let other = TestOrg::start().await;
    assert_ne!(test.org.admin_token(), other.org.admin_token());
}

#[tokio::test]
async fn a_proof_is_for_the_orgs_own_url_whatever_the_host_field_says() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let token = test.token(&app, READ).await;
    for (htu, host, expected) in [
        (test.url("/api/v1/users"), "elsewhere.example", 200),
        ("http://elsewhere.example/api/v1/users".to_owned(), "elsewhere.example", 401),
    ] {
        let proof = proof(&test, &app.dpop_key, "GET", &htu).claim("ath", json!(ath(&token)));
        let call = test.http.get(test.url(USERS)).header(AUTHORIZATION, format!("DPoP {token}"));
        let call = call.header("host", host).header("dpop", proof.sign(&app.dpop_key));
        assert_eq!(test.send(call).await.status.as_u16(), expected, "{htu}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_answer_as_okta_does() {
    let test = TestOrg::start().await;
    for (method, path, status, code) in [
        (Method::GET, "/", 404, "E0000007"),
        (Method::GET, "/oauth2/v1/nothing", 404, "E0000007"),
        (Method::GET, "/oauth2/v1/token", 405, "E0000022"),
        (Method::POST, "/oauth2/v1/keys", 405, "E0000022"),
        (Method::GET, "/api/v1", 404, "E0000007"),
        (Method::GET, "/api/v1/nothing", 404, "E0000007"),
        (Method::GET, "/api/v1/users/", 404, "E0000007"),
        (Method::PATCH, "/api/v1/users", 405, "E0000022"),
        (Method::POST, "/api/v1/users/00u1/lifecycle/promote", 404, "E0000007"),
        (Method::GET, "/api/v1/users/%FF", 404, "E0000007"),
        (Method::GET, "/api/v1/users/00unobody", 404, "E0000007"),
        (Method::GET, "/api/v1/users/nobody@example.com", 404, "E0000007"),
    ] {
        let answer = test.administer(method.clone(), path, None).await;
        assert_eq!((answer.status.as_u16(), answer.text("/errorCode")), (status, code), "{method} {path}");
        assert!(!answer.header("x-okta-request-id").is_empty(), "{method} {path}");
        let is_limited = !answer.header("x-rate-limit-limit").is_empty();
        assert_eq!(is_limited, path.starts_with("/api/v1"), "{method} {path}");
    }
}

#[tokio::test]
async fn requests_beyond_the_limit_wait_for_the_next_minute() {
    let test = TestOrg::start_with(OrgSettings { requests_per_minute: 2, ..OrgSettings::default() }).await;
    let reset = (NOW / 60 + 1) * 60;
    for (remaining, status) in [(1, 200), (0, 200), (0, 429), (0, 429)] {
        let answer = test.administer(Method::GET, USERS, None).await;
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.header("x-rate-limit-limit"), "2");
        assert_eq!(answer.header("x-rate-limit-remaining"), remaining.to_string());
        assert_eq!(answer.header("x-rate-limit-reset"), reset.to_string());
        if status == 429 {
            assert_eq!(answer.text("/errorCode"), "E0000047");
        }
    }
    test.wait(60);
    assert_eq!(test.administer(Method::GET, USERS, None).await.status, StatusCode::OK);
}

#[tokio::test]
async fn strangers_use_up_nothing_of_what_the_orgs_clients_have() {
    let settings = OrgSettings { requests_per_minute: 2, ..OrgSettings::default() };
    let test = TestOrg::start_with(settings).await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let token = test.token(&app, READ).await;
    for (remaining, status) in [("1", 401), ("0", 401), ("0", 429), ("0", 429)] {
        let answer = test.get(USERS).await;
        assert_eq!((answer.status.as_u16(), answer.header("x-rate-limit-remaining")), (status, remaining));
    }
    let stolen = test.http.get(test.url(USERS)).header("authorization", format!("Bearer {token}"));
    assert_eq!(test.send(stolen).await.status.as_u16(), 429, "a token without its key is a stranger's");
    let answer = test.call(&app, &token, Method::GET, USERS).await;
    assert_eq!((answer.status.as_u16(), answer.header("x-rate-limit-remaining")), (200, "1"));
    assert_eq!(test.administer(Method::GET, USERS, None).await.header("x-rate-limit-remaining"), "0");
    assert_eq!(test.call(&app, &token, Method::GET, USERS).await.status.as_u16(), 429);
}

#[tokio::test]
async fn what_was_refused_beyond_the_limit_can_be_sent_again_as_it_was() {
    let settings = OrgSettings { requests_per_minute: 1, ..OrgSettings::default() };
    let test = TestOrg::start_with(settings).await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let token = test.token(&app, READ).await;
    test.administer(Method::GET, USERS, None).await;
    let proof = app.call_proof(&test, &Method::GET, USERS, &token).sign(&app.dpop_key);
    let call = || {
        test.http.get(test.url(USERS)).header(AUTHORIZATION, format!("DPoP {token}")).header("dpop", &proof)
    };
    assert_eq!(test.send(call()).await.status, StatusCode::TOO_MANY_REQUESTS);
    test.wait(60);
    assert_eq!(test.send(call()).await.status, StatusCode::OK, "as Okta's SDK for Python sends it");
    test.wait(60);
    assert_eq!(test.send(call()).await.status, StatusCode::UNAUTHORIZED, "it was admitted once");
}
