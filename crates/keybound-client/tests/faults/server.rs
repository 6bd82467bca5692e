//! A server of bytes: it takes requests by HTTP/1.1, keeps a record of its own, and answers with whatever bytes
//! a script says, or with none.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::scripted::{Asked, DATE};

/// What the server does with one request.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    bytes: Vec<u8>,
    then: Then,
    /// By what the client can know, the server may have done what it was asked.
    acted: bool,
    nonce: Option<String>,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    KeepOpen,
    Close,
    /// Say nothing more, and don't hang up.
    Fall,
}

impl Act {
    pub(crate) fn answer(status: u16, fields: &[(&str, &str)], body: &str) -> Self {
        let fixed = format!("HTTP/1.1 {status} X\r\ndate: {DATE}\r\ncontent-length: {}\r\n", body.len());
        let given = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
        let text = format!("{fixed}{}\r\n{body}", given.collect::<String>());
        let acted = !matches!(status, 301..=308 | 401 | 429);
        let nonce =
            fields.iter().find(|(name, _)| *name == "dpop-nonce").map(|(_, nonce)| (*nonce).to_owned());
        Self { bytes: text.into_bytes(), then: Then::KeepOpen, acted, nonce }
    }

    pub(crate) fn challenge(error: &str, fields: &[(&str, &str)]) -> Self {
        let challenge = format!(r#"DPoP error="{error}""#);
        let fields: Vec<_> =
            fields.iter().copied().chain([("www-authenticate", challenge.as_str())]).collect();
        Self::answer(401, &fields, "refused")
    }

    /// These bytes, and the end of the connection.
    pub(crate) fn cut_after(bytes: &str) -> Self {
        Self { bytes: bytes.into(), then: Then::Close, acted: true, nonce: None }
    }

    /// These bytes, and silence.
    pub(crate) fn silent_after(bytes: &str) -> Self {
        Self { bytes: bytes.into(), then: Then::Fall, acted: true, nonce: None }
    }

    /// An answer without a date.
    pub(crate) fn timeless(status: u16, fields: &[(&str, &str)]) -> Self {
        let act = Self::answer(status, fields, "");
        let text = String::from_utf8(act.bytes).unwrap().replace(&format!("date: {DATE}\r\n"), "");
        Self { bytes: text.into_bytes(), ..act }
    }
}

/// A request, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) asked: Asked,
    pub(crate) acted: bool,
    /// The newest nonce that the server had given when the request came.
    pub(crate) nonce: Option<String>,
}

pub(crate) struct FaultyServer {
    pub(crate) origin: String,
    records: Arc<Mutex<Vec<Record>>>,
}

impl FaultyServer {
    /// Plays `acts` one after the other, and from then on answers 200. `HEAD` is answered 200 beside the script.
    pub(crate) async fn start(acts: Vec<Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, acts)
    }

    pub(crate) fn on(listener: TcpListener, acts: Vec<Act>) -> Self {
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let records = Arc::new(Mutex::new(Vec::new()));
        let (log, acts) = (Arc::clone(&records), Arc::new(acts));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&log), Arc::clone(&acts)));
            }
        });
        Self { origin, records }
    }

    /// Every request but `HEAD`.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.all().into_iter().filter(|record| record.asked.method != Method::HEAD).collect()
    }

    pub(crate) fn all(&self) -> Vec<Record> {
        self.records.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, log: Arc<Mutex<Vec<Record>>>, acts: Arc<Vec<Act>>) {
    while let Some(asked) = read_request(&mut stream).await {
        let act = {
            let mut log = log.lock().unwrap();
            let is_head = asked.method == Method::HEAD;
            let before = log.iter().filter(|record: &&Record| record.asked.method != Method::HEAD).count();
            let nonce = acts.iter().take(before).filter_map(|act| act.nonce.clone()).next_back();
            let done = Act::answer(200, &[], if is_head { "" } else { "done" });
            let act = if is_head { done } else { acts.get(before).cloned().unwrap_or(done) };
            let asked = Asked { before, ..asked };
            log.push(Record { asked, acted: act.acted, nonce });
            act
        };
        stream.write_all(&act.bytes).await.unwrap();
        match act.then {
            Then::KeepOpen => {}
            Then::Close => return,
            Then::Fall => std::future::pending().await,
        }
    }
}

/// A whole request; none at the end of the connection.
async fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let method: Method = first.next().unwrap().parse().unwrap();
    let uri: Uri = first.next().unwrap().parse().unwrap();
    let headers: HeaderMap = lines
        .map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
        })
        .collect();
    let length =
        headers.get("content-length").map(|length| length.to_str().unwrap().parse::<usize>().unwrap());
    let body = match length {
        Some(length) => {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.ok()?;
            body
        }
        None if headers.contains_key("transfer-encoding") => read_chunks(stream).await?,
        None => Vec::new(),
    };
    Some(Asked { method, uri, headers, body: Bytes::from(body), before: 0 })
}

async fn read_chunks(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(stream.read_u8().await.ok()?);
        }
        let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        let mut chunk = vec![0; size + 2];
        stream.read_exact(&mut chunk).await.ok()?;
        body.extend_from_slice(&chunk[..size]);
        if size == 0 {
            return Some(body);
        }
    }
}
