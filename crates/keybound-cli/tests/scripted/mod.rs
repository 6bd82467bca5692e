//! An org that answers as a test scripts it, notes what it was asked, and a folder whose settings fit it.

#![allow(dead_code, reason = "each test file is a program of its own and uses a part of this")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::support::received::Received;
use crate::support::{Ended, Workspace};

/// What the org answers: the status, further header fields, the body.
pub(crate) struct Reply(pub(crate) u16, pub(crate) Vec<(&'static str, String)>, pub(crate) String);

impl Reply {
    pub(crate) fn json(value: &Value) -> Self {
        Self(200, Vec::new(), value.to_string())
    }

    /// A page of a list, with the path of the next one.
    pub(crate) fn page(items: &Value, next: &str) -> Self {
        Self(200, vec![("link", format!("<{next}>; rel=\"next\""))], items.to_string())
    }

    /// Done, and nothing to say.
    pub(crate) fn done() -> Self {
        Self(204, Vec::new(), String::new())
    }

    /// The org failed: nothing is tried again.
    pub(crate) fn failed() -> Self {
        let body = json!({ "errorCode": "E0000009", "errorSummary": "Internal Server Error" });
        Self(500, Vec::new(), body.to_string())
    }
}

/// An org over plain http that grants every token, and whose API is a function of `METHOD /path?query`.
pub(crate) struct ScriptedOrg {
    pub(crate) workspace: Workspace,
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ScriptedOrg {
    pub(crate) fn start(api: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (api, asked) = (Arc::new(api), Arc::new(Mutex::new(Vec::new())));
        let notes = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (api, notes) = (Arc::clone(&api), Arc::clone(&notes));
                thread::spawn(move || serve(&stream, &*api, &notes));
            }
        });
        let workspace = Workspace::new();
        let made = workspace.run(&["keys", "new", "--alg", "ES256", "--out", "cc"]);
        assert_eq!(made.code, Some(0), "{made:?}");
        workspace.write(
            ".env",
            &format!(
                "OKTA_ORG_URL={url}\nOKTA_CLIENT_ID=0oa1\nOKTA_CC_PRIVATE_KEY_FILE=cc_private_key.pem\nKEYBOUND_DPOP=off\n"
            ),
        );
        Self { workspace, url, asked }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.workspace.run(arguments)
    }

    /// What the API was asked since this was last called: `METHOD /path?query`, and the body if there was one.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Runs each command line, and holds what went over the wire and what was printed to what is expected.
    pub(crate) fn hold_to(&self, rows: &[(&str, &[&str], Value)]) {
        for (command_line, requests, printed) in rows {
            let arguments: Vec<_> = command_line.split(' ').collect();
            let ended = self.run(&arguments);
            assert_eq!(&ended.json(), printed, "{command_line}");
            assert_eq!(self.asked(), *requests, "{command_line}");
        }
    }

    /// Each command line is refused where there is no terminal to ask on, before anything is sent.
    pub(crate) fn assert_asks_first(&self, command_lines: &[&str]) {
        for command_line in command_lines {
            let arguments: Vec<_> = command_line.split(' ').collect();
            self.run(&arguments).assert_failed(2, &["no terminal", "--yes"]);
            assert_eq!(self.asked(), [""; 0], "{command_line}");
        }
    }
}

fn serve(mut stream: &TcpStream, api: &dyn Fn(&str) -> Reply, notes: &Mutex<Vec<String>>) {
    let Some(received) = Received::read(&mut BufReader::new(stream)) else { return };
    let (line, body) = (received.line().to_owned(), received.body);
    let Reply(status, fields, text) = if line.starts_with("POST /oauth2/v1/token") {
        token(&body)
    } else {
        notes.lock().unwrap().push(if body.is_empty() { line.clone() } else { format!("{line} {body}") });
        api(&line)
    };
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", text.len()) };
    let head = format!("HTTP/1.1 {status} -\r\nConnection: close\r\nContent-Type: application/json\r\n");
    // Whoever asked may be gone.
    let _ = stream.write_all(format!("{head}{}{length}\r\n{text}", fields.concat()).as_bytes());
}

/// A token for the scopes that are asked for.
fn token(form: &str) -> Reply {
    let scope = form.split('&').find_map(|field| field.strip_prefix("scope=")).unwrap_or_default();
    Reply::json(&json!({
        "token_type": "Bearer", "access_token": "a-token", "expires_in": 3600, "scope": scope.replace('+', " "),
    }))
}
