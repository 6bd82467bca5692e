//! Where settings come from: given values over the environment over a profile, if one is chosen, over the
//! `.env` file of the working folder over `okta.yaml` there over `~/.okta/okta.yaml`.

use std::fmt;
use std::path::{Path, PathBuf};

use keybound_client::field;
use keybound_client::signers::KeyReference;
use zeroize::Zeroizing;

use super::env_file::EnvFile;
use super::error::SettingsError;
use super::setting::Setting;
use super::settings_file::SettingsFile;
use super::{credential, key_file, key_reference, okta_yaml, profile};

/// The variable that chooses a profile.
const PROFILE: &str = "KEYBOUND_PROFILE";

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
    /// The value; of a file its path, of a key elsewhere the reference to it, and nothing of a key or a secret that stands
    /// there itself.
    pub shown: Option<String>,
    /// The file of a key or a secret that is in one.
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
        let is_secret = matches!(setting, Setting::ClientSecret | Setting::ClientSecretFile);
        let key_file =
            if is_key { key_file::shown_path_of(&found) } else { credential::shown_path_of(setting, &found) };
        // What is no reference may have the PIN in it, and is not shown.
        let key_reference = key_reference::of(&found).filter(|_| is_key).and_then(Result::ok);
        let shown = match &key_file {
            Some(path) => Some(field::readable(&path.display().to_string())),
            None if setting == Setting::CertificateAuthorities => {
                Some(field::readable(&found.folder.join(found.value.trim()).display().to_string()))
            }
            None if is_secret || is_key && key_reference.is_none() => None,
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
    pub(super) fn rank(&self, source: &Source) -> usize {
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
        self.find(setting).ok_or_else(|| self.missing(setting))
    }

    /// Nothing is set, and nothing goes without it.
    pub(super) fn missing(&self, setting: Setting) -> SettingsError {
        let env_file = self.env_file_path.clone();
        SettingsError::Missing { setting, env_file, env_file_exists: self.env_file.is_some() }
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
