//! Bytes that are no request, or the beginning of one.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

use http::{Method, StatusCode};

use crate::PATIENCE;
use crate::support::TestOrg;

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_request_end_their_connection_and_nothing_else() {
    let test = TestOrg::start().await;
    let address = test.url("").trim_start_matches("http://").to_owned();
    let long = format!("GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(20_000));
    let h2 = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &[0xff; 64]].concat();
    for (name, bytes) in [
        ("nothing", &b""[..]),
        ("a line end", b"\r\n"),
        ("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        ("a wrong version", b"GET / HTTP/9.9\r\n\r\n"),
        ("no host", b"GET /api/v1/users HTTP/1.1\r\n\r\n"),
        (
            "two lengths",
            b"POST /oauth2/v1/token HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        ),
        ("a length that is none", b"POST /oauth2/v1/token HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n"),
        (
            "a chunk that is none",
            b"POST /oauth2/v1/token HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
        ),
        ("less than it says", b"POST /oauth2/v1/token HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab"),
        ("a NUL in a field", b"GET / HTTP/1.1\r\nhost: a\r\nx: a\0b\r\n\r\n"),
        ("a target that is no path", b"GET a HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("a target with bytes", b"GET /\xff\xfe HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("the target of CONNECT", b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("the target of OPTIONS", b"OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("a whole URL", b"GET http://elsewhere.example/api/v1/users HTTP/1.1\r\nhost: a\r\n\r\n"),
        ("one long field", long.as_bytes()),
        ("many fields", many.as_bytes()),
        ("frames that are none", &h2),
    ] {
        let answer = exchange(&address, bytes);
        let status = answer.get(9..12).and_then(|code| std::str::from_utf8(code).ok()?.parse::<u16>().ok());
        assert!(status.is_none_or(|status| status < 500), "{name}: {}", String::from_utf8_lossy(&answer));
        let users = test.administer(Method::GET, "/api/v1/users?limit=1", None).await;
        assert_eq!(users.status, StatusCode::OK, "after {name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_names_one_host() {
    let test = TestOrg::start().await;
    let address = test.url("").trim_start_matches("http://").to_owned();
    for (request, status) in [
        ("HTTP/1.1\r\nhost: a\r\n", "200"),
        ("HTTP/1.1\r\n", "400"),
        ("HTTP/1.1\r\nhost: a\r\nhost: a\r\n", "400"),
        ("HTTP/1.0\r\n", "200"),
        ("HTTP/1.0\r\nhost: a\r\nhost: a\r\n", "400"),
    ] {
        let request_bytes = format!("GET /oauth2/v1/keys {request}connection: close\r\n\r\n");
        let answer = said_on(&opened_with(&address, request_bytes.as_bytes()));
        let found = answer.get(9..12).map(String::from_utf8_lossy);
        assert_eq!(found.as_deref(), Some(status), "RFC 9112 section 3.2: {request:?}");
    }
}

/// What the org says to these bytes before it closes the connection, whose other end is closed already.
fn exchange(address: &str, bytes: &[u8]) -> Vec<u8> {
    let stream = opened_with(address, bytes);
    let _ = stream.shutdown(Shutdown::Write);
    said_on(&stream)
}

/// A connection to the org on which these bytes were sent.
fn opened_with(address: &str, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The org may have enough of them before all are sent.
    let _ = stream.write_all(bytes);
    stream
}

/// What the org says there until it closes the connection.
fn said_on(mut stream: &TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => panic!("the connection hangs"),
        _ => answer,
    }
}
