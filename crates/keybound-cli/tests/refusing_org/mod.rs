//! An org that answers by a script, for what a local org does not do: refusals at a chosen step, keys of apps.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::received::Received;

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
    let Some(received) = Received::read(&mut reader) else { return };
    let is_proven = received.field("dpop").is_some();
    let asked = Asked {
        line: received.line().to_owned(),
        authorization: received.field("authorization").map(str::to_owned),
        body: received.body,
    };
    log.lock().unwrap().push(asked.clone());
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
