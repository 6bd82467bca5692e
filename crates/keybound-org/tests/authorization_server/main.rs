//! The authorization servers as their clients and users see them: tokens that are introspected and revoked, codes,
//! refresh tokens, devices, custom servers, keys.
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

mod assignments;
mod code;
mod custom;
mod device;
mod keys;
mod messages;
mod pages;
mod people;
mod pushed;
mod refresh;
mod revoked;
mod session_tokens;
mod sessions;
mod sign_out;
mod user_clients;
mod user_roles;
