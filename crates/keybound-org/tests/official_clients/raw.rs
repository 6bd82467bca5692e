//! A request over HTTP/1.1 as it is written here, and the answer as it is on the wire.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use crate::support::TestOrg;

/// How long an answer may take before the test is said to hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer; the names of its fields are spelled as they came.
#[derive(Debug)]
pub struct RawAnswer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: String,
}

impl RawAnswer {
    /// The field of this name in this spelling: some clients look for no other.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self, pointer: &str) -> String {
        self.json().pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
}

/// Sends a request: its first line without the version, its fields but for `Host` and those of the connection, its body.
pub fn send(test: &TestOrg, line: &str, fields: &[(&str, &str)], body: &str) -> RawAnswer {
    let url = test.url("");
    let authority = url.trim_start_matches("http://");
    let mut request = format!("{line} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n");
    for (name, value) in fields {
        request.extend([*name, ": ", *value, "\r\n"]);
    }
    if !line.starts_with("GET ") {
        request.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
    }
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("{request}\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    parse(&answer)
}

fn parse(answer: &str) -> RawAnswer {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let fields = lines.map(|line| line.split_once(": ").unwrap());
    let fields: Vec<_> = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    RawAnswer { status, fields, body: body.to_owned() }
}
