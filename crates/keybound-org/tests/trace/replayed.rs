//! A request sent again by somebody who saw it pass.

use http::Method;
use keybound::Rule;
use keybound_org::AdminRole;
use keybound_org::trace::{NotReplayed, VerdictOutcome};
use serde_json::json;

use crate::explained::newest;
use crate::support::{READ, TestOrg};

#[tokio::test]
async fn a_replay_is_refused_by_the_rule_against_it_and_recorded_as_one() {
    let test = TestOrg::start().await;
    let app = test.app(&[READ], &[AdminRole::ReadOnly]);
    let token = test.token(&app, READ).await;
    let token_request = newest(&test).id;
    test.call(&app, &token, Method::GET, "/api/v1/users?limit=1").await;
    let call = newest(&test).id;
    for (id, rule) in [(token_request, Rule::AssertionSingleUse), (call, Rule::Replay)] {
        let replayed = test.org.traces().replay(id).await.unwrap();
        assert_eq!(replayed.first.verdict.outcome, VerdictOutcome::Admitted);
        assert_eq!(replayed.again.verdict.outcome, VerdictOutcome::Refused);
        assert_eq!(replayed.again.verdict.rule.as_deref(), Some(rule.source()));
        assert_eq!(replayed.again.replay_of, Some(id));
        assert_eq!(replayed.again.target, replayed.first.target);
        assert_eq!(newest(&test).id, replayed.again.id);
    }
}

#[tokio::test]
async fn what_is_forgotten_or_was_cut_is_not_sent_again() {
    let test = TestOrg::start().await;
    assert_eq!(test.org.traces().replay(1).await, Err(NotReplayed::Forgotten));
    let body = json!({ "profile": { "nickName": "x".repeat(200_000) } });
    test.administer(Method::POST, "/api/v1/users", Some(body)).await;
    assert_eq!(test.org.traces().replay(1).await, Err(NotReplayed::Cut));
}
