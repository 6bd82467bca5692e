//! The nonces that a guard gives (RFC 9449 section 9), from the secrets that the policy names or from one of
//! its own.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use keybound::random::{Random, RandomUnavailable};
use keybound::{NoncePolicy, NonceSecret, Nonces, base64url};
use zeroize::Zeroizing;

use crate::policy::{NonceRules, PolicyError};

/// The secret of a guard whose policy names none: made at the start, and kept over changes of policy.
#[derive(Clone)]
pub(crate) struct OwnSecret(Arc<Zeroizing<[u8; NonceSecret::BYTES]>>);

impl OwnSecret {
    pub(crate) fn generate(random: &dyn Random) -> Result<Self, RandomUnavailable> {
        let mut bytes = Zeroizing::new([0; NonceSecret::BYTES]);
        random.fill(bytes.as_mut_slice())?;
        Ok(Self(Arc::new(bytes)))
    }
}

/// The nonces that `rules` ask for.
pub(crate) fn by_policy(rules: &NonceRules, own: &OwnSecret) -> Result<Nonces, PolicyError> {
    let policy = NoncePolicy { renewed_every: rules.renewed_every, accepted_for: rules.accepted_for };
    let mut secrets = rules.secret_files.iter().map(|file| read(file));
    let newest = secrets.next().unwrap_or_else(|| Ok(NonceSecret::from_bytes(&own.0)))?;
    secrets.try_fold(Nonces::new(policy, newest), |nonces, secret| Ok(nonces.also_accepting(secret?)))
}

/// A secret in a file: 32 bytes in base64url, as `openssl rand` and `basenc` give it, a line end allowed.
fn read(file: &Path) -> Result<NonceSecret, PolicyError> {
    let unusable =
        |reason: &str| PolicyError::field("nonces.secret_files", format!("{}: {reason}", file.display()));
    let text = Zeroizing::new(fs::read_to_string(file).map_err(|error| unusable(&error.to_string()))?);
    let bytes: Zeroizing<[u8; NonceSecret::BYTES]> =
        base64url::decode_array(text.trim().trim_end_matches('=')).map(Zeroizing::new).map_err(|_| {
            unusable("it does not hold 32 bytes in base64url (openssl rand 32 | basenc --base64url)")
        })?;
    Ok(NonceSecret::from_bytes(&bytes))
}
