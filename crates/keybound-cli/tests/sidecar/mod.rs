//! A proxy that runs until it is dropped, a program that calls it, and an origin that sends back what it gets.

#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitStatus;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::Workspace;
use crate::support::serving::Serving;

/// Nothing here takes so long unless it hangs.
const BOUND: Duration = Duration::from_secs(30);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields(name).first().copied()
    }

    pub(crate) fn fields(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }
}

/// A proxy that serves until it is dropped.
pub(crate) struct Sidecar {
    serving: Serving,
    /// Its first line.
    pub(crate) told: Value,
    pub(crate) url: String,
}

impl Sidecar {
    pub(crate) fn start(workspace: &Workspace, arguments: &[&str]) -> Self {
        let serving = Serving::start(workspace, "proxy", arguments);
        let told = serving.told.clone();
        let url = told["url"].as_str().unwrap().to_owned();
        Self { serving, told, url }
    }

    /// The secret that was made for it.
    pub(crate) fn secret(&self) -> String {
        self.told["secret"].as_str().unwrap().to_owned()
    }

    pub(crate) fn credentials(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.secret())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &self.credentials(), b"")
    }

    pub(crate) fn send(&self, method: &str, path: &str, fields: &str, body: &[u8]) -> Answer {
        let fields = format!("Host: {}\r\n{fields}", self.serving.address("url"));
        request(TcpStream::connect(self.serving.address("url")).unwrap(), method, path, &fields, body)
    }

    /// Sends a body in pieces, and reads the answer meanwhile.
    pub(crate) fn post(&self, path: &str, body: &[u8], chunked: bool) -> Answer {
        let mut stream = TcpStream::connect(self.serving.address("url")).unwrap();
        stream.set_read_timeout(Some(BOUND)).unwrap();
        let framing = if chunked {
            "Transfer-Encoding: chunked".to_owned()
        } else {
            format!("Content-Length: {}", body.len())
        };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{}{framing}\r\n\r\n",
            self.credentials()
        );
        let (mut sending, body) = (stream.try_clone().unwrap(), body.to_vec());
        let sent = thread::spawn(move || {
            sending.write_all(head.as_bytes()).unwrap();
            for piece in body.chunks(50_000) {
                if chunked {
                    sending.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).unwrap();
                }
                sending.write_all(piece).unwrap();
                if chunked {
                    sending.write_all(b"\r\n").unwrap();
                }
            }
            if chunked {
                sending.write_all(b"0\r\n\r\n").unwrap();
            }
        });
        let answer = read(&mut stream);
        sent.join().unwrap();
        answer
    }

    /// What operators are answered.
    pub(crate) fn admin(&self, path: &str) -> Answer {
        request(
            TcpStream::connect(self.serving.address("admin_url")).unwrap(),
            "GET",
            path,
            "Host: a\r\n",
            b"",
        )
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn end(self) -> ExitStatus {
        self.end_with_log().0
    }

    /// The same, and all that it logged.
    pub(crate) fn end_with_log(self) -> (ExitStatus, String) {
        self.serving.signal_and_wait("TERM")
    }
}

/// The answer to a request on a connection of its own.
pub(crate) fn request<S: Read + Write>(
    mut stream: S,
    method: &str,
    path: &str,
    fields: &str,
    body: &[u8],
) -> Answer {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let close = if fields.contains("Connection:") { "" } else { "Connection: close\r\n" };
    let head = format!("{method} {path} HTTP/1.1\r\n{fields}{close}{length}\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    read(&mut stream)
}

fn read(stream: &mut impl Read) -> Answer {
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let end = all.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or_else(|| {
        panic!("no answer: {}", String::from_utf8_lossy(&all));
    });
    let head = String::from_utf8(all[..end + 2].to_vec()).unwrap();
    let mut body = all.split_off(end + 4);
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        body = joined(&body);
    }
    Answer { status: head[9..12].parse().unwrap(), head, body }
}

/// A body in chunks (RFC 9112 section 7.1).
fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|window| window == b"\r\n").unwrap();
        let length = usize::from_str_radix(std::str::from_utf8(&chunks[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 2 + length + 2..];
    }
}

/// The value of `Authorization` with `password`.
pub(crate) fn basic(password: &str) -> String {
    use base64::Engine as _;

    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(format!("anybody:{password}")))
}

/// An origin that answers with the body that it gets, whoever asks; at `/to/X` it sends to `/X`.
pub(crate) struct Echo {
    pub(crate) url: String,
    heads: Receiver<String>,
}

impl Echo {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (told, heads) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let told = told.clone();
                thread::spawn(move || echo(stream, &told));
            }
        });
        Self { url, heads }
    }

    /// The head of the next request that came with a body.
    pub(crate) fn next_head(&self) -> String {
        loop {
            let head = self.heads.recv_timeout(BOUND).unwrap();
            if !head.starts_with("HEAD ") {
                return head;
            }
        }
    }
}

fn echo(stream: TcpStream, told: &std::sync::mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|length| length > 0) {
        if !head.ends_with("\r\n\r\n") {
            continue;
        }
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")).map(str::parse);
        let body = match length {
            Some(length) => {
                let mut body = vec![0; length.unwrap()];
                reader.read_exact(&mut body).unwrap();
                body
            }
            None if lower.contains("transfer-encoding: chunked") => read_chunks(&mut reader),
            None => Vec::new(),
        };
        let is_head = head.starts_with("HEAD ");
        let place = head.split(' ').nth(1).and_then(|path| path.strip_prefix("/to")).map(str::to_owned);
        let _ = told.send(std::mem::take(&mut head));
        let status = match place {
            Some(place) => format!("307 Temporary Redirect\r\nlocation: {place}"),
            None => "200 OK".to_owned(),
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
        let stream = reader.get_mut();
        if stream.write_all(answer.as_bytes()).is_err() || (!is_head && stream.write_all(&body).is_err()) {
            return;
        }
    }
}

fn read_chunks(reader: &mut BufReader<TcpStream>) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut piece = vec![0; length + 2];
        reader.read_exact(&mut piece).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&piece[..length]);
    }
}
