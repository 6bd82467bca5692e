//! An HTTP client that sends what it is told to.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

pub async fn send(method: &Method, uri: Uri, headers: HeaderMap) -> Response<Bytes> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    exchange(request, false).await
}

/// Over HTTP/2 from the first byte on.
pub async fn send_over_http2(request: Request<Full<Bytes>>) -> Response<Bytes> {
    exchange(request, true).await
}

async fn exchange(request: Request<Full<Bytes>>, http2: bool) -> Response<Bytes> {
    let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let response = client.request(request).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}
