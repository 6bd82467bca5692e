//! What is recorded, and that recording changes nothing.

use http::StatusCode;
use keybound_org::trace::{Content, Lane, MAX_RECORDED_BODY_BYTES, VerdictOutcome};
use keybound_org::{Cut, Fault, OrgSettings};
use serde_json::json;

use crate::explained::newest;
use crate::support::{NOW, READ, TestOrg};

#[tokio::test]
async fn the_two_token_requests_and_the_call_are_one_conversation_and_the_next_round_is_another() {
    use Lane::{Api, AuthorizationServer as Server};

    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[keybound_org::AdminRole::ReadOnly]);
    let other = test.app(&[READ], &[]);
    test.get("/.well-known/openid-configuration").await;
    let token = test.token(&app, READ).await;
    test.call(&app, &token, http::Method::GET, "/api/v1/users?limit=1").await;
    test.nonce(&other).await;
    test.call(&app, &token, http::Method::GET, "/api/v1/users?limit=1").await;
    test.token(&app, READ).await;

    let traces = test.org.traces();
    let mut all = traces.exchanges(0, 100);
    all.reverse();
    let found: Vec<_> =
        all.iter().map(|exchange| (exchange.id, exchange.conversation, exchange.lane)).collect();
    assert_eq!(
        found,
        [
            (1, 1, Server),
            (2, 1, Server),
            (3, 1, Server),
            (4, 1, Api),
            (5, 5, Server),
            (6, 1, Api),
            (7, 7, Server),
            (8, 7, Server),
        ]
    );
    assert_eq!(traces.conversations(10), [7, 1, 5]);
    assert_eq!(traces.conversation(1).len(), 5);
    assert_eq!(traces.exchanges(6, 100).len(), 2);

    test.wait(301);
    test.nonce(&app).await;
    let later = newest(&test);
    assert_eq!((later.conversation, later.at), (9, NOW + 301), "after a pause");
}

#[tokio::test]
async fn a_body_larger_than_is_recorded_passes_unharmed_and_is_marked() {
    let test = TestOrg::start().await;
    let large = "x".repeat(3 * MAX_RECORDED_BODY_BYTES);
    let body = json!({ "profile": { "nickName": large } });
    let answer = test.administer(http::Method::POST, "/api/v1/users", Some(body)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "as without a recorder: {answer:?}");
    let recorded = newest(&test).request.body.unwrap();
    assert!(recorded.is_cut);
    assert_eq!(recorded.content, Content::Removed("it was not recorded whole".to_owned()));

    // An answer of more than what is recorded.
    let answer = test.administer(http::Method::GET, "/api/v1/users?limit=200", None).await;
    let users = answer.json.as_array().unwrap().len();
    assert_eq!(users, 200);
    let body = newest(&test).answer.body.unwrap();
    let length: u64 = answer.json.to_string().len().try_into().unwrap();
    assert!(body.is_cut && body.bytes > MAX_RECORDED_BODY_BYTES as u64, "{}", body.bytes);
    assert!(body.bytes >= length, "its whole length is told");
}

#[tokio::test]
async fn the_console_and_the_traces_themselves_are_not_recorded_and_nothing_is_if_so_set() {
    let test = TestOrg::start().await;
    for path in ["/admin", "/assets/org.css", "/keybound/v1/traces"] {
        test.http.get(test.url(path)).send().await.unwrap();
    }
    assert_eq!(test.org.traces().exchanges(0, 10), []);

    let test = TestOrg::start_with(OrgSettings { traces_remembered: 0, ..OrgSettings::default() }).await;
    test.get("/oauth2/v1/keys").await;
    assert_eq!(test.org.traces().exchanges(0, 10), []);
    assert!(!test.org.traces().are_recorded());

    let test = TestOrg::start_with(OrgSettings { traces_remembered: 3, ..OrgSettings::default() }).await;
    for _ in 0..5 {
        test.get("/oauth2/v1/keys").await;
    }
    let ids: Vec<_> = test.org.traces().exchanges(0, 10).iter().map(|exchange| exchange.id).collect();
    assert_eq!(ids, [5, 4, 3]);
}

#[tokio::test]
async fn the_answer_is_told_with_its_status_its_request_id_and_its_time() {
    let test = TestOrg::start().await;
    let answer = test.get("/oauth2/v1/keys").await;
    let exchange = newest(&test);
    assert_eq!(exchange.status, Some(200));
    assert_eq!(exchange.verdict.outcome, VerdictOutcome::Admitted);
    let request_id = answer.header("x-okta-request-id").to_owned();
    assert!(exchange.answer.fields.contains(&("x-okta-request-id".to_owned(), request_id)));
    assert!(exchange.client_address.unwrap().starts_with("127.0.0.1:"));
    assert!(exchange.duration_microseconds > 0);
}

#[tokio::test]
async fn a_request_whose_client_goes_away_is_recorded_as_unanswered() {
    let test = TestOrg::start().await;
    let slow = test.org.faults().add(Fault::slow(std::time::Duration::from_secs(20))).await.unwrap();
    let request = tokio::spawn(test.http.get(test.url("/oauth2/v1/keys")).send());
    while test.org.faults().get(slow).unwrap().struck == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(test.org.traces().exchanges(0, 10), [], "it is under way");
    request.abort();
    let exchange = loop {
        if let Some(exchange) = test.org.traces().exchange(1) {
            break exchange;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((exchange.status, exchange.verdict.outcome), (None, VerdictOutcome::Unanswered));
    assert!(exchange.verdict.reason.unwrap().contains("went away"));
}

#[tokio::test]
async fn what_a_fault_did_is_told_as_its_doing() {
    let test = TestOrg::start().await;
    let faults = test.org.faults();
    for (fault, status, words) in [
        (Fault::rate_limited(), 429, "asked for by fault f1 (rate-limited)"),
        (Fault::cut_connection(Cut::InBody), 200, "the answer was cut, asked for by fault f2"),
        (Fault::cut_connection(Cut::BeforeAnswer), 200, "the answer was cut, asked for by fault f3"),
    ] {
        let id = faults.add(fault).await.unwrap();
        let answered = test.http.get(test.url("/oauth2/v1/keys")).send().await;
        if let Ok(answer) = answered {
            // It may be cut.
            let _ = answer.bytes().await;
        }
        faults.remove(id);
        let seen = newest(&test);
        assert_eq!(seen.status, Some(status), "{words}");
        assert_eq!(seen.fault.map(|fault| fault.words()).as_deref(), Some(words));
    }
    test.get("/oauth2/v1/keys").await;
    assert_eq!(newest(&test).fault, None);
}

#[tokio::test]
async fn a_client_that_calls_itself_administrator_is_not_taken_for_one() {
    let test = TestOrg::start().await;
    test.administer(http::Method::GET, "/api/v1/users", None).await;
    let first = newest(&test);
    assert_eq!((first.is_administrator, first.client_id.clone()), (true, None));
    let form = "grant_type=client_credentials&client_id=administrator";
    let request = test.http.post(test.token_endpoint()).body(form);
    test.send(request.header("content-type", "application/x-www-form-urlencoded")).await;
    let other = newest(&test);
    assert_eq!((other.is_administrator, other.client_id.as_deref()), (false, Some("administrator")));
    assert_ne!(first.sender(), other.sender());
    // By its connection it would be in the same, were it anonymous.
    assert_ne!(first.conversation, other.conversation);

    let request = test.http.get(test.url("/oauth2/v1/keys")).basic_auth("a-secret", Some("x"));
    test.send(request).await;
    assert_eq!(newest(&test).client_id, None, "there is no such client");
}
