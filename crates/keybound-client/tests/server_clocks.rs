//! Servers whose clock is set while a client talks to them.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that panics has failed"
)]

mod scripted;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use keybound::metadata::ServerMetadata;
use keybound::proof::DpopKey;
use keybound::{Algorithm, SigningKey};
use keybound_client::authorization::{Asked as Wanted, Loopback, UserAuthorization};
use keybound_client::{ClientRegistration, Clock as _, System, TokenBinding};
use scripted::{NOW, Rig, Server, SetClock, answer, challenge, grant, refuse};

/// A server whose clock can be set, and which holds every proof to it; with `nonces`, to a nonce of the same
/// minute as well, which it looks at first.
async fn server_with_a_clock(clock: Arc<SetClock>, nonces: bool) -> Server {
    Server::start(move |asked| {
        let (proof, now) = (asked.proof(), clock.now());
        let nonce = (now.seconds() / 60).to_string();
        let on_time = proof["iat"].as_u64().unwrap().abs_diff(now.seconds()) <= 5;
        let fault = match asked.nonce() {
            given if nonces && given.as_ref() != Some(&nonce) => Some("use_dpop_nonce"),
            _ if !on_time => Some("invalid_dpop_proof"),
            _ => None,
        };
        let mut answer = match (fault, asked.is_for_token()) {
            (Some(error), true) => refuse(400, error, &[]),
            (Some(error), false) if asked.uri.path() == "/par" => refuse(400, error, &[]),
            (Some(error), false) => challenge(error, &[]),
            (None, true) => grant(&format!("token-{}", asked.before), "DPoP"),
            (None, false) => answer(201, &[], r#"{"request_uri":"urn:r","expires_in":90}"#),
        };
        let date = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(now.seconds()));
        answer.headers_mut().insert("date", date.parse().unwrap());
        if nonces {
            answer.headers_mut().insert("dpop-nonce", nonce.parse().unwrap());
        }
        answer
    })
    .await
}

#[tokio::test]
async fn a_server_whose_clock_jumps_costs_one_more_round_trip() {
    const DAY: i64 = 86_400;
    for (jumps, nonces) in [
        ([3600, -3600], false),
        ([-3600, 3600], false),
        ([DAY, -DAY], false),
        ([-DAY, DAY], false),
        ([DAY / 2, -DAY], false),
        ([-DAY / 2, DAY], false),
        ([3600, 7200], false),
        ([3600, -3600], true),
        ([-DAY, DAY], true),
        ([DAY / 2, -DAY], true),
    ] {
        let clock = SetClock::at(NOW);
        let server = server_with_a_clock(clock.clone(), nonces).await;
        let rig = Rig::new(&server.origin);
        rig.get(&server.url("/api")).await.unwrap();
        for jump in jumps {
            let before = server.called().len();
            clock.set_by(jump);
            let outcome = rig.get(&server.url("/api")).await;
            outcome.unwrap_or_else(|error| panic!("{jumps:?}, {jump}: {error}"));
            assert_eq!(server.called().len() - before, 2, "{jumps:?}, {jump}, nonces: {nonces}");

            // The same of the token endpoint, which has another path to the same end.
            rig.clock.advance(Duration::from_secs(3600));
            clock.advance(Duration::from_secs(3600));
            clock.set_by(-jump);
            let before = server.asked_for_token().len();
            rig.client.tokens().token().await.unwrap_or_else(|error| panic!("{jumps:?}, {jump}: {error}"));
            assert_eq!(server.asked_for_token().len() - before, 2, "{jumps:?}, {jump}, nonces: {nonces}");
            clock.set_by(jump);
            rig.get(&server.url("/api")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn calls_that_are_going_on_when_a_servers_clock_jumps_are_all_made_again() {
    for jump in [3600, -3600] {
        let clock = SetClock::at(NOW);
        let server = server_with_a_clock(clock.clone(), false).await;
        let rig = Rig::new(&server.origin);
        for jump in [jump, -jump] {
            rig.get(&server.url("/api")).await.unwrap();
            clock.set_by(jump);
            let url = server.url("/api");
            for outcome in join_all((0..10).map(|_| rig.get(&url))).await {
                outcome.unwrap_or_else(|error| panic!("{jump}: {error}"));
            }
        }
    }
}

#[tokio::test]
async fn a_request_is_pushed_again_when_a_servers_clock_was_set() {
    for nonces in [false, true] {
        let clock = SetClock::at(NOW);
        let server = server_with_a_clock(clock.clone(), nonces).await;
        let origin = &server.origin;
        let metadata = format!(
            r#"{{"issuer":"{origin}","token_endpoint":"{origin}/oauth2/v1/token",
            "authorization_endpoint":"{origin}/authorize","pushed_authorization_request_endpoint":"{origin}/par"}}"#
        );
        let metadata = ServerMetadata::parse(metadata.as_bytes(), origin).unwrap();
        let (mut system, own) = (System::default(), SetClock::at(NOW));
        (system.clock, system.stopwatch) = (own.clone(), own);
        let key = DpopKey::new(Arc::new(SigningKey::generate(Algorithm::ES256).unwrap()));
        let (client, binding) = (ClientRegistration::public("c1"), TokenBinding::Dpop(key));
        let authorization = UserAuthorization::new(system, metadata, client, binding).unwrap();
        let push = async || authorization.begin(Wanted::default(), &Loopback::default()).await;
        drop(push().await.unwrap());
        for jump in [3600, -3600, -7200, 7200] {
            let before = server.asked().len();
            clock.set_by(jump);
            let pushed = push().await;
            assert!(pushed.is_ok(), "{jump}, nonces: {nonces}: {:?}", pushed.err());
            assert_eq!(server.asked().len() - before, 2, "{jump}, nonces: {nonces}");
        }
    }
}
