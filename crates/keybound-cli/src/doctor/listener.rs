//! Hears what no result tells: whether the org asked for a nonce. Nothing of a request is kept.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use keybound::exchange::DPOP_NONCE;
use keybound_client::Observer;

#[derive(Default)]
pub(super) struct Listener {
    challenges: AtomicU32,
}

impl Listener {
    /// How many nonce challenges there were (RFC 9449 section 8).
    pub(super) fn challenges(&self) -> u32 {
        self.challenges.load(Ordering::Relaxed)
    }
}

impl Observer for Listener {
    fn sent(&self, _request: &Request<Bytes>) {}

    fn received(&self, response: &Response<Bytes>) {
        if response.status() == StatusCode::BAD_REQUEST && response.headers().contains_key(DPOP_NONCE) {
            self.challenges.fetch_add(1, Ordering::Relaxed);
        }
    }
}
