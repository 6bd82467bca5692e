//! What the faces for proxies believe, and of whom.

use axum::Router;
use http::{HeaderMap, Method};
use keybound_guard::Guard;
use keybound_guard::ext_authz::ExtAuthz;
use keybound_guard::forward_auth::ForwardAuth;
use keybound_guard::policy::Policy;

use super::envoy;
use super::face::{Server, Verdict, header_map};
use super::wire::send;
use super::workshop::{ClientRequest, Draft, ES256, HOST, PATH, Setting, TOKEN};

fn forward_auth(policy: Policy) -> Router {
    let guard = Guard::builder(policy).clock(std::sync::Arc::new(|| super::workshop::NOW)).build().unwrap();
    ForwardAuth::new(guard).into_router()
}

fn told(client: &ClientRequest, fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = header_map(&client.headers);
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

#[tokio::test]
async fn a_question_of_one_who_is_no_trusted_proxy_is_answered_with_403() {
    let good =
        told(&ClientRequest::with_token(&TOKEN), &[("x-original-method", "GET"), ("x-original-uri", PATH)]);
    for (trusted, status) in [("127.0.0.0/8", 200), ("192.0.2.0/24", 403)] {
        let policy = Policy { trusted_proxies: vec![trusted.parse().unwrap()], ..Setting::Strict.policy() };
        let server = Server::start(forward_auth(policy)).await;
        let response = send(&Method::GET, server.uri("/"), good.clone()).await;
        assert_eq!(response.status().as_u16(), status, "{trusted}");
        assert!(status == 200 || !response.headers().contains_key("www-authenticate"));
    }
}

#[tokio::test]
async fn the_verdict_is_about_the_request_that_the_proxy_tells_of() {
    let server = Server::start(forward_auth(Setting::Strict.policy())).await;
    let original = |method: &'static str, uri: &'static str| {
        vec![("x-original-method", method), ("x-original-uri", uri)]
    };
    let and = |mut fields: Vec<(&'static str, &'static str)>, more: &[(&'static str, &'static str)]| {
        fields.extend(more);
        fields
    };
    for (fields, status, why) in [
        (original("GET", PATH), 200, "the method and URI that the proof is for"),
        (original("POST", PATH), 401, "another method"),
        (original("GET", "/orders/2"), 401, "another path"),
        (vec![], 400, "nothing"),
        (vec![("x-original-uri", PATH)], 400, "no method"),
        (and(original("GET", PATH), &[("x-original-uri", PATH)]), 400, "the URI twice"),
        (and(original("GET", PATH), &[("x-forwarded-uri", "/orders/2")]), 400, "two that contradict"),
        (and(original("GET", PATH), &[("x-forwarded-method", "POST")]), 400, "two methods"),
        (and(original("GET", PATH), &[("x-forwarded-uri", PATH)]), 200, "two that agree"),
    ] {
        let client = ClientRequest::with_token(&TOKEN);
        let response = send(&Method::GET, server.uri(PATH), told(&client, &fields)).await;
        assert_eq!(response.status().as_u16(), status, "{why}");
    }
}

#[tokio::test]
async fn envoy_may_join_the_fields_of_one_name_and_pairs_are_still_refused() {
    let server = Server::start(ExtAuthz::new(Setting::Strict.guard()).into_router()).await;
    let good = || ClientRequest::with_token(&TOKEN);
    for (request, status, why) in [
        (good(), 200, "a good request"),
        (good().header("dpop", Draft::proof().sign(&ES256)), 401, "two proofs"),
        (good().authorization("Bearer a"), 400, "two credentials"),
        (ClientRequest::with_proof("a.b.\u{e9}".as_bytes()), 401, "a proof that is not ASCII"),
        (ClientRequest::get(PATH), 401, "no credentials"),
    ] {
        let joined = envoy::check(server.address, &request, envoy::Headers::Joined).await;
        assert_eq!(joined.status, status, "{why}: {joined:?}");
    }
}

#[tokio::test]
async fn what_envoys_client_says_of_hosts_is_not_believed() {
    let server = Server::start(ExtAuthz::new(Setting::TwoHosts.guard()).into_router()).await;
    let client = ClientRequest::to(Method::GET, HOST, PATH, &TOKEN, None)
        .header("x-forwarded-host", HOST)
        .header("x-forwarded-proto", "https");
    let client = ClientRequest { host: "evil.example.com", ..client };
    let verdict: Verdict = envoy::check(server.address, &client, envoy::Headers::Raw).await;
    assert_eq!(verdict.status, 400);
}

#[tokio::test]
async fn a_proxy_that_copies_the_identity_overwrites_what_a_client_forged() {
    let server = Server::start(ForwardAuth::new(Setting::Routes.guard()).into_router()).await;
    let fields =
        [("x-original-method", "GET"), ("x-original-uri", "/health"), ("x-keybound-subject", "admin")];
    let response = send(&Method::GET, server.uri("/"), told(&ClientRequest::get("/"), &fields)).await;
    assert_eq!(response.status(), 200);
    for name in keybound_guard::identity::FIELDS {
        let values: Vec<_> = response.headers().get_all(&name).iter().collect();
        assert_eq!(values, [""], "{name}");
    }
}
