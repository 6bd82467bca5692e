//! A home folder with settings in it, and an environment.
#![allow(dead_code, reason = "each test file uses what it needs")]
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use keybound_okta::{Origin, Settings, SettingsError, Sources};
use tempfile::TempDir;

/// A home folder, with a working folder in it, and an environment.
pub(crate) struct Place {
    home: TempDir,
    environment: Vec<(&'static str, String)>,
    profile: Option<String>,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self { home: TempDir::new().unwrap(), environment: Vec::new(), profile: None };
        fs::create_dir(place.path("work")).unwrap();
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Writes a file that only its owner can read.
    pub(crate) fn with(self, name: &str, text: &str) -> Self {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), text).unwrap();
        self.with_mode(name, 0o600)
    }

    pub(crate) fn with_mode(self, name: &str, mode: u32) -> Self {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub(crate) fn set(mut self, name: &'static str, value: &str) -> Self {
        self.environment.push((name, value.to_owned()));
        self
    }

    pub(crate) fn chosen(self, profile: &str) -> Self {
        Self { profile: Some(profile.to_owned()), ..self }
    }

    #[allow(
        clippy::redundant_closure_for_method_calls,
        reason = "the method itself is of one lifetime alone"
    )]
    pub(crate) fn origins(&self) -> Vec<Origin> {
        self.read(|sources| sources.origins()).unwrap()
    }

    pub(crate) fn resolve(&self) -> Result<Settings, SettingsError> {
        self.read(Settings::resolve)
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(Sources<'_>) -> T) -> T {
        let environment = |name: &str| {
            self.environment.iter().find(|(given, _)| *given == name).map(|(_, value)| value.clone())
        };
        let sources = Sources::new(self.path("work"), &environment);
        read(sources.home(Some(self.home.path().to_owned())).profile(self.profile.clone()))
    }
}
