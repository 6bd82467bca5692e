//! The metadata of the resource (RFC 9728), where it is served.

use axum::Router;
use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use keybound_guard::Guard;
use keybound_guard::forward_auth::ForwardAuth;
use keybound_guard::layer::GuardLayer;
use keybound_guard::policy::Policy;
use serde_json::{Value, json};

use super::face::Server;
use super::wire::send;
use super::workshop::{ISSUER, OTHER_HOST, Setting};

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

async fn ask(router: Router, method: Method, path: &str, host: &'static str) -> Response<Bytes> {
    let server = Server::start(router).await;
    let mut headers = HeaderMap::new();
    headers.insert("host", host.parse().unwrap());
    headers.insert("x-forwarded-host", host.parse().unwrap());
    headers.insert("x-forwarded-proto", "https".parse().unwrap());
    send(&method, server.uri(path), headers).await
}

fn layered(guard: Guard) -> Router {
    Router::new().fallback(|| async { "in" }).layer(GuardLayer::new(guard).serving_metadata())
}

fn document(response: &Response<Bytes>) -> Value {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    serde_json::from_slice(response.body()).unwrap()
}

#[tokio::test]
async fn every_face_that_serves_http_itself_describes_the_resource() {
    let routers = [layered(Setting::Routes.guard()), ForwardAuth::new(Setting::Routes.guard()).into_router()];
    for router in routers {
        let response = ask(router, Method::GET, WELL_KNOWN, "api.example.com").await;
        let mut document = document(&response);
        let algorithms = document["dpop_signing_alg_values_supported"].take();
        assert!(algorithms.as_array().unwrap().contains(&json!("ES256")), "{algorithms}");
        assert_eq!(
            document,
            json!({
                "resource": "https://api.example.com",
                "authorization_servers": [ISSUER],
                "scopes_supported": ["orders.admin", "orders.read"],
                "bearer_methods_supported": ["header"],
                "dpop_signing_alg_values_supported": null,
                "dpop_bound_access_tokens_required": true,
            })
        );
    }
}

#[tokio::test]
async fn each_of_several_resources_has_its_own() {
    let response = ask(layered(Setting::TwoHosts.guard()), Method::GET, WELL_KNOWN, OTHER_HOST).await;
    assert_eq!(document(&response)["resource"], format!("https://{OTHER_HOST}"));
    let stranger = ask(layered(Setting::TwoHosts.guard()), Method::GET, WELL_KNOWN, "evil.example").await;
    assert_eq!(stranger.status(), 400);
}

#[tokio::test]
async fn a_resource_with_a_path_has_it_behind_the_well_known_one() {
    let mut policy = Policy { resources: Vec::new(), ..Setting::Bearer.policy() };
    policy.resources.push(keybound::TargetUri::parse("https://example.com/orders/v1").unwrap());
    let guard = || Guard::new(policy.clone()).unwrap();
    let path = format!("{WELL_KNOWN}/orders/v1");
    let document = document(&ask(layered(guard()), Method::GET, &path, "example.com").await);
    assert_eq!(document["resource"], "https://example.com/orders/v1");
    assert_eq!(document["dpop_bound_access_tokens_required"], false);
    assert!(document.get("scopes_supported").is_none());
    for other in [WELL_KNOWN.to_owned(), format!("{path}/x"), format!("{WELL_KNOWN}x")] {
        assert_eq!(ask(layered(guard()), Method::GET, &other, "example.com").await.status(), 401, "{other}");
    }
}

#[tokio::test]
async fn it_can_only_be_read_and_only_where_it_is_served() {
    let head = ask(layered(Setting::Strict.guard()), Method::HEAD, WELL_KNOWN, "api.example.com").await;
    assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
    let post = ask(layered(Setting::Strict.guard()), Method::POST, WELL_KNOWN, "api.example.com").await;
    assert_eq!((post.status().as_u16(), post.headers()["allow"].to_str().unwrap()), (405, "GET, HEAD"));
    let silent = Router::new().fallback(|| async { "in" }).layer(GuardLayer::new(Setting::Strict.guard()));
    assert_eq!(ask(silent, Method::GET, WELL_KNOWN, "api.example.com").await.status(), 401);
}

#[tokio::test]
async fn a_question_about_a_request_is_never_taken_for_one_for_metadata() {
    let server = Server::start(ForwardAuth::new(Setting::Strict.guard()).into_router()).await;
    for name in
        ["x-original-uri", "x-original-url", "x-original-method", "x-forwarded-uri", "x-forwarded-method"]
    {
        let mut headers = HeaderMap::new();
        headers.insert(name, "GET".parse().unwrap());
        assert_eq!(send(&Method::GET, server.uri(WELL_KNOWN), headers).await.status(), 400, "{name}");
    }
}
