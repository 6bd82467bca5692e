//! gRPC services behind the layer.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use keybound_guard::layer::GuardLayer;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::server::{Server, TcpIncoming};
use tonic::{Code, Status};
use tower_service::Service;

use super::workshop::{ClientRequest, HOST, NOW, Setting, TOKEN, nonces};

/// A service whose every method succeeds without a word.
#[derive(Clone)]
struct Hello;

impl NamedService for Hello {
    const NAME: &'static str = "hello.Hello";
}

impl Service<Request<Body>> for Hello {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        ready(Ok(Status::new(Code::Ok, "").into_http()))
    }
}

#[tokio::test]
async fn a_grpc_client_is_let_in_or_told_why_not_and_gets_its_nonce() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .layer(GuardLayer::new(Setting::Nonces.guard()))
        .add_service(Hello)
        .serve_with_incoming(TcpIncoming::from(listener));
    let server = tokio::spawn(server);
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Body>();
    let origin: Uri = format!("http://{address}").parse().unwrap();
    let mut client = tonic::client::Grpc::with_origin(client, origin);

    let nonce = nonces().current(NOW);
    for (nonce, code) in [(None, Code::Unauthenticated), (Some(nonce.as_str()), Code::Ok)] {
        let signed = ClientRequest::to(http::Method::POST, HOST, "/hello.Hello/Greet", &TOKEN, nonce);
        let mut call = tonic::Request::new(one_message());
        for (name, value) in signed.headers {
            call.metadata_mut().insert(name, String::from_utf8(value).unwrap().parse().unwrap());
        }
        client.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static("/hello.Hello/Greet");
        let codec = tonic_prost::ProstCodec::<(), ()>::default();
        let (found, metadata) = match client.streaming(call, path, codec).await {
            Ok(response) => (Code::Ok, response.metadata().clone()),
            Err(status) => (status.code(), status.metadata().clone()),
        };
        assert_eq!(found, code);
        assert_eq!(metadata.get("dpop-nonce").unwrap(), nonces().current(NOW).as_str());
        assert_eq!(metadata.contains_key("www-authenticate"), code == Code::Unauthenticated);
    }
    server.abort();
}

/// A stream of one empty message.
fn one_message() -> impl futures_util::Stream<Item = ()> + Send + 'static {
    futures_util::stream::once(ready(()))
}

#[tokio::test]
async fn each_refusal_has_the_grpc_status_beside_the_http_status() {
    let service =
        || tower::ServiceBuilder::new().layer(GuardLayer::new(Setting::Routes.guard())).service(Hello);
    let good = |path: &str| ClientRequest::to(http::Method::POST, HOST, path, &TOKEN, None);
    let plain = |method, path: &str| ClientRequest::to(method, HOST, path, &TOKEN, None);
    for (request, http_status, grpc_status) in [
        (ClientRequest::get("/orders/1"), 401, "16"),
        (plain(http::Method::DELETE, "/orders/1"), 403, "7"),
        (good("/nowhere"), 404, "5"),
        (good("//"), 400, "3"),
    ] {
        let mut call = Request::new(Body::empty());
        *call.method_mut() = request.method.clone();
        *call.uri_mut() = request.path.parse().unwrap();
        *call.headers_mut() = super::face::header_map(&request.headers);
        call.headers_mut().insert("content-type", "application/grpc+proto".parse().unwrap());
        let response = tower::ServiceExt::oneshot(service(), call).await.unwrap();
        assert_eq!(response.status().as_u16(), http_status, "{}", request.path);
        assert_eq!(response.headers()["grpc-status"], grpc_status, "{}", request.path);
        let content_type = response.headers().get("content-type");
        assert_eq!(content_type.is_some(), http_status != 401, "no credentials, no body: {}", request.path);
    }
}
