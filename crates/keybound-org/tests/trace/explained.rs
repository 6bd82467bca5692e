//! For each way to break a rule the explanation says what the answer said.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Method};
use keybound::exchange::DPOP;
use keybound::{Rule, Signer as _, SigningKey};
use keybound_org::trace::{Exchange, FindingOutcome, Signature, TokenKind, VerdictOutcome};
use keybound_org::{AdminRole, Fault, OldNonces};
use serde_json::json;

use crate::support::{Draft, MANAGE, NOW, READ, TestApp, TestOrg, copy_of, es256, grant, header_value};

/// The newest exchange.
pub fn newest(test: &TestOrg) -> Exchange {
    test.org.traces().exchanges(0, 1).pop().unwrap()
}

fn failed(exchange: &Exchange) -> Vec<(&str, &str)> {
    let is_failed = |finding: &&_| -> bool {
        let finding: &keybound_org::trace::Finding = finding;
        finding.outcome == FindingOutcome::Failed
    };
    exchange.all_findings().filter(is_failed).map(|finding| (&*finding.rule, &*finding.requirement)).collect()
}

/// The rule that is broken, and no other is; each that fails says what to change.
fn assert_explained(name: &str, exchange: &Exchange, outcome: VerdictOutcome, rule: Rule) {
    assert_eq!(exchange.verdict.outcome, outcome, "{name}: {exchange:#?}");
    assert_eq!(exchange.verdict.rule.as_deref(), Some(rule.source()), "{name}");
    assert_eq!(exchange.verdict.change.as_deref(), Some(rule.remedy()), "{name}");
    let failed = failed(exchange);
    let expected = [(rule.source(), rule.requirement())];
    if rule == Rule::AccessToken {
        assert_eq!(failed.len(), 1, "{name}: {failed:?}");
    } else {
        assert_eq!(failed, expected, "{name}: {exchange:#?}");
    }
    for finding in exchange.all_findings().filter(|finding| finding.outcome == FindingOutcome::Failed) {
        assert!(finding.reason.is_some() && finding.change.is_some(), "{name}: {finding:?}");
    }
}

/// A token request in the making.
struct Asked {
    assertion: Draft,
    assertion_key: SigningKey,
    proof: Option<Draft>,
    proof_key: SigningKey,
    more: HeaderMap,
}

impl Asked {
    fn good(test: &TestOrg, app: &TestApp, nonce: &str) -> Self {
        Self {
            assertion: app.assertion(test),
            assertion_key: copy_of(&app.client_key),
            proof: Some(app.token_proof(test, Some(nonce))),
            proof_key: copy_of(&app.dpop_key),
            more: HeaderMap::new(),
        }
    }

    fn assertion(self, spoil: impl FnOnce(Draft) -> Draft) -> Self {
        Self { assertion: spoil(self.assertion), ..self }
    }

    fn proof(self, spoil: impl FnOnce(Draft) -> Draft) -> Self {
        Self { proof: self.proof.map(spoil), ..self }
    }

    async fn send(self, test: &TestOrg) {
        let assertion = self.assertion.sign(&self.assertion_key);
        let form = crate::support::url_encoded(&grant(READ, &assertion));
        let mut headers = self.more;
        if let Some(proof) = &self.proof {
            headers.append(DPOP, header_value(&proof.sign(&self.proof_key)));
        }
        let content_type = header_value("application/x-www-form-urlencoded");
        headers.insert("content-type", content_type);
        test.send(test.http.post(test.token_endpoint()).headers(headers).body(form)).await;
    }
}

type Case = (&'static str, fn(Asked) -> Asked, Rule);

#[tokio::test]
async fn a_token_request_is_explained_as_it_was_answered() {
    use Rule as R;
    let cases: [Case; 21] = [
        ("aud", |r| r.assertion(|a| a.claim("aud", json!("https://x.example"))), R::AssertionAudience),
        ("exp", |r| r.assertion(|a| a.claim("exp", json!(NOW - 10))), R::AssertionTimes),
        ("iss", |r| r.assertion(|a| a.claim("iss", json!("x"))), R::AssertionClient),
        (
            "unknown",
            |r| r.assertion(|a| a.claim("iss", json!("x")).claim("sub", json!("x"))),
            R::AssertionClient,
        ),
        ("no exp", |r| r.assertion(|a| a.without_claim("exp")), R::WellFormedAssertion),
        ("kid", |r| r.assertion(|a| a.header("kid", json!("x"))), R::AssertionSignature),
        ("key", |r| Asked { assertion_key: es256(), ..r }, R::AssertionSignature),
        ("typ", |r| r.proof(|p| p.header("typ", json!("JWT"))), R::ProofType),
        ("alg", |r| r.proof(|p| p.header("alg", json!("none"))), R::ProofAlgorithm),
        ("signed by another", |r| Asked { proof_key: es256(), ..r }, R::ProofSignature),
        ("no jti", |r| r.proof(|p| p.without_claim("jti")), R::ProofClaims),
        ("htm", |r| r.proof(|p| p.claim("htm", json!("GET"))), R::Method),
        ("htu", |r| r.proof(|p| p.claim("htu", json!("https://x.example/"))), R::TargetUri),
        ("no nonce", |r| r.proof(|p| p.without_claim("nonce")), R::ServerNonce),
        ("another nonce", |r| r.proof(|p| p.claim("nonce", json!("x"))), R::ServerNonce),
        ("old", |r| r.proof(|p| p.claim("iat", json!(NOW - 61))), R::Freshness),
        ("expired", |r| r.proof(|p| p.claim("exp", json!(NOW))), R::ProofExpiry),
        ("crit", |r| r.proof(|p| p.header("crit", json!(["x"]))), R::CriticalExtensions),
        (
            "private key",
            |r| {
                r.proof(|p| {
                    let mut jwk = p.header["jwk"].clone();
                    jwk["d"] = json!("a-private-exponent");
                    p.header("jwk", jwk)
                })
            },
            R::PublicKeyOnly,
        ),
        ("no proof", |r| Asked { proof: None, ..r }, R::ProofRequired),
        (
            "two proofs",
            |mut r| {
                r.more.append(DPOP, header_value("x"));
                r
            },
            R::OneProof,
        ),
    ];
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    let nonce = test.nonce(&app).await;
    for (name, spoil, rule) in cases {
        spoil(Asked::good(&test, &app, &nonce)).send(&test).await;
        let outcome =
            if rule == R::ServerNonce { VerdictOutcome::Challenged } else { VerdictOutcome::Refused };
        assert_explained(name, &newest(&test), outcome, rule);
    }
}

#[tokio::test]
async fn a_request_that_got_its_token_has_passed_every_rule_that_was_asked() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    test.token(&app, READ).await;
    let exchange = newest(&test);
    assert_eq!(exchange.verdict.outcome, VerdictOutcome::Admitted);
    assert_eq!(exchange.client_id.as_deref(), Some(&*app.client_id));
    assert_eq!(failed(&exchange), []);
    let passed = |rule: Rule| {
        let found = exchange.all_findings().find(|finding| finding.requirement == rule.requirement());
        found.map(|finding| finding.outcome)
    };
    for rule in
        [Rule::Replay, Rule::AssertionSingleUse, Rule::ServerNonce, Rule::ProofSignature, Rule::TargetUri]
    {
        assert_eq!(passed(rule), Some(FindingOutcome::Passed), "{rule}");
    }
    assert_eq!(passed(Rule::AccessTokenHash), Some(FindingOutcome::NotChecked));
    let kinds: Vec<_> = exchange.tokens.iter().map(|token| (token.kind, token.signature)).collect();
    assert_eq!(
        kinds,
        [
            (TokenKind::ClientAssertion, Signature::Verified),
            (TokenKind::Proof, Signature::Verified),
            (TokenKind::IssuedAccessToken, Signature::Made),
        ]
    );
    let thumbprint = app.dpop_key.public_key().thumbprint().to_string();
    assert_eq!(exchange.tokens[2].claims.as_ref().unwrap()["cnf"]["jkt"], thumbprint);
    assert_eq!(exchange.tokens[1].thumbprint, Some(thumbprint));
}

#[tokio::test]
async fn what_is_used_twice_is_told_by_the_rule_for_it() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    let nonce = test.nonce(&app).await;
    let jti = json!("the-same");
    for rule in [None, Some(Rule::AssertionSingleUse)] {
        Asked::good(&test, &app, &nonce).assertion(|a| a.claim("jti", jti.clone())).send(&test).await;
        if let Some(rule) = rule {
            assert_explained("an assertion twice", &newest(&test), VerdictOutcome::Refused, rule);
        }
    }
    for rule in [None, Some(Rule::Replay)] {
        Asked::good(&test, &app, &nonce).proof(|a| a.claim("jti", jti.clone())).send(&test).await;
        if let Some(rule) = rule {
            assert_explained("a proof twice", &newest(&test), VerdictOutcome::Refused, rule);
        }
    }
}

type CallCase = (&'static str, fn(Call) -> Call, Rule);

#[tokio::test]
async fn a_nonce_is_judged_by_what_was_taken_then() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    let nonce = test.nonce(&app).await;
    Asked::good(&test, &app, &nonce).proof(|p| p.claim("htm", json!("GET"))).send(&test).await;
    test.org.faults().add(Fault::rotate_nonce(OldNonces::Refused)).await.unwrap();
    assert_explained("htm", &newest(&test), VerdictOutcome::Refused, Rule::Method);
    Asked::good(&test, &app, &nonce).send(&test).await;
    assert_explained("the old nonce", &newest(&test), VerdictOutcome::Challenged, Rule::ServerNonce);
}

/// A call in the making: scheme, token, proof.
struct Call {
    scheme: &'static str,
    token: String,
    proof: Option<Draft>,
    proof_key: SigningKey,
    more: Vec<(HeaderName, String)>,
}

#[tokio::test]
async fn a_call_is_explained_as_it_was_answered() {
    use Rule as R;
    let cases: [CallCase; 11] = [
        ("nothing", |c| Call { scheme: "", proof: None, ..c }, R::CredentialsRequired),
        (
            "twice",
            |mut c| {
                c.more.push((AUTHORIZATION, "DPoP x".to_owned()));
                c
            },
            R::OneCredential,
        ),
        ("stolen", |c| Call { scheme: "Bearer", proof: None, ..c }, R::SchemeFitsBinding),
        ("no proof", |c| Call { proof: None, ..c }, R::ProofRequired),
        (
            "another key",
            |c| {
                let key = es256();
                let proof = c.proof.map(|p| p.header("jwk", json!(key.public_key().jwk())));
                Call { proof, proof_key: key, ..c }
            },
            R::KeyBinding,
        ),
        ("no ath", |c| Call { proof: c.proof.map(|p| p.without_claim("ath")), ..c }, R::AccessTokenHash),
        (
            "another token's ath",
            |c| Call { proof: c.proof.map(|p| p.claim("ath", json!(crate::support::ath("x")))), ..c },
            R::AccessTokenHash,
        ),
        ("htm", |c| Call { proof: c.proof.map(|p| p.claim("htm", json!("POST"))), ..c }, R::Method),
        (
            "htu",
            |c| Call { proof: c.proof.map(|p| p.claim("htu", json!("http://127.0.0.1/"))), ..c },
            R::TargetUri,
        ),
        (
            "a token that was changed",
            |c| {
                let token = format!("{}AAAA", &c.token[..c.token.len() - 4]);
                let proof = c.proof.map(|p| p.claim("ath", json!(crate::support::ath(&token))));
                Call { token, proof, ..c }
            },
            R::AccessToken,
        ),
        ("no JWT", |c| Call { token: "x".to_owned(), proof: None, scheme: "Bearer", ..c }, R::AccessToken),
    ];
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let token = test.token(&app, READ).await;
    for (name, spoil, rule) in cases {
        let proof = app.call_proof(&test, &Method::GET, "/api/v1/users", &token);
        let proof_key = copy_of(&app.dpop_key);
        let call =
            spoil(Call { scheme: "DPoP", token: token.clone(), proof: Some(proof), proof_key, more: vec![] });
        let mut request = test.http.get(test.url("/api/v1/users"));
        if !call.scheme.is_empty() {
            request = request.header(AUTHORIZATION, format!("{} {}", call.scheme, call.token));
        }
        for (field, value) in call.more {
            request = request.header(field, value);
        }
        if let Some(proof) = &call.proof {
            request = request.header(DPOP, proof.sign(&call.proof_key));
        }
        test.send(request).await;
        assert_explained(name, &newest(&test), VerdictOutcome::Refused, rule);
    }
}

#[tokio::test]
async fn a_call_without_its_scope_and_one_with_a_revoked_token_are_explained() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ, MANAGE], &[AdminRole::Super]);
    let token = test.token(&app, READ).await;
    let path = "/api/v1/users/x/lifecycle/suspend";
    test.call(&app, &token, Method::POST, path).await;
    assert_explained("scope", &newest(&test), VerdictOutcome::Refused, Rule::Scope);

    test.call(&app, &token, Method::GET, "/api/v1/users?limit=1").await;
    let admitted = newest(&test);
    assert_eq!((admitted.verdict.outcome, failed(&admitted)), (VerdictOutcome::Admitted, vec![]));

    let path = format!("/api/v1/apps/{}/lifecycle/deactivate", app.client_id);
    test.administer(Method::POST, &path, None).await;
    test.call(&app, &token, Method::GET, "/api/v1/users?limit=1").await;
    let revoked = newest(&test);
    assert_explained("revoked", &revoked, VerdictOutcome::Refused, Rule::AccessToken);
    let says = failed(&revoked)[0].1.contains("not revoked");
    assert!(says, "{revoked:#?}");
}

#[tokio::test]
async fn what_is_refused_by_no_rule_of_tokens_says_why_and_what_to_change() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let token = test.token(&app, READ).await;
    for (path, part) in [("/api/v1/users/nobody", "id or the path"), ("/api/v1/nowhere", "id or the path")] {
        test.call(&app, &token, Method::GET, path).await;
        let verdict = newest(&test).verdict;
        assert_eq!((verdict.outcome, verdict.rule), (VerdictOutcome::Refused, None), "{path}");
        assert!(verdict.change.unwrap().contains(part), "{path}");
        assert!(verdict.reason.is_some(), "{path}");
    }
}
