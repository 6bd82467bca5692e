//! What the layer is to an API in axum.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::routing::{any, get};
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use keybound_guard::extract::{Caller, GuardRejection};
use keybound_guard::layer::GuardLayer;
use keybound_guard::{Admission, PeerAddress, RequireScope};
use metrics_exporter_prometheus::PrometheusBuilder;
use std::sync::Arc;
use tower::ServiceExt as _;

use super::face::{Server, header_map};
use super::wire::send;
use super::workshop::{
    ClientRequest, Draft, ES256, HOST, ISSUER, NOW, OTHER_HOST, PATH, RS256, Setting, TOKEN, nonces,
};

fn request(client: &ClientRequest) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.method_mut() = client.method.clone();
    *request.uri_mut() = client.path.parse().unwrap();
    *request.headers_mut() = header_map(&client.headers);
    request.headers_mut().insert("host", client.host.parse().unwrap());
    request
}

async fn answer(app: Router, client: &ClientRequest) -> (Response<()>, String) {
    let (parts, body) = app.oneshot(request(client)).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

fn get_with(token: &str, path: &str) -> ClientRequest {
    ClientRequest::to(Method::GET, HOST, path, token, None)
}

#[tokio::test]
async fn a_handler_is_told_who_calls() {
    async fn whoami(caller: Caller, Extension(admission): Extension<Arc<Admission>>) -> String {
        assert!(admission.admitted.is_some());
        let thumbprint = caller.thumbprint().unwrap();
        format!(
            "{} {} {} {:?} {thumbprint} {}",
            caller.subject(),
            caller.client_id().unwrap(),
            caller.issuer(),
            caller.scopes(),
            caller.access_token().jwt_id.as_deref().unwrap()
        )
    }
    let app = Router::new().route("/me", get(whoami)).layer(GuardLayer::new(Setting::Strict.guard()));
    let (response, body) = answer(app, &get_with(&TOKEN, "/me")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let thumbprint = keybound::Signer::public_key(&*ES256).thumbprint();
    assert_eq!(body, format!("user 1 0oa1 {ISSUER} [\"orders.read\", \"profile\"] {thumbprint} AT.1"));
}

#[test]
fn what_the_api_refuses_itself_is_counted_by_its_rule() {
    async fn in_handler(caller: Caller) -> Result<&'static str, GuardRejection> {
        caller.require_scope(&["orders.write"])?;
        Ok("written")
    }
    let open = |setting: Setting| {
        Router::new()
            .route("/health", get(|_: Caller| async { "in" }))
            .route("/handler", get(in_handler))
            .route("/route", get(|| async { "in" }).layer(RequireScope::any_of(["orders.write"])))
            .layer(GuardLayer::new(setting.guard()))
    };
    let scope = "rule=\"RFC 6750 section 3.1\",status=\"403\"";
    let nobody = "rule=\"RFC 9449 section 7.1\",status=\"401\"";
    let cases = [
        ("a scope that a handler asks for", Setting::Strict, get_with(&TOKEN, "/handler"), scope),
        ("a scope that a route asks for", Setting::Strict, get_with(&TOKEN, "/route"), scope),
        ("a caller where the guard lets anybody in", Setting::Routes, ClientRequest::get("/health"), nobody),
    ];
    for (name, setting, client, labels) in cases {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        metrics::with_local_recorder(&recorder, || runtime.block_on(answer(open(setting), &client)));
        let rendered = handle.render();
        for series in [
            format!("outcome=\"refused\",{labels}}} 1\n"),
            "outcome=\"admitted\",rule=\"\",status=\"\"} 1\n".into(),
        ] {
            let series = format!("keybound_guard_requests_total{{{series}");
            assert!(rendered.contains(&series), "{name}: no {series} in {rendered}");
        }
    }
}

#[tokio::test]
async fn the_target_is_the_uri_that_came_to_the_outermost_router() {
    let guarded = || {
        let layer = GuardLayer::new(Setting::Strict.guard());
        Router::new().route("/{id}", get(|_: Caller| async { "in" })).layer(layer)
    };
    let nested = || Router::new().nest("/api", Router::new().nest("/orders", guarded()));
    for (proved, sent, status) in [
        ("/api/orders/1", "/api/orders/1", 200),
        ("/1", "/api/orders/1", 401),
        ("/orders/1", "/api/orders/1", 401),
    ] {
        let client = ClientRequest { path: sent.to_owned(), ..get_with(&TOKEN, proved) };
        assert_eq!(answer(nested(), &client).await.0.status().as_u16(), status, "a proof for {proved}");
    }
}

#[tokio::test]
async fn nested_routers_are_held_to_the_routes_of_the_whole_path() {
    let inner =
        Router::new().route("/{id}", any(|| async { "in" })).layer(GuardLayer::new(Setting::Routes.guard()));
    let app = Router::new().nest("/orders", inner);
    for (method, path, status) in
        [(Method::GET, "/orders/1", 200), (Method::DELETE, "/orders/1", 403), (Method::PUT, "/orders/1", 404)]
    {
        let client = ClientRequest::to(method.clone(), HOST, path, &TOKEN, None);
        assert_eq!(answer(app.clone(), &client).await.0.status().as_u16(), status, "{method} {path}");
    }
}

#[tokio::test]
async fn a_scope_is_asked_for_by_a_route_or_in_a_handler_with_one_answer() {
    async fn in_handler(caller: Caller) -> Result<&'static str, GuardRejection> {
        caller.require_scope(&["orders.write", "orders.all"])?;
        Ok("written")
    }
    let by_route = get(|| async { "written" }).layer(RequireScope::any_of(["orders.write", "orders.all"]));
    let app = Router::new()
        .route("/handler", get(in_handler))
        .route("/route", by_route)
        .route("/nobody", get(|| async { "in" }).layer(RequireScope::any_of([""; 0])))
        .layer(GuardLayer::new(Setting::Strict.guard()));
    let writer = |scope: &str| Draft::token().claim("scope", scope.into()).sign(&RS256);
    for path in ["/handler", "/route"] {
        for (scope, status) in
            [("orders.write", 200), ("a orders.all", 200), ("orders.writer", 403), ("", 403)]
        {
            let (response, body) = answer(app.clone(), &get_with(&writer(scope), path)).await;
            assert_eq!(response.status().as_u16(), status, "{path} {scope}");
            if status == 403 {
                let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
                for part in [
                    "DPoP error=\"insufficient_scope\"",
                    "scope=\"orders.write\"",
                    "resource_metadata=\"https://api.example.com/.well-known/oauth-protected-resource\"",
                    "algs=\"",
                ] {
                    assert!(challenge.contains(part), "{path}: {challenge}");
                }
                assert!(body.starts_with("{\"error\":\"insufficient_scope\""), "{path}: {body}");
                assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
            }
        }
    }
    assert_eq!(answer(app, &get_with(&writer("a"), "/nobody")).await.0.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_challenge_of_a_handler_names_the_metadata_of_the_host_that_was_asked() {
    let app = Router::new()
        .route("/x", get(|| async { "in" }).layer(RequireScope::any_of(["none"])))
        .layer(GuardLayer::new(Setting::TwoHosts.guard()).secure(true));
    for host in [HOST, OTHER_HOST] {
        let client = ClientRequest::to(Method::GET, host, "/x", &TOKEN, None);
        let (response, _) = answer(app.clone(), &client).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
        assert!(challenge.contains(&format!("https://{host}/.well-known/")), "{challenge}");
    }
}

#[tokio::test]
async fn an_open_route_has_a_caller_or_not() {
    async fn greet(caller: Option<Caller>) -> String {
        caller.map_or("nobody".to_owned(), |caller| caller.subject().to_owned())
    }
    let app =
        |handler| Router::new().route("/health", handler).layer(GuardLayer::new(Setting::Routes.guard()));
    let open = ClientRequest::get("/health");
    assert_eq!(answer(app(get(greet)), &open).await.1, "nobody");
    let (response, body) = answer(app(get(|_: Caller| async { "in" })), &open).await;
    assert_eq!((response.status().as_u16(), body.as_str()), (401, ""));
    assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().starts_with("DPoP resource_metadata="));
    let scoped = get(|| async { "in" }).layer(RequireScope::any_of(["a"]));
    assert_eq!(answer(app(scoped), &open).await.0.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn without_the_layer_nobody_is_let_through() {
    let app = Router::new()
        .route("/caller", get(|_: Caller| async { "in" }))
        .route("/maybe", get(|_: Option<Caller>| async { "in" }))
        .route("/scope", get(|| async { "in" }).layer(RequireScope::any_of(["a"])));
    for path in ["/caller", "/maybe", "/scope"] {
        let (response, body) = answer(app.clone(), &get_with(&TOKEN, path)).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        assert!(body.contains("GuardLayer"), "{path}: {body}");
    }
}

#[tokio::test]
async fn no_spelling_of_the_guards_header_fields_reaches_a_handler() {
    let seen = |headers: HeaderMap| async move {
        let names: Vec<_> = headers.keys().map(ToString::to_string).collect();
        names.join(" ")
    };
    let app = Router::new().route(PATH, get(seen)).layer(GuardLayer::new(Setting::Strict.guard()));
    let forged = [
        "x-keybound-subject",
        "x-keybound-anything",
        "x_keybound_subject",
        "x-keybound_scope",
        "x_keybound-client_id",
    ];
    let mut client = get_with(&TOKEN, PATH).header("x-keybounds", "another name").header("x-key", "1");
    for name in forged {
        client = client.header(name, "admin").header(name, "root");
    }
    let names = answer(app, &client).await.1;
    for name in forged {
        assert!(!names.split(' ').any(|seen| seen == name), "{name} in {names}");
    }
    for kept in ["x-keybounds", "x-key", "authorization", "dpop"] {
        assert!(names.split(' ').any(|seen| seen == kept), "{kept} not in {names}");
    }
}

#[tokio::test]
async fn forged_names_in_capitals_are_the_same_names_on_the_wire() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let seen = |headers: HeaderMap| async move { format!("{headers:?}") };
    let app = Router::new().route("/health", get(seen)).layer(GuardLayer::new(Setting::Routes.guard()));
    let server = Server::start(app).await;
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    let sent = "GET /health HTTP/1.1\r\nHost: api.example.com\r\nX-KEYBOUND-SUBJECT: forged\r\n\
                X_Keybound_Scope: forged\r\nConnection: close\r\n\r\n";
    stream.write_all(sent.as_bytes()).await.unwrap();
    let mut received = String::new();
    stream.read_to_string(&mut received).await.unwrap();
    assert!(received.starts_with("HTTP/1.1 200"), "{received}");
    assert!(!received.contains("forged"), "{received}");
}

#[tokio::test]
async fn a_client_gets_its_next_nonce_and_a_browser_may_read_it() {
    let nonce = nonces().current(NOW);
    let next = |setting: Setting, path: &'static str| {
        let nonce = nonce.clone();
        async move {
            let exposing = [("access-control-expose-headers", "ETag")];
            let app = Router::new()
                .fallback(move || async move { (exposing, "in") })
                .layer(GuardLayer::new(setting.guard()));
            let client = ClientRequest::to(Method::GET, HOST, path, &TOKEN, Some(nonce.as_str()));
            answer(app, &client).await.0
        }
    };
    for (setting, path, given) in [
        (Setting::Nonces, PATH, true),
        (Setting::Routes, "/payments", true),
        (Setting::Routes, PATH, false),
        (Setting::Strict, PATH, false),
    ] {
        let response = next(setting, path).await;
        assert_eq!(response.status(), StatusCode::OK, "{setting:?} {path}");
        let found = response.headers().get("dpop-nonce").map(|value| value.to_str().unwrap());
        assert_eq!(found, given.then_some(nonce.as_str()), "{setting:?} {path}");
        let exposed: Vec<_> = response.headers().get_all(ACCESS_CONTROL_EXPOSE_HEADERS).iter().collect();
        assert_eq!(exposed, if given { vec!["ETag", "DPoP-Nonce"] } else { vec!["ETag"] });
    }
    let app = Router::new().layer(GuardLayer::new(Setting::Strict.guard()));
    let app = app.fallback(|| async { "in" }).layer(GuardLayer::new(Setting::Nonces.guard()));
    let (response, _) = answer(app, &ClientRequest::get(PATH)).await;
    assert_eq!(response.headers()[ACCESS_CONTROL_EXPOSE_HEADERS], "DPoP-Nonce, WWW-Authenticate");
}

#[tokio::test]
async fn only_a_trusted_peer_says_which_host_was_asked() {
    let app = Router::new().fallback(|| async { "in" }).layer(GuardLayer::new(Setting::TwoHosts.guard()));
    let client = ClientRequest::to(Method::GET, HOST, PATH, &TOKEN, None)
        .header("x-forwarded-host", HOST)
        .header("x-forwarded-proto", "https");
    let client = ClientRequest { host: "inside.example", ..client };
    for (peer, status) in [(Some([127, 0, 0, 1]), 200), (Some([192, 0, 2, 1]), 400), (None, 400)] {
        let mut request = request(&client);
        if let Some(peer) = peer {
            request.extensions_mut().insert(PeerAddress(peer.into()));
        }
        let response = app.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{peer:?}");
    }
    let server = Server::start(app).await;
    let response = send(&Method::GET, server.uri(PATH), header_map(&client.headers)).await;
    assert_ne!(response.status(), StatusCode::BAD_REQUEST, "the address that axum tells counts");
    let _: SocketAddr = server.address;
}

#[tokio::test]
async fn a_service_is_called_only_when_it_said_that_it_is_ready() {
    use std::task::{Context, Poll};
    use tower_service::Service;

    /// Panics if a clone that was never polled is called, as services with a queue do.
    #[derive(Default)]
    struct Readied(bool);
    impl Clone for Readied {
        fn clone(&self) -> Self {
            Self(false)
        }
    }
    impl Service<Request<Body>> for Readied {
        type Response = Response<Body>;
        type Error = std::convert::Infallible;
        type Future = std::future::Ready<Result<Response<Body>, Self::Error>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            self.0 = true;
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<Body>) -> Self::Future {
            assert!(std::mem::take(&mut self.0), "it was not ready");
            std::future::ready(Ok(Response::default()))
        }
    }
    let layer = GuardLayer::new(Setting::Strict.guard());
    let mut service = tower_layer::Layer::layer(&layer, Readied::default());
    for _ in 0..2 {
        let response = service.ready().await.unwrap().call(request(&get_with(&TOKEN, PATH))).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
}
