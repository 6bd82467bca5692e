//! The source of randomness that callers pass in, and identifiers made from it.
//!
//! `jti` values and nonce secrets come from a [`Random`] given by the caller, so that tests are
//! deterministic. What the cryptographic library draws for itself (key generation, the per-signature
//! secret of ECDSA, the salt of RSASSA-PSS) is not routed through it: its safe interface offers no
//! such seam.

use crate::base64url;
use crate::cryptography::{Failed, fill_with_random};

/// A cryptographically secure source of random bytes.
pub trait Random: Send + Sync {
    /// Fills `bytes`, all of them or none.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable>;
}

/// The source of randomness gave no bytes; nothing that needs to be unique can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random bytes could be had from the operating system; nothing unique can be made without them")]
#[non_exhaustive]
pub struct RandomUnavailable;

/// The operating system's generator; in WebAssembly, with the feature `wasm-js`, that of the JavaScript host.
#[derive(Clone, Copy, Debug, Default)]
pub struct OperatingSystem;

impl Random for OperatingSystem {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), RandomUnavailable> {
        fill_with_random(bytes).map_err(|Failed| RandomUnavailable)
    }
}

/// Bytes in a `jti` that this crate makes; RFC 9449 section 4.2 asks for at least 96 random bits.
const JWT_ID_BYTES: usize = 16;

/// A unique `jti` of 128 random bits, 22 base64url characters (RFC 7519 section 4.1.7).
pub fn jwt_id(random: &dyn Random) -> Result<String, RandomUnavailable> {
    let mut bytes = [0; JWT_ID_BYTES];
    random.fill(&mut bytes)?;
    Ok(base64url::encode(bytes))
}
