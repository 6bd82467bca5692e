//! What a client does about faults: a table of faults, each with every kind of request. What was sent, and how
//! often, is told by the server's own record.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

#[path = "../scripted/mod.rs"]
mod scripted;
mod server;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use http::{Method, Request};
use http_body::Frame;
use http_body_util::StreamBody;
use keybound_client::{CallError, Idempotent, RequestBody, TransportError, TransportOptions};
use scripted::{Differently, NOW, Rig, Server, all_differ, grant};
use server::{Act, FaultyServer};

/// A request, by its method, by how its body can be sent, and by how its answer is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Get,
    GetStreamed,
    Put,
    Post,
    PostMarked,
    PostMade,
    PostOnce,
}

/// The columns of the table.
const KINDS: [Kind; 7] =
    [Kind::Get, Kind::GetStreamed, Kind::Put, Kind::Post, Kind::PostMarked, Kind::PostMade, Kind::PostOnce];

const BODY: &str = "first second";

/// The longest answer that is read in these tests.
const LONGEST: usize = 1000;

impl Kind {
    fn method(self) -> Method {
        match self {
            Self::Get | Self::GetStreamed => Method::GET,
            Self::Put => Method::PUT,
            Self::Post | Self::PostMarked | Self::PostMade | Self::PostOnce => Method::POST,
        }
    }

    fn body(self) -> &'static str {
        if self.method() == Method::GET { "" } else { BODY }
    }

    fn may_act_twice(self) -> bool {
        !matches!(self, Self::Post | Self::PostMade | Self::PostOnce)
    }

    /// Makes the call, and says what came of it in a word.
    async fn call(self, rig: &Rig, url: &str) -> String {
        let mut request = Request::builder().method(self.method()).uri(url).body(()).unwrap();
        if self == Self::PostMarked {
            request.extensions_mut().insert(Idempotent);
        }
        let outcome = match self {
            Self::Get | Self::Put | Self::Post | Self::PostMarked => {
                rig.client.send(request.map(|()| Bytes::from(self.body()))).await
            }
            Self::GetStreamed => read(rig, request.map(|()| RequestBody::empty())).await,
            Self::PostMade => read(rig, request.map(|()| RequestBody::made_by(pieces))).await,
            Self::PostOnce => read(rig, request.map(|()| RequestBody::once(pieces()))).await,
        };
        word(outcome)
    }
}

fn pieces() -> impl http_body::Body<Data = Bytes, Error = std::convert::Infallible> + Send {
    let pieces = ["first ", "second"].map(|piece| Ok(Frame::data(Bytes::from(piece))));
    StreamBody::new(stream::iter(pieces))
}

async fn read(rig: &Rig, request: Request<RequestBody>) -> Result<http::Response<Bytes>, CallError> {
    let (head, body) = rig.client.execute(request).await?.into_parts();
    let body = body.read_whole(LONGEST).await?;
    Ok(http::Response::from_parts(head, body))
}

fn word(outcome: Result<http::Response<Bytes>, CallError>) -> String {
    let error = match outcome {
        Ok(response) => return response.status().as_u16().to_string(),
        Err(error) => error,
    };
    let word = match &error {
        CallError::Refused(_) => "refused",
        CallError::BodySpent(Some(_)) => "spent",
        CallError::Transport(TransportError::Broken { .. }) => "broken",
        CallError::Transport(TransportError::Connect { .. }) => "connect",
        CallError::Transport(TransportError::Redirected { .. }) => "redirected",
        CallError::Transport(TransportError::Timeout { .. }) => "timeout",
        CallError::Transport(TransportError::Idle { .. }) => "idle",
        CallError::Transport(TransportError::TooLong { .. }) => "long",
        _ => return format!("{error:?}"),
    };
    word.to_owned()
}

/// A line of the table: a fault, and for every kind of request how often it is sent and what comes of it.
struct Line {
    fault: &'static str,
    acts: Vec<Act>,
    cells: [(usize, &'static str); KINDS.len()],
    /// How long a call that is sent as often as it can be waits: seconds, without jitter. `None` is a delay
    /// after a failure.
    waits: Vec<Option<u64>>,
}

fn line(
    fault: &'static str,
    acts: impl IntoIterator<Item = Act>,
    cells: [(usize, &'static str); KINDS.len()],
) -> Line {
    Line { fault, acts: acts.into_iter().collect(), cells, waits: Vec::new() }
}

impl Line {
    fn waits(self, waits: &[Option<u64>]) -> Self {
        Self { waits: waits.to_vec(), ..self }
    }
}

/// The same for every kind, but for a body that can be sent once.
fn all_but_once(
    cell: (usize, &'static str),
    once: (usize, &'static str),
) -> [(usize, &'static str); KINDS.len()] {
    [cell, cell, cell, cell, cell, cell, once]
}

/// What may be sent twice, and what may not: by whole answers and streamed ones.
fn by_safety(
    safe: (usize, &'static str),
    unsafe_: (usize, &'static str),
) -> [(usize, &'static str); KINDS.len()] {
    [safe, safe, safe, unsafe_, safe, unsafe_, unsafe_]
}

fn challenges(count: usize) -> Vec<Act> {
    let nonces = ["nonce-a", "nonce-b", "nonce-c", "nonce-d", "nonce-e"];
    nonces[..count].iter().map(|nonce| Act::challenge("use_dpop_nonce", &[("dpop-nonce", nonce)])).collect()
}

fn redirect(status: u16, location: &str) -> Act {
    Act::answer(status, &[("location", location)], "")
}

const HALF_A_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-le";
const HALF_A_BODY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";

#[allow(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<Line> {
    let reset = (NOW.seconds() + 20).to_string();
    let (reset, never) =
        ([("x-rate-limit-reset", reset.as_str())], [("retry-after", "99999999999999999999")]);
    let refused = || Act::challenge("invalid_token", &[]);
    let failure = |status| Act::answer(status, &[], "");
    let mut table = vec![
        line("none", [], [(1, "200"); 7]),
        // A nonce that the server asks for once the only body is sent comes too late for it.
        line("a challenge", challenges(1), all_but_once((2, "200"), (1, "spent"))),
        line("a second challenge", challenges(2), all_but_once((3, "200"), (1, "spent"))),
        line("a third challenge", challenges(3), all_but_once((4, "200"), (1, "spent"))),
        line("challenges without end", challenges(5), all_but_once((4, "refused"), (1, "spent"))),
        line("a challenge without a nonce", [Act::challenge("use_dpop_nonce", &[])], [(1, "refused"); 7]),
        // A rate limit stands before all acts.
        line("429 with a reset", [Act::answer(429, &reset, "")], all_but_once((2, "200"), (1, "429")))
            .waits(&[Some(20)]),
        line(
            "429 with Retry-After",
            [Act::answer(429, &[("retry-after", "3")], "")],
            all_but_once((2, "200"), (1, "429")),
        )
        .waits(&[Some(3)]),
        line("429 with neither", [failure(429)], all_but_once((2, "200"), (1, "429"))).waits(&[Some(5)]),
        line(
            "429 with a reset and no date",
            [Act::timeless(429, &reset)],
            all_but_once((2, "200"), (1, "429")),
        )
        .waits(&[Some(5)]),
        line("429 for ever", [Act::answer(429, &never, "")], [(1, "429"); 7]),
        line(
            "429 again and again",
            [failure(429), failure(429), failure(429), failure(429)],
            all_but_once((3, "429"), (1, "429")),
        )
        .waits(&[Some(5), Some(5)]),
        // What is behind a gateway may have acted.
        line("500", [failure(500)], [(1, "500"); 7]),
        line("501", [failure(501)], [(1, "501"); 7]),
        line("502", [failure(502)], by_safety((2, "200"), (1, "502"))).waits(&[None]),
        line("503", [failure(503)], by_safety((2, "200"), (1, "503"))).waits(&[None]),
        line("504", [failure(504)], by_safety((2, "200"), (1, "504"))).waits(&[None]),
        line(
            "503 again and again",
            [failure(503), failure(503), failure(503), failure(503)],
            by_safety((3, "503"), (1, "503")),
        )
        .waits(&[None, None]),
        line(
            "503 with Retry-After",
            [Act::answer(503, &[("retry-after", "7")], "")],
            by_safety((2, "200"), (1, "503")),
        )
        .waits(&[Some(7)]),
        line("503 for ever", [Act::answer(503, &never, "")], [(1, "503"); 7]),
        // So may one whose answer got lost.
        line("cut before the answer", [Act::cut_after("")], by_safety((2, "200"), (1, "broken")))
            .waits(&[None]),
        line(
            "cut in the middle of the head",
            [Act::cut_after(HALF_A_HEAD)],
            by_safety((2, "200"), (1, "broken")),
        )
        .waits(&[None]),
        line(
            "cut before every answer",
            [Act::cut_after(""), Act::cut_after(""), Act::cut_after(""), Act::cut_after("")],
            by_safety((3, "broken"), (1, "broken")),
        )
        .waits(&[None, None]),
        line("no HTTP", [Act::cut_after("220 mail.example ESMTP\r\n")], by_safety((2, "200"), (1, "broken")))
            .waits(&[None]),
        line(
            "a broken length",
            [Act::cut_after("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n")],
            by_safety((2, "200"), (1, "broken")),
        )
        .waits(&[None]),
        // Of an answer that is streamed the caller has the start already.
        Line {
            cells: [
                (2, "200"),
                (1, "broken"),
                (2, "200"),
                (1, "broken"),
                (2, "200"),
                (1, "broken"),
                (1, "broken"),
            ],
            ..line("cut in the middle of the body", [Act::cut_after(HALF_A_BODY)], [(0, ""); 7])
        }
        .waits(&[None]),
        line("a body beyond the bound", [Act::answer(200, &[], &"x".repeat(LONGEST + 1))], [(1, "long"); 7]),
        // Tokens.
        line("a token refused once", [refused()], all_but_once((2, "200"), (1, "spent"))),
        line(
            "every token refused",
            [refused(), refused(), refused()],
            all_but_once((2, "refused"), (1, "spent")),
        ),
        line(
            "a challenge, then the token refused, then a limit, then a failure",
            challenges(1).into_iter().chain([refused(), failure(429), failure(503)]),
            [(5, "200"), (5, "200"), (5, "200"), (4, "503"), (5, "200"), (4, "503"), (1, "spent")],
        )
        .waits(&[Some(5), None]),
        // Redirects.
        line("307 here", [redirect(307, "/moved?a=b")], all_but_once((2, "200"), (1, "redirected"))),
        line("308 here", [redirect(308, "/moved?a=b")], all_but_once((2, "200"), (1, "redirected"))),
        line("303 here", [redirect(303, "/moved?a=b")], [(2, "200"); 7]),
        line(
            "302 here",
            [redirect(302, "/moved?a=b")],
            [
                (2, "200"),
                (2, "200"),
                (1, "redirected"),
                (1, "redirected"),
                (1, "redirected"),
                (1, "redirected"),
                (1, "redirected"),
            ],
        ),
        line("307 to itself", [redirect(307, "?secret")], [(1, "redirected"); 7]),
        line(
            "307 round and round",
            [redirect(307, "/b"), redirect(307, "/a"), redirect(307, "/b")],
            all_but_once((3, "redirected"), (1, "redirected")),
        ),
        line(
            "307 on and on",
            ["/1", "/2", "/3", "/4", "/5", "/6", "/7"].map(|place| redirect(307, place)),
            all_but_once((6, "redirected"), (1, "redirected")),
        ),
        line("307 to nowhere", [Act::answer(307, &[], "")], [(1, "redirected"); 7]),
        line(
            "a redirect, then a failure",
            [redirect(307, "/moved"), failure(503)],
            [(3, "200"), (3, "200"), (3, "200"), (2, "503"), (3, "200"), (2, "503"), (1, "redirected")],
        )
        .waits(&[None]),
    ];
    for status in [301, 302, 303, 307, 308] {
        table.push(line(
            "a redirect to others",
            [redirect(status, "https://evil.example/")],
            [(1, "redirected"); 7],
        ));
    }
    table
}

async fn tokens() -> Server {
    Server::start(|asked| grant(&format!("token-{}", asked.before), "DPoP")).await
}

/// Makes one call of the table and holds the server's record against what it should be.
async fn check(
    line: &Line,
    kind: Kind,
    (calls, outcome): (usize, &str),
    tokens: &Server,
    transport: TransportOptions,
) {
    let cell = format!("{}, {kind:?}", line.fault);
    let server = FaultyServer::start(line.acts.clone()).await;
    let rig = Rig::with(&tokens.origin, Differently { transport, ..Differently::default() });
    // What is looked at is the call; a limit that is short for its sake may be too short for the first token.
    while rig.client.tokens().token().await.is_err() {}
    let url = format!("{}/things?secret", server.origin);
    assert_eq!(kind.call(&rig, &url).await, outcome, "{cell}");

    let records = server.records();
    assert_eq!(records.len(), calls, "{cell}: calls");
    let acted = records.iter().filter(|record| record.acted).count();
    assert!(kind.may_act_twice() || acted <= 1, "{cell}: acted on {acted} times");
    assert!(all_differ(server.all().iter().map(|record| record.asked.proof()["jti"].clone())), "{cell}: jti");
    for record in &records {
        let asked = &record.asked;
        let token = asked.authorization().strip_prefix("DPoP ").unwrap();
        asked.check_proof(&server.origin, Some(token), &rig.key).unwrap();
        assert!(!asked.proof()["htu"].as_str().unwrap().contains('?'), "{cell}: htu");
        assert_eq!(asked.nonce(), record.nonce, "{cell}: the newest nonce");
        let (method, body) = (kind.method(), kind.body());
        let sent = (&asked.method, asked.body.as_ref());
        let seen = asked.method == Method::GET && asked.before > 0;
        assert!(sent == (&method, body.as_bytes()) || (seen && sent.1.is_empty()), "{cell}: {sent:?}");
    }
    if calls == line.cells[0].0 {
        check_waits(&line.waits, &rig.timer.noted(), &cell);
    }
}

fn check_waits(expected: &[Option<u64>], noted: &[Duration], cell: &str) {
    assert_eq!(noted.len(), expected.len(), "{cell}: waits {noted:?}");
    for (expected, noted) in expected.iter().zip(noted) {
        // A second of jitter at most comes on top; a delay after a failure is shorter than that.
        let least = Duration::from_secs(expected.unwrap_or_default());
        assert!(least <= *noted && *noted <= least + Duration::from_secs(1), "{cell}: waits {noted:?}");
    }
}

fn short_answers() -> TransportOptions {
    let mut transport = TransportOptions::default();
    transport.max_response_bytes = LONGEST;
    transport
}

#[tokio::test]
async fn every_fault_is_answered_as_the_request_allows() {
    let tokens = tokens().await;
    for line in table() {
        let cells = KINDS.into_iter().zip(line.cells);
        let checks = cells.map(|(kind, cell)| check(&line, kind, cell, &tokens, short_answers()));
        join_all(checks).await;
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_told_and_not_asked_again() {
    let tokens = tokens().await;
    // Long enough for the request to get there on a busy machine; all wait for it at once.
    let limit = Duration::from_secs(2);
    let lines = [
        line("silence", [Act::silent_after("")], [(1, "timeout"); 7]),
        line("silence in the middle of the head", [Act::silent_after(HALF_A_HEAD)], [(1, "timeout"); 7]),
        line(
            "silence in the middle of the body",
            [Act::silent_after(HALF_A_BODY)],
            [
                (1, "timeout"),
                (1, "idle"),
                (1, "timeout"),
                (1, "timeout"),
                (1, "timeout"),
                (1, "idle"),
                (1, "idle"),
            ],
        ),
    ];
    let cells = lines.iter().flat_map(|line| KINDS.into_iter().zip(line.cells).map(move |cell| (line, cell)));
    join_all(cells.map(|(line, (kind, cell))| {
        let mut transport = short_answers();
        (transport.timeout, transport.idle_timeout) = (limit, limit);
        check(line, kind, cell, &tokens, transport)
    }))
    .await;
}

#[tokio::test]
async fn what_found_no_connection_is_sent_again_whatever_it_is() {
    let tokens = tokens().await;
    for kind in KINDS {
        for (waits_before, outcome, calls, why) in [
            (1, "200", 1, "there after the first delay"),
            (2, "200", 1, "after the second"),
            (9, "connect", 0, "never"),
        ] {
            let place = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let rig = Rig::new(&tokens.origin);
            let server = std::sync::Arc::new(std::sync::Mutex::new(None));
            let (there, mut waits) = (server.clone(), 0);
            rig.timer.at_each(move || {
                waits += 1;
                if waits == waits_before {
                    let listener = std::net::TcpListener::bind(place).unwrap();
                    listener.set_nonblocking(true).unwrap();
                    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                    *there.lock().unwrap() = Some(FaultyServer::on(listener, Vec::new()));
                }
            });
            // Asks ahead when there is no server to ask; the body itself is what is looked at here.
            assert_eq!(kind.call(&rig, &format!("http://{place}/things")).await, outcome, "{kind:?}: {why}");
            let records = server.lock().unwrap().as_ref().map_or(0, |server| server.records().len());
            assert_eq!(records, calls, "{kind:?}: {why}");
        }
    }
}

#[tokio::test]
async fn a_body_that_found_no_connection_is_not_spent() {
    let tokens = Server::start(|_| grant("token", "Bearer")).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let place = listener.local_addr().unwrap();
    drop(listener);
    let rig = Rig::with(&tokens.origin, Differently { bearer: true, ..Differently::default() });
    let server = std::sync::Arc::new(std::sync::Mutex::new(None));
    let there = server.clone();
    rig.timer.at_each(move || {
        let listener = std::net::TcpListener::bind(place).unwrap();
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        *there.lock().unwrap() = Some(FaultyServer::on(listener, Vec::new()));
    });
    assert_eq!(Kind::PostOnce.call(&rig, &format!("http://{place}/things")).await, "200");
    let records = server.lock().unwrap().as_ref().unwrap().all();
    assert_eq!(records.len(), 1, "a Bearer token needs no nonce, so nobody asks ahead");
    assert_eq!(records[0].asked.body, BODY);
}

#[tokio::test]
async fn a_server_is_asked_ahead_of_a_body_that_can_be_sent_once_and_once_only() {
    let server = scripted::Server::start(|asked| match asked.nonce().as_deref() {
        _ if asked.is_for_token() => grant("token", "DPoP"),
        Some("nonce") => scripted::answer(200, &[], "done"),
        _ => scripted::challenge("use_dpop_nonce", &[("dpop-nonce", "nonce")]),
    })
    .await;
    let rig = Rig::new(&server.origin);
    for _ in 0..2 {
        assert_eq!(Kind::PostOnce.call(&rig, &server.url("/things?a=b")).await, "200");
    }
    let asked: Vec<_> =
        server.called().iter().map(|asked| (asked.method.to_string(), asked.body.clone())).collect();
    let (head, post) = (("HEAD".to_owned(), Bytes::new()), ("POST".to_owned(), Bytes::from(BODY)));
    assert_eq!(asked, [head.clone(), head, post.clone(), post]);
}

#[tokio::test]
async fn what_a_server_asked_for_too_late_is_there_for_the_next_body() {
    let tokens = tokens().await;
    for act in
        [Act::challenge("use_dpop_nonce", &[("dpop-nonce", "late")]), Act::challenge("invalid_token", &[])]
    {
        let server = FaultyServer::start(vec![act]).await;
        let rig = Rig::new(&tokens.origin);
        let url = format!("{}/things", server.origin);
        assert_eq!(Kind::PostOnce.call(&rig, &url).await, "spent");
        assert_eq!(Kind::PostOnce.call(&rig, &url).await, "200");
        assert_eq!(server.records().len(), 2);
    }
}

#[tokio::test]
async fn a_body_that_fails_is_told_from_a_server_that_does() {
    let tokens = tokens().await;
    let server = FaultyServer::start(Vec::new()).await;
    let rig = Rig::new(&tokens.origin);
    let broken = || {
        let pieces = [Ok(Frame::data(Bytes::from("first "))), Err(std::io::Error::other("the disk is gone"))];
        StreamBody::new(stream::iter(pieces))
    };
    let request =
        Request::put(format!("{}/things", server.origin)).body(RequestBody::made_by(broken)).unwrap();
    let outcome = rig.client.execute(request).await;
    let Err(CallError::Transport(TransportError::RequestBody { detail, .. })) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(detail, "the disk is gone");
    assert!(rig.timer.noted().is_empty(), "nothing is gained by another attempt");
}

#[tokio::test]
async fn a_broken_server_is_not_stormed() {
    let tokens = tokens().await;
    let server = FaultyServer::start(vec![Act::answer(503, &[], ""); 10_000]).await;
    let rig = Rig::new(&tokens.origin);
    let url = format!("{}/things", server.origin);
    for _ in 0..100 {
        assert_eq!(Kind::Get.call(&rig, &url).await, "503");
    }
    assert_eq!(server.records().len(), 100 + 100 / 5 + 10, "a fifth of the calls, and ten");
}

#[tokio::test]
async fn a_server_whose_nonces_hold_for_one_request_is_followed() {
    let resource = scripted::Server::start(|asked| {
        let (wanted, next) = (format!("nonce-{}", asked.before), format!("nonce-{}", asked.before + 1));
        if asked.nonce() == Some(wanted) {
            scripted::answer(200, &[("dpop-nonce", &next)], "done")
        } else {
            scripted::challenge("use_dpop_nonce", &[("dpop-nonce", &next)])
        }
    })
    .await;
    let tokens = tokens().await;
    let rig = Rig::new(&tokens.origin);
    for _ in 0..20 {
        assert_eq!(Kind::Post.call(&rig, &resource.url("/things")).await, "200");
    }
    assert_eq!(resource.asked().len(), 21, "one challenge, and from then on each answer has the next");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_calls_at_once_get_through_and_share_what_they_learn() {
    // Half of the way the token is revoked; the nonce changes every thousand requests.
    let server = scripted::Server::start(|asked| {
        let nonce = |number: usize| format!("nonce-{}", number / 1000);
        let (now, before) = (nonce(asked.before), nonce(asked.before.saturating_sub(1000)));
        let fields = [("dpop-nonce", now.as_str())];
        if asked.is_for_token() {
            grant(&format!("token-{}", asked.before), "DPoP")
        } else if asked.before > 500 && asked.authorization() == "DPoP token-0" {
            scripted::challenge("invalid_token", &fields)
        } else if asked.nonce().is_some_and(|nonce| nonce == now || nonce == before) {
            scripted::answer(200, &fields, "done")
        } else {
            scripted::challenge("use_dpop_nonce", &fields)
        }
    })
    .await;
    let rig = std::sync::Arc::new(Rig::new(&server.origin));
    let calls = (0..1000).map(|number| {
        let (rig, url) = (std::sync::Arc::clone(&rig), server.url("/things"));
        tokio::spawn(async move {
            let request = Request::post(url).body(Bytes::from(number.to_string())).unwrap();
            rig.client.send(request).await.map(|response| response.status().as_u16())
        })
    });
    for outcome in join_all(calls).await {
        assert_eq!(outcome.unwrap().unwrap(), 200);
    }
    assert_eq!(server.asked_for_token().len(), 2, "one token, and one renewal that all share");
    assert!(all_differ(server.called().iter().map(|asked| asked.proof()["jti"].clone())));
    let numbers: std::collections::HashSet<_> =
        server.called().iter().map(|asked| asked.body.clone()).collect();
    assert_eq!(numbers.len(), 1000, "no call is lost");
}

#[tokio::test]
async fn a_call_that_is_dropped_loses_nothing_that_is_shared() {
    let tokens = tokens().await;
    let server = FaultyServer::start(vec![Act::silent_after("")]).await;
    let rig = Rig::new(&tokens.origin);
    let url = format!("{}/things", server.origin);
    let asked = async {
        while server.records().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        outcome = rig.get(&url) => panic!("{outcome:?}"),
        () = asked => {}
    }
    assert_eq!(Kind::Get.call(&rig, &url).await, "200");
    assert_eq!(tokens.asked_for_token().len(), 1, "the token is kept");
}
