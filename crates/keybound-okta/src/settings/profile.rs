//! Profiles: settings for several orgs in one file, `keybound/config.toml` in the user's folder for such files.
//!
//! ```toml
//! [profiles.production]
//! org_url = "https://example.okta.com"
//! client_id = "0oa1"
//! private_key_file = "production.pem" # beside this file
//! ```

use std::path::{Path, PathBuf};

use keybound_client::field;
use toml::{Table, Value};
use zeroize::Zeroizing;

use super::file::{self, ReadError};
use super::setting::Setting;
use super::settings_file::{FileEntry, SettingsFile, line_at};
use crate::suggestion;

/// Where the file is in the folder for such files.
const FILE_NAME: &str = "keybound/config.toml";

/// Bytes of such a file, at most.
const MAX_BYTES: u64 = 256 * 1024;

/// The members of a profile.
const MEMBERS: &[(&str, Setting)] = &[
    ("org_url", Setting::OrgUrl),
    ("issuer", Setting::Issuer),
    ("client_id", Setting::ClientId),
    ("scopes", Setting::Scopes),
    ("resource", Setting::Resources),
    ("audience", Setting::Audience),
    ("assertion_audience", Setting::AssertionAudience),
    ("private_key_file", Setting::ClientKey),
    ("key_id", Setting::KeyId),
    ("client_secret", Setting::ClientSecret),
    ("client_secret_file", Setting::ClientSecretFile),
    ("token_endpoint_auth_method", Setting::TokenEndpointAuthMethod),
    ("dpop", Setting::Dpop),
    ("dpop_private_key_file", Setting::DpopKey),
    ("dpop_public_key_file", Setting::DpopPublicKey),
    ("ca_file", Setting::CertificateAuthorities),
    ("exposed_keys", Setting::ExposedKeys),
    ("cache", Setting::Cache),
];

/// Why a profile can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The folder for such files is not known: neither `XDG_CONFIG_HOME` nor the home folder is.
    #[error("there is no folder to look for it in: neither XDG_CONFIG_HOME nor a home folder is set")]
    NoFolder,
    /// The file can't be read.
    #[error("{} can't be read: {problem}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: ReadError,
    },
    /// The file is not TOML.
    #[error("{}:{line} is no TOML", .path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// The number of the line from which on it is not.
        line: usize,
    },
    /// The file has no such profile.
    #[error("{} has no such profile{}", .path.display(), suggestion::question(&.nearest.iter().map(String::as_str).collect::<Vec<_>>()))]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What may have been meant.
        nearest: Vec<String>,
    },
    /// The profile has a member that is none.
    #[error("{} has `{member}` in it, which is no setting{}", .path.display(), suggestion::question(.nearest))]
    UnknownMember {
        /// The file.
        path: PathBuf,
        /// The member.
        member: String,
        /// What may have been meant.
        nearest: Vec<&'static str>,
    },
    /// A member has a value that is neither a text nor a list of texts.
    #[error("{} has a value for `{member}` that is neither a text nor a list of texts", .path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// The member.
        member: &'static str,
    },
}

/// Where the file is; `environment` and `home` tell where the user keeps such files (XDG base directories: a
/// relative `XDG_CONFIG_HOME` doesn't count).
pub(super) fn path(environment: &dyn Fn(&str) -> Option<String>, home: Option<&Path>) -> Option<PathBuf> {
    let xdg = environment("XDG_CONFIG_HOME").map(PathBuf::from).filter(|folder| folder.is_absolute());
    Some(xdg.or_else(|| Some(home?.join(".config")))?.join(FILE_NAME))
}

/// Reads the profile `name` of the file at `path`.
pub(super) fn read(path: &Path, name: &str) -> Result<SettingsFile, ProfileError> {
    let file = file::read(path, MAX_BYTES)
        .map_err(|problem| ProfileError::Unreadable { path: path.to_owned(), problem })?;
    // The words of a parser's error may hold a piece of the text; its line is enough.
    let document: Table = toml::from_str(&file.text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(&file.text, span.start));
        ProfileError::NotToml { path: path.to_owned(), line }
    })?;
    let profiles = document.get("profiles").and_then(Value::as_table);
    let profile = profiles.and_then(|profiles| profiles.get(name)?.as_table()).ok_or_else(|| {
        let known = profiles.into_iter().flat_map(|profiles| profiles.keys().map(String::as_str));
        let nearest = suggestion::nearest(name, known).into_iter().map(field::readable).collect();
        ProfileError::Unknown { path: path.to_owned(), nearest }
    })?;
    let entries =
        profile.iter().map(|(member, value)| entry(path, member, value)).collect::<Result<_, _>>()?;
    Ok(SettingsFile { path: path.to_owned(), entries, exposed_mode: file.exposed_mode })
}

fn entry(path: &Path, member: &str, value: &Value) -> Result<FileEntry, ProfileError> {
    let known = || MEMBERS.iter().map(|(name, _)| *name);
    let (name, setting) = MEMBERS.iter().find(|(name, _)| *name == member).ok_or_else(|| {
        let nearest = suggestion::nearest(member, known());
        ProfileError::UnknownMember { path: path.to_owned(), member: field::readable(member), nearest }
    })?;
    let texts = match value {
        Value::String(text) => Some(vec![text.as_str()]),
        Value::Array(items) => items.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let texts = texts.ok_or_else(|| ProfileError::NotText { path: path.to_owned(), member: name })?;
    Ok(FileEntry { setting: *setting, name, value: Zeroizing::new(texts.join(" ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_member_is_a_setting_that_is_listed_once() {
        for (name, setting) in MEMBERS {
            assert_eq!(Setting::ALL.iter().filter(|listed| *listed == setting).count(), 1, "{name}");
        }
        let of_sdks_alone = [Setting::AuthorizationMode];
        let listed = Setting::ALL.iter().filter(|setting| !of_sdks_alone.contains(setting));
        assert_eq!(listed.count(), MEMBERS.len(), "a profile has a member for each setting");
    }
}
