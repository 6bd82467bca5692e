//! Calls of a protected resource over a real connection, against servers that answer by a script.
#![allow(clippy::panic, reason = "a test that panics has failed")]

mod scripted;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use keybound_client::{CallError, ClockOffset, Observer, TokenError, TransportError, TransportOptions};
use scripted::{Asked, Differently, NOW, Rig, Server, all_differ, answer, challenge, grant, refuse};

/// A server that grants `token-0`, `token-1`, … and lets `resource` answer the rest.
async fn server(resource: impl Fn(&Asked) -> Response<String> + Send + Sync + 'static) -> Server {
    Server::start(move |asked| {
        if asked.is_for_token() { grant(&format!("token-{}", asked.before), "DPoP") } else { resource(asked) }
    })
    .await
}

fn refused(outcome: Result<Response<Bytes>, CallError>) -> Box<keybound_client::Refused> {
    match outcome {
        Err(CallError::Refused(refused)) => refused,
        other => panic!("not refused: {other:?}"),
    }
}

fn transport_error(outcome: Result<Response<Bytes>, CallError>) -> TransportError {
    match outcome {
        Err(CallError::Transport(error)) => error,
        other => panic!("no fault of the transport: {other:?}"),
    }
}

#[tokio::test]
async fn a_call_carries_the_token_and_a_proof_that_holds() {
    let server = server(|_| answer(200, &[], "things")).await;
    let rig = Rig::new(&server.origin);
    let url = server.url("/api/things/%7Eme?limit=2&q=a%20b");
    let request = Request::post(url).header("x-mine", "kept").body(Bytes::from("body")).unwrap();
    let response = rig.client.send(request).await.unwrap();
    assert_eq!(response.body(), "things");

    let [call] = server.called().try_into().unwrap();
    assert_eq!(call.method, Method::POST);
    assert_eq!(call.uri.query(), Some("limit=2&q=a%20b"), "the query goes out");
    assert_eq!((&call.headers["x-mine"], call.body.as_ref()), (&"kept".parse().unwrap(), &b"body"[..]));
    assert_eq!(call.authorization(), "DPoP token-0");
    call.check_proof(&server.origin, Some("token-0"), &rig.key).unwrap();
    assert_eq!(
        call.proof()["htu"],
        server.url("/api/things/%7Eme"),
        "as sent, without the query: RFC 9449 section 4.2"
    );
    assert_eq!(call.proof()["nonce"], serde_json::Value::Null);
}

#[tokio::test]
async fn every_call_has_a_proof_of_its_own_and_all_share_a_token() {
    let server = server(|_| answer(200, &[], "")).await;
    let rig = Rig::new(&server.origin);
    for _ in 0..5 {
        rig.get(&server.url("/api")).await.unwrap();
    }
    assert_eq!(server.asked_for_token().len(), 1);
    assert!(all_differ(server.called().iter().map(|call| call.proof()["jti"].clone())));
}

#[tokio::test]
async fn a_nonce_challenge_is_answered_and_the_nonce_is_kept_for_its_server() {
    let resource = Server::start(|asked| match asked.before {
        0 => challenge("use_dpop_nonce", &[("dpop-nonce", "rs-1")]),
        2 => answer(200, &[("dpop-nonce", "rs-2")], ""),
        _ => answer(200, &[], ""),
    })
    .await;
    let tokens = Server::start(|asked| match asked.before {
        0 => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "as-1")]),
        _ => grant("token", "DPoP"),
    })
    .await;
    let rig = Rig::new(&tokens.origin);
    for _ in 0..3 {
        rig.get(&resource.url("/api")).await.unwrap();
    }
    let nonces = |asked: Vec<Asked>| asked.iter().map(Asked::nonce).collect::<Vec<_>>();
    let some = |nonce: &str| Some(nonce.to_owned());
    assert_eq!(nonces(tokens.asked()), [None, some("as-1")]);
    assert_eq!(nonces(resource.asked()), [None, some("rs-1"), some("rs-1"), some("rs-2")]);
    assert!(all_differ(resource.asked().iter().map(|call| call.proof()["jti"].clone())));
}

#[tokio::test]
async fn challenges_are_followed_while_they_bring_news_and_not_for_ever() {
    for (nonces, calls, why) in [
        (&["a", "b"][..], 3, "a nonce that changes under way"),
        (&["a", "a"], 2, "the nonce was there already"),
        (&["a", "b", "c", "d", "e", "f"], 4, "a new one every time"),
        (&[""], 1, "no nonce at all"),
        (&["not a nonce"], 1, "no nonce by its characters"),
    ] {
        let server = server(move |asked| match nonces.get(asked.before) {
            Some(&"") => challenge("use_dpop_nonce", &[]),
            Some(nonce) => challenge("use_dpop_nonce", &[("dpop-nonce", nonce)]),
            None => answer(200, &[], ""),
        })
        .await;
        let outcome = Rig::new(&server.origin).get(&server.url("/api")).await;
        assert_eq!(server.called().len(), calls, "{why}");
        if calls <= nonces.len() {
            assert!(refused(outcome).challenge.is("use_dpop_nonce"), "{why}");
        } else {
            assert_eq!(outcome.unwrap().status(), 200, "{why}");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    for (refusals, tokens, why) in [(1, 2, "revoked before its time"), (9, 2, "no token is good enough")] {
        let server = server(move |asked| {
            if asked.before < refusals { challenge("invalid_token", &[]) } else { answer(200, &[], "") }
        })
        .await;
        let rig = Rig::new(&server.origin);
        let outcome = rig.get(&server.url("/api")).await;
        assert_eq!(server.asked_for_token().len(), tokens, "{why}");
        let used = server.called().iter().map(|call| call.authorization().to_owned()).collect::<Vec<_>>();
        assert_eq!(used, ["DPoP token-0", "DPoP token-1"], "{why}");
        server.called()[1].check_proof(&server.origin, Some("token-1"), &rig.key).unwrap();
        if refusals > 1 {
            let refused = refused(outcome);
            assert_eq!(refused.challenge.error_description.as_deref(), Some("says the server"));
            assert!(refused.to_string().contains("401 Unauthorized, invalid_token: says the server"));
        } else {
            assert_eq!(outcome.unwrap().status(), 200, "{why}");
        }
    }
}

#[tokio::test]
async fn a_rate_limit_is_waited_for_by_the_servers_clock_and_twice_at_most() {
    let reset = (NOW.seconds() + 20).to_string();
    for (status, fields, refusals, waits, calls, why) in [
        (429, vec![("x-rate-limit-reset", reset.as_str())], 1, vec![20], 2, "until the reset"),
        (429, vec![("retry-after", "3")], 2, vec![3, 3], 3, "twice"),
        (429, vec![("retry-after", "3")], 9, vec![3, 3], 3, "not three times"),
        (429, vec![("retry-after", "3600")], 9, vec![], 1, "not for an hour"),
        (429, vec![], 1, vec![5], 2, "for a moment if nobody says how long"),
    ] {
        let fields: Vec<(&'static str, String)> =
            fields.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
        let server = server(move |asked| {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            if asked.before < refusals { answer(status, &fields, "") } else { answer(200, &[], "") }
        })
        .await;
        // A clock that is an hour off makes no difference.
        let clock = NOW.after(Duration::from_secs(3600));
        let rig = Rig::with(&server.origin, Differently { clock, ..Differently::default() });
        let response = rig.get(&server.url("/api")).await.unwrap();
        assert_eq!(response.status() == 200, refusals < calls, "{why}");
        assert_eq!(server.called().len(), calls, "{why}");
        // Up to a second of jitter comes on top.
        let noted: Vec<_> = rig.timer.noted().iter().map(Duration::as_millis).collect();
        assert_eq!(noted.len(), waits.len(), "{why}");
        for (noted, wait) in noted.into_iter().zip(waits) {
            assert!((wait * 1000..=wait * 1000 + 1000).contains(&noted), "{why}: {noted} ms");
        }
    }
}

#[tokio::test]
async fn redirects_to_others_are_told_and_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let server =
            server(move |_| answer(status, &[("location", "https://evil.example/x?secret=1")], "")).await;
        let outcome = Rig::new(&server.origin).get(&server.url("/api")).await;
        let TransportError::Redirected { status: told, location, .. } = transport_error(outcome) else {
            panic!("{status} is not told");
        };
        assert_eq!((told.as_u16(), location.as_str()), (status, "https://evil.example/x"));
        assert_eq!(server.called().len(), 1);
    }
    let server = server(|_| answer(304, &[], "")).await;
    let response = Rig::new(&server.origin).get(&server.url("/api")).await.unwrap();
    assert_eq!(response.status(), 304, "no redirect");
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_limit() {
    for (bytes, fits) in [(1000, true), (1001, false), (1_000_000, false)] {
        let server = server(move |_| answer(200, &[], "x".repeat(bytes))).await;
        let mut transport = TransportOptions::default();
        transport.max_response_bytes = 1000;
        let rig = Rig::with(&server.origin, Differently { transport, ..Differently::default() });
        let outcome = rig.get(&server.url("/api")).await;
        if fits {
            assert_eq!(outcome.unwrap().body().len(), bytes);
        } else {
            assert!(matches!(transport_error(outcome), TransportError::TooLong { limit: 1000, .. }));
        }
    }
}

#[tokio::test]
async fn other_errors_of_the_resource_are_the_callers() {
    for status in [400, 401, 403, 404, 500, 501] {
        let server = server(move |_| answer(status, &[], "why")).await;
        let response = Rig::new(&server.origin).get(&server.url("/api")).await.unwrap();
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (status, &b"why"[..]));
    }
}

#[tokio::test]
async fn a_clock_that_is_minutes_off_is_corrected() {
    for seconds in [-240, 240] {
        let server = Server::start(|asked| {
            let iat = asked.proof()["iat"].as_u64().unwrap();
            if iat.abs_diff(NOW.seconds()) > 60 {
                let refused = if asked.is_for_token() {
                    refuse(400, "invalid_dpop_proof", &[])
                } else {
                    challenge("invalid_dpop_proof", &[])
                };
                return refused;
            }
            if asked.is_for_token() { grant("token", "DPoP") } else { answer(200, &[], "") }
        })
        .await;
        let clock = keybound::NumericDate::from_seconds(NOW.seconds().saturating_add_signed(seconds));
        let rig = Rig::with(&server.origin, Differently { clock, ..Differently::default() });
        rig.get(&server.url("/api")).await.unwrap();
        rig.get(&server.url("/api")).await.unwrap();
        assert_eq!(server.asked_for_token().len(), 2, "refused once");
        assert_eq!(server.called().len(), 2, "and not again at the same server");
    }
}

#[tokio::test]
async fn a_clock_that_is_days_off_is_told() {
    let server = server(|_| challenge("invalid_dpop_proof", &[])).await;
    let clock = NOW.after(Duration::from_secs(172_800));
    let rig = Rig::with(&server.origin, Differently { clock, ..Differently::default() });
    let refused = refused(rig.get(&server.url("/api")).await);
    assert_eq!(refused.clock_offset.map(ClockOffset::seconds_ahead), Some(172_800));
    assert!(refused.to_string().contains("the local clock is 172800 s ahead of the server's"));
    assert_eq!(server.called().len(), 1);
}

#[tokio::test]
async fn what_can_not_be_called_is_told_before_anything_is_sent() {
    let server = server(|_| answer(200, &[], "")).await;
    let rig = Rig::new(&server.origin);
    for name in ["authorization", "dpop"] {
        let request = Request::get(server.url("/api")).header(name, "x").body(Bytes::new()).unwrap();
        let outcome = rig.client.send(request).await;
        assert!(matches!(outcome, Err(CallError::CredentialsGiven(given)) if given == name));
    }
    assert!(matches!(
        transport_error(rig.get("/api").await),
        TransportError::Target(keybound::TargetUriError::NotAbsolute)
    ));
    assert_eq!(server.asked().len(), 0);
    assert!(matches!(
        transport_error(rig.get("http://things.example/api").await),
        TransportError::NotSecure { .. }
    ));
    assert_eq!(server.called().len(), 0);
}

#[tokio::test]
async fn a_server_that_is_not_there_or_speaks_no_http_is_told() {
    let port = async || tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = |port: &tokio::net::TcpListener| format!("http://{}", port.local_addr().unwrap());
    let (gone, babbling) = (port().await, port().await);
    let (gone_origin, babbling_origin) = (origin(&gone), origin(&babbling));
    drop(gone);
    tokio::spawn(async move {
        while let Ok((stream, _)) = babbling.accept().await {
            let _ = stream.try_write(b"220 mail.example.com ESMTP\r\n");
        }
    });
    let tokens = server(|_| answer(200, &[], "")).await;
    let rig = Rig::new(&tokens.origin);

    let connect = transport_error(rig.get(&format!("{gone_origin}/api?secret")).await);
    assert!(
        matches!(&connect, TransportError::Connect { origin, .. } if *origin == gone_origin),
        "{connect:?}"
    );
    assert!(!connect.to_string().contains("secret"), "a query may hold what is private");
    let broken = transport_error(rig.get(&format!("{babbling_origin}/api")).await);
    assert!(matches!(broken, TransportError::Broken { .. }), "{broken:?}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_told() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", silent.local_addr().unwrap());
    let mut transport = TransportOptions::default();
    transport.timeout = Duration::from_millis(1);
    let rig = Rig::with(&origin, Differently { transport, ..Differently::default() });
    let error = rig.client.tokens().token().await.unwrap_err();
    assert!(matches!(error, TokenError::Transport(TransportError::Timeout { .. })), "{error:?}");
}

#[tokio::test]
async fn an_observer_sees_all_and_debug_output_shows_no_secrets() {
    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);
    impl Observer for Seen {
        fn sent(&self, request: &Request<Bytes>) {
            self.0.lock().unwrap().push(format!(
                "{} {} {:?}",
                request.method(),
                request.uri().path(),
                request.headers()
            ));
        }
        fn received(&self, response: &Response<Bytes>) {
            self.0.lock().unwrap().push(response.status().to_string());
        }
    }
    let server = server(|_| answer(200, &[], "")).await;
    let seen = Arc::new(Seen::default());
    let mut transport = TransportOptions::default();
    transport.observer = Some(seen.clone());
    let rig = Rig::with(&server.origin, Differently { transport, ..Differently::default() });
    rig.get(&server.url("/api")).await.unwrap();

    let seen = seen.0.lock().unwrap().join("\n");
    let starts: Vec<_> = seen.lines().map(|line| line.split('{').next().unwrap().trim()).collect();
    assert_eq!(starts, ["POST /oauth2/v1/token", "200 OK", "GET /api", "200 OK"]);
    assert!(seen.contains(r#""authorization": Sensitive"#) && seen.contains(r#""dpop": Sensitive"#));
    assert!(!seen.contains("token-0") && !seen.contains("eyJ"));
    let token = rig.client.tokens().token().await.unwrap();
    assert!(!format!("{token:?} {:?}", rig.client.tokens()).contains("token-0"));
    assert_eq!(token.secret(), "token-0");
}
