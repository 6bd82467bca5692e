//! `ext_authz` over gRPC: the service `envoy.service.auth.v3.Authorization`.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use tonic::body::Body;
use tonic::server::{Grpc, NamedService, UnaryService};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tower_service::Service;

use super::messages::{
    AppendAction, AttributeContext, BoolValue, CheckRequest, CheckResponse, DeniedHttpResponse,
    HeaderValue as EnvoyValue, HeaderValueOption, HttpRequest, HttpResponse, HttpStatus, OkHttpResponse,
    RpcStatus,
};
use crate::guard::{Admission, Guard, IncomingRequest};
use crate::{answer, identity};

/// Bytes of what Envoy says of a request, at most: far more than the 60 KiB of header fields that Envoy takes
/// from a client unless told otherwise. Envoy sends no body here unless told to.
pub const MAX_CHECK_REQUEST_BYTES: usize = 1024 * 1024;

/// Answers Envoy about requests: a gRPC service, for tonic's server or, by [`ExtAuthz::into_router`], for
/// axum's.
///
/// Scheme and host are what Envoy says. Who sent the request to Envoy is told by Envoy too, and proxies before
/// Envoy are believed by that, so that `X-Forwarded-*` of a client of Envoy's own is not.
#[derive(Clone, Debug)]
pub struct ExtAuthz {
    guard: Guard,
}

impl ExtAuthz {
    /// Answers by this guard.
    pub fn new(guard: Guard) -> Self {
        Self { guard }
    }

    /// The service as a router of axum, to be served over HTTP/2.
    pub fn into_router(self) -> axum::Router {
        tonic::service::Routes::new(self).into_axum_router()
    }

    async fn check(self, request: CheckRequest) -> Result<tonic::Response<CheckResponse>, Status> {
        let described = Described::by(request.attributes.unwrap_or_default())?;
        let request = described.incoming();
        let response = match self.guard.admit(&request).await {
            Ok(admission) => ok(&described.headers, &admission),
            Err(refused) => denied(answer::for_client_of(&request, refused.response)),
        };
        Ok(tonic::Response::new(response))
    }
}

/// A request that Envoy describes.
struct Described {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    peer: Option<IpAddr>,
    secure: bool,
}

impl Described {
    /// What Envoy could not have got over HTTP is an error of the caller's, and Envoy refuses then.
    fn by(attributes: AttributeContext) -> Result<Self, Status> {
        let source = attributes.source.and_then(|source| source.address?.socket_address);
        let http = attributes.request.and_then(|request| request.http);
        let http = http.ok_or_else(|| Status::invalid_argument("no attributes.request.http"))?;
        let wrong = |what: &'static str| Status::invalid_argument(what);
        Ok(Self {
            method: http.method.parse().map_err(|_| wrong("method"))?,
            uri: path(&http.path).ok_or_else(|| wrong("path"))?,
            secure: http.scheme.eq_ignore_ascii_case("https"),
            peer: source.and_then(|source| source.address.parse().ok()),
            headers: header_fields(http).ok_or_else(|| wrong("headers"))?,
        })
    }

    fn incoming(&self) -> IncomingRequest<'_> {
        IncomingRequest {
            method: &self.method,
            uri: &self.uri,
            headers: &self.headers,
            peer: self.peer,
            secure: self.secure,
        }
    }
}

/// What is behind a `#` would not be judged, and Envoy passes it on.
fn path(text: &str) -> Option<Uri> {
    if text.contains('#') { None } else { text.parse().ok() }
}

/// The header fields of the request, each by itself if Envoy tells them so. `None` if one is none.
fn header_fields(http: HttpRequest) -> Option<HeaderMap> {
    let raw = http.header_map.map(|raw| raw.headers).unwrap_or_default().into_iter();
    let raw = raw.map(|field| {
        let value = if field.raw_value.is_empty() { Bytes::from(field.value) } else { field.raw_value };
        (field.key, value)
    });
    let joined = http.headers.into_iter().map(|(name, value)| (name, Bytes::from(value)));
    let mut fields: Vec<_> = raw.collect();
    if fields.is_empty() {
        fields = joined.collect();
    }
    let mut headers = HeaderMap::with_capacity(fields.len());
    for (name, value) in fields.into_iter().filter(|(name, _)| !name.starts_with(':')) {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).ok()?,
            HeaderValue::from_maybe_shared(value).ok()?,
        );
    }
    if !http.host.is_empty() {
        headers.insert(HOST, HeaderValue::try_from(http.host).ok()?);
    }
    Some(headers)
}

fn ok(request: &HeaderMap, admission: &Admission) -> CheckResponse {
    let changes = identity::changes(request, admission);
    let mut for_client = HeaderMap::new();
    answer::give_nonce(&mut for_client, admission.nonce.as_ref());
    let ok = OkHttpResponse {
        headers: changes
            .set
            .iter()
            .map(|(name, value)| option(name, value, AppendAction::Overwrite))
            .collect(),
        headers_to_remove: changes.remove.iter().map(ToString::to_string).collect(),
        response_headers_to_add: for_client
            .iter()
            .map(|(name, value)| {
                // The service's own list of what is exposed stays.
                let appended = *name == ACCESS_CONTROL_EXPOSE_HEADERS;
                option(name, value, if appended { AppendAction::Append } else { AppendAction::Overwrite })
            })
            .collect(),
    };
    CheckResponse {
        status: Some(RpcStatus { code: Code::Ok.into(), message: String::new() }),
        http_response: Some(HttpResponse::Ok(ok)),
    }
}

fn denied(refusal: Response<Bytes>) -> CheckResponse {
    let (parts, body) = refusal.into_parts();
    let code = match parts.status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        _ => Code::PermissionDenied,
    };
    // Envoy appends nothing to a refusal: it takes these names away and sets every field that is to be set.
    let headers = parts.headers.iter().map(|(name, value)| option(name, value, AppendAction::Overwrite));
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: parts.status.as_u16().into() }),
        headers: headers.collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    CheckResponse {
        status: Some(RpcStatus { code: code.into(), message: String::new() }),
        http_response: Some(HttpResponse::Denied(denied)),
    }
}

fn option(name: &HeaderName, value: &HeaderValue, action: AppendAction) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(EnvoyValue {
            key: name.to_string(),
            value: String::from_utf8_lossy(value.as_bytes()).into_owned(),
            raw_value: Bytes::new(),
        }),
        append: Some(BoolValue { value: action == AppendAction::Append }),
        append_action: action.into(),
    }
}

impl NamedService for ExtAuthz {
    const NAME: &'static str = "envoy.service.auth.v3.Authorization";
}

impl UnaryService<CheckRequest> for ExtAuthz {
    type Response = CheckResponse;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<CheckResponse>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<CheckRequest>) -> Self::Future {
        Box::pin(self.clone().check(request.into_inner()))
    }
}

impl Service<Request<Body>> for ExtAuthz {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path() != "/envoy.service.auth.v3.Authorization/Check" {
            return Box::pin(unimplemented());
        }
        let service = self.clone();
        Box::pin(async move {
            let mut grpc =
                Grpc::new(ProstCodec::default()).max_decoding_message_size(MAX_CHECK_REQUEST_BYTES);
            Ok(grpc.unary(service, request).await)
        })
    }
}

fn unimplemented() -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Status::unimplemented("the service has the method Check alone").into_http()))
}
