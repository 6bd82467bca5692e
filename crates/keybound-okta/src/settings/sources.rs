//! Where settings come from: given values over the environment over a profile, if one is chosen, over the
//! `.env` file of the working folder over `okta.yaml` there over `~/.okta/okta.yaml`.

use std::fmt;
use std::path::{Path, PathBuf};

use keybound_client::field;
use keybound_client::signers::KeyReference;
use zeroize::Zeroizing;

use super::env_file::EnvFile;
use super::error::SettingsError;
use super::settings_file::SettingsFile;
use super::{key_file, key_reference, okta_yaml, profile};

/// The variable that chooses a profile.
const PROFILE: &str = "KEYBOUND_PROFILE";

/// One of the things that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// The org's URL.
    OrgUrl,
    /// The issuer of the tokens, where it is another authorization server than the org's own: a custom one of the org, or
    /// any that has metadata (RFC 8414).
    Issuer,
    /// The id of the service app.
    ClientId,
    /// The scopes to ask for, with spaces or commas between them; not set, each call asks for what it needs.
    Scopes,
    /// The resources that tokens are for, with spaces between them (RFC 8707).
    Resources,
    /// The same by the name of some servers (`audience`).
    Audience,
    /// What client assertions are for at an issuer: `issuer` or `token-endpoint`.
    AssertionAudience,
    /// The private key of the service app: a file (PEM or JWK), the key itself, or a reference to one that is
    /// elsewhere ([`KeyReference`]).
    ClientKey,
    /// The id under which the app's public key is registered.
    KeyId,
    /// How the app authenticates: `PrivateKey` is the one way that there is here.
    AuthorizationMode,
    /// Whether tokens are bound to a key: `required` or `off`.
    Dpop,
    /// The private key that tokens are bound to: a file (PEM or JWK), the key itself, or a reference to one that is
    /// elsewhere ([`KeyReference`]).
    DpopKey,
    /// The public half of it, to be checked against the private one.
    DpopPublicKey,
    /// A file of certificate authorities (PEM) to trust beside the system's.
    CertificateAuthorities,
    /// Whether private keys that other users of the machine can read are taken: `refuse` or `accept`.
    ExposedKeys,
    /// Whether bound tokens are kept between runs: `on` or `off`.
    Cache,
}

impl Setting {
    /// All of them, in the order in which a client needs them.
    pub const ALL: [Self; 15] = [
        Self::OrgUrl,
        Self::Issuer,
        Self::ClientId,
        Self::Scopes,
        Self::Resources,
        Self::Audience,
        Self::AssertionAudience,
        Self::ClientKey,
        Self::KeyId,
        Self::AuthorizationMode,
        Self::Dpop,
        Self::DpopKey,
        Self::DpopPublicKey,
        Self::CertificateAuthorities,
        Self::ExposedKeys,
    ];

    /// Its names in the environment; the first that has a value counts. The names of Okta's samples come
    /// first, those of Okta's SDKs after them.
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::OrgUrl => &["OKTA_ORG_URL", "OKTA_CLIENT_ORGURL"],
            Self::Issuer => &["OKTA_OAUTH2_ISSUER"],
            Self::ClientId => &["OKTA_CLIENT_ID", "OKTA_CLIENT_CLIENTID"],
            Self::Scopes => &["OKTA_SCOPES", "OKTA_CLIENT_SCOPES"],
            Self::Resources => &["KEYBOUND_RESOURCE"],
            Self::Audience => &["KEYBOUND_AUDIENCE"],
            Self::AssertionAudience => &["KEYBOUND_ASSERTION_AUDIENCE"],
            Self::ClientKey => &["OKTA_CC_PRIVATE_KEY_FILE", "OKTA_CLIENT_PRIVATEKEY"],
            Self::KeyId => &["OKTA_CLIENT_KID"],
            Self::AuthorizationMode => &["OKTA_CLIENT_AUTHORIZATIONMODE"],
            Self::Dpop => &["KEYBOUND_DPOP", "OKTA_CLIENT_DPOPENABLED"],
            Self::DpopKey => &["OKTA_DPOP_PRIVATE_KEY_FILE"],
            Self::DpopPublicKey => &["OKTA_DPOP_PUBLIC_KEY_FILE"],
            Self::CertificateAuthorities => &["KEYBOUND_CA_FILE"],
            Self::ExposedKeys => &["KEYBOUND_EXPOSED_KEYS"],
            Self::Cache => &["KEYBOUND_CACHE"],
        }
    }

    /// What it is, in a few words.
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::OrgUrl => "the org's URL",
            Self::Issuer => "the issuer of the tokens",
            Self::ClientId => "the client id of the service app",
            Self::Scopes => "the scopes to ask for",
            Self::Resources => "the resources that tokens are for",
            Self::Audience => "the audience that tokens are for",
            Self::AssertionAudience => "what client assertions are for",
            Self::ClientKey => "the private key of the service app",
            Self::KeyId => "the id of the service app's key",
            Self::AuthorizationMode => "the authorization mode",
            Self::Dpop => "whether tokens are bound to a key (DPoP)",
            Self::DpopKey => "the private key for DPoP proofs",
            Self::DpopPublicKey => "the public key for DPoP proofs",
            Self::CertificateAuthorities => "the certificate authorities to trust",
            Self::ExposedKeys => "whether private keys that others can read are taken",
            Self::Cache => "whether tokens are kept between runs",
        }
    }

    /// How to set it.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::OrgUrl => {
                "Set OKTA_ORG_URL to the org's address: OKTA_ORG_URL=https://dev-123456.okta.com; or, for an API that \
                 is not an org's, OKTA_OAUTH2_ISSUER to the issuer of its tokens."
            }
            Self::ClientId => {
                "Set OKTA_CLIENT_ID to the app's client id (0oa…): admin console → Applications → the app → \
                 General."
            }
            Self::Scopes => {
                "Set OKTA_SCOPES to scopes that are granted to the app (Okta API Scopes), with spaces \
                 between them: OKTA_SCOPES=okta.users.read; or leave it out, and each call asks for what it needs."
            }
            Self::Resources => {
                "Set KEYBOUND_RESOURCE to the URL of the API that the token is for: KEYBOUND_RESOURCE=https://api.example"
            }
            Self::ClientKey => {
                "Set OKTA_CC_PRIVATE_KEY_FILE to the file that has the app's private key, PEM or JWK, or to a \
                 reference to a key elsewhere; its public key is registered with the app (admin console → Applications → the app → Client \
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
    /// A member of a profile.
    Profile {
        /// The member's name.
        name: &'static str,
        /// The profile's name.
        profile: String,
        /// The file.
        path: PathBuf,
    },
    /// A member of an `okta.yaml`.
    OktaYaml {
        /// The member's name, from the top: `okta.client.orgUrl`.
        name: &'static str,
        /// The file.
        path: PathBuf,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => formatter.write_str("as given"),
            Self::Environment { name } => write!(formatter, "{name} in the environment"),
            Self::EnvFile { name, path, line } => write!(formatter, "{name} in {}:{line}", path.display()),
            Self::Profile { name, profile, path } => {
                write!(formatter, "{name} of the profile {profile} in {}", path.display())
            }
            Self::OktaYaml { name, path } => write!(formatter, "{name} in {}", path.display()),
        }
    }
}

/// What is set, and where; nothing of it is secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// What is set.
    pub setting: Setting,
    /// Where.
    pub source: Source,
    /// The value; of a key the path of its file or the reference to it, and nothing of a key that stands there
    /// itself.
    pub shown: Option<String>,
    /// The file of a key that is one.
    pub key_file: Option<PathBuf>,
    /// Which key, if it is in no file.
    pub key_reference: Option<KeyReference>,
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
    home: Option<PathBuf>,
    profile: Option<String>,
}

impl<'e> Sources<'e> {
    /// The environment, and `.env` and `okta.yaml` in `folder` if they are there. Relative paths start in
    /// `folder`, those of a profile beside its file.
    pub fn new(folder: impl Into<PathBuf>, environment: &'e dyn Fn(&str) -> Option<String>) -> Self {
        Self { given: Vec::new(), environment, folder: folder.into(), home: None, profile: None }
    }

    /// Puts `value`, if there is one, over all that the environment and the files say of `setting`.
    #[must_use]
    pub fn given(mut self, setting: Setting, value: Option<String>) -> Self {
        self.given.extend(value.map(|value| (setting, Zeroizing::new(value))));
        self
    }

    /// The user's home folder, for what is kept there: `.okta/okta.yaml`, and the profiles in
    /// `.config/keybound/config.toml` (or where `XDG_CONFIG_HOME` says).
    #[must_use]
    pub fn home(self, home: Option<PathBuf>) -> Self {
        Self { home, ..self }
    }

    /// The profile, where it is not the one that `KEYBOUND_PROFILE` names.
    #[must_use]
    pub fn profile(self, name: Option<String>) -> Self {
        Self { profile: name, ..self }
    }

    /// Where each setting that has a value stands, whether or not the value can be used.
    pub fn origins(self) -> Result<Vec<Origin>, SettingsError> {
        let sources = self.open()?;
        let found = Setting::ALL.into_iter().filter_map(|setting| Some((setting, sources.find(setting)?)));
        Ok(found.map(|(setting, found)| Origin::of(setting, found)).collect())
    }

    pub(super) fn open(self) -> Result<OpenSources<'e>, SettingsError> {
        let path = EnvFile::path_in(&self.folder);
        let env_file =
            EnvFile::read(&path).map_err(|problem| SettingsError::EnvFile { path: path.clone(), problem })?;
        let profile = self.open_profile()?;
        let home = self.home.as_ref().map(|home| home.join(".okta"));
        let mut okta_yaml = Vec::new();
        for folder in [Some(&self.folder), home.as_ref()].into_iter().flatten() {
            let path = folder.join(okta_yaml::FILE_NAME);
            let file = okta_yaml::read(&path).map_err(|problem| SettingsError::OktaYaml { path, problem })?;
            okta_yaml.extend(file);
        }
        Ok(OpenSources { sources: self, profile, env_file_path: path, env_file, okta_yaml })
    }

    /// The profile that is chosen, with its name.
    fn open_profile(&self) -> Result<Option<(String, SettingsFile)>, SettingsError> {
        let chosen = self.profile.clone().or_else(|| (self.environment)(PROFILE));
        let Some(name) = chosen.filter(|name| !name.trim().is_empty()) else { return Ok(None) };
        profile::path(self.environment, self.home.as_deref())
            .ok_or(profile::ProfileError::NoFolder)
            .and_then(|path| profile::read(&path, name.trim()))
            .map(|file| Some((name.trim().to_owned(), file)))
            .map_err(|problem| SettingsError::Profile { name: field::readable(&name), problem })
    }
}

impl Origin {
    fn of(setting: Setting, found: Found) -> Self {
        let is_key = matches!(setting, Setting::ClientKey | Setting::DpopKey | Setting::DpopPublicKey);
        let key_file = if is_key { key_file::shown_path_of(&found) } else { None };
        // What is no reference may have the PIN in it, and is not shown.
        let key_reference = key_reference::of(&found).filter(|_| is_key).and_then(Result::ok);
        let shown = match &key_file {
            Some(path) => Some(field::readable(&path.display().to_string())),
            None if is_key && key_reference.is_none() => None,
            None => Some(field::readable(found.value.trim())),
        };
        Self { setting, source: found.source, shown, key_file, key_reference }
    }
}

/// Sources whose files have been read.
pub(super) struct OpenSources<'e> {
    sources: Sources<'e>,
    profile: Option<(String, SettingsFile)>,
    env_file_path: PathBuf,
    env_file: Option<EnvFile>,
    okta_yaml: Vec<SettingsFile>,
}

/// A value that was found.
pub(super) struct Found {
    pub(super) value: Zeroizing<String>,
    pub(super) source: Source,
    /// The mode of the file that the value stands in, if others can read it.
    pub(super) exposed_mode: Option<u32>,
    /// Where the value starts, if it is a relative path.
    pub(super) folder: PathBuf,
}

impl OpenSources<'_> {
    /// The first value of `setting`. An empty one is none: a template has lines to be filled in.
    pub(super) fn find(&self, setting: Setting) -> Option<Found> {
        self.find_given(setting)
            .or_else(|| setting.names().iter().find_map(|name| self.find_in_environment(name)))
            .or_else(|| self.find_in_profile(setting))
            .or_else(|| setting.names().iter().find_map(|name| self.find_in_env_file(name)))
            .or_else(|| self.okta_yaml.iter().find_map(|file| self.find_in_okta_yaml(file, setting)))
    }

    /// The first value of `setting`, which is a word about `key`: that of a profile or an `okta.yaml` counts
    /// for keys that are found there or further down. `~/.okta/okta.yaml` doesn't name other files' keys.
    pub(super) fn find_about(&self, setting: Setting, key: &Found) -> Option<Found> {
        let found = self.find(setting)?;
        let is_of_file = matches!(found.source, Source::Profile { .. } | Source::OktaYaml { .. });
        (!is_of_file || self.rank(&found.source) <= self.rank(&key.source)).then_some(found)
    }

    /// How far down in the order of sources `source` is.
    fn rank(&self, source: &Source) -> usize {
        match source {
            Source::Given => 0,
            Source::Environment { .. } => 1,
            Source::Profile { .. } => 2,
            Source::EnvFile { .. } => 3,
            Source::OktaYaml { path, .. } => {
                4 + self.okta_yaml.iter().position(|file| file.path == *path).unwrap_or_default()
            }
        }
    }

    /// The first value of `setting`, without which nothing goes.
    pub(super) fn require(&self, setting: Setting) -> Result<Found, SettingsError> {
        self.find(setting).ok_or_else(|| SettingsError::Missing {
            setting,
            env_file: self.env_file_path.clone(),
            env_file_exists: self.env_file.is_some(),
        })
    }

    /// The working folder, in which `.env` is.
    fn folder(&self) -> &Path {
        &self.sources.folder
    }

    fn find_given(&self, setting: Setting) -> Option<Found> {
        let (_, value) = self.sources.given.iter().find(|(given, _)| *given == setting)?;
        found(value.clone(), Source::Given, None, self.folder())
    }

    fn find_in_environment(&self, name: &'static str) -> Option<Found> {
        let value = Zeroizing::new((self.sources.environment)(name)?);
        found(value, Source::Environment { name }, None, self.folder())
    }

    fn find_in_profile(&self, setting: Setting) -> Option<Found> {
        let (profile, file) = self.profile.as_ref()?;
        let entry = file.entries.iter().find(|entry| entry.setting == setting)?;
        let source = Source::Profile { name: entry.name, profile: profile.clone(), path: file.path.clone() };
        let folder = file.path.parent().unwrap_or(self.folder());
        found(entry.value.clone(), source, file.exposed_mode, folder)
    }

    fn find_in_env_file(&self, name: &'static str) -> Option<Found> {
        let file = self.env_file.as_ref()?;
        let entry = file.get(name)?;
        let source = Source::EnvFile { name, path: self.env_file_path.clone(), line: entry.line };
        found(entry.value.clone(), source, file.exposed_mode, self.folder())
    }

    fn find_in_okta_yaml(&self, file: &SettingsFile, setting: Setting) -> Option<Found> {
        let entry = file.entries.iter().find(|entry| entry.setting == setting)?;
        let source = Source::OktaYaml { name: entry.name, path: file.path.clone() };
        found(entry.value.clone(), source, file.exposed_mode, self.folder())
    }
}

fn found(
    value: Zeroizing<String>,
    source: Source,
    exposed_mode: Option<u32>,
    folder: &Path,
) -> Option<Found> {
    let folder = folder.to_owned();
    (!value.trim().is_empty()).then_some(Found { value, source, exposed_mode, folder })
}
