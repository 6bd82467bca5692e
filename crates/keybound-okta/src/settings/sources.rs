//! Where settings come from: given values over the environment over the `.env` file of the working folder.

use std::fmt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::env_file::EnvFile;
use super::error::SettingsError;

/// One of the things that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// The org's URL.
    OrgUrl,
    /// The id of the service app.
    ClientId,
    /// The scopes to ask for, with spaces or commas between them; not set, each call asks for what it needs.
    Scopes,
    /// The private key of the service app: a file (PEM or JWK), or the key itself.
    ClientKey,
    /// The id under which the app's public key is registered.
    KeyId,
    /// How the app authenticates: `PrivateKey` is the one way that there is here.
    AuthorizationMode,
    /// Whether tokens are bound to a key: `required` or `off`.
    Dpop,
    /// The private key that tokens are bound to: a file (PEM or JWK), or the key itself.
    DpopKey,
    /// The public half of it, to be checked against the private one.
    DpopPublicKey,
    /// A file of certificate authorities (PEM) to trust beside the system's.
    CertificateAuthorities,
    /// Whether private keys that other users of the machine can read are taken: `refuse` or `accept`.
    ExposedKeys,
}

impl Setting {
    /// Its names in the environment; the first that has a value counts. The names of Okta's samples come
    /// first, those of Okta's SDKs after them.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::OrgUrl => &["OKTA_ORG_URL", "OKTA_CLIENT_ORGURL"],
            Self::ClientId => &["OKTA_CLIENT_ID", "OKTA_CLIENT_CLIENTID"],
            Self::Scopes => &["OKTA_SCOPES", "OKTA_CLIENT_SCOPES"],
            Self::ClientKey => &["OKTA_CC_PRIVATE_KEY_FILE", "OKTA_CLIENT_PRIVATEKEY"],
            Self::KeyId => &["OKTA_CLIENT_KID"],
            Self::AuthorizationMode => &["OKTA_CLIENT_AUTHORIZATIONMODE"],
            Self::Dpop => &["KEYBOUND_DPOP", "OKTA_CLIENT_DPOPENABLED"],
            Self::DpopKey => &["OKTA_DPOP_PRIVATE_KEY_FILE"],
            Self::DpopPublicKey => &["OKTA_DPOP_PUBLIC_KEY_FILE"],
            Self::CertificateAuthorities => &["KEYBOUND_CA_FILE"],
            Self::ExposedKeys => &["KEYBOUND_EXPOSED_KEYS"],
        }
    }

    /// What it is, in a few words.
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::OrgUrl => "the org's URL",
            Self::ClientId => "the client id of the service app",
            Self::Scopes => "the scopes to ask for",
            Self::ClientKey => "the private key of the service app",
            Self::KeyId => "the id of the service app's key",
            Self::AuthorizationMode => "the authorization mode",
            Self::Dpop => "whether tokens are bound to a key (DPoP)",
            Self::DpopKey => "the private key for DPoP proofs",
            Self::DpopPublicKey => "the public key for DPoP proofs",
            Self::CertificateAuthorities => "the certificate authorities to trust",
            Self::ExposedKeys => "whether private keys that others can read are taken",
        }
    }

    /// How to set it.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::OrgUrl => "Set OKTA_ORG_URL to the org's address: OKTA_ORG_URL=https://dev-123456.okta.com",
            Self::ClientId => {
                "Set OKTA_CLIENT_ID to the app's client id (0oa…): admin console → Applications → the app → \
                 General."
            }
            Self::Scopes => {
                "Set OKTA_SCOPES to scopes that are granted to the app (Okta API Scopes), with spaces \
                 between them: OKTA_SCOPES=okta.users.read; or leave it out, and each call asks for what it needs."
            }
            Self::ClientKey => {
                "Set OKTA_CC_PRIVATE_KEY_FILE to the file that has the app's private key, PEM or JWK; its \
                 public key is registered with the app (admin console → Applications → the app → Client \
                 Credentials)."
            }
            Self::DpopKey => {
                "Set OKTA_DPOP_PRIVATE_KEY_FILE to the file that has the private key, PEM or JWK; or leave \
                 out OKTA_DPOP_PUBLIC_KEY_FILE too, and a fresh key is made for every run."
            }
            _ => "Leave it out, or give it a value that is known.",
        }
    }
}

/// Where a value stood.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// Given by the caller: a flag, say.
    Given,
    /// A variable of the environment.
    Environment {
        /// The variable's name.
        name: &'static str,
    },
    /// A line of a `.env` file.
    EnvFile {
        /// The variable's name.
        name: &'static str,
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => formatter.write_str("as given"),
            Self::Environment { name } => write!(formatter, "{name} in the environment"),
            Self::EnvFile { name, path, line } => write!(formatter, "{name} in {}:{line}", path.display()),
        }
    }
}

/// What settings are looked for in, from the first to the last.
///
/// ```no_run
/// use keybound_okta::{Setting, Settings, Sources};
///
/// let environment = |name: &str| std::env::var(name).ok();
/// let settings = Settings::resolve(
///     Sources::new(std::env::current_dir()?, &environment)
///         .given(Setting::Scopes, Some("okta.users.read".to_owned())),
/// )?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sources<'e> {
    given: Vec<(Setting, Zeroizing<String>)>,
    environment: &'e dyn Fn(&str) -> Option<String>,
    folder: PathBuf,
}

impl<'e> Sources<'e> {
    /// The environment, and the `.env` file in `folder` if there is one. Relative paths start in `folder`.
    pub fn new(folder: impl Into<PathBuf>, environment: &'e dyn Fn(&str) -> Option<String>) -> Self {
        Self { given: Vec::new(), environment, folder: folder.into() }
    }

    /// Puts `value`, if there is one, over all that the environment and the file say of `setting`.
    #[must_use]
    pub fn given(mut self, setting: Setting, value: Option<String>) -> Self {
        self.given.extend(value.map(|value| (setting, Zeroizing::new(value))));
        self
    }

    pub(super) fn open(self) -> Result<OpenSources<'e>, SettingsError> {
        let path = EnvFile::path_in(&self.folder);
        let env_file =
            EnvFile::read(&path).map_err(|problem| SettingsError::EnvFile { path: path.clone(), problem })?;
        Ok(OpenSources { sources: self, env_file_path: path, env_file })
    }
}

/// Sources whose file has been read.
pub(super) struct OpenSources<'e> {
    sources: Sources<'e>,
    env_file_path: PathBuf,
    env_file: Option<EnvFile>,
}

/// A value that was found.
pub(super) struct Found {
    pub(super) value: Zeroizing<String>,
    pub(super) source: Source,
    /// The mode of the file that the value stands in, if others can read it.
    pub(super) exposed_mode: Option<u32>,
}

impl OpenSources<'_> {
    /// The first value of `setting`. An empty one is none: a template has lines to be filled in.
    pub(super) fn find(&self, setting: Setting) -> Option<Found> {
        self.find_given(setting)
            .or_else(|| setting.names().iter().find_map(|name| self.find_in_environment(name)))
            .or_else(|| setting.names().iter().find_map(|name| self.find_in_file(name)))
    }

    /// The first value of `setting`, without which nothing goes.
    pub(super) fn require(&self, setting: Setting) -> Result<Found, SettingsError> {
        self.find(setting).ok_or_else(|| SettingsError::Missing {
            setting,
            env_file: self.env_file_path.clone(),
            env_file_exists: self.env_file.is_some(),
        })
    }

    /// Where relative paths start: beside the `.env` file, which is the working folder.
    pub(super) fn folder(&self) -> &Path {
        &self.sources.folder
    }

    fn find_given(&self, setting: Setting) -> Option<Found> {
        let (_, value) = self.sources.given.iter().find(|(given, _)| *given == setting)?;
        found(value.clone(), Source::Given, None)
    }

    fn find_in_environment(&self, name: &'static str) -> Option<Found> {
        found(Zeroizing::new((self.sources.environment)(name)?), Source::Environment { name }, None)
    }

    fn find_in_file(&self, name: &'static str) -> Option<Found> {
        let file = self.env_file.as_ref()?;
        let entry = file.get(name)?;
        let source = Source::EnvFile { name, path: self.env_file_path.clone(), line: entry.line };
        found(entry.value.clone(), source, file.exposed_mode)
    }
}

fn found(value: Zeroizing<String>, source: Source, exposed_mode: Option<u32>) -> Option<Found> {
    (!value.trim().is_empty()).then_some(Found { value, source, exposed_mode })
}
