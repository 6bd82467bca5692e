//! How long a test waits for an org of its own: `LocalOrg::start` to its end, over https with a new database, a new
//! certificate authority and the usual users, as each test that has one starts it. No RSA key is made meanwhile: that
//! takes longer than all else, and is put off until a token is signed.
//!
//! `cargo bench -p keybound-org --bench start`

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark may panic")]

use std::time::{Duration, Instant};

use keybound_org::{LocalOrg, OrgSettings};

/// Starts of each kind, of which the median is taken.
const STARTS: usize = 20;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for (name, seed_users) in [("LocalOrg::start, 200 users", 200), ("LocalOrg::start, no users", 0)] {
            let mut took = Vec::new();
            for _ in 0..STARTS {
                let began = Instant::now();
                let org =
                    LocalOrg::start(OrgSettings { seed_users, ..OrgSettings::default() }).await.unwrap();
                took.push(began.elapsed());
                org.stop().await;
            }
            took.sort_unstable();
            println!(
                "{name:<30} {:>7.1} ms, {:.1} to {:.1}",
                millis(took[STARTS / 2]),
                millis(took[0]),
                millis(took[STARTS - 1])
            );
        }
    });
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
