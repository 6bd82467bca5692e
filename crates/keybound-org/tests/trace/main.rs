//! The live trace: what is recorded, how it is explained, what of it leaves the org.
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

#[path = "../console/browser.rs"]
mod browser;

mod api;
mod explained;
mod pages;
mod recorded;
mod replayed;
mod secrets;
