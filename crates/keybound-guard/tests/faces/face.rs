//! The faces, each as the client of a proxy or of an API meets it, over a real socket.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use axum::Router;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use keybound_guard::ext_authz::{ExtAuthz, http_router};
use keybound_guard::extract::Caller;
use keybound_guard::forward_auth::{self, ForwardAuth};
use keybound_guard::layer::GuardLayer;
use keybound_guard::reverse_proxy::{ReverseProxy, UpstreamSettings};
use keybound_guard::server::{ListenAddress, ServerSettings};
use keybound_guard::{Guard, IncomingRequest, identity};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::envoy;
use super::wire::send;
use super::workshop::ClientRequest;

pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a face makes of a request, in terms that all faces share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub status: u16,
    /// All `WWW-Authenticate` fields, joined.
    pub challenges: String,
    pub nonce: Option<String>,
    pub retry_after: Option<String>,
    pub content_type: Option<String>,
    /// Of a refusal.
    pub body: String,
    /// What the API behind is told of the caller.
    pub identity: BTreeMap<String, String>,
}

/// A guard behind one of its faces.
pub trait Face: Send + Sync {
    fn ask<'a>(&'a self, request: &'a ClientRequest) -> Later<'a, Verdict>;
}

/// Puts a guard behind a face.
pub type Start = fn(Guard) -> Later<'static, Box<dyn Face>>;

/// All faces; the first is the guard itself, which the others are compared with.
pub const FACES: [(&str, Start); 8] = [
    ("the guard itself", |guard| Box::pin(async move { Box::new(Itself(guard)) as Box<dyn Face> })),
    ("the layer in axum", |guard| {
        Box::pin(async move { Box::new(Layer(Server::start(api(guard)).await)) as _ })
    }),
    ("forward-auth for nginx", |guard| {
        Box::pin(async move {
            let router = ForwardAuth::new(guard).for_nginx().into_router();
            Box::new(Nginx(Server::start(router).await)) as _
        })
    }),
    ("forward-auth for ingress-nginx", |guard| {
        Box::pin(async move {
            let router = ForwardAuth::new(guard).for_nginx().into_router();
            Box::new(IngressNginx(Server::start(router).await)) as _
        })
    }),
    ("forward-auth for Traefik and Caddy", |guard| {
        Box::pin(
            async move { Box::new(Traefik(Server::start(ForwardAuth::new(guard).into_router()).await)) as _ },
        )
    }),
    ("the reverse proxy", |guard| Box::pin(async move { Box::new(Proxied::start(guard).await) as _ })),
    ("ext_authz over HTTP", |guard| {
        Box::pin(async move { Box::new(EnvoyHttp(Server::start(http_router(guard)).await)) as _ })
    }),
    ("ext_authz over gRPC", |guard| {
        Box::pin(
            async move { Box::new(EnvoyGrpc(Server::start(ExtAuthz::new(guard).into_router()).await)) as _ },
        )
    }),
];

/// A server on a free port of loopback, that ends with the test.
pub struct Server {
    pub address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start(router: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let task = tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
        Self { address, task }
    }

    pub fn uri(&self, path: &str) -> Uri {
        format!("http://{}{path}", self.address).parse().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Itself(Guard);

impl Face for Itself {
    fn ask<'a>(&'a self, request: &'a ClientRequest) -> Later<'a, Verdict> {
        Box::pin(async move {
            let mut headers = header_map(&request.headers);
            headers.insert("host", HeaderValue::from_static(request.host));
            let uri = request.path.parse().unwrap();
            let incoming = IncomingRequest {
                method: &request.method,
                uri: &uri,
                headers: &headers,
                peer: None,
                secure: true,
            };
            match self.0.admit(&incoming).await {
                Ok(admission) => {
                    let mut headers: HeaderMap = identity::fields(&admission).into_iter().collect();
                    if let Some(nonce) = &admission.nonce {
                        headers.insert("dpop-nonce", nonce.as_str().parse().unwrap());
                    }
                    Verdict::of(StatusCode::OK, &headers, &headers, b"")
                }
                Err(refused) => Verdict::over_http(&refused.response),
            }
        })
    }
}

/// An API that tells its caller who it is.
fn api(guard: Guard) -> Router {
    let whoami = |caller: Option<Caller>, headers: HeaderMap| async move {
        assert!(headers.keys().all(|name| !name.as_str().starts_with("x-keybound")), "{headers:?}");
        let mut told = HeaderMap::new();
        if let Some(caller) = caller {
            let thumbprint = caller.thumbprint().map(|thumbprint| thumbprint.to_string());
            for (name, value) in [
                (identity::SUBJECT, Some(caller.subject().to_owned())),
                (identity::CLIENT_ID, caller.client_id().map(str::to_owned)),
                (identity::ISSUER, Some(caller.issuer().to_owned())),
                (identity::SCOPE, Some(caller.scopes().join(" "))),
                (identity::THUMBPRINT, thumbprint),
            ] {
                told.extend(value.map(|value| (name, HeaderValue::try_from(value).unwrap())));
            }
        }
        told
    };
    Router::new().fallback(whoami).layer(GuardLayer::new(guard).secure(true))
}

struct Layer(Server);

impl Face for Layer {
    fn ask<'a>(&'a self, request: &'a ClientRequest) -> Later<'a, Verdict> {
        Box::pin(async move {
            let mut headers = header_map(&request.headers);
            headers.insert("host", HeaderValue::from_static(request.host));
            let response = send(&request.method, self.0.uri(&request.path), headers).await;
            Verdict::over_http(&response)
        })
    }
}

struct Nginx(Server);

impl Face for Nginx {
    fn ask<'a>(&'a self, request: &'a ClientRequest) -> Later<'a, Verdict> {
        let told = [
            ("x-original-method", request.method.to_string()),
            ("x-original-uri", request.path.clone()),
            ("x-forwarded-proto", "https".to_owned()),
            ("x-forwarded-host", request.host.to_owned()),
        ];
        Box::pin(async move {
            Verdict::through_nginx(&ask_forward_auth(&self.0, &Method::GET, request, told).await)
        })
    }
}

struct IngressNginx(Server);

impl Face for IngressNginx {
    fn ask<'a>(&'a self, request: &'a ClientRequest) -> Later<'a, Verdict> {
        let told = [
            ("x-original-method", request.method.to_string()),
            ("x-original-url", format!("https://{}{}", request.host, request.path)),
        ];
        Box::pin(async move {
            Verdict::through_nginx(&ask_forward_auth(&self.0, &Method::GET, request, told).await)
        })
    }
}

struct Traefik(Server);

impl Face for Traefik {
    fn ask<'a>(&'a self, request: &'a ClientRequest) -> Later<'a, Verdict> {
        let told = [
            ("x-forwarded-method", request.method.to_string()),
            ("x-forwarded-uri", request.path.clone()),
            ("x-forwarded-proto", "https".to_owned()),
            ("x-forwarded-host", request.host.to_owned()),
        ];
        Box::pin(
            async move { Verdict::over_http(&ask_forward_auth(&self.0, &Method::GET, request, told).await) },
        )
    }
}

async fn ask_forward_auth<const N: usize>(
    server: &Server,
    method: &Method,
    request: &ClientRequest,
    told: [(&'static str, String); N],
) -> Response<Bytes> {
    let mut headers = header_map(&request.headers);
    for (name, value) in told {
        headers.insert(name, HeaderValue::try_from(value).unwrap());
    }
    send(method, server.uri("/auth"), headers).await
}

/// The reverse proxy, before an API that tells what it is told of its caller.
struct Proxied {
    proxy: keybound_guard::server::Server,
    _upstream: Server,
}

impl Proxied {
    async fn start(guard: Guard) -> Self {
        let echo = |headers: HeaderMap| async move {
            assert!(!headers.contains_key("dpop"), "{headers:?}");
            let own = headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
            own.filter(|(name, _)| name.as_str().starts_with("x-keybound")).collect::<HeaderMap>()
        };
        let upstream = Server::start(Router::new().fallback(echo)).await;
        let proxy = ReverseProxy::new(
            guard.clone(),
            UpstreamSettings::new(format!("http://{}", upstream.address).parse().unwrap()),
        );
        let face = keybound_guard::server::Face::ReverseProxy(proxy.unwrap());
        let settings = ServerSettings::default();
        let proxy = keybound_guard::server::Server::start(guard, face, settings).await.unwrap();
        Self { proxy, _upstream: upstream }
    }
}

impl Face for Proxied {
    fn ask<'a>(&'a self, request: &'a ClientRequest) -> Later<'a, Verdict> {
        let ListenAddress::Tcp(address) = self.proxy.address() else { panic!("it listens on TCP") };
        let uri = format!("http://{address}{}", request.path).parse().unwrap();
        Box::pin(async move {
            let mut headers = header_map(&request.headers);
            headers.insert("host", HeaderValue::from_static(request.host));
            headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
            Verdict::over_http(&send(&request.method, uri, headers).await)
        })
    }
}

struct EnvoyHttp(Server);

impl Face for EnvoyHttp {
    fn ask<'a>(&'a self, request: &'a ClientRequest) -> Later<'a, Verdict> {
        Box::pin(async move {
            let mut headers = header_map(&request.headers);
            headers.insert("host", HeaderValue::from_static(request.host));
            headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
            let response = send(&request.method, self.0.uri(&request.path), headers).await;
            if response.status() == StatusCode::OK {
                let removed = response.headers()["x-envoy-auth-headers-to-remove"].to_str().unwrap();
                envoy::assert_nothing_forged_is_left(
                    request,
                    response.headers(),
                    &removed.split(',').collect(),
                );
            }
            Verdict::over_http(&response)
        })
    }
}

struct EnvoyGrpc(Server);

impl Face for EnvoyGrpc {
    fn ask<'a>(&'a self, request: &'a ClientRequest) -> Later<'a, Verdict> {
        Box::pin(async move { envoy::check(self.0.address, request, envoy::Headers::Raw).await })
    }
}

pub fn header_map(fields: &[(&'static str, Vec<u8>)]) -> HeaderMap {
    let field = |(name, value): &(&'static str, Vec<u8>)| {
        (HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in fields.iter().map(field) {
        headers.append(name, value);
    }
    headers
}

impl Verdict {
    pub fn over_http(response: &Response<Bytes>) -> Self {
        Self::of(response.status(), response.headers(), response.headers(), response.body())
    }

    /// As a client gets it through the configuration in `docs/nginx.md`.
    pub fn through_nginx(response: &Response<Bytes>) -> Self {
        let headers = response.headers();
        let Some(status) = headers.get(forward_auth::STATUS) else { return Self::over_http(response) };
        assert!(response.body().is_empty());
        assert!(matches!(response.status().as_u16(), 401 | 403), "nginx makes 500 of all else");
        let mut headers = headers.clone();
        if let Some(challenge) = headers.remove(forward_auth::CHALLENGE) {
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "nginx passes on those of a 401");
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        let body = headers.get(forward_auth::BODY).map_or(&b""[..], HeaderValue::as_bytes);
        Self::of(status.to_str().unwrap().parse().unwrap(), &headers, &HeaderMap::new(), body)
    }

    /// `identity` holds what goes upstream.
    pub fn of(status: StatusCode, headers: &HeaderMap, identity: &HeaderMap, body: &[u8]) -> Self {
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let challenges: Vec<_> = headers.get_all(WWW_AUTHENTICATE).iter().map(text).collect();
        let identity = identity::FIELDS
            .iter()
            .filter_map(|name| Some((name.to_string(), text(identity.get(name)?))))
            // An empty field is none at all to whom it reaches.
            .filter(|(_, value)| !value.is_empty())
            .collect();
        let refused = status != StatusCode::OK;
        Self {
            status: status.as_u16(),
            challenges: challenges.join(", "),
            nonce: headers.get("dpop-nonce").map(text),
            retry_after: headers.get(RETRY_AFTER).map(text),
            content_type: refused.then(|| headers.get(CONTENT_TYPE).map(text)).flatten(),
            body: if refused { String::from_utf8(body.to_vec()).unwrap() } else { String::new() },
            identity,
        }
    }
}
