//! An org with more users than memory holds: it makes one page, gives it out under as many addresses as are wanted,
//! and grants every token.

#![allow(dead_code, reason = "each program that has this uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test or a benchmark fails by panicking")]

use std::fmt::Write as _;
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use crate::support::Workspace;
use crate::support::received::Received;

/// What Okta gives on a page, unless asked for less.
pub(crate) const USERS_PER_PAGE: usize = 200;

/// A running org, and a folder whose settings fit it; its app has key-bound tokens.
pub(crate) struct LongList {
    pub(crate) workspace: Workspace,
}

impl LongList {
    /// An org whose list of users has so many pages.
    pub(crate) fn start(pages: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let page: Arc<str> = page().into();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let page = Arc::clone(&page);
                thread::spawn(move || serve(&stream, pages, &page));
            }
        });
        let workspace = Workspace::new();
        let made = workspace.run(&["keys", "new", "--alg", "ES256", "--out", "cc"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        workspace.write(
            ".env",
            &format!(
                "OKTA_ORG_URL={url}\nOKTA_CLIENT_ID=0oa1\nOKTA_CC_PRIVATE_KEY_FILE=cc_private_key.pem\n"
            ),
        );
        Self { workspace }
    }
}

/// Users as long as Okta's are.
fn page() -> String {
    let mut page = String::new();
    for number in 0..USERS_PER_PAGE {
        let separator = if page.is_empty() { '[' } else { ',' };
        write!(
            page,
            r#"{separator}{{"id":"00u{number:017}","status":"ACTIVE","created":"2024-01-01T00:00:00.000Z","activated":"2024-01-01T00:00:00.000Z","statusChanged":"2024-01-01T00:00:00.000Z","lastLogin":null,"lastUpdated":"2024-01-01T00:00:00.000Z","passwordChanged":null,"type":{{"id":"oty0000000000000"}},"profile":{{"firstName":"First","lastName":"Last","mobilePhone":null,"secondEmail":null,"login":"user-{number}@example.com","email":"user-{number}@example.com","department":"Engineering","title":"Engineer"}},"credentials":{{"provider":{{"type":"OKTA","name":"OKTA"}}}},"_links":{{"self":{{"href":"https://example.okta.com/api/v1/users/00u{number:017}"}}}}}}"#
        )
        .unwrap();
    }
    page + "]"
}

/// Answers one request after the other until the connection ends.
fn serve(mut stream: &TcpStream, pages: usize, page: &str) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(received) = Received::read(&mut reader) {
        let target = received.line().split_once(' ').unwrap().1;
        let (link, body) = if target.starts_with("/oauth2/v1/token") {
            (String::new(), r#"{"token_type":"DPoP","access_token":"a-token","expires_in":3600}"#)
        } else {
            let number = target.split(['?', '&']).find_map(|pair| pair.strip_prefix("after="));
            let next = number.map_or(0, |number| number.parse::<usize>().unwrap()) + 1;
            let link = format!("Link: </api/v1/users?after={next}>; rel=\"next\"\r\n");
            (if next < pages { link } else { String::new() }, page)
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{link}Content-Length: {length}\r\n\r\n"
        );
        // Whoever asked may be gone.
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err() {
            return;
        }
    }
}
