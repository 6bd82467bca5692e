//! Used proofs in real Redis servers: each way to reach them, and what a fleet of guards admits while they
//! fail.
//!
//! Needs `redis-server` and `redis-cli` (`apt-get install redis-server`), which the tests start on free
//! loopback ports; they run when they are asked for (`--ignored`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod cluster;
mod faults;
mod fleet;
#[path = "../logged/mod.rs"]
mod logged;
mod outcomes;
mod policies;
mod reaching;
mod relay;
mod sentinel;
mod server;
mod stores;
