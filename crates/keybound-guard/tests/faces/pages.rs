//! Pages of other origins before an API in axum, by the recipe in the documentation of the layer.

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response};
use keybound_guard::layer::GuardLayer;
use tower::ServiceExt as _;
use tower_http::cors::CorsLayer;

use super::face::header_map;
use super::workshop::{ClientRequest, HOST, PATH, Setting, TOKEN};

const PAGE: &str = "https://app.example.com";

fn app() -> Router {
    let pages = CorsLayer::new()
        .allow_origin([HeaderValue::from_static(PAGE)])
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([AUTHORIZATION, HeaderName::from_static("dpop"), CONTENT_TYPE])
        .expose_headers([WWW_AUTHENTICATE, HeaderName::from_static("dpop-nonce")]);
    let reached = any(async || ([("x-reached", "1")], "[]"));
    Router::new().route(PATH, reached).layer(GuardLayer::new(Setting::Nonces.guard())).layer(pages)
}

async fn answer(client: &ClientRequest) -> Response<Body> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = client.method.clone();
    *request.uri_mut() = client.path.parse().unwrap();
    *request.headers_mut() = header_map(&client.headers);
    request.headers_mut().insert("host", client.host.parse().unwrap());
    app().oneshot(request).await.unwrap()
}

fn options(origin: &str, asks: bool) -> ClientRequest {
    let request =
        ClientRequest { method: Method::OPTIONS, ..ClientRequest::get(PATH) }.header("origin", origin);
    if asks { request.header("access-control-request-method", "DELETE") } else { request }
}

#[tokio::test]
async fn options_of_a_page_comes_neither_to_the_guard_nor_to_the_api() {
    for (request, allowed) in [
        (options(PAGE, true), Some(PAGE)),
        (options(PAGE, false), Some(PAGE)),
        (options("https://app.example.com.evil.example", true), None),
        (options("null", true), None),
    ] {
        let answer = answer(&request).await;
        assert_eq!(answer.status(), 200, "{request:?}");
        assert!(!answer.headers().contains_key("x-reached"), "{request:?}");
        let named = answer.headers().get("access-control-allow-origin").map(|value| value.to_str().unwrap());
        assert_eq!(named, allowed, "{request:?}");
        assert_eq!(answer.headers()["access-control-allow-headers"], "authorization,dpop,content-type");
    }
}

#[tokio::test]
async fn a_page_can_read_a_refusal_and_its_nonce() {
    let without = ClientRequest::get(PATH).header("origin", PAGE);
    let without_nonce = ClientRequest::to(Method::GET, HOST, PATH, &TOKEN, None).header("origin", PAGE);
    for (request, nonce) in [(without, false), (without_nonce, true)] {
        let answer = answer(&request).await;
        let headers = answer.headers();
        assert_eq!(
            (answer.status().as_u16(), headers.contains_key("dpop-nonce")),
            (401, nonce),
            "{request:?}"
        );
        assert_eq!(headers["access-control-allow-origin"], PAGE, "{request:?}");
        assert_eq!(headers["access-control-expose-headers"], "www-authenticate,dpop-nonce", "{request:?}");
        assert_eq!(headers.get_all("access-control-expose-headers").iter().count(), 1, "{request:?}");
        assert!(!headers.contains_key("x-reached"), "{request:?}");
    }
}
