//! What can be wrong with settings.

use std::path::{Path, PathBuf};

use super::credential::SecretProblem;
use super::env_file::EnvFileError;
use super::file::ReadError;
use super::issuer::IssuerProblem;
use super::key_file::KeyProblem;
use super::okta_yaml::OktaYamlError;
use super::profile::ProfileError;
use super::setting::Setting;
use super::sources::Source;
use crate::org_url::OrgUrlError;

/// Why settings can't be used. `Display` tells what is wrong, [`advice`](Self::advice) what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Something that is needed is set nowhere.
    #[error(
        "{} is not set: {} is neither in the environment nor in {}{}",
        .setting.purpose(), .setting.names().join(" or "), .env_file.display(),
        if *.env_file_exists { "" } else { " (there is no such file)" }
    )]
    Missing {
        /// What is missing.
        setting: Setting,
        /// The `.env` file that was looked for.
        env_file: PathBuf,
        /// Whether it is there.
        env_file_exists: bool,
    },
    /// A value that is none of those that are known.
    #[error("{} ({from}) is `{value}`, and {expected} is expected", .setting.purpose())]
    UnknownValue {
        /// What is set.
        setting: Setting,
        /// Where.
        from: Source,
        /// To what.
        value: String,
        /// What is known.
        expected: &'static str,
    },
    /// The org's URL is not one.
    #[error("the org's URL ({from}) can't be used: {problem}")]
    OrgUrl {
        /// Where it is set.
        from: Source,
        /// What is wrong.
        problem: OrgUrlError,
    },
    /// The issuer is not one.
    #[error("the issuer ({from}) can't be used: {problem}")]
    Issuer {
        /// Where it is set.
        from: Source,
        /// What is wrong.
        problem: IssuerProblem,
    },
    /// Something that can't be a resource.
    #[error(
        "`{resource}` ({from}) can't be a resource: it is no absolute URI, or it has a fragment (RFC 8707 section 2)"
    )]
    Resource {
        /// Where it is set.
        from: Source,
        /// What can't be a resource.
        resource: String,
    },
    /// Something that can't be a scope.
    #[error(
        "`{scope}` ({from}) can't be a scope: it has characters that no scope has (RFC 6749 section 3.3)"
    )]
    Scope {
        /// Where it is set.
        from: Source,
        /// What can't be a scope.
        scope: String,
    },
    /// The `.env` file can't be used.
    #[error("{}: {problem}", .path.display())]
    EnvFile {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: EnvFileError,
    },
    /// An `okta.yaml` can't be used.
    #[error("{} {problem}", .path.display())]
    OktaYaml {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: OktaYamlError,
    },
    /// The profile that is chosen can't be used.
    #[error("the profile `{name}` can't be used: {problem}")]
    Profile {
        /// The profile's name.
        name: String,
        /// What is wrong.
        problem: ProfileError,
    },
    /// A key can't be used.
    #[error("{} ({from}): {} {problem}", .setting.purpose(), place(.path.as_deref()))]
    Key {
        /// Which key.
        setting: Setting,
        /// Where it is set.
        from: Source,
        /// The file, if the value is not the key itself.
        path: Option<PathBuf>,
        /// What is wrong.
        problem: Box<KeyProblem>,
    },
    /// The client secret can't be used.
    #[error("the client secret ({from}): {} {problem}", place(.path.as_deref()))]
    Secret {
        /// Where it is set.
        from: Source,
        /// The file, if there is one.
        path: Option<PathBuf>,
        /// What is wrong.
        problem: SecretProblem,
    },
    /// Two things to authenticate with, where one is needed.
    #[error("the service app is to authenticate by one of {one} and {other}, and nothing says by which")]
    TwoCredentials {
        /// Where one is set.
        one: Source,
        /// Where the other is.
        other: Source,
    },
    /// The two halves of the DPoP key are not of one key.
    #[error("the public key ({public}) is not that of the private key ({private}): their thumbprints differ")]
    KeyPair {
        /// Where the private key is set.
        private: Source,
        /// Where the public key is set.
        public: Source,
    },
    /// A file of certificate authorities can't be read.
    #[error("the certificate authorities ({from}): {} can't be read: {problem}", .path.display())]
    CertificateAuthorities {
        /// Where it is set.
        from: Source,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: ReadError,
    },
    /// A file of certificate authorities has no certificate in it.
    #[error("the certificate authorities ({from}): {} holds no certificate in PEM form", .path.display())]
    NoCertificate {
        /// Where it is set.
        from: Source,
        /// The file.
        path: PathBuf,
    },
}

impl SettingsError {
    /// What to do about it.
    pub fn advice(&self) -> String {
        match self {
            Self::Missing { setting, .. } => setting.advice().to_owned(),
            Self::UnknownValue { setting, expected, .. } => {
                format!("Set {} to {expected}, or leave it out.", setting.names().join(" or "))
            }
            Self::OrgUrl { problem, .. } => problem.advice(),
            Self::Issuer { problem, .. } => problem.advice(),
            Self::Resource { .. } => Setting::Resources.advice().to_owned(),
            Self::Scope { .. } => Setting::Scopes.advice().to_owned(),
            Self::EnvFile { .. } => {
                "Write one NAME=value on each line; put a value with line breaks, such as a PEM key, in double \
                 quotes, or name its file instead."
                    .to_owned()
            }
            Self::OktaYaml { .. } => {
                "Write it as Okta's SDKs do: okta: client: orgUrl, clientId, scopes, privateKey, each member \
                 indented beneath; or take it away, and set what is needed elsewhere."
                    .to_owned()
            }
            Self::Profile { .. } => {
                "Write [profiles.NAME] with org_url, client_id and private_key_file in \
                 ~/.config/keybound/config.toml, or choose another by KEYBOUND_PROFILE."
                    .to_owned()
            }
            Self::KeyPair { .. } | Self::Key { setting: Setting::DpopPublicKey, .. } => {
                "Give both halves of one key pair, or leave the public one out: it is made from the private \
                 one."
                    .to_owned()
            }
            Self::Key { path, problem, .. } => problem.advice(path.as_deref()),
            Self::Secret { path, problem, .. } => problem.advice(path.as_deref()),
            Self::TwoCredentials { .. } => {
                "Take one away, or say which: KEYBOUND_TOKEN_ENDPOINT_AUTH_METHOD=private_key_jwt, client_secret_basic \
                 or client_secret_post."
                    .to_owned()
            }
            Self::CertificateAuthorities { .. } | Self::NoCertificate { .. } => {
                "Set KEYBOUND_CA_FILE to a PEM file with the certificate of the authority; a local org says \
                 where its own is when it starts."
                    .to_owned()
            }
        }
    }

    /// Whether a key or a secret is at fault, rather than another setting.
    pub fn is_about_key(&self) -> bool {
        matches!(self, Self::Key { .. } | Self::KeyPair { .. } | Self::Secret { .. })
    }
}

fn place(path: Option<&Path>) -> String {
    path.map_or_else(|| "the value".to_owned(), |path| path.display().to_string())
}
