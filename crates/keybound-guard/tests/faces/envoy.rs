//! Envoy's side of `ext_authz` over gRPC, from the protobuf definitions and apart from the guard's messages, so
//! that a wrong number on one side is seen.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use http_body_util::Full;
use keybound_guard::{identity, overrides};
use prost::Message;

use super::face::{Verdict, header_map};
use super::wire::send_over_http2;
use super::workshop::ClientRequest;

#[derive(Clone, PartialEq, Message)]
struct CheckRequest {
    #[prost(message, required, tag = "1")]
    attributes: AttributeContext,
}
#[derive(Clone, PartialEq, Message)]
struct AttributeContext {
    #[prost(message, required, tag = "1")]
    source: Peer,
    #[prost(message, required, tag = "4")]
    request: HttpAttributes,
    #[prost(map = "string, string", tag = "10")]
    context_extensions: HashMap<String, String>,
}
#[derive(Clone, PartialEq, Message)]
struct Peer {
    #[prost(message, required, tag = "1")]
    address: Address,
    #[prost(string, tag = "4")]
    principal: String,
}
#[derive(Clone, PartialEq, Message)]
struct Address {
    #[prost(message, required, tag = "1")]
    socket_address: SocketAddressMessage,
}
#[derive(Clone, PartialEq, Message)]
struct SocketAddressMessage {
    #[prost(string, tag = "2")]
    address: String,
    #[prost(uint32, tag = "3")]
    port_value: u32,
}
#[derive(Clone, PartialEq, Message)]
struct HttpAttributes {
    #[prost(message, required, tag = "2")]
    http: HttpRequest,
}
#[derive(Clone, PartialEq, Message)]
struct HttpRequest {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    method: String,
    #[prost(map = "string, string", tag = "3")]
    headers: HashMap<String, String>,
    #[prost(string, tag = "4")]
    path: String,
    #[prost(string, tag = "5")]
    host: String,
    #[prost(string, tag = "6")]
    scheme: String,
    #[prost(int64, tag = "9")]
    size: i64,
    #[prost(string, tag = "10")]
    protocol: String,
    #[prost(message, optional, tag = "13")]
    header_map: Option<HeaderMapMessage>,
}
#[derive(Clone, PartialEq, Message)]
struct HeaderMapMessage {
    #[prost(message, repeated, tag = "1")]
    headers: Vec<HeaderValueMessage>,
}
#[derive(Clone, PartialEq, Message)]
struct HeaderValueMessage {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
    #[prost(bytes = "vec", tag = "3")]
    raw_value: Vec<u8>,
}
#[derive(Clone, PartialEq, Message)]
struct CheckResponse {
    #[prost(message, optional, tag = "1")]
    status: Option<RpcStatus>,
    #[prost(message, optional, tag = "2")]
    denied: Option<Denied>,
    #[prost(message, optional, tag = "3")]
    ok: Option<Admitted>,
}
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
}
#[derive(Clone, PartialEq, Message)]
struct Denied {
    #[prost(message, optional, tag = "1")]
    status: Option<HttpStatus>,
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderOption>,
    #[prost(string, tag = "3")]
    body: String,
}
#[derive(Clone, PartialEq, Message)]
struct HttpStatus {
    #[prost(int32, tag = "1")]
    code: i32,
}
#[derive(Clone, PartialEq, Message)]
struct Admitted {
    #[prost(message, repeated, tag = "2")]
    headers: Vec<HeaderOption>,
    #[prost(string, repeated, tag = "5")]
    headers_to_remove: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    response_headers_to_add: Vec<HeaderOption>,
}
#[derive(Clone, PartialEq, Message)]
struct HeaderOption {
    #[prost(message, optional, tag = "1")]
    header: Option<HeaderValueMessage>,
    #[prost(message, optional, tag = "2")]
    append: Option<Bool>,
    #[prost(int32, tag = "3")]
    append_action: i32,
}
#[derive(Clone, PartialEq, Message)]
struct Bool {
    #[prost(bool, tag = "1")]
    value: bool,
}

/// How Envoy tells the header fields of the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// Each by itself: `encode_raw_headers`.
    Raw,
    /// Those of one name joined.
    Joined,
}

/// Asks as Envoy does, and does with the answer what Envoy does.
pub async fn check(address: SocketAddr, request: &ClientRequest, headers: Headers) -> Verdict {
    let response = call(address, &described(request, headers)).await;
    let status = response.status.unwrap().code;
    match (response.denied, response.ok) {
        (Some(denied), None) => {
            assert_ne!(status, 0, "OK would let the request through");
            let code = StatusCode::from_u16(denied.status.unwrap().code.try_into().unwrap()).unwrap();
            Verdict::of(code, &of_refusal(denied.headers), &HeaderMap::new(), denied.body.as_bytes())
        }
        (None, Some(admitted)) => {
            assert_eq!(status, 0);
            let upstream = applied(admitted.headers);
            let removed = admitted.headers_to_remove.iter().map(String::as_str).collect();
            assert_nothing_forged_is_left(request, &upstream, &removed);
            Verdict::of(StatusCode::OK, &applied(admitted.response_headers_to_add), &upstream, b"")
        }
        other => panic!("neither denied nor admitted: {other:?}"),
    }
}

/// What the client sent of the guard's own fields is overwritten or taken out, and the credentials are.
pub fn assert_nothing_forged_is_left(
    request: &ClientRequest,
    upstream: &HeaderMap,
    removed: &BTreeSet<&str>,
) {
    let own = request.headers.iter().map(|(name, _)| *name).filter(|name| name.starts_with(['x', 'X']));
    for name in own.chain(["dpop"]).chain(identity::FIELDS.iter().map(HeaderName::as_str)) {
        assert_ne!(upstream.contains_key(name), removed.contains(name), "{name}: set or taken out");
    }
    assert_eq!(removed.contains("authorization"), upstream.contains_key("x-keybound-subject"));
    for name in &overrides::FIELDS {
        assert!(removed.contains(name.as_str()), "{name}: the API could be asked for what was not judged");
    }
}

fn described(request: &ClientRequest, headers: Headers) -> CheckRequest {
    let mut fields = header_map(&request.headers);
    fields.remove("host");
    let mut joined: HashMap<String, String> = HashMap::new();
    let mut raw = vec![
        HeaderValueMessage {
            key: ":path".into(),
            value: String::new(),
            raw_value: request.path.clone().into(),
        },
        HeaderValueMessage { key: ":authority".into(), value: String::new(), raw_value: request.host.into() },
    ];
    for (name, value) in &fields {
        raw.push(HeaderValueMessage {
            key: name.to_string(),
            value: String::new(),
            raw_value: value.as_bytes().to_vec(),
        });
        let value = String::from_utf8_lossy(value.as_bytes()).replace('\u{fffd}', "!");
        joined
            .entry(name.to_string())
            .and_modify(|before| *before = format!("{before},{value}"))
            .or_insert(value);
    }
    joined.insert(":path".into(), request.path.clone());
    let raw = (headers == Headers::Raw).then_some(HeaderMapMessage { headers: raw });
    CheckRequest {
        attributes: AttributeContext {
            source: Peer {
                address: Address {
                    socket_address: SocketAddressMessage { address: "192.0.2.1".into(), port_value: 5000 },
                },
                principal: String::new(),
            },
            request: HttpAttributes {
                http: HttpRequest {
                    id: "1".into(),
                    method: request.method.to_string(),
                    headers: if raw.is_some() { HashMap::new() } else { joined },
                    path: request.path.clone(),
                    host: request.host.into(),
                    scheme: "https".into(),
                    size: -1,
                    protocol: "HTTP/2".into(),
                    header_map: raw,
                },
            },
            context_extensions: HashMap::from([("unknown".into(), "to the guard".into())]),
        },
    }
}

async fn call(address: SocketAddr, message: &CheckRequest) -> CheckResponse {
    let mut frame = BytesMut::new();
    frame.put_u8(0);
    frame.put_u32(message.encoded_len().try_into().unwrap());
    message.encode(&mut frame).unwrap();
    let request = Request::post(format!("http://{address}/envoy.service.auth.v3.Authorization/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(frame.freeze()))
        .unwrap();
    let response = send_over_http2(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let body: &Bytes = response.body();
    assert!(body.len() >= 5, "no message: {:?}", response.headers());
    CheckResponse::decode(&body[5..]).unwrap()
}

/// The header fields of a refusal: Envoy sets each of them, several of a name too, and drops what is to be appended.
fn of_refusal(options: Vec<HeaderOption>) -> HeaderMap {
    let set = options
        .into_iter()
        .filter(|option| !option.append.as_ref().unwrap().value && option.append_action == 2);
    let fields = set.map(|option| option.header.unwrap());
    fields
        .map(|field| (HeaderName::try_from(field.key).unwrap(), HeaderValue::try_from(field.value).unwrap()))
        .collect()
}

/// The header fields that Envoy sets and appends, by either of the two members that say how.
fn applied(options: Vec<HeaderOption>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for option in options {
        let field = option.header.unwrap();
        let (name, value) =
            (HeaderName::try_from(field.key).unwrap(), HeaderValue::try_from(field.value).unwrap());
        let appended = option.append.as_ref().unwrap().value;
        assert_eq!(option.append_action, if appended { 0 } else { 2 }, "both members say the same");
        if appended {
            headers.append(name, value);
        } else {
            headers.insert(name, value);
        }
    }
    headers
}
