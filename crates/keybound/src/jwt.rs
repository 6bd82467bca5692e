//! What client assertions and access tokens have in common as JWTs (RFC 7519): their audience, and a
//! signature by one of a set of keys.

use crate::algorithm::Algorithm;
use crate::json::{MemberError, Object, Value};
use crate::jwk_set::JwkSet;
use crate::jws::UnverifiedJws;
use crate::key::VerifyingKey;

/// Keys that are tried for a JWT without `kid`, at most, so that it cannot cost any number of
/// verifications.
pub const MAX_KEYS_TRIED: usize = 16;

/// The claim `aud`: a string or an array of strings (RFC 7519 section 4.1.3).
pub(crate) fn audiences<'a>(claims: &'a Object<'_>) -> Result<Vec<&'a str>, MemberError> {
    match claims.get("aud") {
        Some(Value::String(audience)) => Ok(vec![audience]),
        _ => claims.optional_strings("aud")?.ok_or(MemberError::Missing("aud")),
    }
}

/// Why no key of a set made a signature.
pub(crate) enum NotSigned {
    /// No key has this `kid` and fits the algorithm.
    NoSuchKey,
    /// None of the keys that fit made it.
    WrongSignature,
}

/// Whether one of `keys` made the signature: the one that `kid` names, or one of those that fit.
pub(crate) fn signed_by_one_of(
    keys: &JwkSet,
    key_id: Option<&str>,
    algorithm: Algorithm,
    jws: &UnverifiedJws<'_>,
) -> Result<(), NotSigned> {
    let mut reason = NotSigned::NoSuchKey;
    for key in keys.find(key_id, algorithm).take(MAX_KEYS_TRIED) {
        let Ok(key) = VerifyingKey::new(key, algorithm) else { continue };
        if key.verify(jws.signing_input(), jws.signature()).is_ok() {
            return Ok(());
        }
        reason = NotSigned::WrongSignature;
    }
    Err(reason)
}
