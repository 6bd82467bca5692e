//! What becomes of a proof while the store is down, late, or back again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use keybound::random::OperatingSystem;
use keybound::replay::ReplayRefusal;
use keybound::{Clock, NumericDate};
use keybound_guard::replay::Replay;
use metrics_exporter_prometheus::PrometheusBuilder;
use tracing::Level;

use super::logged::logged;
use super::relay::Relay;
use super::server::{Server, free_port};
use super::stores::{key, policy, record, runtime, store, until_it_serves};

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn a_store_that_is_down_refuses_fast_and_serves_by_itself_when_it_is_up() {
    let port = free_port();
    let (runtime, store) = (runtime(), store(&format!("urls = ['redis://127.0.0.1:{port}']")));
    for number in 0..5 {
        let recorded = runtime.block_on(record(&store, &number.to_string()));
        assert_eq!(recorded, Err(ReplayRefusal::Unavailable), "{number}");
    }
    // The breaker is open: a thousand refusals in far less time than one question may take each.
    let start = Instant::now();
    for number in 0..1_000 {
        let recorded = runtime.block_on(record(&store, &format!("open {number}")));
        assert_eq!(recorded, Err(ReplayRefusal::Unavailable));
    }
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let server = Server::start_at(port, &["--port", &port.to_string()]);
    until_it_serves(&runtime, &store, "the server is up");
    let asked = server.ask(&["INFO", "commandstats"]);
    assert!(asked.contains("cmdstat_set"), "{asked}");
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn why_there_is_no_answer_is_told_with_the_first_refusal_and_not_with_each() {
    let server = Server::start(&[]);
    let at = |port| format!("urls = ['redis://127.0.0.1:{port}']\ntimeout_milliseconds = 2000");
    for (replay, told) in [
        (at(free_port()), "can't be reached"),
        (format!("{}\nacknowledged_by_replicas = 1", at(server.port)), "0 of 1 replicas acknowledged"),
    ] {
        let (runtime, store) = (runtime(), store(&replay));
        let log = logged(Level::WARN, || {
            for number in 0..2 {
                let refused = runtime.block_on(record(&store, &number.to_string()));
                assert_eq!(refused, Err(ReplayRefusal::Unavailable), "{told}");
            }
        });
        assert_eq!(log.matches(told).count(), 1, "{log}");
    }
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn a_breaker_that_is_open_counts_as_long_as_its_store_is_there() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    let breakers_open = || {
        let rendered = handle.render();
        let line = rendered.lines().find_map(|line| line.strip_prefix("keybound_replay_breakers_open "));
        line.map(str::to_owned)
    };
    metrics::with_local_recorder(&recorder, || {
        let (runtime, store) = (runtime(), store(&format!("urls = ['redis://127.0.0.1:{}']", free_port())));
        for number in 0..5 {
            assert_eq!(breakers_open(), None, "{number}");
            let refused = runtime.block_on(record(&store, &number.to_string()));
            assert_eq!(refused, Err(ReplayRefusal::Unavailable), "{number}");
        }
        assert_eq!(breakers_open().as_deref(), Some("1"));
        drop(store);
        assert_eq!(breakers_open().as_deref(), Some("0"));
    });
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn a_proof_whose_answer_was_lost_is_refused_though_it_was_recorded_and_never_admitted_later() {
    let server = Server::start(&[]);
    let network = Relay::to(server.port);
    let replay = format!("urls = ['redis://127.0.0.1:{}']\ntimeout_milliseconds = 500", network.port);
    let (runtime, store) = (runtime(), store(&replay));
    until_it_serves(&runtime, &store, "it serves");
    network.cut();
    assert_eq!(runtime.block_on(record(&store, "lost")), Err(ReplayRefusal::Unavailable));
    network.mend();
    until_it_serves(&runtime, &store, "the network is mended");
    // The command was held up, and came through after its time.
    assert_eq!(runtime.block_on(record(&store, "lost")), Err(ReplayRefusal::Replayed));
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn an_answer_that_comes_after_the_proof_expired_does_not_admit() {
    let server = Server::start(&[]);
    let now = NumericDate::from_seconds(1_800_000_000);
    let expires = now.after(Duration::from_secs(60));
    // What the guard's clock says when the answer is in: the process may have been stopped meanwhile.
    let cases = [(0, Ok(())), (60, Ok(())), (61, Err(ReplayRefusal::Unavailable))];
    for (later, expected) in cases {
        let time = Arc::new(AtomicU64::new(now.seconds() + later));
        let clock: Arc<dyn Clock> = Arc::new(move || NumericDate::from_seconds(time.load(Ordering::SeqCst)));
        let policy = policy(&format!("urls = ['{}']\ntimeout_milliseconds = 5000", server.url()));
        let store = Replay::by_policy(&policy, None, &clock, &OperatingSystem).unwrap();
        let recorded = runtime().block_on(store.record(&key(&later.to_string()), expires, now));
        assert_eq!(recorded, expected, "{later} seconds later");
    }
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn once_per_guard_admits_while_the_store_is_down_and_refuses_it_when_it_is_back() {
    let port = free_port();
    let replay = format!("urls = ['redis://127.0.0.1:{port}']\nwhen_down = 'admit_once_per_guard'");
    let (runtime, one, other) = (runtime(), store(&replay), store(&replay));
    assert_eq!(runtime.block_on(record(&one, "down")), Ok(()));
    assert_eq!(runtime.block_on(record(&one, "down")), Err(ReplayRefusal::Replayed));
    assert_eq!(runtime.block_on(record(&other, "down")), Ok(()), "what the policy gives up");

    let server = Server::start_at(port, &["--port", &port.to_string()]);
    let asks = || server.ask(&["DBSIZE"]).trim() != "0";
    let mut number = 0;
    super::server::eventually("the store is asked again", || {
        number += 1;
        runtime.block_on(record(&one, &format!("up {number}"))).unwrap();
        asks()
    });
    assert_eq!(runtime.block_on(record(&one, "down")), Err(ReplayRefusal::Replayed));
    assert_eq!(runtime.block_on(record(&one, &format!("up {number}"))), Err(ReplayRefusal::Replayed));
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn a_server_that_forgets_lets_a_proof_in_again() {
    // What docs/replay.md warns of: without persistence a restart is amnesia.
    let mut server = Server::start(&[]);
    let replay = format!("urls = ['{}']", server.url());
    let runtime = runtime();
    let one = store(&replay);
    until_it_serves(&runtime, &one, "it serves");
    assert_eq!(runtime.block_on(record(&one, "proof")), Ok(()));
    server.restart();
    let other = store(&replay);
    until_it_serves(&runtime, &other, "it serves again");
    assert_eq!(runtime.block_on(record(&other, "proof")), Ok(()));
}
