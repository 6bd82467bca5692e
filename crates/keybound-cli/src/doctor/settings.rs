//! The steps on this machine: what is set and where, and the files of keys and secrets.

use std::path::Path;

use keybound::proof::DpopKey;
use keybound_client::{ServiceCredential, TokenBinding};
use keybound_okta::{Origin, Setting, Settings};

use crate::connection::Connection;
use crate::exit_code::ExitCode;
use crate::report::Outcome;

use super::diagnosis::Diagnosis;

const SETTINGS: &str = "settings";
const KEYS: &str = "keys";

/// Characters of a secret with 128 random bits in base64url (RFC 6749 section 10.10), at least.
const SHORTEST_SECRET: usize = 22;

/// The settings, if all can be used.
pub(super) fn examine(connection: &Connection, diagnosis: &mut Diagnosis) -> Outcome<Option<Settings>> {
    let origins = match connection.origins() {
        Ok(origins) => origins,
        Err(failure) => return diagnosis.bad(SETTINGS, &failure).map(|()| None),
    };
    match connection.settings(None) {
        Ok(settings) => {
            diagnosis.good(SETTINGS, list(&origins))?;
            examine_keys(&settings, &origins, diagnosis)?;
            Ok(Some(settings))
        }
        Err(failure) if failure.code() == ExitCode::KeyFile => {
            diagnosis.good(SETTINGS, list(&origins))?;
            diagnosis.bad(KEYS, &failure).map(|()| None)
        }
        Err(failure) => diagnosis.bad(SETTINGS, &failure).map(|()| None),
    }
}

/// Each setting and where it stands, on a line of its own.
fn list(origins: &[Origin]) -> String {
    let each = origins.iter().map(|origin| {
        let value = origin.shown.as_deref().unwrap_or("(not shown)");
        format!("{}: {value} ({})", origin.setting.purpose(), origin.source)
    });
    each.collect::<Vec<_>>().join("\n")
}

fn examine_keys(settings: &Settings, origins: &[Origin], diagnosis: &mut Diagnosis) -> Outcome {
    let client_key = settings.credential.key().map(|key| key.public_key().thumbprint());
    let found = credential(&settings.credential, origins);
    let Some(dpop_key) = dpop_key(&settings.binding, origins) else {
        let found = format!("{found}; no DPoP key: tokens are asked for as Bearer");
        let next = "switch it on: leave KEYBOUND_DPOP and --no-dpop out";
        return diagnosis.warn(KEYS, found, "whoever gets hold of a Bearer token can use it", next);
    };
    let found = format!("{found}; {dpop_key}");
    if client_key.is_some() && client_key == settings.binding.key().map(DpopKey::thumbprint) {
        let next = "make a key for proofs of its own: keybound keys new --alg ES256 --out dpop";
        return diagnosis.warn(KEYS, found, "one key does both (RFC 9449 section 2 wants two)", next);
    }
    if let Some(path) = exposed(origins) {
        let why = format!("others can read {path}, and KEYBOUND_EXPOSED_KEYS lets that pass");
        return diagnosis.warn(KEYS, found, why, format_args!("chmod 600 {path}"));
    }
    match secret_fault(settings) {
        Some((why, next)) => diagnosis.warn(KEYS, found, why, next),
        None => diagnosis.good(KEYS, found),
    }
}

/// What the client authenticates with.
fn credential(credential: &ServiceCredential, origins: &[Origin]) -> String {
    match credential.key() {
        Some(key) => format!(
            "client key {}, thumbprint {}{}",
            key.algorithm(),
            key.public_key().thumbprint(),
            place_of(origins, Setting::ClientKey)
        ),
        None => format!("client secret{}, not shown", place_of(origins, Setting::ClientSecretFile)),
    }
}

/// The key for proofs; none where tokens are bound to none.
fn dpop_key(binding: &TokenBinding, origins: &[Origin]) -> Option<String> {
    match binding {
        TokenBinding::Bearer => None,
        TokenBinding::Dpop(key) => Some(format!(
            "DPoP key {}, thumbprint {}{}",
            key.algorithm(),
            key.thumbprint(),
            place_of(origins, Setting::DpopKey)
        )),
        TokenBinding::FreshDpop(_) => {
            Some("DPoP key made for this run, once it is known which algorithms are taken".to_owned())
        }
    }
}

/// What is wrong with a secret that can be read, and what to do.
fn secret_fault(settings: &Settings) -> Option<(&'static str, &'static str)> {
    let ServiceCredential::Secret { secret, .. } = &settings.credential else { return None };
    if settings.org_url.is_some() {
        return Some((
            "an org's own server takes no client secret for its API (private_key_jwt alone)",
            "register a key with the app, and set OKTA_CC_PRIVATE_KEY_FILE; or name the issuer that takes the secret: \
             OKTA_OAUTH2_ISSUER",
        ));
    }
    (secret.expose().len() < SHORTEST_SECRET).then_some((
        "so short a secret can be guessed (RFC 6749 section 10.10)",
        "have the issuer make one of 128 random bits or more, or register a key in its place",
    ))
}

/// The mode of a key's file, or where else the key is.
fn place_of(origins: &[Origin], setting: Setting) -> String {
    let Some(origin) = origins.iter().find(|origin| origin.setting == setting) else { return String::new() };
    if let Some(reference) = &origin.key_reference {
        return format!(", in {}", reference.place());
    }
    let mode = origin.key_file.as_deref().and_then(mode);
    mode.map(|mode| format!(", file mode {mode:04o}")).unwrap_or_default()
}

/// The first file of a private key or a secret that others can read.
fn exposed(origins: &[Origin]) -> Option<String> {
    let private = origins.iter().filter(|origin| {
        matches!(origin.setting, Setting::ClientKey | Setting::ClientSecretFile | Setting::DpopKey)
    });
    let mut paths = private.filter_map(|origin| origin.key_file.as_deref());
    paths.find(|path| mode(path).is_some_and(|mode| mode & 0o077 != 0)).map(|path| path.display().to_string())
}

#[cfg(unix)]
fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;

    std::fs::metadata(path).ok().map(|metadata| metadata.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_path: &Path) -> Option<u32> {
    None
}
