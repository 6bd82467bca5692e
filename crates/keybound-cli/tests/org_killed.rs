//! A local org that is killed while it is written to: nothing that it has acknowledged is lost, and it opens
//! again every time.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[allow(unreachable_pub, reason = "shared with other tests")]
mod support;

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use serde_json::{Value, json};
use support::{Org, USERS, Workspace};

/// How often it is killed.
const KILLS: usize = 200;
/// Clients that write at once, so that a kill finds writes at every stage.
const WRITERS: usize = 3;
/// So many writes are acknowledged before a kill, at most.
const MOST_WRITES: u64 = 12;

const FLAGS: [&str; 5] = ["--http", "--seed-users", "0", "--requests-per-minute", "4000000000"];

#[test]
fn an_org_that_is_killed_while_it_is_written_to_keeps_every_acknowledged_write() {
    let workspace = Workspace::new();
    let made = AtomicUsize::new(0);
    let mut acknowledged = BTreeSet::new();
    let mut random = 0x4B65_7962_6F75_6E64;
    let mut org = Org::start_with(&workspace, &FLAGS);
    for kill in 0..KILLS {
        let writes_before = next(&mut random) % MOST_WRITES;
        let written = write_until_killed(org, writes_before, &made);

        // The next start is the one that has to find them.
        org = Org::start_with(&workspace, &FLAGS);
        let mut client = Client::of(&org).unwrap();
        for id in &written {
            let (status, user) = client.call("GET", &format!("{USERS}/{id}"), None).unwrap();
            assert_eq!((status, &user["id"]), (200, &json!(id)), "lost by kill {kill}");
        }
        acknowledged.extend(written);
    }

    let kept = Client::of(&org).unwrap().all_users();
    assert!(acknowledged.is_subset(&kept), "a write was lost by a later kill");
    // One that was under way at a kill may be there; nothing else is.
    assert!(kept.len() - acknowledged.len() <= KILLS * WRITERS, "{} of {made:?} writes", kept.len());
    assert!(acknowledged.len() > KILLS, "{} writes were acknowledged in all", acknowledged.len());
}

/// Kills the org as soon as so many writes are acknowledged, others being under way; gives the identifiers of all
/// that were acknowledged.
fn write_until_killed(org: Org, writes_before: u64, made: &AtomicUsize) -> Vec<String> {
    let (acknowledge, acknowledgements) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            let (acknowledge, mut client) = (acknowledge.clone(), Client::of(&org).unwrap());
            scope.spawn(move || {
                while let Ok((status, user)) = client.create(made.fetch_add(1, Ordering::Relaxed)) {
                    assert_eq!(status, 200, "{user}");
                    acknowledge.send(user["id"].as_str().unwrap().to_owned()).unwrap();
                }
            });
        }
        drop(acknowledge);
        let mut written = Vec::new();
        for _ in 0..writes_before {
            written.push(acknowledgements.recv().unwrap());
        }
        // With SIGKILL.
        drop(org);
        written.extend(acknowledgements);
        written
    })
}

/// One connection to an org, as its administrator.
struct Client {
    stream: BufReader<TcpStream>,
    host: String,
    admin_token: String,
}

impl Client {
    fn of(org: &Org) -> io::Result<Self> {
        let host = org.url.trim_start_matches("http://").to_owned();
        let stream = BufReader::new(TcpStream::connect(&host)?);
        Ok(Self { stream, host, admin_token: org.admin_token.clone() })
    }

    fn create(&mut self, number: usize) -> io::Result<(u16, Value)> {
        let login = format!("user{number}@example.com");
        let profile = json!({ "firstName": "A", "lastName": "B", "email": login, "login": login });
        self.call("POST", USERS, Some(&json!({ "profile": profile })))
    }

    /// The identifiers of all users, over all pages.
    fn all_users(&mut self) -> BTreeSet<String> {
        let mut users = BTreeSet::new();
        let mut page = Some(USERS.to_owned());
        while let Some(path) = page {
            let (head, body) = self.exchange("GET", &path, None).unwrap();
            let listed: Vec<Value> = serde_json::from_slice(&body).unwrap();
            users.extend(listed.iter().map(|user| user["id"].as_str().unwrap().to_owned()));
            let next = head.lines().find(|line| line.contains("rel=\"next\""));
            page = next.map(|link| link[link.find(USERS).unwrap()..link.find('>').unwrap()].to_owned());
        }
        users
    }

    fn call(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<(u16, Value)> {
        let (head, body) = self.exchange(method, path, body)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        Ok((status, serde_json::from_slice(&body)?))
    }

    /// The head and the body of an answer; an error if the connection ends before it is whole.
    fn exchange(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<(String, Vec<u8>)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let (host, token, length) = (&self.host, &self.admin_token, body.len());
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: SSWS {token}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let length = head
            .lines()
            .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or_default()];
        self.stream.read_exact(&mut body)?;
        Ok((head, body))
    }
}

/// Numbers without a pattern, the same at each run (xorshift).
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
