//! Scopes that are asked for by themselves: the fewest that an operation needs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed")]

#[path = "../../keybound-client/tests/scripted/mod.rs"]
mod scripted;

mod okta_client;

use keybound_okta::{Call, Error, ErrorKind};
use okta_client::{client, client_without_scopes, org};
use scripted::{Asked, Server, answer, grant, refuse};

/// The scopes that a token request asks for.
fn asked_scopes(asked: &Asked) -> String {
    let body = String::from_utf8(asked.body.to_vec()).unwrap();
    let scope = body.split('&').find_map(|pair| pair.strip_prefix("scope=")).unwrap_or_default();
    scope.replace('+', " ")
}

fn scopes_asked(org: &Server) -> Vec<String> {
    org.asked_for_token().iter().map(asked_scopes).collect()
}

#[tokio::test]
async fn each_call_asks_for_the_fewest_scopes_and_a_token_that_is_good_for_it_is_used_again() {
    let org = org(|_| answer(200, &[], "[]")).await;
    let okta = client_without_scopes(&org.origin);
    for (call, tokens, why) in [
        (Call::get("/api/v1/users"), &["okta.users.read"][..], "the first"),
        (Call::get("/api/v1/users/me@example.com?expand=x"), &["okta.users.read"], "another operation of it"),
        (Call::get("/api/v1/groups"), &["okta.users.read", "okta.groups.read"], "another part of the API"),
        (Call::get(org.url("/api/v1/users")), &["okta.users.read", "okta.groups.read"], "a whole URL"),
    ] {
        okta.call(call).await.unwrap();
        assert_eq!(scopes_asked(&org), tokens, "{why}");
    }
    let create = okta.operation("createUser").unwrap().body("{}").send();
    create.await.unwrap();
    assert_eq!(scopes_asked(&org).last().unwrap(), "okta.users.manage", "reading is not managing");
    let mappings = okta.operation("listGroupPushMappings").unwrap().parameter("appId", "0oa1");
    mappings.send().await.unwrap();
    assert_eq!(scopes_asked(&org).last().unwrap(), "okta.apps.read okta.groups.read");
}

#[tokio::test]
async fn another_set_of_scopes_costs_no_challenge_more() {
    let org = Server::start(|asked| match (asked.is_for_token(), asked.before) {
        (true, 0) => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "n1")]),
        (true, _) => grant("t", "DPoP"),
        (false, _) => answer(200, &[], "[]"),
    })
    .await;
    let okta = client_without_scopes(&org.origin);
    for path in ["/api/v1/users", "/api/v1/groups", "/api/v1/apps"] {
        okta.call(Call::get(path)).await.unwrap();
    }
    let asked: Vec<_> =
        org.asked_for_token().iter().map(|asked| (asked_scopes(asked), asked.nonce())).collect();
    let n1 = || Some("n1".to_owned());
    let expected = [
        ("okta.users.read", None),
        ("okta.users.read", n1()),
        ("okta.groups.read", n1()),
        ("okta.apps.read", n1()),
    ];
    assert_eq!(asked, expected.map(|(scopes, nonce)| (scopes.to_owned(), nonce)), "RFC 9449 section 8.2");
}

#[tokio::test]
async fn a_token_that_may_manage_is_used_for_reading() {
    let org = org(|_| answer(200, &[], "[]")).await;
    let okta = client_without_scopes(&org.origin);
    okta.operation("createUser").unwrap().body("{}").send().await.unwrap();
    okta.call(Call::get("/api/v1/users")).await.unwrap();
    assert_eq!(scopes_asked(&org), ["okta.users.manage"]);
}

#[tokio::test]
async fn a_token_that_was_granted_for_more_is_used_for_that_too() {
    let body = r#"{"token_type":"DPoP","access_token":"t","expires_in":3600,
        "scope":"okta.users.read okta.groups.read"}"#;
    let org =
        Server::start(move |asked| answer(200, &[], if asked.is_for_token() { body } else { "[]" })).await;
    let okta = client_without_scopes(&org.origin);
    okta.call(Call::get("/api/v1/users")).await.unwrap();
    okta.call(Call::get("/api/v1/groups")).await.unwrap();
    assert_eq!(scopes_asked(&org), ["okta.users.read"]);
}

#[tokio::test]
async fn what_needs_no_scope_is_called_without_a_token() {
    let org = org(|_| answer(200, &[], "{}")).await;
    let okta = client_without_scopes(&org.origin);
    okta.operation("getWellknownOrgMetadata").unwrap().send().await.unwrap();
    let asked = org.asked();
    let [call] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(!call.headers.contains_key("authorization") && !call.headers.contains_key("dpop"));
}

#[tokio::test]
async fn a_path_of_no_operation_needs_scopes_that_are_set() {
    let org = org(|_| answer(200, &[], "{}")).await;
    let okta = client_without_scopes(&org.origin);
    for path in ["/api/v1/no/such/path", "/api/v1/users/", "/"] {
        let error = okta.call(Call::get(path)).await.unwrap_err();
        assert!(matches!(error, Error::UnknownScopes { .. }), "{error:?}");
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(error.to_string().contains(path) && error.advice().unwrap().contains("OKTA_SCOPES"));
    }
    let error = okta.token().await.unwrap_err();
    assert!(matches!(error, Error::NoScopes) && error.advice().unwrap().contains("OKTA_SCOPES"), "{error:?}");
    assert!(org.asked().is_empty(), "nothing was sent");
    client(&org.origin).call(Call::get("/api/v1/no/such/path")).await.unwrap();
}

#[tokio::test]
async fn scopes_that_are_set_stay_and_a_refusal_names_the_one_that_is_missing() {
    let org = org(|asked| match asked.uri.path() {
        "/api/v1/groups" => answer(403, &[], r#"{"errorCode":"E0000006","errorSummary":"No."}"#),
        _ => answer(200, &[], "[]"),
    })
    .await;
    let okta = client(&org.origin);
    okta.call(Call::get("/api/v1/users")).await.unwrap();
    let error = okta.call(Call::get("/api/v1/groups")).await.unwrap_err();
    assert_eq!(scopes_asked(&org), ["okta.users.read"], "nothing else is asked for");
    assert_eq!(error.kind(), ErrorKind::Scope);
    assert!(error.advice().unwrap().contains("okta.groups.read"), "{:?}", error.advice());
    let Error::Api(error) = error else { panic!("{error:?}") };
    assert_eq!(error.missing_scopes, ["okta.groups.read"]);
}

#[tokio::test]
async fn a_scope_that_is_not_granted_is_named() {
    let org = Server::start(|asked| match asked_scopes(asked).as_str() {
        "okta.groups.read" => refuse(400, "invalid_scope", &[]),
        _ if asked.is_for_token() => grant("token", "DPoP"),
        _ => answer(200, &[], "[]"),
    })
    .await;
    let okta = client_without_scopes(&org.origin);
    let error = okta.call(Call::get("/api/v1/groups")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Scope);
    assert!(error.advice().unwrap().contains("okta.groups.read"), "{:?}", error.advice());
    okta.call(Call::get("/api/v1/users")).await.unwrap();
}
