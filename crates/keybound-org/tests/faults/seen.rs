//! What is seen of each fault where it strikes, and that nothing is seen elsewhere.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use keybound_org::{AdminRole, EndpointKind, ErrorBody, Fault, OldKey, OldNonces, RevokedTokens, ServerId};
use serde_json::Value;

use crate::support::{MANAGE, NOW, READ, TestApp, TestOrg, claims, copy_of, grant};

const USERS: &str = "/api/v1/users";
const GROUPS: &str = "/api/v1/groups";

async fn status(test: &TestOrg, path: &str) -> u16 {
    let request =
        test.http.get(test.url(path)).header("authorization", format!("SSWS {}", test.org.admin_token()));
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_fault_strikes_where_it_is_told_to_and_nowhere_else() {
    let test = TestOrg::start().await;
    let limited = Fault::rate_limited;
    for (fault, struck, spared) in [
        (limited(), vec![(Method::GET, USERS), (Method::GET, "/nothing")], vec![]),
        (
            limited().with_method(Method::POST),
            vec![(Method::POST, USERS)],
            vec![(Method::GET, USERS), (Method::DELETE, USERS)],
        ),
        (limited().on_path(USERS), vec![(Method::GET, USERS)], vec![(Method::GET, GROUPS)]),
        (
            limited().on_path("/api/v1/users/*"),
            vec![(Method::GET, "/api/v1/users/00u1")],
            vec![(Method::GET, USERS), (Method::GET, "/api/v1/users/00u1/groups")],
        ),
        (
            limited().on_endpoint(EndpointKind::Api),
            vec![(Method::GET, USERS), (Method::GET, "/oauth2/v1/clients/0oa1/roles")],
            vec![(Method::POST, "/oauth2/v1/token"), (Method::GET, "/oauth2/v1/keys")],
        ),
        (
            limited().on_endpoint(EndpointKind::Token),
            vec![(Method::POST, "/oauth2/v1/token"), (Method::POST, "/oauth2/default/v1/token")],
            vec![(Method::GET, "/oauth2/v1/keys"), (Method::GET, USERS)],
        ),
    ] {
        let id = test.org.faults().add(fault.clone()).await.unwrap();
        for (expected, requests) in [(true, &struck), (false, &spared)] {
            for (method, path) in requests {
                let answer = test.administer(method.clone(), path, None).await;
                let is_struck = answer.status == StatusCode::TOO_MANY_REQUESTS;
                assert_eq!(is_struck, expected, "{method} {path} {fault:?}");
                let name = format!("{id} rate-limited");
                assert_eq!(answer.header("x-keybound-fault") == name, expected, "{answer:?}");
            }
        }
        assert_eq!(test.org.faults().get(id).unwrap().struck, struck.len() as u64);
        test.org.faults().clear();
    }
}

#[tokio::test]
async fn the_console_the_api_of_faults_and_static_files_are_never_struck() {
    let test = TestOrg::start().await;
    test.org.faults().add(Fault::server_error(503, ErrorBody::None)).await.unwrap();
    for path in ["/assets/org.css", "/keybound/v1/faults", "/admin", "/favicon.ico"] {
        assert_ne!(status(&test, path).await, 503, "{path}");
    }
    for path in ["/administrator", "/assets2", "/keyboundless", "/"] {
        assert_eq!(status(&test, path).await, 503, "{path}");
    }
}

#[tokio::test]
async fn a_fault_of_a_client_strikes_its_token_requests_and_its_calls() {
    let test = TestOrg::start().await;
    let (one, other) = (test.app(&[READ], &[AdminRole::ReadOnly]), test.app(&[READ], &[AdminRole::ReadOnly]));
    let (its, others) = (test.token(&one, READ).await, test.token(&other, READ).await);
    let fault = Fault::server_error(500, ErrorBody::Okta).of_client(&one.client_id);
    let id = test.org.faults().add(fault).await.unwrap();
    for (app, token, expected) in [(&one, &its, 500), (&other, &others, 200)] {
        assert_eq!(test.call(app, token, Method::GET, USERS).await.status.as_u16(), expected);
        let assertion = app.assertion(&test).sign(&app.client_key);
        let proof = app.token_proof(&test, None).sign(&app.dpop_key);
        let answer = test.ask(&grant(READ, &assertion), Some(&proof)).await;
        assert_eq!(answer.status == StatusCode::INTERNAL_SERVER_ERROR, expected == 500, "{answer:?}");
    }
    assert_eq!(test.org.faults().get(id).unwrap().struck, 2);
}

#[tokio::test]
async fn a_rate_limit_is_told_in_oktas_words() {
    let test = TestOrg::start().await;
    test.org.faults().add(Fault::rate_limited_for(Duration::from_secs(7))).await.unwrap();
    let answer = test.administer(Method::GET, USERS, None).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.text("/errorCode"), "E0000047");
    assert_eq!(answer.text("/errorSummary"), "API call exceeded rate limit due to too many requests.");
    assert!(answer.text("/errorId").starts_with("oae"), "{answer:?}");
    for (name, expected) in [
        ("x-rate-limit-limit", "600"),
        ("x-rate-limit-remaining", "0"),
        ("x-rate-limit-reset", &(NOW + 7).to_string()),
        // By the org's clock, as the reset is: NOW is a Friday in 2027.
        ("date", "Fri, 15 Jan 2027 08:00:00 GMT"),
        ("retry-after", ""),
    ] {
        assert_eq!(answer.header(name), expected, "{name}");
    }
    assert_eq!(answer.header("x-okta-request-id").len(), 22);
}

#[tokio::test]
async fn a_server_error_has_the_body_that_is_asked_for_and_nothing_is_done() {
    let test = TestOrg::start().await;
    for (status, body, content_type, words) in [
        (500, ErrorBody::Okta, "application/json", r#""errorCode":"E0000009""#),
        (502, ErrorBody::Html, "text/html; charset=utf-8", "<h1>502 Bad Gateway</h1>"),
        (503, ErrorBody::None, "", ""),
        (599, ErrorBody::Okta, "application/json", "Internal Server Error"),
    ] {
        let fault = Fault::server_error(status, body).with_method(Method::POST).times(1);
        test.org.faults().add(fault).await.unwrap();
        let profile = serde_json::json!({ "profile": { "name": "Never made" } });
        let request = test.http.post(test.url(GROUPS)).body(profile.to_string());
        let request = request.header("authorization", format!("SSWS {}", test.org.admin_token()));
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        let found = answer.headers().get("content-type").map_or("", |value| value.to_str().unwrap());
        assert_eq!(found, content_type);
        let page = answer.text().await.unwrap();
        assert!(page.contains(words) && page.is_empty() == words.is_empty(), "{page}");
    }
    let groups = test.administer(Method::GET, "/api/v1/groups?q=Never", None).await;
    assert_eq!(groups.json, serde_json::json!([]));
}

#[tokio::test]
async fn a_delay_comes_before_whatever_else_happens() {
    let test = TestOrg::start().await;
    let delay = Duration::from_millis(80);
    for (fault, expected) in
        [(Fault::slow(delay), 200), (Fault::server_error(500, ErrorBody::None).delayed(delay), 500)]
    {
        test.org.faults().add(fault.times(1)).await.unwrap();
        let began = Instant::now();
        assert_eq!(status(&test, USERS).await, expected);
        assert!(began.elapsed() >= delay, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_wrong_clock_is_the_whole_orgs_and_shows_in_every_date() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    let outcome = async || {
        let assertion = app.assertion(&test).sign(&app.client_key);
        let answer = test.ask(&grant(READ, &assertion), None).await;
        (answer.text("/error").to_owned(), answer.header("date").to_owned())
    };
    assert_eq!(outcome().await.0, "invalid_dpop_proof", "the assertion is good, and a proof is missing");
    for (seconds, date) in
        [(3_600, "Fri, 15 Jan 2027 09:00:00 GMT"), (-7_200, "Fri, 15 Jan 2027 06:00:00 GMT")]
    {
        let id = test.org.faults().add(Fault::clock_skew(seconds)).await.unwrap();
        let (error, told) = outcome().await;
        assert_eq!((error.as_str(), told.as_str()), ("invalid_client", date), "{seconds}");
        assert_eq!(test.org.faults().get(id).unwrap().struck, 1);
    }
    test.org.faults().clear();
    assert_eq!(outcome().await.0, "invalid_dpop_proof");
}

#[tokio::test]
async fn a_nonce_of_before_is_taken_if_it_is_said_so() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[]);
    let outcome = async |nonce: &str| {
        let assertion = app.assertion(&test).sign(&app.client_key);
        let proof = app.token_proof(&test, Some(nonce)).sign(&app.dpop_key);
        test.ask(&grant(READ, &assertion), Some(&proof)).await
    };
    let first = test.nonce(&app).await;
    test.org.faults().add(Fault::rotate_nonce(OldNonces::Accepted)).await.unwrap();
    let second = test.nonce(&app).await;
    assert_ne!(first, second);
    assert_eq!(outcome(&first).await.status, StatusCode::OK);
    test.org.faults().add(Fault::rotate_nonce(OldNonces::Refused)).await.unwrap();
    for nonce in [&first, &second] {
        let answer = outcome(nonce).await;
        assert_eq!(answer.text("/error"), "use_dpop_nonce");
        assert!(![&first, &second].iter().any(|old| answer.header("dpop-nonce") == *old));
    }

    let never = Fault::rotate_nonce(OldNonces::Refused).on_endpoint(EndpointKind::Token).times(2);
    test.org.faults().add(never).await.unwrap();
    let mut nonce = test.nonce(&app).await;
    let answer = outcome(&nonce).await;
    assert_eq!(answer.text("/error"), "use_dpop_nonce", "renewed before each request");
    nonce = answer.header("dpop-nonce").to_owned();
    assert_eq!(outcome(&nonce).await.status, StatusCode::OK, "it struck twice");
}

#[tokio::test]
async fn a_key_of_before_stays_published_or_is_gone() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let kid = |token: &str| {
        let header = token.split('.').next().unwrap();
        let header: Value = serde_json::from_slice(&keybound::base64url::decode(header).unwrap()).unwrap();
        header["kid"].as_str().unwrap().to_owned()
    };
    let published = async || {
        let keys = test.get("/oauth2/v1/keys").await.json;
        let kids = keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned());
        kids.collect::<Vec<_>>()
    };
    let first = test.token(&app, READ).await;
    test.org.faults().add(Fault::rotate_key(ServerId::Org, OldKey::Published)).await.unwrap();
    let second = test.token(&app, READ).await;
    assert_ne!(kid(&first), kid(&second));
    assert!(published().await.contains(&kid(&first)));
    assert_eq!(test.call(&app, &first, Method::GET, USERS).await.status, StatusCode::OK);
    test.org.faults().add(Fault::rotate_key(ServerId::Org, OldKey::Gone)).await.unwrap();
    let now_published = published().await;
    assert!(!now_published.contains(&kid(&first)) && !now_published.contains(&kid(&second)));
    for token in [&first, &second] {
        assert_eq!(test.call(&app, token, Method::GET, USERS).await.status, StatusCode::UNAUTHORIZED);
    }
    let third = test.token(&app, READ).await;
    assert_eq!(test.call(&app, &third, Method::GET, USERS).await.status, StatusCode::OK);
    let nobody = Fault::rotate_key(ServerId::Custom("aus1".to_owned()), OldKey::Gone);
    let error = test.org.faults().add(nobody).await.unwrap_err().to_string();
    assert!(error.contains("aus1"), "{error}");
}

#[tokio::test]
async fn the_tokens_that_are_meant_are_revoked_and_those_of_the_same_second_that_come_later_are_not() {
    let test = TestOrg::start().await;
    let (one, other) = (test.app(&[READ], &[AdminRole::ReadOnly]), test.app(&[READ], &[AdminRole::ReadOnly]));
    let jwt_id = |token: &str| claims(token)["jti"].as_str().unwrap().to_owned();
    let mut token = test.token(&one, READ).await;
    let others = test.token(&other, READ).await;
    let is_good = async |app: &TestApp, token: &str| {
        test.call(app, token, Method::GET, USERS).await.status == StatusCode::OK
    };
    for (name, revoke) in [
        ("the token", (|token, _| Fault::revoke_token(token)) as fn(&str, &TestApp) -> Fault),
        ("its jti", |token, _| {
            Fault::revoke_tokens(RevokedTokens::Identified(claims(token)["jti"].as_str().unwrap().to_owned()))
        }),
        ("its client", |_, app| Fault::revoke_tokens(RevokedTokens::OfClient(app.client_id.clone()))),
        ("presented", |_, app| {
            Fault::revoke_tokens(RevokedTokens::Presented).of_client(&app.client_id).times(1)
        }),
    ] {
        assert!(is_good(&one, &token).await, "{name}: before");
        test.org.faults().add(revoke(&token, &one)).await.unwrap();
        assert!(!is_good(&one, &token).await, "{name}: {}", jwt_id(&token));
        assert!(is_good(&other, &others).await, "{name}: another's");
        token = test.token(&one, READ).await;
        assert!(is_good(&one, &token).await, "{name}: of the same second, and later");
    }
    test.org.faults().add(Fault::revoke_tokens(RevokedTokens::All)).await.unwrap();
    assert!(!is_good(&one, &token).await && !is_good(&other, &others).await);
    let introspected = test.token(&one, READ).await;
    assert!(is_good(&one, &introspected).await);

    // The clock goes back: what is issued from then on is good all the same.
    let ahead = test.org.faults().add(Fault::clock_skew(3_600)).await.unwrap();
    test.org.faults().add(Fault::revoke_tokens(RevokedTokens::All)).await.unwrap();
    test.org.faults().remove(ahead);
    let later = test.token(&one, READ).await;
    assert!(!is_good(&one, &introspected).await && is_good(&one, &later).await);

    // What was issued so far is revoked, also by an org whose clock is behind.
    let behind = test.org.faults().add(Fault::clock_skew(-3_600)).await.unwrap();
    test.org.faults().add(Fault::revoke_tokens(RevokedTokens::All)).await.unwrap();
    test.org.faults().remove(behind);
    assert!(!is_good(&one, &later).await);
}

#[tokio::test]
async fn an_attacker_who_replays_a_request_is_refused_and_the_client_sees_nothing_of_it() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ, MANAGE], &[AdminRole::Super]);
    let token = test.token(&app, "okta.users.read okta.users.manage").await;
    let id = test.org.faults().add(Fault::replay()).await.unwrap();
    assert_eq!(status(&test, USERS).await, 200);
    assert_eq!(test.org.faults().get(id).unwrap().struck, 0, "without a proof there is nothing to replay");

    let answer = test.call(&app, &token, Method::GET, USERS).await;
    assert_eq!(answer.status, StatusCode::OK);
    let armed = test.org.faults().get(id).unwrap();
    let replay = armed.last_replay.unwrap();
    assert_eq!((armed.struck, replay.status), (1, 401));
    assert!(replay.reason.unwrap().contains("before"), "it says that the proof was used");

    let nonce = {
        let other = TestApp { client_key: copy_of(&app.client_key), ..test.app(&[READ], &[]) };
        let other = TestApp { client_id: app.client_id.clone(), ..other };
        test.nonce(&other).await
    };
    let assertion = app.assertion(&test).sign(&app.client_key);
    let proof = app.token_proof(&test, Some(&nonce)).sign(&app.dpop_key);
    let answer = test.ask(&grant(READ, &assertion), Some(&proof)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let replay = test.org.faults().get(id).unwrap().last_replay.unwrap();
    assert!((400..500).contains(&replay.status), "{replay:?}");
}

#[tokio::test]
async fn the_system_log_tells_of_every_strike() {
    let test = TestOrg::start().await;
    test.org.faults().add(Fault::rate_limited().on_path(USERS)).await.unwrap();
    assert_eq!(status(&test, USERS).await, 429);
    let filter = "eventType%20eq%20%22keybound.fault.strike%22";
    let events = test.administer(Method::GET, &format!("/api/v1/logs?filter={filter}"), None).await;
    let data = &events.json[0]["debugContext"]["debugData"];
    assert_eq!(events.json.as_array().unwrap().len(), 1);
    for (name, expected) in [("fault", "f1"), ("kind", "rate-limited"), ("method", "GET"), ("path", USERS)] {
        assert_eq!(data[name], expected, "{events:?}");
    }
}
