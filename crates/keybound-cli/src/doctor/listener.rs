//! Hears what no result tells: whether the org asked for a nonce, and what time it has. Nothing of a request is kept.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use keybound::exchange::DPOP_NONCE;
use keybound_client::Observer;

#[derive(Default)]
pub(super) struct Listener {
    challenges: AtomicU32,
    last_fields: Mutex<HeaderMap>,
}

impl Listener {
    /// How many nonce challenges there were (RFC 9449 section 8).
    pub(super) fn challenges(&self) -> u32 {
        self.challenges.load(Ordering::Relaxed)
    }

    /// The header fields of the last answer.
    pub(super) fn last_fields(&self) -> HeaderMap {
        self.last_fields.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for Listener {
    fn sent(&self, _request: &Request<Bytes>) {}

    fn received(&self, response: &Response<Bytes>) {
        if response.status() == StatusCode::BAD_REQUEST && response.headers().contains_key(DPOP_NONCE) {
            self.challenges.fetch_add(1, Ordering::Relaxed);
        }
        *self.last_fields.lock().unwrap_or_else(PoisonError::into_inner) = response.headers().clone();
    }
}
