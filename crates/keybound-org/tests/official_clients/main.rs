//! Requests as Okta's own clients send them, byte for byte where that matters, and what those clients need in the
//! answers. The SDKs for Node and Python run against the org themselves (`interop/okta-sdks.test.mjs`); of the others,
//! what they send and look at is taken from their public sources, which each case names.
//!
//! What only follows from these sources, because Okta does not document it, is marked as inferred: that Okta takes what
//! its own SDK sends.
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

mod calls;
mod models;
mod raw;
mod sdk;
mod terraform;
mod tokens;
mod verifiers;
