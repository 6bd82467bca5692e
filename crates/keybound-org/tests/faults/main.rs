//! Faults on demand as those meet them who asked for them: what a client sees of each, how often each strikes, how the
//! API takes them, and what Keybound's own client does about them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "a test fails by panicking"
)]

#[path = "../support/mod.rs"]
mod support;

mod api;
mod client;
mod cuts;
mod seen;
mod strikes;
