//! Getting, keeping and renewing tokens over a real connection, against servers that answer by a script.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod scripted;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use http::Response;
use keybound::exchange::{ClientCredentials, ExchangeError};
use keybound::proof::DpopKey;
use keybound::{Algorithm, NumericDate, PublicKey, SignError, Signature, Signer, SigningKey};
use keybound_client::{
    CallError, LONGEST_PAUSE, LONGEST_RENEWAL_PAUSE, Observer, System, TokenBinding, TokenError, TokenSource,
    TransportError, TransportOptions,
};
use scripted::{Asked, DATE, Differently, NOW, Rig, Server, all_differ, answer, grant, refuse, until};
use tokio::sync::Semaphore;

#[tokio::test]
async fn a_token_request_has_an_assertion_and_a_proof_that_hold() {
    let server = Server::start(|asked| match asked.before {
        0 => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "one")]),
        _ => grant("token", "DPoP"),
    })
    .await;
    let rig = Rig::new(&server.origin);
    let token = rig.client.tokens().token().await.unwrap();
    assert_eq!((token.secret(), token.expires_at()), ("token", Some(NOW.after(Duration::from_secs(3600)))));
    assert_eq!(token.bound_to().unwrap().thumbprint(), rig.key.thumbprint());

    let asked = server.asked();
    assert_eq!(asked.len(), 2);
    for asked in &asked {
        asked.check_proof(&server.origin, None, &rig.key).unwrap();
        let assertion = asked.assertion();
        assert_eq!((assertion["iss"].as_str(), assertion["sub"].as_str()), (Some("0oa1"), Some("0oa1")));
        assert_eq!(assertion["aud"], server.url("/oauth2/v1/token"));
        assert_eq!(assertion["iat"], NOW.seconds());
    }
    assert!(all_differ(asked.iter().map(|asked| asked.proof()["jti"].clone())), "RFC 9449 section 8");
    assert!(all_differ(asked.iter().map(|asked| asked.assertion()["jti"].clone())), "a fresh assertion too");
}

#[tokio::test]
async fn a_bearer_token_needs_no_proof() {
    let server =
        Server::start(
            |asked| {
                if asked.is_for_token() { grant("token", "Bearer") } else { answer(200, &[], "") }
            },
        )
        .await;
    let rig = Rig::with(&server.origin, Differently { bearer: true, ..Differently::default() });
    rig.get(&server.url("/api")).await.unwrap();
    assert_eq!(server.called()[0].authorization(), "Bearer token");
    assert!(server.asked().iter().all(|asked| !asked.headers.contains_key("dpop")));
}

#[tokio::test]
async fn many_calls_that_are_refused_together_make_one_token_request_more() {
    let server = Server::start(|asked| match asked.is_for_token() {
        true => grant(&format!("token-{}", asked.before), "DPoP"),
        false if asked.authorization() == "DPoP token-0" => scripted::challenge("invalid_token", &[]),
        false => answer(200, &[], ""),
    })
    .await;
    let rig = Rig::new(&server.origin);
    let url = server.url("/api");
    let outcomes = join_all((0..50).map(|_| rig.get(&url))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(server.asked_for_token().len(), 2);
}

#[tokio::test]
async fn a_refusal_keeps_the_servers_words() {
    let server = Server::start(|_| refuse(401, "invalid_client", &[])).await;
    let outcome = Rig::new(&server.origin).get(&server.url("/api")).await;
    let Err(CallError::Token(error @ TokenError::Refused { .. })) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(error.to_string().contains("invalid_client") && error.to_string().contains("says the server"));
    assert_eq!(error.clock_offset(), None);
}

#[tokio::test]
async fn a_clock_that_explains_a_refusal_is_told_with_it() {
    for (error, explains) in [
        ("invalid_client", true),
        ("invalid_dpop_proof", true),
        ("invalid_scope", false),
        ("unauthorized_client", false),
    ] {
        let server = Server::start(move |_| refuse(400, error, &[])).await;
        let clock = NOW.before(Duration::from_secs(172_800));
        let rig = Rig::with(&server.origin, Differently { clock, ..Differently::default() });
        let refusal = rig.client.tokens().token().await.unwrap_err();
        assert_eq!(refusal.clock_offset().is_some(), explains, "{error}");
        assert!(refusal.to_string().contains("172800 s behind the server's"), "{error}");
        assert_eq!(server.asked().len(), 1, "two days are not corrected");
    }
}

#[tokio::test]
async fn what_is_no_token_is_told_for_what_it_is() {
    type Check = fn(&TokenError) -> bool;
    let cases: [(http::Response<String>, Check, &str); 6] = [
        (
            answer(404, &[("content-type", "text/html")], "<html>not here</html>"),
            |error| {
                matches!(error, TokenError::Refused { refusal: ExchangeError::NotATokenEndpoint { .. }, .. })
            },
            "HTML in place of JSON",
        ),
        (
            answer(200, &[("content-type", "text/html")], "<html>sign in</html>"),
            |error| matches!(error, TokenError::Refused { refusal: ExchangeError::NotStrictJson(_), .. }),
            "HTML with 200",
        ),
        (
            grant("token", "Bearer"),
            |error| matches!(error, TokenError::Refused { refusal: ExchangeError::NotBound, .. }),
            "a token that is not bound",
        ),
        (
            grant("to\u{7f}ken", "DPoP"),
            |error| matches!(error, TokenError::Refused { refusal: ExchangeError::UnusableToken, .. }),
            "a token that can't be sent",
        ),
        (
            answer(302, &[("location", "https://evil.example/token")], ""),
            |error| matches!(error, TokenError::Transport(TransportError::Redirected { .. })),
            "a redirect",
        ),
        (
            refuse(400, "use_dpop_nonce", &[]),
            |error| {
                matches!(error, TokenError::Refused { refusal: ExchangeError::ChallengeWithoutNonce, .. })
            },
            "a challenge without a nonce",
        ),
    ];
    for (response, is_expected, why) in cases {
        let server = Server::start(move |_| response.clone()).await;
        let error = Rig::new(&server.origin).client.tokens().token().await.unwrap_err();
        assert!(is_expected(&error), "{why}: {error:?}");
    }
}

/// The token with the number of its request in its name: `token-0`, `token-1`, …
fn numbered(asked: &Asked) -> Response<String> {
    grant(&format!("token-{}", asked.before), "DPoP")
}

/// A gate that lets this many answers out.
fn gate(open_for: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(open_for))
}

async fn secret(tokens: &TokenSource) -> String {
    tokens.token().await.unwrap().secret().to_owned()
}

const SECOND: Duration = Duration::from_secs(1);

/// Of a token that lives for an hour: by now it is due, whatever its jitter, and still good.
const DUE: Duration = Duration::from_secs(3300);

#[tokio::test]
async fn a_thousand_first_callers_make_one_exchange() {
    let server = Server::start(|asked| match asked.before {
        0 => refuse(400, "use_dpop_nonce", &[("dpop-nonce", "one")]),
        _ => numbered(asked),
    })
    .await;
    let rig = Rig::new(&server.origin);
    let tokens = rig.client.tokens();
    let callers: Vec<_> = (0..1000)
        .map(|_| {
            let tokens = tokens.clone();
            tokio::spawn(async move { secret(&tokens).await })
        })
        .collect();
    for caller in callers {
        assert_eq!(caller.await.unwrap(), "token-1");
    }
    assert_eq!(server.asked().len(), 2, "the request, and the one after the challenge");
}

#[tokio::test]
async fn a_token_that_is_due_is_handed_out_while_it_is_renewed_once() {
    let gate = gate(1);
    let server = Server::start_gated(Arc::clone(&gate), numbered).await;
    let rig = Rig::new(&server.origin);
    let tokens = rig.client.tokens();
    assert_eq!(secret(tokens).await, "token-0");
    rig.clock.advance(Duration::from_secs(2999));
    assert_eq!(secret(tokens).await, "token-0");
    assert_eq!(server.asked().len(), 1, "not due before its window");

    rig.clock.advance(Duration::from_secs(301));
    for _ in 0..100 {
        let token = tokens.token().now_or_never().expect("nobody waits while the token is good");
        assert_eq!(token.unwrap().secret(), "token-0");
    }
    until(async || server.asked().len() == 2).await;
    assert_eq!(secret(tokens).await, "token-0", "still in the air");
    gate.add_permits(100);
    until(async || secret(tokens).await == "token-1").await;
    assert_eq!(server.asked().len(), 2, "renewed once");
}

#[tokio::test]
async fn only_who_has_no_good_token_waits() {
    for (lifetime, good_for, why) in [
        (3600, 3594, "seconds before its end, for the way to the resource"),
        (100, 94, "of a short life less"),
        (0, 0, "no life at all"),
    ] {
        let gate = gate(1);
        let server = Server::start_gated(Arc::clone(&gate), move |asked| {
            let token = format!("token-{}", asked.before);
            answer(
                200,
                &[],
                format!(r#"{{"token_type":"dpop","access_token":"{token}","expires_in":{lifetime}}}"#),
            )
        })
        .await;
        let rig = Rig::new(&server.origin);
        let tokens = rig.client.tokens();
        assert_eq!(secret(tokens).await, "token-0", "{why}");
        if good_for > 0 {
            rig.clock.advance(Duration::from_secs(good_for));
            assert!(tokens.token().now_or_never().is_some(), "{why}: good");
            rig.clock.advance(SECOND);
        }
        assert!(tokens.token().now_or_never().is_none(), "{why}: no longer");
        gate.add_permits(100);
        assert_eq!(secret(tokens).await, "token-1", "{why}: the one that was under way");
    }
    let server = Server::start(|_| answer(200, &[], r#"{"token_type":"dpop","access_token":"t"}"#)).await;
    let rig = Rig::new(&server.origin);
    secret(rig.client.tokens()).await;
    rig.clock.advance(Duration::from_secs(1_000_000));
    secret(rig.client.tokens()).await;
    assert_eq!(server.asked().len(), 1, "a server that doesn't say how long will say when");
}

#[tokio::test]
async fn a_renewal_that_fails_is_tried_again_after_pauses_and_harms_nobody() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let server = Server::start(move |asked| {
        if is_down.load(Ordering::Relaxed) { answer(503, &[], "down") } else { numbered(asked) }
    })
    .await;
    let answers = Arc::new(Answers::default());
    let mut transport = TransportOptions::default();
    transport.observer = Some(answers.clone());
    let rig = Rig::with(&server.origin, Differently { transport, ..Differently::default() });
    let tokens = rig.client.tokens();
    secret(tokens).await;
    down.store(true, Ordering::Relaxed);
    rig.clock.advance(DUE);
    for attempts in 1..=6 {
        // However many ask within a pause: one renewal.
        for _ in 0..50 {
            let token = tokens.token().now_or_never().expect("nobody waits");
            assert_eq!(token.unwrap().secret(), "token-0");
        }
        until(async || answers.0.load(Ordering::Relaxed) == 1 + attempts).await;
        // No pause is shorter than half of the first, and the longest of this number is what it says.
        for passed in [0, 49] {
            rig.clock.advance(Duration::from_millis(passed));
            for _ in 0..50 {
                secret(tokens).await;
                tokio::task::yield_now().await;
            }
            assert_eq!(server.asked().len(), 1 + attempts, "one renewal for each pause");
        }
        rig.clock.advance(Duration::from_millis(100 * (1 << (attempts - 1)) - 49));
    }
    down.store(false, Ordering::Relaxed);
    rig.clock.advance(LONGEST_RENEWAL_PAUSE);
    until(async || secret(tokens).await != "token-0").await;
}

/// Counts the answers that have arrived. What a source makes of one is done before another task runs.
#[derive(Default)]
struct Answers(AtomicUsize);

impl Observer for Answers {
    fn sent(&self, _: &http::Request<bytes::Bytes>) {}

    fn received(&self, _: &Response<bytes::Bytes>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn callers_who_leave_take_nothing_from_those_who_stay() {
    let gate = gate(0);
    let server = Server::start_gated(Arc::clone(&gate), numbered).await;
    let rig = Rig::new(&server.origin);
    let tokens = rig.client.tokens();
    for _ in 0..10 {
        assert!(tokens.token().now_or_never().is_none(), "it was polled once, and left");
    }
    until(async || server.asked().len() == 1).await;
    let staying = tokio::spawn({
        let tokens = tokens.clone();
        async move { secret(&tokens).await }
    });
    tokio::select! {
        biased;
        () = tokio::task::yield_now() => {}
        _ = tokens.token() => unreachable!("the gate is closed"),
    }
    gate.add_permits(100);
    assert_eq!(staying.await.unwrap(), "token-0");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn an_exchange_that_nobody_waits_for_any_more_is_not_lost() {
    let gate = gate(0);
    let server = Server::start_gated(Arc::clone(&gate), numbered).await;
    let rig = Rig::new(&server.origin);
    let tokens = rig.client.tokens();
    assert!(tokens.token().now_or_never().is_none());
    until(async || server.asked().len() == 1).await;
    gate.add_permits(100);
    until(async || tokens.token().now_or_never().is_some()).await;
    assert_eq!(secret(tokens).await, "token-0");
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn an_exchange_whose_runtime_ends_leaves_nobody_waiting() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (serving, first, second) = (runtime(), runtime(), runtime());
    let gate = gate(0);
    let server = serving.block_on(Server::start_gated(Arc::clone(&gate), numbered));
    std::thread::scope(|scope| {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        scope.spawn(move || serving.block_on(stopped));
        let rig = Rig::new(&server.origin);
        let tokens = rig.client.tokens();
        first.block_on(async {
            assert!(tokens.token().now_or_never().is_none());
            until(async || server.asked().len() == 1).await;
        });
        drop(first);
        gate.add_permits(100);
        assert_eq!(second.block_on(secret(tokens)), "token-1", "the next caller starts another");
        stop.send(()).unwrap();
    });
}

#[tokio::test]
async fn a_token_that_a_hundred_tasks_report_refused_is_renewed_once() {
    let server = Server::start(numbered).await;
    let rig = Rig::new(&server.origin);
    let tokens = rig.client.tokens();
    let old = tokens.token().await.unwrap();
    let renewed = join_all((0..100).map(|_| {
        let (tokens, old) = (tokens.clone(), Arc::clone(&old));
        tokio::spawn(async move { tokens.renew(&old).await.unwrap().secret().to_owned() })
    }))
    .await;
    assert!(renewed.into_iter().all(|secret| secret.unwrap() == "token-1"));
    assert_eq!(tokens.renew(&old).await.unwrap().secret(), "token-1", "it has been replaced already");
    assert_eq!(server.asked().len(), 2);
    let new = tokens.token().await.unwrap();
    assert_eq!(tokens.renew(&new).await.unwrap().secret(), "token-2", "the new one may be refused as well");
}

#[tokio::test]
async fn a_refused_token_is_not_handed_out_again_when_it_can_not_be_renewed() {
    let server = Server::start(|asked| match asked.before {
        0 => numbered(asked),
        _ => answer(503, &[], "down"),
    })
    .await;
    let rig = Rig::new(&server.origin);
    let tokens = rig.client.tokens();
    let old = tokens.token().await.unwrap();
    tokens.renew(&old).await.unwrap_err();
    tokens.token().await.unwrap_err();
    tokens.renew(&old).await.unwrap_err();
    assert_eq!(server.asked().len(), 2, "the failure is shared for a pause");
}

#[tokio::test]
async fn a_failure_is_shared_with_those_who_waited_and_for_a_pause() {
    for (status, error, why) in [
        (401, "invalid_client", "a client that isn't known; servers lock out who asks without end"),
        (400, "invalid_scope", "a mistake in the settings"),
        (503, "temporarily_unavailable", "a server in trouble"),
        (429, "slow_down", "a server that says so"),
    ] {
        let server = Server::start(move |_| refuse(status, error, &[])).await;
        let rig = Rig::new(&server.origin);
        let tokens = rig.client.tokens();
        let outcomes = join_all((0..100).map(|_| tokens.token())).await;
        assert!(outcomes.iter().all(Result::is_err), "{why}");
        assert_eq!(server.asked().len(), 1, "{why}: those who waited");
        rig.clock.advance(Duration::from_millis(49));
        tokens.token().await.unwrap_err();
        assert_eq!(server.asked().len(), 1, "{why}: who comes shortly after");
        rig.clock.advance(Duration::from_millis(51));
        tokens.token().await.unwrap_err();
        assert_eq!(server.asked().len(), 2, "{why}: who comes later");
    }
}

#[tokio::test]
async fn pauses_grow_up_to_a_bound_and_end_with_a_success() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let server = Server::start(move |asked| {
        if is_down.load(Ordering::Relaxed) { answer(503, &[], "down") } else { numbered(asked) }
    })
    .await;
    let rig = Rig::new(&server.origin);
    let tokens = rig.client.tokens();
    // A call every tenth of a second for ten minutes.
    for _ in 0..6000 {
        tokens.token().await.unwrap_err();
        rig.clock.advance(Duration::from_millis(100));
    }
    let asked = server.asked().len();
    assert!((600 / 5..=600 * 2 / 5 + 10).contains(&asked), "{asked} exchanges");

    down.store(false, Ordering::Relaxed);
    rig.clock.advance(LONGEST_PAUSE);
    let token = tokens.token().await.unwrap();
    down.store(true, Ordering::Relaxed);
    tokens.renew(&token).await.unwrap_err();
    let asked = server.asked().len();
    rig.clock.advance(Duration::from_millis(100));
    tokens.token().await.unwrap_err();
    assert_eq!(server.asked().len(), asked + 1, "the first pause again");
}

#[tokio::test]
async fn a_server_that_restarts_is_found_again_within_a_pause() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let rig = Rig::new(&format!("http://{address}"));
    let tokens = rig.client.tokens();
    for _ in 0..10 {
        let error = tokens.token().await.unwrap_err();
        assert!(matches!(error, TokenError::Transport(TransportError::Connect { .. })), "{error:?}");
    }
    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let app = axum::Router::new().fallback(async || grant("token", "DPoP").into_body());
    tokio::spawn(async move { axum::serve(listener, app).await });
    tokens.token().await.expect_err("shared: it is not asked within the pause");
    rig.clock.advance(LONGEST_PAUSE);
    assert_eq!(secret(tokens).await, "token");
}

#[tokio::test]
async fn what_was_never_sent_is_tried_at_once() {
    let rig = Rig::new("http://as.example");
    for _ in 0..2 {
        let error = rig.client.tokens().token().await.unwrap_err();
        assert!(matches!(error, TokenError::Transport(TransportError::NotSecure { .. })), "{error:?}");
        assert!(!error.to_string().is_empty());
    }
}

#[tokio::test]
async fn a_nonce_that_changes_with_every_answer_is_followed_and_two_challenges_are_answered() {
    for (challenges, granted, why) in [
        (0, true, "none"),
        (1, true, "the first nonce"),
        (2, true, "it changed under way"),
        (3, false, "a server that doesn't take what it gives"),
    ] {
        let server = Server::start(move |asked| {
            let nonce = format!("nonce-{}", asked.before);
            if asked.before < challenges {
                return refuse(400, "use_dpop_nonce", &[("dpop-nonce", &nonce)]);
            }
            let mut response = numbered(asked);
            response.headers_mut().insert("dpop-nonce", nonce.parse().unwrap());
            response
        })
        .await;
        let rig = Rig::new(&server.origin);
        let tokens = rig.client.tokens();
        match tokens.token().await {
            Ok(token) => {
                assert!(granted, "{why}");
                tokens.renew(&token).await.unwrap();
            }
            Err(error) => {
                assert!(!granted, "{why}");
                let TokenError::Refused { refusal, .. } = error else { panic!("{why}: {error:?}") };
                assert_eq!(refusal, ExchangeError::TooManyChallenges, "{why}");
            }
        }
        let nonces: Vec<_> = server.asked().iter().map(Asked::nonce).collect();
        let expected: Vec<_> = (0..nonces.len())
            .map(|number| number.checked_sub(1).map(|before| format!("nonce-{before}")))
            .collect();
        assert_eq!(nonces, expected, "{why}: always the newest");
        assert_eq!(nonces.len(), if granted { challenges + 2 } else { 3 }, "{why}");
    }
}

/// A server whose clock stands at [`NOW`], and which holds every proof and assertion to it.
async fn strict_server(key: DpopKey) -> Server {
    let origin = Arc::new(std::sync::OnceLock::<String>::new());
    let known = Arc::clone(&origin);
    let server = Server::start(move |asked| {
        let origin = known.get().unwrap();
        let token = (!asked.is_for_token()).then_some("token-1");
        let at = |date: &serde_json::Value| date.as_u64().unwrap();
        let on_time = !asked.is_for_token() || {
            let assertion = asked.assertion();
            at(&assertion["iat"]) <= NOW.seconds() + 60 && at(&assertion["exp"]) > NOW.seconds()
        };
        match (asked.check_proof(origin, token, &key).is_ok() && on_time, asked.is_for_token()) {
            (true, true) => numbered(asked),
            (true, false) => answer(200, &[], ""),
            (false, true) => refuse(400, "invalid_dpop_proof", &[]),
            (false, false) => scripted::challenge("invalid_dpop_proof", &[]),
        }
    })
    .await;
    origin.set(server.origin.clone()).unwrap();
    server
}

#[tokio::test]
async fn servers_that_are_hours_ahead_or_behind_are_served_by_their_own_time() {
    for seconds_ahead in [-7200, 7200, -86_000, 86_000] {
        let clock = NumericDate::from_seconds(NOW.seconds().saturating_add_signed(seconds_ahead));
        let differently = Differently { clock, ..Differently::default() };
        let server = strict_server(differently.key.clone()).await;
        let rig = Rig::with(&server.origin, differently);
        rig.get(&server.url("/api")).await.unwrap();
        assert_eq!(server.asked_for_token().len(), 2, "{seconds_ahead}: refused once, then by its time");
        assert_eq!(server.called().len(), 1, "{seconds_ahead}: the same server, the same time");

        // The token's hour is counted from its grant by our own clock.
        rig.clock.advance(Duration::from_secs(2999));
        let tokens = rig.client.tokens();
        assert!(tokens.token().now_or_never().is_some(), "{seconds_ahead}");
        assert_eq!(server.asked_for_token().len(), 2, "{seconds_ahead}: fresh");
    }
}

#[tokio::test]
async fn a_clock_that_is_set_does_not_make_an_expired_token_fresh() {
    for (set_by, passed, good, why) in [
        (0, 3594, true, "nothing was set"),
        (0, 3596, false, "expired"),
        (-7200, 3594, true, "set back"),
        (-7200, 3596, false, "set back, and the hour is over all the same"),
    ] {
        let gate = gate(1);
        let server = Server::start_gated(gate, numbered).await;
        let rig = Rig::new(&server.origin);
        let tokens = rig.client.tokens();
        secret(tokens).await;
        rig.clock.set_by(set_by);
        rig.clock.advance(Duration::from_secs(passed));
        assert_eq!(tokens.token().now_or_never().is_some(), good, "{why}");
    }
}

#[tokio::test]
async fn an_offset_that_is_learnt_later_changes_nothing_about_a_token() {
    for (clock, why) in
        [(NOW.after(Duration::from_secs(7200)), "ahead"), (NOW.before(2 * 3600 * SECOND), "behind")]
    {
        // Grants whatever the time, and minds it at the resource alone.
        let server = Server::start(move |asked| match (asked.is_for_token(), asked.before) {
            (true, _) => numbered(asked),
            (false, 0) => scripted::challenge("invalid_dpop_proof", &[]),
            (false, _) => answer(200, &[], ""),
        })
        .await;
        let rig = Rig::with(&server.origin, Differently { clock, ..Differently::default() });
        rig.get(&server.url("/api")).await.unwrap();
        assert_eq!(server.called().len(), 2, "{why}: the resource's refusal taught the offset");
        assert_eq!(server.called()[1].proof()["iat"], NOW.seconds(), "{why}");
        rig.clock.advance(Duration::from_secs(2999));
        assert_eq!(secret(rig.client.tokens()).await, "token-0", "{why}: fresh");
        assert_eq!(server.asked_for_token().len(), 1, "{why}: not even due");
    }
}

#[tokio::test]
async fn an_answer_from_a_cache_teaches_no_time() {
    let server = Server::start(|_| refuse(400, "invalid_dpop_proof", &[("age", "7200")])).await;
    let clock = NOW.after(Duration::from_secs(7200));
    let rig = Rig::with(&server.origin, Differently { clock, ..Differently::default() });
    let refusal = rig.client.tokens().token().await.unwrap_err();
    assert_eq!((refusal.clock_offset(), server.asked().len()), (None, 1), "{DATE} is old");
}

#[tokio::test]
async fn a_server_that_asks_to_be_left_alone_is() {
    for (status, fields, pause, why) in [
        (429, &[("retry-after", "30")][..], 30_000, "seconds"),
        (503, &[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")], 30_000, "a date"),
        (429, &[("retry-after", "3600")], 5000, "longer than anybody waits: the longest pause"),
        (400, &[("retry-after", "30")], 100, "of no status that says so"),
    ] {
        let server = Server::start(move |_| refuse(status, "slow_down", fields)).await;
        let rig = Rig::new(&server.origin);
        let tokens = rig.client.tokens();
        tokens.token().await.unwrap_err();
        rig.clock.advance(Duration::from_millis(pause / 2 - 1));
        tokens.token().await.unwrap_err();
        assert_eq!(server.asked().len(), 1, "{why}: left alone");
        rig.clock.advance(Duration::from_millis(pause / 2 + 1));
        tokens.token().await.unwrap_err();
        assert_eq!(server.asked().len(), 2, "{why}: asked again");
    }
}

/// A signer that panics from the second signature on.
struct Panics(SigningKey, AtomicUsize);

impl Signer for Panics {
    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }

    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        assert_eq!(self.1.fetch_add(1, Ordering::Relaxed), 0, "the signer panics");
        self.0.sign(message)
    }
}

#[tokio::test]
async fn a_panic_in_an_exchange_hangs_nobody_and_spares_a_good_token() {
    let server = Server::start(numbered).await;
    let rig = Rig::new(&server.origin);
    let mut system = System::default();
    system.clock = rig.clock.clone();
    system.stopwatch = rig.clock.clone();
    let endpoint = server.url("/oauth2/v1/token");
    let grant = ClientCredentials::new(&endpoint, "0oa1", ["things.read"]).unwrap();
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let signer = Arc::new(Panics(key, AtomicUsize::new(0)));
    let binding = TokenBinding::Dpop(rig.key.clone());
    let tokens = TokenSource::new(system, grant, signer.clone(), binding);
    let token = tokens.token().await.unwrap();

    rig.clock.advance(DUE);
    for _ in 0..100 {
        assert_eq!(secret(&tokens).await, "token-0");
        tokio::task::yield_now().await;
    }
    assert_eq!(signer.1.load(Ordering::Relaxed), 2, "one renewal for each pause");
    let outcomes = join_all((0..10).map(|_| tokens.renew(&token))).await;
    assert!(
        outcomes.iter().all(|outcome| outcome.as_ref().is_err_and(|error| *error == TokenError::Stopped))
    );
}
