//! Access tokens verified over a real connection, against issuers that answer by a script.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that panics has failed"
)]

mod hostile;
mod in_vain;
mod introspection;
mod keys;
mod reload;
mod scripted;
