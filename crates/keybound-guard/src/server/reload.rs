//! Reading policy and certificate anew when their files change, or when told to.
//!
//! What can't be used is reported once and changes nothing: a typing error must not open or close an API.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use super::tls::Tls;
use crate::guard::{Guard, GuardError};
use crate::metrics::RELOADS;
use crate::policy::Policy;

/// What is read anew, and from where.
#[derive(Debug)]
pub(crate) struct Reloader {
    guard: Guard,
    policy_file: Option<PathBuf>,
    tls: Option<Arc<Tls>>,
    seen: Mutex<Seen>,
}

/// What the files held when they were last looked at. A hash: a private key is not kept twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    policy: u64,
    tls: u64,
}

impl Reloader {
    pub(crate) fn new(guard: Guard, policy_file: Option<PathBuf>, tls: Option<Arc<Tls>>) -> Self {
        let reloader = Self { guard, policy_file, tls, seen: Mutex::new(Seen { policy: 0, tls: 0 }) };
        *reloader.lock() = reloader.look();
        reloader
    }

    /// Reads anew what has changed since it was last read.
    pub(crate) fn if_changed(&self) {
        let found = self.look();
        let mut seen = self.lock();
        if found.policy != seen.policy {
            self.policy();
        }
        if found.tls != seen.tls {
            self.certificate();
        }
        // What was there before reading, so that what is written meanwhile is read with the next look.
        *seen = found;
    }

    /// Reads everything anew.
    pub(crate) fn all(&self) {
        let found = self.look();
        let mut seen = self.lock();
        self.policy();
        self.certificate();
        *seen = found;
    }

    fn policy(&self) {
        let Some(path) = &self.policy_file else { return };
        let applied =
            Policy::from_file(path).map_err(GuardError::from).and_then(|policy| self.guard.reload(policy));
        match applied {
            Ok(()) => tracing::info!(policy = %path.display(), "the new policy is in force"),
            Err(ref error) => tracing::error!(
                policy = %path.display(), %error, "the new policy can't be used; the one before stays in force"
            ),
        }
        count("policy", applied.is_ok());
    }

    fn certificate(&self) {
        let Some(tls) = &self.tls else { return };
        let applied = tls.reload();
        match applied {
            Ok(()) => tracing::info!("the new certificate is in use"),
            Err(ref error) => {
                tracing::error!(%error, "the new certificate can't be used; the one before stays in use");
            }
        }
        count("certificate", applied.is_ok());
    }

    fn look(&self) -> Seen {
        let policy = self.guard.policy();
        let policy_files = self.policy_file.iter().chain(policy.files());
        let tls_files = self.tls.iter().flat_map(|tls| [&tls.files().certificate, &tls.files().key]);
        Seen { policy: fingerprint(policy_files), tls: fingerprint(tls_files) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        // What is behind it is whole at any moment.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn fingerprint<'f>(files: impl Iterator<Item = &'f PathBuf>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        file.hash(&mut hasher);
        fs::read(file).ok().hash(&mut hasher);
    }
    hasher.finish()
}

fn count(what: &'static str, applied: bool) {
    let outcome = if applied { "applied" } else { "refused" };
    ::metrics::counter!(RELOADS, "what" => what, "outcome" => outcome).increment(1);
}
