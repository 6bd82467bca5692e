//! Whatever is sent to the org, by a stranger or by its administrator, it answers: in time, with no 500, and with an
//! error as the endpoint words errors. What is generated is not random bytes, which would be refused at the door: each
//! request is one that could be right, with some of it put wrong (`requests.rs`); beside them stand bytes that are
//! no HTTP at all (`wire.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

#[path = "../console/browser.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests of the console use more of it")]
mod browser;

mod bodies;
mod requests;
mod wire;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use http::{Method, StatusCode};
use keybound_org::{AdminRole, OrgSettings};
use proptest::strategy::{BoxedStrategy, Strategy as _};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use support::{READ, TestOrg};
use tokio::runtime::Runtime;

use browser::Browser;
use requests::{
    Hostile, Known, Session, hostile_requests, hostile_requests_to_its_own, operations, plain_path,
};

/// Requests that one run sends, unless `PROPTEST_CASES` asks for more.
const REQUESTS: u32 = 2_000;

/// Requests to one org: among them are those that remove what others are about.
const REQUESTS_OF_AN_ORG: u32 = 200;

/// Whoever waits longer has met a hang: an answer takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn every_request_is_answered_and_none_by_an_error_of_the_org() {
    let answers = harass(REQUESTS, |known| hostile_requests(known).boxed());
    // Requests that were all refused at the door would prove little.
    are_at_least(&answers, &[(200, 20), (400, 10), (404, 50)]);
}

#[test]
fn neither_the_console_nor_the_orgs_own_api_fails_whatever_is_sent() {
    let answers = harass(REQUESTS / 2, |known| hostile_requests_to_its_own(known.ids).boxed());
    are_at_least(&answers, &[(200, 20), (303, 50), (404, 50)]);
}

/// Checks for each status that one answer in so many had it.
fn are_at_least(answers: &BTreeMap<u16, u32>, expected: &[(u16, u32)]) {
    let all: u32 = answers.values().sum();
    for (status, one_in) in expected {
        assert!(answers.get(status).is_some_and(|count| count * one_in >= all), "{status}: {answers:?}");
    }
}

/// Sends so many requests to one org after the other, and counts their answers by status.
fn harass(requests: u32, strategy: fn(Known) -> BoxedStrategy<Hostile>) -> BTreeMap<u16, u32> {
    let runtime = Runtime::new().unwrap();
    let answers = RefCell::new(BTreeMap::<u16, u32>::new());
    for _ in 0..requests.max(Config::default().cases) / REQUESTS_OF_AN_ORG {
        harass_an_org(&runtime, strategy, &answers);
    }
    let answers = answers.into_inner();
    println!("requests by status, 0 for those that no client could send: {answers:?}");
    answers
}

fn harass_an_org(
    runtime: &Runtime,
    strategy: fn(Known) -> BoxedStrategy<Hostile>,
    answers: &RefCell<BTreeMap<u16, u32>>,
) {
    let settings = OrgSettings { seed_users: 20, requests_per_minute: u32::MAX, ..OrgSettings::default() };
    let mut test = runtime.block_on(TestOrg::start_with(settings));
    // An answer that comes before its request was read ends the connection: no other request is to wait on that one.
    let http = reqwest::Client::builder().pool_max_idle_per_host(0);
    test.http = http.redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let known = runtime.block_on(known(&test));
    let session = runtime.block_on(session(&test));
    let config = Config {
        cases: REQUESTS_OF_AN_ORG,
        failure_persistence: None,
        max_shrink_iters: 500,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&strategy(known), |request| {
        let status = runtime.block_on(answer_to(&test, &session, &request))?;
        *answers.borrow_mut().entry(status.map_or(0, |status| status.as_u16())).or_default() += 1;
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
    // Whoever may break the org by a fault has done so, and mends it.
    let cleared = runtime.block_on(test.administer(Method::DELETE, "/keybound/v1/faults", None));
    assert!(cleared.status.is_success(), "{cleared:?}");
    let users = runtime.block_on(test.administer(Method::GET, "/api/v1/users?limit=1", None));
    assert_eq!(users.status, StatusCode::OK, "the org serves still: {users:?}");
}

/// The administrator signs in to the console.
async fn session(test: &TestOrg) -> Session {
    let mut browser = Browser::signed_in(test).await;
    let page = browser.open("/admin/apps/new").await;
    let form_token = page.form("/admin/apps/new")["form_token"].clone();
    let cookies: Vec<_> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Session { cookie: cookies.join("; "), form_token }
}

/// What the org has: things with ids, and operations that it serves, which ask a stranger for a token where others say
/// that they are not served.
async fn known(test: &TestOrg) -> Known {
    let app = test.app(&[READ], &[AdminRole::ReadOnly]).client_id;
    let mut ids = vec![("appId", app.clone()), ("clientId", app), ("authServerId", "default".to_owned())];
    for (list, names) in [("users", &["id", "userId"][..]), ("groups", &["groupId"])] {
        let found = test.administer(Method::GET, &format!("/api/v1/{list}?limit=5"), None).await;
        for id in found.json.as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()) {
            ids.extend(names.iter().map(|name| (*name, id.to_owned())));
        }
    }
    let origin =
        json!({ "name": "A site", "origin": "http://localhost:3000", "scopes": [{ "type": "CORS" }] });
    let origin = test.administer(Method::POST, "/api/v1/trustedOrigins", Some(origin)).await;
    ids.push(("trustedOriginId", origin.text("/id").to_owned()));
    let (mut served, mut not_served) = (Vec::new(), Vec::new());
    for operation in operations() {
        let (method, pattern) = operation;
        let url = test.url(&plain_path(pattern, &ids));
        let answer = test.send(test.http.request(method.parse().unwrap(), url)).await;
        let is_served = answer.status == StatusCode::UNAUTHORIZED;
        if is_served { &mut served } else { &mut not_served }.push(operation);
    }
    assert!(served.len() > 40 && not_served.len() > 400, "{served:?}");
    for (part, count) in [
        ("/api/v1/trustedOrigins", 7),
        ("/api/v1/apps/{appId}/users", 5),
        ("/api/v1/apps/{appId}/groups", 4),
        ("/api/v1/users/{userId}/roles", 6),
        ("/api/v1/users/{userId}/clients", 5),
        ("/api/v1/sessions/{sessionId}", 3),
        ("/api/v1/org", 1),
        ("/api/v1/groups/{groupId}/roles", 6),
    ] {
        let found = served.iter().filter(|(_, pattern)| pattern.starts_with(part)).count();
        assert_eq!(found, count, "{part}: {served:?}");
    }
    Known { served, not_served, ids }
}

/// The status of the answer, which is as it should be.
async fn answer_to(
    test: &TestOrg,
    session: &Session,
    hostile: &Hostile,
) -> Result<Option<StatusCode>, TestCaseError> {
    let Some(request) = hostile.request(test, session) else { return Ok(None) };
    let answered = tokio::time::timeout(PATIENCE, async {
        let answer = test.http.execute(request).await?;
        let (status, fields) = (answer.status(), answer.headers().clone());
        Ok::<_, reqwest::Error>((status, fields, answer.bytes().await?))
    });
    let (status, fields, body) = match answered.await {
        Err(_) => return Err(TestCaseError::fail(format!("no answer to {hostile:?}"))),
        // Whoever still sends when the answer has come may find the connection closed before they read it.
        Ok(Err(_)) if hostile.is_long() => return Ok(None),
        Ok(Err(error)) => return Err(TestCaseError::fail(format!("{error:?} for {hostile:?}"))),
        Ok(Ok(answer)) => answer,
    };
    let shown = || format!("{status} {fields:?} {:?} for {hostile:?}", String::from_utf8_lossy(&body));
    if status.is_server_error() {
        return Err(TestCaseError::fail(shown()));
    }
    let kind = fields.get("content-type").map(|value| value.to_str().unwrap()).unwrap_or_default();
    let is_page = kind.starts_with("text/html");
    // A refusal says what it is, as the endpoint does: Okta's errors, OAuth's, or a page for people.
    if !status.is_client_error() || is_page || hostile.method() == Method::HEAD || body.is_empty() {
        return Ok(Some(status));
    }
    let error = serde_json::from_slice::<Value>(&body).map_err(|_| TestCaseError::fail(shown()))?;
    let is_said = error["errorCode"].is_string() || error["error"].is_string();
    is_said.then_some(Some(status)).ok_or_else(|| TestCaseError::fail(shown()))
}
