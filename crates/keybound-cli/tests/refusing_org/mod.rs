//! An org that answers by a script, for what a local org does not do: refusals at a chosen step, keys of apps.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Method and path, with a blank between them.
    pub(crate) line: String,
    /// The value of `Authorization`, if there was one.
    pub(crate) authorization: Option<String>,
    pub(crate) body: String,
}

/// A status and a JSON body; the status 0 cuts the connection without an answer.
pub(crate) type Answer = (u16, String);

type Script = dyn Fn(&Asked) -> Option<Answer> + Send + Sync;

/// It serves as long as the test runs.
pub(crate) struct ScriptedOrg {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl ScriptedOrg {
    /// What `script` has no answer to is answered as an org does that grants every token, bound as was asked for.
    pub(crate) fn start(script: impl Fn(&Asked) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, origin, log): (Arc<Script>, _, _) = (Arc::new(script), url.clone(), Arc::clone(&asked));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, origin, log) = (Arc::clone(&script), origin.clone(), Arc::clone(&log));
                thread::spawn(move || serve(stream, &*script, &origin, &log));
            }
        });
        Self { url, asked }
    }

    /// The lines of all requests so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|asked| asked.line.clone()).collect()
    }
}

fn serve(stream: TcpStream, script: &Script, origin: &str, log: &Mutex<Vec<Asked>>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).is_ok_and(|length| length > 0) {
            continue;
        }
        return;
    }
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let line = head.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let field = |name: &str| {
        let (_, value) = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(it, _)| it.eq_ignore_ascii_case(name))?;
        Some(value.to_owned())
    };
    let asked = Asked { line, authorization: field("authorization"), body: String::from_utf8(body).unwrap() };
    log.lock().unwrap().push(asked.clone());
    let is_proven = lower.contains("\r\ndpop: ");
    let (status, body) = script(&asked).unwrap_or_else(|| usual(&asked.line, origin, is_proven));
    if status == 0 {
        return;
    }
    let answer = format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // Who asked may have gone.
    let _ = reader.get_mut().write_all(answer.as_bytes());
}

fn usual(line: &str, origin: &str, is_proven: bool) -> Answer {
    match line {
        "GET /.well-known/openid-configuration" => {
            (200, format!(r#"{{"issuer":"{origin}","dpop_signing_alg_values_supported":["RS256","ES256"]}}"#))
        }
        "POST /oauth2/v1/token" => {
            let kind = if is_proven { "DPoP" } else { "Bearer" };
            (200, format!(r#"{{"access_token":"opaque","token_type":"{kind}","expires_in":3600}}"#))
        }
        _ => (404, r#"{"errorCode":"E0000007","errorSummary":"Not found"}"#.to_owned()),
    }
}
