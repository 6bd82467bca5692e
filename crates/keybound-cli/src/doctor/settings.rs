//! The steps on this machine: what is set and where, and the key files.

use std::path::Path;

use keybound_okta::{Origin, Setting, Settings};

use crate::connection::Connection;
use crate::exit_code::ExitCode;
use crate::report::Outcome;

use super::diagnosis::Diagnosis;

const SETTINGS: &str = "settings";
const KEYS: &str = "keys";

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

/// Each setting and where it stands.
fn list(origins: &[Origin]) -> String {
    let each = origins.iter().map(|origin| {
        let value = origin.shown.as_deref().unwrap_or("(a key itself, not shown)");
        format!("{}: {value} ({})", origin.setting.purpose(), origin.source)
    });
    each.collect::<Vec<_>>().join("; ")
}

fn examine_keys(settings: &Settings, origins: &[Origin], diagnosis: &mut Diagnosis) -> Outcome {
    let client_key = settings.client_key.public_key().thumbprint();
    let found = format!(
        "client key {}, thumbprint {client_key}{}",
        settings.client_key.algorithm(),
        place_of(origins, Setting::ClientKey)
    );
    let Some(dpop_key) = settings.binding.key() else {
        let found = format!("{found}; no DPoP key: tokens are asked for as Bearer");
        let next = "switch it on: leave KEYBOUND_DPOP and --no-dpop out";
        return diagnosis.warn(KEYS, found, "whoever gets hold of a Bearer token can use it", next);
    };
    let thumbprint = dpop_key.thumbprint();
    let origin = if settings.dpop_key_is_fresh {
        ", made for this run".to_owned()
    } else {
        place_of(origins, Setting::DpopKey)
    };
    let found = format!("{found}; DPoP key {}, thumbprint {thumbprint}{origin}", dpop_key.algorithm());
    if thumbprint == client_key {
        let next = "make a key for proofs of its own: keybound keys new --alg ES256 --out dpop";
        return diagnosis.warn(KEYS, found, "one key does both (RFC 9449 section 2 wants two)", next);
    }
    if let Some(path) = exposed(origins) {
        let why = format!("others can read {path}, and KEYBOUND_EXPOSED_KEYS lets that pass");
        return diagnosis.warn(KEYS, found, why, format_args!("chmod 600 {path}"));
    }
    diagnosis.good(KEYS, found)
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

/// The first private key's file that others can read.
fn exposed(origins: &[Origin]) -> Option<String> {
    let private =
        origins.iter().filter(|origin| matches!(origin.setting, Setting::ClientKey | Setting::DpopKey));
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
