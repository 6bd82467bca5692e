//! What the files must hold that a policy names. One of another kind would be read as one that trusts nobody, and
//! every request would fail, long after the guard has started.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use keybound::{JwkSet, KeyError, MAX_JWK_SET_BYTES, PublicKey};

use super::{Policy, PolicyError};

/// Bytes of a file with certificate authorities, at most: all that a system trusts have a quarter of it.
const MAX_CA_FILE_BYTES: usize = 1024 * 1024;

/// What a certificate begins with in PEM.
const BEGIN_CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// Whether the files with keys and certificates hold some.
pub(super) fn check(policy: &Policy) -> Result<(), PolicyError> {
    for (number, issuer) in policy.issuers.iter().enumerate() {
        if let Some(file) = &issuer.jwks_file {
            key_set(&format!("issuers[{number}].jwks_file"), file)?;
        }
    }
    for (field, file) in [("ca_file", &policy.ca_file), ("replay.ca_file", &policy.replay.ca_file)] {
        if let Some(file) = file {
            certificates(field, file)?;
        }
    }
    Ok(())
}

fn key_set(field: &str, file: &Path) -> Result<(), PolicyError> {
    let json = read(field, file, MAX_JWK_SET_BYTES)?;
    let reason = match JwkSet::parse(&json) {
        Ok(keys) if !keys.keys().is_empty() => return Ok(()),
        Ok(_) => "it has no key that can verify signatures".to_owned(),
        Err(_) if PublicKey::from_jwk(&json).is_ok() => {
            "it is a single JWK; write {\"keys\": [ before it and ]} behind it".to_owned()
        }
        Err(KeyError::NotStrictJson(_) | KeyError::NotAJwkSet) => {
            "it is no JWK Set, which is JSON: {\"keys\": [ … ]} (RFC 7517 section 5)".to_owned()
        }
        Err(reason) => reason.to_string(),
    };
    Err(unusable(field, file, &reason))
}

fn certificates(field: &str, file: &Path) -> Result<(), PolicyError> {
    let pem = read(field, file, MAX_CA_FILE_BYTES)?;
    if !pem.windows(BEGIN_CERTIFICATE.len()).any(|window| window == BEGIN_CERTIFICATE) {
        let reason =
            "there is no BEGIN CERTIFICATE in it; name a PEM file with the authorities' certificates";
        return Err(unusable(field, file, reason));
    }
    if !are_readable(&pem) {
        let reason = "its certificates can't be read; name a PEM file as an authority gives it";
        return Err(unusable(field, file, reason));
    }
    Ok(())
}

#[cfg(any(feature = "server", feature = "redis"))]
fn are_readable(pem: &[u8]) -> bool {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    certificates.is_ok_and(|found| rustls::RootCertStore::empty().add_parsable_certificates(found).0 > 0)
}

/// What could tell is not built in; the first call will.
#[cfg(not(any(feature = "server", feature = "redis")))]
const fn are_readable(_pem: &[u8]) -> bool {
    true
}

fn read(field: &str, file: &Path, limit: usize) -> Result<Vec<u8>, PolicyError> {
    let mut bytes = Vec::new();
    let one_more = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(file)
        .and_then(|file| file.take(one_more).read_to_end(&mut bytes))
        .map_err(|error| unusable(field, file, &error.to_string()))?;
    if bytes.len() > limit {
        return Err(unusable(field, file, &format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

fn unusable(field: &str, file: &Path, reason: &str) -> PolicyError {
    PolicyError::field(field, format!("{}: {reason}", file.display()))
}
