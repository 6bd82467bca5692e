//! What is signed where only a digest goes to the key: cheaper than the whole text, and what most devices
//! expect for ECDSA.

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use keybound::Algorithm;

/// The digest that `algorithm` begins with (RFC 7518 section 3.1). Ed25519 has none: it signs the text
/// (RFC 8032 section 5.1.6).
pub(super) fn of(algorithm: Algorithm, text: &[u8]) -> Option<digest::Digest> {
    let hash = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 | Algorithm::ES256 => &SHA256,
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &SHA384,
        Algorithm::RS512 | Algorithm::PS512 | Algorithm::ES512 => &SHA512,
        Algorithm::EdDSA | Algorithm::Ed25519 => return None,
    };
    Some(digest::digest(hash, text))
}
