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
use crate::policy::{Policy, PolicyError};

/// What is read anew, and from where.
#[derive(Debug)]
pub(crate) struct Reloader {
    guard: Guard,
    /// Whether the server answers browsers (`[cors]`): a reverse proxy.
    answers_pages: bool,
    policy_file: Option<PathBuf>,
    tls: Option<Arc<Tls>>,
    seen: Mutex<Seen>,
}

/// What the files held when they were last looked at. Hashes: a private key is not kept twice.
#[derive(Debug)]
struct Seen {
    /// Of the policy's own file.
    policy: u64,
    /// The files that the policy which was last read names, whether or not it could be used: it may be one of them
    /// that is still missing.
    named: Vec<PathBuf>,
    /// Of those.
    named_files: u64,
    tls: u64,
}

impl Reloader {
    pub(crate) fn new(
        guard: Guard,
        answers_pages: bool,
        policy_file: Option<PathBuf>,
        tls: Option<Arc<Tls>>,
    ) -> Self {
        let named = named_by(&guard.policy());
        let seen = Seen {
            policy: fingerprint(policy_file.as_slice()),
            named_files: fingerprint(&named),
            named,
            tls: fingerprint(&tls_files(tls.as_deref())),
        };
        Self { guard, answers_pages, policy_file, tls, seen: Mutex::new(seen) }
    }

    /// Reads anew what has changed since it was last read.
    pub(crate) fn if_changed(&self) {
        let mut seen = self.lock();
        if fingerprint(self.policy_file.as_slice()) != seen.policy
            || fingerprint(&seen.named) != seen.named_files
        {
            self.policy(&mut seen);
        }
        if fingerprint(&tls_files(self.tls.as_deref())) != seen.tls {
            self.certificate(&mut seen);
        }
    }

    /// Reads everything anew.
    pub(crate) fn all(&self) {
        let mut seen = self.lock();
        self.policy(&mut seen);
        self.certificate(&mut seen);
    }

    /// What is seen is looked at before it is read, so that what is written meanwhile is read with the next look.
    fn policy(&self, seen: &mut Seen) {
        let applied = self.read(seen).and_then(|policy| {
            seen.named = named_by(&policy);
            seen.named_files = fingerprint(&seen.named);
            self.check(&policy)?;
            self.guard.reload(policy)
        });
        let file = self.policy_file.as_ref().map(|path| tracing::field::display(path.display()));
        match applied {
            Ok(()) => tracing::info!(policy = file, "the new policy is in force, and what its files hold"),
            Err(ref error) => {
                tracing::error!(policy = file, %error, "the new policy can't be used; the one before stays in force");
            }
        }
        count("policy", applied.is_ok());
    }

    /// The policy as its file says it now. One that came from code stays as it is, and so its files alone are read
    /// anew.
    fn read(&self, seen: &mut Seen) -> Result<Policy, GuardError> {
        let Some(path) = &self.policy_file else { return Ok(Policy::clone(&self.guard.policy())) };
        seen.policy = fingerprint(self.policy_file.as_slice());
        Ok(Policy::from_file(path)?)
    }

    /// Pages that a policy lets call are to be answered, or nobody would know why they are not.
    fn check(&self, policy: &Policy) -> Result<(), PolicyError> {
        if self.answers_pages || !policy.cors.is_on() {
            return Ok(());
        }
        let reason =
            "it is for a reverse proxy; this guard is asked by a proxy, which has to answer preflights";
        Err(PolicyError::field("cors", reason))
    }

    fn certificate(&self, seen: &mut Seen) {
        let Some(tls) = &self.tls else { return };
        seen.tls = fingerprint(&tls_files(Some(tls)));
        let applied = tls.reload();
        match applied {
            Ok(()) => tracing::info!("the new certificate is in use"),
            Err(ref error) => {
                tracing::error!(%error, "the new certificate can't be used; the one before stays in use");
            }
        }
        count("certificate", applied.is_ok());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        // What is behind it is whole at any moment.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn named_by(policy: &Policy) -> Vec<PathBuf> {
    policy.files().cloned().collect()
}

fn tls_files(tls: Option<&Tls>) -> Vec<PathBuf> {
    tls.map(Tls::files).map(|files| vec![files.certificate.clone(), files.key.clone()]).unwrap_or_default()
}

fn fingerprint(files: &[PathBuf]) -> u64 {
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

#[cfg(test)]
mod tests {
    use keybound::{Algorithm, JwkSet, Signer as _, SigningKey};
    use tempfile::TempDir;

    use super::*;

    struct Files(TempDir);

    impl Files {
        fn new() -> Self {
            let files = Self(TempDir::new().unwrap());
            files.write_keys("keys.json");
            files.write_policy("keys.json");
            files
        }

        fn write_keys(&self, name: &str) {
            let key = SigningKey::generate(Algorithm::ES256).unwrap();
            let keys = JwkSet::from_keys(vec![key.public_key().clone()]).to_json();
            fs::write(self.0.path().join(name), keys).unwrap();
        }

        fn write_policy(&self, keys: &str) {
            let policy = format!(
                "resources = [\"https://api.example\"]\n[[issuers]]\nissuer = \"https://as.example\"\n\
                 jwks_file = \"{keys}\"\n"
            );
            fs::write(self.policy(), policy).unwrap();
        }

        fn policy(&self) -> PathBuf {
            self.0.path().join("guard.toml")
        }

        fn reloader(&self, from_code: bool) -> Reloader {
            let guard = Guard::new(Policy::from_file(&self.policy()).unwrap()).unwrap();
            Reloader::new(guard, false, Some(self.policy()).filter(|_| !from_code), None)
        }
    }

    impl Reloader {
        /// Whether a look at the files has brought another policy into force.
        fn looks(&self) -> bool {
            let before = self.guard.policy();
            self.if_changed();
            !Arc::ptr_eq(&before, &self.guard.policy())
        }
    }

    #[test]
    fn what_has_not_changed_is_not_read_and_what_has_is_read_once() {
        let files = Files::new();
        let reloader = files.reloader(false);
        assert!(!reloader.looks());
        files.write_keys("keys.json");
        assert!(reloader.looks() && !reloader.looks(), "a file that the policy names");
        files.write_keys("others.json");
        assert!(!reloader.looks(), "one that it does not");
        files.write_policy("others.json");
        assert!(reloader.looks() && !reloader.looks(), "another policy, with another file");
        files.write_keys("keys.json");
        assert!(!reloader.looks(), "one that it named before");
    }

    #[test]
    fn pages_are_let_in_where_they_are_answered_alone() {
        let files = Files::new();
        for (answers_pages, is_applied) in [(false, false), (true, true)] {
            files.write_policy("keys.json");
            let reloader = Reloader { answers_pages, ..files.reloader(false) };
            let policy = fs::read_to_string(files.policy()).unwrap();
            fs::write(files.policy(), format!("{policy}[cors]\nallowed_origins = [\"https://a.example\"]\n"))
                .unwrap();
            assert_eq!(reloader.looks(), is_applied);
            assert_eq!(reloader.guard.policy().cors.is_on(), is_applied);
        }
    }

    #[test]
    fn a_file_that_was_missing_is_noticed_when_it_comes() {
        let files = Files::new();
        let reloader = files.reloader(false);
        files.write_policy("missing.json");
        assert!(!reloader.looks() && !reloader.looks(), "it can't be used");
        files.write_keys("missing.json");
        assert!(reloader.looks() && !reloader.looks());
        fs::remove_file(files.policy()).unwrap();
        assert!(!reloader.looks(), "without its file the policy stays in force");
        files.write_policy("keys.json");
        assert!(reloader.looks());
    }

    #[test]
    fn the_files_of_a_policy_from_code_are_read_anew() {
        let files = Files::new();
        let reloader = files.reloader(true);
        files.write_policy("nowhere.json");
        assert!(!reloader.looks(), "it was never told of that file");
        files.write_keys("keys.json");
        assert!(reloader.looks() && !reloader.looks());
        let before = reloader.guard.policy();
        reloader.all();
        assert!(!Arc::ptr_eq(&before, &reloader.guard.policy()), "told to, it reads them changed or not");
    }
}
