//! From one policy to the next: what is kept, what is taken over, and what needs a restart.

use std::sync::Arc;

use keybound::random::OperatingSystem;
use keybound::replay::ReplayRefusal;
use keybound::{Clock, SystemClock};
use keybound_guard::policy::Policy;
use keybound_guard::replay::Replay;

use super::server::{Server, eventually};
use super::stores::{record, record_living, runtime, until_it_serves};

fn policy(proofs: &str, replay: &str) -> Policy {
    Policy::from_toml(&format!(
        "resources = ['https://api.example.com']\n[[issuers]]\nissuer = 'https://as.example.com'\n\
         [proofs]\n{proofs}\n[replay]\n{replay}"
    ))
    .unwrap()
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn a_new_policy_forgets_no_live_proof_or_is_an_error() {
    let server = Server::start(&[]);
    let redis = format!("store = 'redis'\nurls = ['{}']", server.url());
    let with = |line: &str| format!("{redis}\n{line}");
    let memory = "store = 'memory'".to_owned();
    let cases = [
        ("the same memory", &memory, memory.clone(), "", None),
        ("a larger memory", &memory, format!("{memory}\ncapacity = 2000000"), "", None),
        ("a longer life in memory", &memory, memory.clone(), "max_age_seconds = 300", None),
        ("from memory to Redis", &memory, redis.clone(), "", None),
        ("the same Redis", &redis, redis.clone(), "", None),
        ("a longer life in Redis", &redis, redis.clone(), "max_age_seconds = 300", None),
        ("another patience with Redis", &redis, with("timeout_milliseconds = 1000"), "", None),
        ("a memory for when it is down", &redis, with("when_down = 'admit_once_per_guard'"), "", None),
        ("from Redis to memory", &redis, memory.clone(), "", Some("replay.store")),
        ("another prefix", &redis, with("key_prefix = 'other:'"), "", Some("replay.key_prefix")),
        ("another database", &redis, redis.replace("']", "/1']"), "", Some("replay.urls")),
    ];
    let runtime = runtime();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    for (name, before, after, proofs, error) in cases {
        let before = Replay::by_policy(&policy("", before), None, &clock, &OperatingSystem).unwrap();
        until_it_serves(&runtime, &before, name);
        let proof = format!("proof of: {name}");
        assert_eq!(runtime.block_on(record(&before, &proof)), Ok(()), "{name}");
        let after = Replay::by_policy(&policy(proofs, &after), Some(&before), &clock, &OperatingSystem);
        match error {
            None => {
                let after = after.unwrap();
                let life = if proofs.is_empty() { 60 } else { 300 };
                let record = |proof: &str| runtime.block_on(record_living(&after, proof, life));
                let mut number = 0;
                eventually("the store after it serves", || {
                    number += 1;
                    record(&format!("after: {name} {number}")).is_ok()
                });
                assert_eq!(record(&proof), Err(ReplayRefusal::Replayed), "{name}");
            }
            Some(field) => {
                let error = after.unwrap_err().to_string();
                assert!(error.contains(field) && error.contains("restart"), "{name}: {error}");
            }
        }
    }
}

#[test]
#[ignore = "starts redis-server, which has to be installed"]
fn a_memory_for_when_redis_is_down_is_not_dropped_by_a_new_policy() {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let redis = "store = 'redis'\nurls = ['redis://127.0.0.1:1']\nwhen_down = 'admit_once_per_guard'";
    let before = Replay::by_policy(&policy("", redis), None, &clock, &OperatingSystem).unwrap();
    let kept =
        Replay::by_policy(&policy("max_age_seconds = 30", redis), Some(&before), &clock, &OperatingSystem);
    assert!(kept.is_ok());
    let changes = [("", "store = 'redis'\nurls = ['redis://127.0.0.1:1']"), ("max_age_seconds = 300", redis)];
    for (proofs, redis) in changes {
        let after = Replay::by_policy(&policy(proofs, redis), Some(&before), &clock, &OperatingSystem);
        let error = after.unwrap_err().to_string();
        assert!(error.contains("replay.when_down") && error.contains("restart"), "{error}");
    }
}
