//! Stores by policy, and proofs to record in them.

use std::sync::Arc;
use std::time::Duration;

use keybound::random::OperatingSystem;
use keybound::replay::{ReplayKey, ReplayRefusal};
use keybound::{Clock, NumericDate, SystemClock, TargetUri, Thumbprint};
use keybound_guard::policy::Policy;
use keybound_guard::replay::{Replay, ReplayError};

use super::server::eventually;

/// A policy with these lines in its `[replay]`.
pub(crate) fn policy(replay: &str) -> Policy {
    let text = format!(
        "resources = ['https://api.example.com']\n[[issuers]]\nissuer = 'https://as.example.com'\n\
         [replay]\nstore = 'redis'\n{replay}"
    );
    Policy::from_toml(&text).unwrap()
}

pub(crate) fn try_store(replay: &str) -> Result<Replay, ReplayError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    Replay::by_policy(&policy(replay), None, &clock, &OperatingSystem)
}

pub(crate) fn store(replay: &str) -> Replay {
    try_store(replay).unwrap()
}

pub(crate) fn key(jwt_id: &str) -> ReplayKey {
    let thumbprint: Thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".parse().unwrap();
    ReplayKey::new(thumbprint, &TargetUri::parse("https://api.example.com/orders").unwrap(), jwt_id)
}

/// Records a proof that is made now and lives a minute, as the default policy has it.
pub(crate) async fn record(store: &Replay, jwt_id: &str) -> Result<(), ReplayRefusal> {
    record_living(store, jwt_id, 60).await
}

/// Records a proof that is made now and lives for so many seconds.
pub(crate) async fn record_living(store: &Replay, jwt_id: &str, seconds: u64) -> Result<(), ReplayRefusal> {
    let now: NumericDate = SystemClock.now();
    store.record(&key(jwt_id), now.after(Duration::from_secs(seconds)), now).await
}

/// Waits until proofs are admitted, each try with one of its own.
pub(crate) fn until_it_serves(runtime: &tokio::runtime::Runtime, store: &Replay, what: &str) {
    let mut number = 0;
    eventually(what, || {
        number += 1;
        runtime.block_on(record(store, &format!("{what} {number}"))).is_ok()
    });
}

/// The same for a cluster: so many proofs in a row that each of its masters has had some.
pub(crate) fn until_every_node_serves(runtime: &tokio::runtime::Runtime, store: &Replay, what: &str) {
    let mut round = 0;
    eventually(what, || {
        round += 1;
        (0..32).all(|number| runtime.block_on(record(store, &format!("{what} {round} {number}"))).is_ok())
    });
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}
