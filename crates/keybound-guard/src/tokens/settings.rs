//! All that the verification of an issuer's tokens depends on, the files that the policy names included. Two
//! policies with equal settings for an issuer can share what is known of it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use keybound::access_token::AccessTokenPolicy;
use keybound::{MAX_JWK_SET_BYTES, TargetUri};
use zeroize::Zeroizing;

use super::network::NetworkSettings;
use crate::policy::{Issuer, Policy, PolicyError};

/// Bytes of a client secret, at most: far beyond any that is issued, and no other file.
const MAX_SECRET_BYTES: usize = 4096;

/// Bytes of a file with certificate authorities, at most: all that a system trusts have a quarter of it.
const MAX_CA_FILE_BYTES: usize = 1024 * 1024;

/// The shortest `keys_fresh_for_seconds`: below it an issuer would be asked with every other request.
const MIN_KEYS_FRESH_FOR_SECONDS: u64 = 10;

/// All that the verification of an issuer's tokens depends on.
#[derive(PartialEq)]
pub(super) struct Settings {
    pub(super) issuer: Issuer,
    pub(super) audiences: Vec<String>,
    pub(super) jwks: Option<Vec<u8>>,
    pub(super) client_secret: Option<Zeroizing<String>>,
    pub(super) introspections_at_once: usize,
    network: NetworkSettings,
}

impl Settings {
    /// Those of `issuer`, which stands at `field` in `policy`.
    pub(super) fn read(
        issuer: &Issuer,
        field: &str,
        policy: &Policy,
        network: &NetworkSettings,
    ) -> Result<Self, PolicyError> {
        if issuer.keys_fresh_for.as_secs() < MIN_KEYS_FRESH_FOR_SECONDS {
            let reason = format!("{MIN_KEYS_FRESH_FOR_SECONDS} seconds at least");
            return Err(PolicyError::field(format!("{field}.keys_fresh_for_seconds"), reason));
        }
        let jwks = issuer.jwks_file.as_deref();
        let jwks = jwks.map(|file| read(&format!("{field}.jwks_file"), file, MAX_JWK_SET_BYTES));
        let introspection = issuer.introspection.as_ref();
        let secret = introspection.map(|asked| {
            secret(&format!("{field}.introspection.client_secret_file"), &asked.client_secret_file)
        });
        Ok(Self {
            issuer: issuer.clone(),
            audiences: audiences(issuer, policy),
            jwks: jwks.transpose()?.map(|bytes| bytes.to_vec()),
            client_secret: secret.transpose()?,
            introspections_at_once: policy.limits.introspections_at_once,
            network: network.clone(),
        })
    }

    /// What is accepted in the issuer's tokens.
    pub(super) fn rules(&self) -> AccessTokenPolicy {
        AccessTokenPolicy {
            algorithms: self.issuer.algorithms.clone(),
            accept_untyped_tokens: self.issuer.accept_untyped_tokens,
            audiences: self.audiences.clone(),
            ..AccessTokenPolicy::new(self.issuer.issuer.clone(), String::new())
        }
    }
}

/// What `aud` must name one of. Without any in the policy, the first resource, in both spellings of a URL that
/// ends at its host or folder.
fn audiences(issuer: &Issuer, policy: &Policy) -> Vec<String> {
    if !issuer.audiences.is_empty() {
        return issuer.audiences.clone();
    }
    let resource = policy.resources.first().map(TargetUri::as_str);
    resource
        .map(|resource| resource.trim_end_matches('/'))
        .map_or_else(Vec::new, |bare| vec![bare.to_owned(), format!("{bare}/")])
}

/// How issuers are asked by `policy`.
pub(super) fn network(policy: &Policy) -> Result<NetworkSettings, PolicyError> {
    let unreadable = |_| PolicyError::field("ca_file", "it is not text, and so no PEM");
    let ca_file = policy.ca_file.as_deref().map(|file| {
        let bytes = read("ca_file", file, MAX_CA_FILE_BYTES)?;
        String::from_utf8(bytes.to_vec()).map_err(unreadable)
    });
    Ok(NetworkSettings {
        certificate_authorities: ca_file.transpose()?,
        timeout: policy.limits.issuer_timeout,
    })
}

/// A secret in a file; white space around it, such as a line end, is not part of it.
fn secret(field: &str, file: &Path) -> Result<Zeroizing<String>, PolicyError> {
    let bytes = read(field, file, MAX_SECRET_BYTES)?;
    let text = std::str::from_utf8(&bytes).map_or("", str::trim);
    if text.is_empty() {
        return Err(PolicyError::field(field, format!("{}: it holds no secret in UTF-8", file.display())));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

fn read(field: &str, file: &Path, limit: usize) -> Result<Zeroizing<Vec<u8>>, PolicyError> {
    let unusable = |reason: &str| PolicyError::field(field, format!("{}: {reason}", file.display()));
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(file)
        .and_then(|file| file.take(one_more).read_to_end(&mut bytes))
        .map_err(|error| unusable(&error.to_string()))?;
    if bytes.len() > limit {
        return Err(unusable(&format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}
