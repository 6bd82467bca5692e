//! The admin console as an administrator's browser sees it.
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

mod access;
mod applications;
mod authorization_servers;
mod browser;
mod faults;
mod people;
mod rights;
