//! What a service authenticates by: a key or a secret.
//!
//! Of several that are set the one counts that stands furthest up in the order of sources, as for every setting, unless
//! the method is set too: then the first that is of its kind. Two at one place are an error, since nothing tells which is
//! meant.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keybound::Secret;
use keybound_client::{SecretMethod, ServiceCredential};

use super::error::SettingsError;
use super::file::{self, ReadError};
use super::setting::Setting;
use super::sources::{Found, OpenSources};
use super::{accepts_exposed_keys, key_elsewhere, key_error, meaning, private_key};

/// Bytes of a client secret, at most; servers make secrets of some 40 to 90.
const MAX_SECRET_BYTES: u64 = 4096;

/// What can be set, each in its own way.
const CREDENTIALS: [Setting; 3] = [Setting::ClientKey, Setting::ClientSecret, Setting::ClientSecretFile];

/// Why a client secret can't be used. No part of it is in here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretProblem {
    /// The file can't be read.
    #[error("can't be read: {0}")]
    Unreadable(#[from] ReadError),
    /// Other users of the machine can read it.
    #[error("can be read by other users of this machine (mode {mode:04o}), so it is no longer secret")]
    Exposed {
        /// The file's mode.
        mode: u32,
    },
    /// Nothing.
    #[error("is empty")]
    Empty,
    /// More than any secret has.
    #[error("is longer than {limit} bytes, which no client secret is")]
    TooLong {
        /// The bytes that are taken, at most.
        limit: u64,
    },
    /// Something else: a key, several lines.
    #[error("has characters that no client secret has (RFC 6749 appendix A.2: one line of printable ASCII)")]
    NotASecret,
}

impl SecretProblem {
    /// What to do about it; `path` is where the secret stands, if it is a file.
    pub(super) fn advice(self, path: Option<&Path>) -> String {
        match (self, path) {
            (Self::Exposed { .. }, path) => format!(
                "chmod 600 {}   (or set KEYBOUND_EXPOSED_KEYS=accept where the mode is not yours to choose)",
                path.map_or_else(|| "the file".to_owned(), |path| path.display().to_string())
            ),
            (Self::Unreadable(ReadError::Io(io::ErrorKind::NotFound)), _) => {
                "Check the path of OKTA_CLIENT_SECRET_FILE (relative ones start in the working folder, where .env is); \
                 the secret itself is set by OKTA_CLIENT_SECRET."
                    .to_owned()
            }
            _ => "Give the secret as the issuer gave it, alone in its file; a key is set by OKTA_CC_PRIVATE_KEY_FILE."
                .to_owned(),
        }
    }
}

/// How a client is said to authenticate.
#[derive(Clone, Copy)]
enum Method {
    Key,
    Secret(SecretMethod),
}

/// A credential that is set.
pub(super) struct Chosen {
    setting: Setting,
    pub(super) found: Found,
    method: Option<Method>,
}

impl Chosen {
    /// The one that counts, if any is set.
    pub(super) fn find(sources: &OpenSources<'_>) -> Result<Option<Self>, SettingsError> {
        let mut set = Vec::new();
        for setting in CREDENTIALS {
            if let Some(found) = sources.find(setting) {
                set.push(Self { method: method(sources, Some(&found))?, setting, found });
            }
        }
        if set.is_empty() {
            // It is checked all the same: `SSWS` is an administrator's token.
            method(sources, None)?;
            return Ok(None);
        }
        if let Some(method) = set.first().and_then(|one| one.method)
            && !set.iter().any(Self::is_meant)
        {
            return Err(sources.missing(method.setting()));
        }
        set.retain(Self::is_meant);
        set.sort_by_key(|one| sources.rank(&one.found.source));
        let mut set = set.into_iter();
        match (set.next(), set.next()) {
            (Some(one), Some(other))
                if sources.rank(&one.found.source) == sources.rank(&other.found.source) =>
            {
                Err(SettingsError::TwoCredentials { one: one.found.source, other: other.found.source })
            }
            (one, _) => Ok(one),
        }
    }

    fn is_meant(&self) -> bool {
        match self.method {
            None => true,
            Some(Method::Key) => self.setting == Setting::ClientKey,
            Some(Method::Secret(_)) => self.setting != Setting::ClientKey,
        }
    }

    /// Reads it; with it comes the id of the key: the one that is set, or else that of its JWK.
    pub(super) fn read(
        &self,
        sources: &OpenSources<'_>,
    ) -> Result<(ServiceCredential, Option<String>), SettingsError> {
        if self.setting == Setting::ClientKey {
            return client_key(sources, &self.found);
        }
        let accept_exposed = accepts_exposed_keys(sources)?;
        let secret = secret(self.setting, &self.found, accept_exposed).map_err(|problem| {
            let is_there = problem != SecretProblem::Unreadable(ReadError::Io(io::ErrorKind::NotFound));
            let path = path_of(self.setting, &self.found).filter(|_| is_there);
            SettingsError::Secret { from: self.found.source.clone(), path, problem }
        })?;
        let method = match self.method {
            Some(Method::Secret(method)) => Some(method),
            _ => None,
        };
        Ok((ServiceCredential::Secret { secret, method }, None))
    }
}

impl Method {
    /// What has to be set for it.
    const fn setting(self) -> Setting {
        match self {
            Self::Key => Setting::ClientKey,
            Self::Secret(_) => Setting::ClientSecret,
        }
    }
}

/// The methods by their names in the registry of RFC 7591 section 2.
const METHODS: &[(&str, Method)] = &[
    ("private_key_jwt", Method::Key),
    ("client_secret_basic", Method::Secret(SecretMethod::Basic)),
    ("client_secret_post", Method::Secret(SecretMethod::Post)),
];

/// What is said of the app whose credential this is; not what another file says of another app.
fn method(sources: &OpenSources<'_>, credential: Option<&Found>) -> Result<Option<Method>, SettingsError> {
    let find = |setting| match credential {
        Some(credential) => sources.find_about(setting, credential),
        None => sources.find(setting),
    };
    let setting = Setting::TokenEndpointAuthMethod;
    let expected = "private_key_jwt, client_secret_basic or client_secret_post";
    if let Some(method) = meaning(find(setting), setting, expected, METHODS)? {
        return Ok(Some(method));
    }
    let setting = Setting::AuthorizationMode;
    meaning(find(setting), setting, "PrivateKey", &[("privatekey", Method::Key)])
}

fn client_key(
    sources: &OpenSources<'_>,
    found: &Found,
) -> Result<(ServiceCredential, Option<String>), SettingsError> {
    let set = sources.find_about(Setting::KeyId, found).map(|found| found.value.trim().to_owned());
    if let Some(key) = key_elsewhere(sources, Setting::ClientKey, found, None)? {
        return Ok((key.into(), set));
    }
    let key = private_key(sources, Setting::ClientKey, found)?;
    let key_id = set.or_else(|| key.key_id.clone());
    let key = key.into_signing_key(None).map_err(|problem| key_error(Setting::ClientKey, found, problem))?;
    Ok((Arc::new(key).into(), key_id))
}

/// The file that has the secret, if it is in one of its own.
pub(super) fn path_of(setting: Setting, found: &Found) -> Option<PathBuf> {
    (setting == Setting::ClientSecretFile).then(|| found.folder.join(found.value.trim()))
}

/// The same, if there is one: what names no file may be the secret itself by mistake, which is never shown.
pub(super) fn shown_path_of(setting: Setting, found: &Found) -> Option<PathBuf> {
    path_of(setting, found).filter(|path| path.is_file())
}

fn secret(setting: Setting, found: &Found, accept_exposed: bool) -> Result<Secret, SecretProblem> {
    let file = path_of(setting, found).map(|path| file::read(&path, MAX_SECRET_BYTES)).transpose()?;
    let (text, exposed_mode) = match &file {
        Some(file) => (file.text.trim_end_matches(['\r', '\n']), file.exposed_mode),
        None => (found.value.trim(), found.exposed_mode),
    };
    // RFC 6749 appendix A.2: *VSCHAR.
    let is_printable = |byte: u8| matches!(byte, 0x20..=0x7E);
    if text.is_empty() {
        return Err(SecretProblem::Empty);
    }
    if text.len() as u64 > MAX_SECRET_BYTES {
        return Err(SecretProblem::TooLong { limit: MAX_SECRET_BYTES });
    }
    if !text.bytes().all(is_printable) {
        return Err(SecretProblem::NotASecret);
    }
    match exposed_mode.filter(|_| !accept_exposed) {
        Some(mode) => Err(SecretProblem::Exposed { mode }),
        None => Ok(Secret::new(text)),
    }
}
