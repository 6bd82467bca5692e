//! The redirect URI of a program on the user's machine (RFC 8252 section 7.3): a listener on the loopback
//! interface that takes one authorization response and shows the user a page.
//!
//! Any process of the machine and any page in the user's browser can send something here. What is not the
//! response to the request is turned away, and the listener goes on; sizes, times and connections are bounded.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use keybound::authorization::{AuthorizationCode, PendingAuthorization};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::AuthorizationError;
use crate::clock::Sleep;

/// Bytes of a request's head, at most: a query of 8 KiB and the header fields that browsers send.
pub const MAX_REQUEST_BYTES: usize = 32 * 1024;

/// How long a connection may take to send its request and to take the answer. Browsers open connections ahead
/// of need.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(20);

/// How long to wait after a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(100);

/// Connections at once, at most; a browser opens a few.
const MAX_CONNECTIONS: usize = 16;

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loopback {
    /// Whether on `[::1]` instead of `127.0.0.1`. `localhost` is not offered: another program may listen on
    /// the other address of that name (RFC 8252 section 8.3).
    pub ipv6: bool,
    /// The port; 0, which is right for servers that take any port (RFC 8252 section 7.3), lets the system
    /// choose.
    pub port: u16,
    /// The path of the redirect URI; starts with `/`.
    pub path: String,
}

impl Default for Loopback {
    /// `http://127.0.0.1:{any}/callback`
    fn default() -> Self {
        Self { ipv6: false, port: 0, path: "/callback".to_owned() }
    }
}

/// A listener that waits for the user's browser.
pub(super) struct Listener {
    socket: TcpListener,
    redirect_uri: String,
    host: String,
    path: String,
    timer: Arc<dyn Sleep>,
}

impl Listener {
    pub(super) async fn bind(place: &Loopback, timer: Arc<dyn Sleep>) -> Result<Self, AuthorizationError> {
        let host = if place.ipv6 { IpAddr::from(Ipv6Addr::LOCALHOST) } else { Ipv4Addr::LOCALHOST.into() };
        let address = SocketAddr::new(host, place.port);
        let failed = |error: std::io::Error| AuthorizationError::Listen {
            address: address.to_string(),
            reason: error.to_string(),
        };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let host = socket.local_addr().map_err(failed)?.to_string();
        let redirect_uri = format!("http://{host}{}", place.path);
        Ok(Self { socket, redirect_uri, host, path: place.path.clone(), timer })
    }

    pub(super) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Waits for the response to `pending`, as long as `patience` says.
    pub(super) async fn response(
        self,
        pending: &PendingAuthorization,
        patience: Duration,
    ) -> Result<AuthorizationCode, AuthorizationError> {
        tokio::select! {
            response = self.serve(pending) => response,
            () = self.timer.sleep(patience) => Err(AuthorizationError::NoResponse { patience }),
        }
    }

    /// Reads several connections at once: one that a browser opened ahead of need must not hold up the one
    /// that has the response.
    async fn serve(&self, pending: &PendingAuthorization) -> Result<AuthorizationCode, AuthorizationError> {
        let mut reading = JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.socket.accept(), if reading.len() < MAX_CONNECTIONS => {
                    match accepted {
                        Ok((stream, _)) => {
                            reading.spawn(read_request(stream, Arc::clone(&self.timer)));
                        }
                        // What fails is that connection, or there are no descriptors for a while.
                        Err(_) => self.timer.sleep(PAUSE).await,
                    }
                }
                Some(read) = reading.join_next() => {
                    let Ok(Some((stream, head))) = read else { continue };
                    if let Some(response) = self.answer(stream, &head, pending).await {
                        return response.map_err(Into::into);
                    }
                }
            }
        }
    }

    /// Answers one request. What comes back is the end of the authorization.
    async fn answer(
        &self,
        stream: TcpStream,
        head: &str,
        pending: &PendingAuthorization,
    ) -> Option<Result<AuthorizationCode, keybound::authorization::ResponseRefusal>> {
        let (page, response) = match self.query(head) {
            Err(page) => (page, None),
            Ok(query) => match pending.receive(query) {
                Ok(code) => (&GRANTED, Some(Ok(code))),
                Err(refusal) if refusal.is_final() => (&REFUSED, Some(Err(refusal))),
                Err(_) => (&STRANGE, None),
            },
        };
        tokio::select! {
            () = page.send(stream) => {}
            () = self.timer.sleep(CONNECTION_TIMEOUT) => {}
        }
        response
    }

    /// The query of a request for the redirect URI, or the page for any other.
    fn query<'h>(&self, head: &'h str) -> Result<&'h str, &'static Page> {
        let mut lines = head.split("\r\n");
        let mut request_line = lines.next().unwrap_or_default().split(' ');
        let (method, target, version) = (request_line.next(), request_line.next(), request_line.next());
        if !matches!(version, Some("HTTP/1.1" | "HTTP/1.0")) || request_line.next().is_some() {
            return Err(&MALFORMED);
        }
        // A name that an attacker lets point here is not ours.
        let mut hosts = lines
            .filter_map(|line| line.split_once(':'))
            .filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        if hosts.next().is_none_or(|(_, host)| host.trim() != self.host) || hosts.next().is_some() {
            return Err(&MALFORMED);
        }
        match target.unwrap_or_default().split_once('?') {
            _ if method != Some("GET") => Err(&WRONG_METHOD),
            Some((path, query)) if path == self.path => Ok(query),
            _ => Err(&NOT_FOUND),
        }
    }
}

/// The head of the one request that a connection is read for; nothing if there is none in time.
async fn read_request(mut stream: TcpStream, timer: Arc<dyn Sleep>) -> Option<(TcpStream, String)> {
    let read = async {
        let mut head = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let bytes = stream.read(&mut chunk).await.ok().filter(|bytes| *bytes > 0)?;
            head.extend_from_slice(chunk.get(..bytes)?);
            if head.len() > MAX_REQUEST_BYTES {
                return None;
            }
            if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                head.truncate(end);
                return String::from_utf8(head).ok();
            }
        }
    };
    let head = tokio::select! {
        head = read => head?,
        () = timer.sleep(CONNECTION_TIMEOUT) => return None,
    };
    Some((stream, head))
}

/// A page without scripts, pictures and links: nothing in it can leak the URL, and nothing keeps it.
struct Page {
    status: &'static str,
    text: &'static str,
}

const GRANTED: Page =
    Page { status: "200 OK", text: "Done. You can close this window and go back to the program." };
const REFUSED: Page = Page {
    status: "200 OK",
    text: "The program did not get access. You can close this window; the program says why.",
};
const STRANGE: Page = Page {
    status: "400 Bad Request",
    text: "This is not the answer that the program waits for. It goes on waiting.",
};
const MALFORMED: Page = Page { status: "400 Bad Request", text: "This request can't be read." };
const WRONG_METHOD: Page =
    Page { status: "405 Method Not Allowed\r\nAllow: GET", text: "This address takes GET alone." };
const NOT_FOUND: Page = Page { status: "404 Not Found", text: "There is nothing here." };

impl Page {
    async fn send(&self, mut stream: TcpStream) {
        let html = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Authorization</title></head>\
             <body><p>{}</p></body></html>",
            self.text
        );
        let answer = format!(
            "HTTP/1.1 {}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n\
             Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n{html}",
            self.status,
            html.len()
        );
        // A browser that does not take its page has sent its request all the same.
        if stream.write_all(answer.as_bytes()).await.is_ok() {
            let _ = stream.shutdown().await;
        }
    }
}
