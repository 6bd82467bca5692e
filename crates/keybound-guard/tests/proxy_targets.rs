//! The target of a request, as its client writes it: whatever stands in its first line, in `Host` or in `:authority`,
//! only the proof for what is meant by it gets in.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "server")]

mod serving;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use keybound::proof::{AccessTokenHash, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::{Clock as _, SystemClock, TargetUri};
use keybound_guard::Guard;
use keybound_guard::policy::Policy;
use keybound_guard::server::ServerSettings;
use serving::identity_provider::{Client, IdentityProvider, RESOURCE};
use serving::{Proxy, Upstream, soon, status};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Two hosts, one of them at two ports, in the clear.
const RESOURCES: &str =
    r#"["http://api.example.com", "http://api.example.com:8080", "http://[2001:db8::1]:8080"]"#;

async fn guarded(provider: &IdentityProvider, upstream: &Upstream) -> Proxy {
    let path = provider.policy("");
    let one = format!("[\"{RESOURCE}\"]");
    let policy = std::fs::read_to_string(&path).unwrap().replacen(&one, RESOURCES, 1);
    std::fs::write(&path, policy).unwrap();
    let guard = Guard::new(Policy::from_file(&path).unwrap()).unwrap();
    Proxy::before(guard, upstream.settings(), ServerSettings::default()).await
}

fn proof(client: &Client, htu: &str) -> String {
    let request = ProofRequest {
        method: &Method::GET,
        target: &TargetUri::parse(htu).unwrap(),
        access_token: Some(AccessTokenHash::of(&client.token)),
        nonce: None,
    };
    client.key.prove(&request, SystemClock.now(), &OperatingSystem).unwrap()
}

#[tokio::test]
async fn a_proof_is_for_what_the_first_line_and_host_mean() {
    const API: &str = "http://api.example.com/a";
    const AT_PORT: &str = "http://api.example.com:8080/a";
    const V6: &str = "http://[2001:db8::1]:8080/a";
    let provider = IdentityProvider::new();
    let mut upstream = Upstream::answering(HELLO).await;
    let proxy = guarded(&provider, &upstream).await;
    let client = provider.client("user-1", "");
    for (target, fields, htu, expected, why) in [
        ("/a", "Host: api.example.com", API, 200, "as it is"),
        ("/a", "Host: API.Example.com", API, 200, "hosts have no case"),
        ("/a", "Host: api.example.com:80", API, 200, "the scheme's own port"),
        ("/a", "Host: api.example.com", AT_PORT, 401, "a proof for another port"),
        ("/a", "Host: api.example.com:8080", AT_PORT, 200, "another port"),
        ("/a", "Host: api.example.com:8080", API, 401, "a proof for the scheme's own port"),
        ("/a", "Host: api.example.com:443", API, 400, "a port that is none of the resource's"),
        ("/a", "Host: [2001:db8::1]:8080", V6, 200, "an IPv6 address"),
        ("/a", "Host: [2001:DB8:0:0:0:0:0:1]:8080", V6, 200, "the same, written out"),
        ("/a", "Host: [2001:db8::2]:8080", V6, 400, "another"),
        ("/a", "Host: 2001:db8::1", V6, 400, "without brackets"),
        ("/a", "Host: [2001:db8::1", V6, 400, "with one"),
        ("/a", "Host: api.example.com.", API, 400, "the host with its last dot"),
        ("/a", "Host: user@api.example.com", API, 400, "with a user"),
        ("/a", "Host: api.example.com@evil.example", API, 400, "as a user"),
        ("/a", "Host: evil.example", API, 400, "another host"),
        ("/a", "Host: api.example.com, evil.example", API, 400, "two"),
        ("/a", "Host: api.example.com\r\nHost: api.example.com", API, 400, "twice"),
        ("/a", "Host:", API, 400, "empty"),
        ("/a", "X: 1", API, 400, "absent"),
        ("/a", "Host: evil.example\r\nX-Forwarded-Host: api.example.com", API, 400, "a stranger's word"),
        ("/a", "Host: evil.example\r\nForwarded: host=api.example.com", API, 400, "the same in Forwarded"),
        ("/a", "Host: api.example.com\r\nX-Forwarded-Host: evil.example", API, 200, "it is not listened to"),
        ("http://api.example.com/a", "Host: api.example.com", API, 200, "in absolute form"),
        ("http://API.example.com/a", "Host: api.example.com", API, 200, "without case"),
        ("https://api.example.com/a", "Host: api.example.com", API, 200, "by the connection's scheme"),
        ("http://api.example.com/a", "Host: evil.example", API, 400, "two hosts"),
        ("http://evil.example/a", "Host: api.example.com", API, 400, "the other way round"),
        ("http://api.example.com:80/a", "Host: api.example.com", API, 400, "or two ports"),
        ("http://user@api.example.com/a", "Host: api.example.com", API, 400, "a user there"),
        ("http://api.example.com/a", "X: 1", API, 200, "no Host beside it"),
        ("//api.example.com/a", "Host: api.example.com", API, 401, "a path that looks like a host"),
        ("/%61", "Host: api.example.com", API, 200, "a letter that need not be encoded"),
        ("/a%2Fb", "Host: api.example.com", "http://api.example.com/a/b", 401, "an encoded slash is none"),
        ("/A", "Host: api.example.com", API, 401, "paths have case"),
        ("/a/", "Host: api.example.com", API, 401, "and an end"),
        ("/a?b=c", "Host: api.example.com", API, 200, "a query is no part of it"),
    ] {
        let credentials = format!("Authorization: DPoP {}\r\nDPoP: {}", client.token, proof(&client, htu));
        let request =
            format!("GET {target} HTTP/1.1\r\n{fields}\r\nConnection: close\r\n{credentials}\r\n\r\n");
        let answer = proxy.send(&request).await;
        assert_eq!(status(&answer), expected, "{why}: {target} {fields}: {answer}");
        assert_eq!(upstream.has_more(), expected == 200, "{why}");
    }
}

#[tokio::test]
async fn over_http2_authority_and_host_are_one() {
    let provider = IdentityProvider::new();
    let mut upstream = Upstream::answering(HELLO).await;
    let proxy = guarded(&provider, &upstream).await;
    let client = provider.client("user-1", "");
    let stream = TokioIo::new(proxy.connect().await);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    for (authority, host, expected) in [
        ("api.example.com", None, 200),
        ("api.example.com", Some("api.example.com"), 200),
        ("api.example.com", Some("evil.example"), 400),
        ("evil.example", Some("api.example.com"), 400),
        ("evil.example", None, 400),
        ("api.example.com", Some("api.example.com:80"), 400),
    ] {
        let mut request = Request::get(format!("http://{authority}/a"))
            .header("authorization", format!("DPoP {}", client.token))
            .header("dpop", proof(&client, "http://api.example.com/a"));
        if let Some(host) = host {
            request = request.header("host", host);
        }
        soon(sender.ready()).await.unwrap();
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let response = soon(sender.send_request(request)).await.unwrap();
        assert_eq!(response.status(), expected, "{authority} {host:?}");
        assert_eq!(upstream.has_more(), expected == 200, "{authority} {host:?}");
    }
}
