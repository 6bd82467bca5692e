//! What goes from the client to the upstream and back, and what does not, message by message.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]
#![cfg(feature = "server")]

mod serving;

use serving::{Proxy, Upstream, head, soon, status, statuses, to_end};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

#[tokio::test]
async fn a_request_goes_on_without_what_is_for_the_guard_alone() {
    let mut upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nConnection: x-private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\nX-Kept: 2\r\n\
         content-length: 2\r\n\r\nok",
    )
    .await;
    let proxy = Proxy::open(upstream.settings()).await;
    let answer = proxy
        .send(
            "GET /a/b?c=d HTTP/1.1\r\nHost: anything.example\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\n\
             Keep-Alive: timeout=1\r\nTE: trailers\r\nProxy-Authorization: Basic x\r\nUpgrade: h2c\r\n\
             HTTP2-Settings: AA\r\nX-Keybound-Subject: admin\r\nX_Keybound_Scope: all\r\nDPoP: forged\r\n\
             X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\nX-Own: kept\r\n\r\n",
        )
        .await;
    assert_eq!(status(&answer), 200, "{answer}");
    let lower = answer.to_lowercase();
    assert!(lower.contains("x-kept: 2") && lower.ends_with("\r\n\r\nok"), "{answer}");
    assert!(!lower.contains("x-private") && !lower.contains("keep-alive"), "{answer}");

    let head = upstream.next_head().await;
    assert!(head.starts_with("get /a/b?c=d http/1.1\r\n"), "{head}");
    for field in [
        "host: api.example.com\r\n",
        "x-own: kept\r\n",
        "te: trailers\r\n",
        "via: 1.1 keybound\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
        "x-forwarded-host: api.example.com\r\n",
        "x-forwarded-proto: https\r\n",
        "forwarded: for=127.0.0.1;host=\"api.example.com\";proto=https\r\n",
    ] {
        assert!(head.contains(field), "{field} is not in {head}");
    }
    for gone in [
        "x-mine",
        "keep-alive",
        "proxy-authorization",
        "upgrade",
        "http2-settings",
        "keybound-subject",
        "keybound_scope",
        "dpop",
        "10.0.0.1",
        "x-real-ip",
        "anything.example",
    ] {
        assert!(!head.contains(gone), "{gone} is in {head}");
    }
}

#[tokio::test]
async fn a_message_that_two_servers_may_read_differently_goes_no_further() {
    let mut upstream = Upstream::answering(HELLO).await;
    let proxy = Proxy::open(upstream.settings()).await;
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", vec![400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", vec![400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", vec![400]),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", vec![400]),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc", vec![400]),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", vec![400]),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", vec![400]),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", vec![400]),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", vec![400]),
        ("POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", vec![400]),
        ("GET / HTTP/1.1\r\n\r\n", vec![400]),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", vec![400]),
        ("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", vec![400]),
        ("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", vec![400]),
        ("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", vec![501]),
        ("TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", vec![405]),
        ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", vec![400]),
    ] {
        // What a refusal leaves open is closed by the end of what the client sends.
        let mut stream = proxy.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = to_end(&mut stream).await;
        assert_eq!(statuses(&answer), expected, "{request:?}: {answer}");
        assert!(!upstream.has_more(), "{request:?}");
    }
}

#[tokio::test]
async fn a_body_with_two_lengths_is_read_by_one_and_nothing_is_smuggled_behind_it() {
    let upstream = Upstream::scripted(|mut stream, told| async move {
        while let Some(head) = head(&mut stream).await {
            let mut body = String::new();
            while !body.ends_with("0\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { return };
                body.push(char::from(byte));
            }
            let _ = told.send(head + &body);
            let _ = stream.write_all(HELLO.as_bytes()).await;
        }
    });
    let mut upstream = upstream.await;
    let proxy = Proxy::open(upstream.settings()).await;
    for fields in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
    ] {
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
        let answer = proxy
            .send(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n1\r\nx\r\n0\r\n\r\n{smuggled}"))
            .await;
        assert_eq!(statuses(&answer), [200], "one answer, and the connection ends: {answer}");
        let received = upstream.next_head().await;
        assert!(!received.contains("content-length") && !received.contains("smuggled"), "{received}");
        assert!(received.ends_with("\r\n\r\n1\r\nx\r\n0\r\n\r\n"), "{received}");
        assert!(!upstream.has_more());
    }
}

#[tokio::test]
async fn lines_that_end_in_a_bare_line_feed_go_on_written_anew() {
    let mut upstream = Upstream::answering(HELLO).await;
    let proxy = Proxy::open(upstream.settings()).await;
    let answer = proxy.send("GET /a HTTP/1.1\nHost: a\nX-One: 1\nConnection: close\n\n").await;
    assert_eq!(statuses(&answer), [200]);
    let head = upstream.next_head().await;
    assert!(head.contains("\r\nx-one: 1\r\n"), "{head}");
    assert_eq!(head.matches('\n').count(), head.matches("\r\n").count(), "{head}");
}

#[tokio::test]
async fn a_target_in_absolute_form_goes_on_as_a_path() {
    let mut upstream = Upstream::answering(HELLO).await;
    let proxy = Proxy::open(upstream.settings()).await;
    let answer =
        proxy.send("GET http://a.example/b HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n").await;
    assert_eq!(statuses(&answer), [200]);
    let head = upstream.next_head().await;
    assert!(head.starts_with("get /b http/1.1\r\n") && head.contains("host: api.example.com\r\n"), "{head}");
}

#[tokio::test]
async fn header_fields_beyond_the_limit_are_refused() {
    let mut upstream = Upstream::answering(HELLO).await;
    let proxy = Proxy::open(upstream.settings()).await;
    let long = "x".repeat(70_000);
    let answer = proxy.send(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n")).await;
    assert_eq!(statuses(&answer), [431]);
    let many: Vec<_> = (0..101).map(|number| format!("X-{number}: 1\r\n")).collect();
    let many = many.concat();
    let answer = proxy.send(&format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n")).await;
    assert_eq!(statuses(&answer), [431]);
    assert!(!upstream.has_more());
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_to_go_on_is_told_when_it_is_admitted() {
    let upstream = Upstream::scripted(|mut stream, told| async move {
        let received = head(&mut stream).await.unwrap();
        let mut body = [0; 4];
        stream.read_exact(&mut body).await.unwrap();
        let _ = told.send(received + std::str::from_utf8(&body).unwrap());
        let _ = stream.write_all(HELLO.as_bytes()).await;
    });
    let mut upstream = upstream.await;
    let proxy = Proxy::open(upstream.settings()).await;
    let mut stream = proxy.connect().await;
    let request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let told = soon(head(&mut stream)).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 100 "), "{told}");
    stream.write_all(b"body").await.unwrap();
    let answer = to_end(&mut stream).await;
    assert_eq!(status(&answer), 200, "{answer}");
    let received = upstream.next_head().await;
    assert!(received.ends_with("\r\n\r\nbody") && !received.contains("expect"), "{received}");
}
