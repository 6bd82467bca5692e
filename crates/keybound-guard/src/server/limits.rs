//! What clients may take of a server.

use std::time::Duration;

use tokio::sync::Semaphore;

use super::ServerError;

/// What clients may take of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Connections that are open, at most; further ones wait until one has ended.
    pub connections: usize,
    /// Connections of one address, at most; further ones are closed. Addresses of an IPv6 network (/64) count as one,
    /// and those of the policy's `trusted_proxies` are not counted.
    pub connections_per_address: usize,
    /// Bytes of all header fields of a request, at most; not below [`ServerLimits::MIN_HEADER_BYTES`].
    pub header_bytes: u32,
    /// How long a TLS handshake may take, how long the header fields of a request, and how long a request's body may
    /// pause that is not passed on (forward-auth, `ext_authz`): longer is a client that only holds a place. An HTTP/1.1 connection without a request is closed after as long.
    pub header_timeout: Duration,
    /// How long an HTTP/2 connection may be without a request, and how long a client may take nothing of an answer
    /// that has more: after once to twice as long the answer is given up, and its connection closed if nothing
    /// else is under way on it.
    pub idle_timeout: Duration,
    /// Requests under way at once on an HTTP/2 connection, at most.
    pub requests_per_connection: u32,
}

impl ServerLimits {
    /// The least of header fields that the HTTP library can be told.
    pub const MIN_HEADER_BYTES: u32 = 8 * 1024;

    pub(super) fn check(&self) -> Result<(), ServerError> {
        let refused = |limit, found, reason| Err(ServerError::Limit { limit, found, reason });
        if self.connections == 0 || self.connections > Semaphore::MAX_PERMITS {
            return refused("connections", self.connections as u64, "one at least");
        }
        if self.connections_per_address == 0 {
            return refused("connections_per_address", 0, "one at least");
        }
        if self.header_bytes < Self::MIN_HEADER_BYTES {
            return refused(
                "header_bytes",
                self.header_bytes.into(),
                "8192 at least, for a token and a proof",
            );
        }
        if self.requests_per_connection == 0 {
            return refused("requests_per_connection", 0, "one at least");
        }
        for (limit, duration) in
            [("header_timeout", self.header_timeout), ("idle_timeout", self.idle_timeout)]
        {
            if duration.is_zero() {
                return refused(limit, 0, "no request would ever be in time");
            }
        }
        Ok(())
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            // Far beyond what one process serves well, and a bound on its memory: a few hundred megabytes.
            connections: 10_000,
            // A tenth: more than a company's office or a mobile network's gateway opens, and it takes ten to fill all.
            connections_per_address: 1_000,
            // An access token of 16 KiB, a proof of 8, and room.
            header_bytes: 64 * 1024,
            header_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(90),
            requests_per_connection: 128,
        }
    }
}
