//! The org that runs, as its other verbs find it: by a file in its folder, or by a URL.
//!
//! The file holds the administrator's token of this run, so its owner alone can read it. The org holds a lock as long
//! as it runs. A file beside a lock that nobody holds was left by an org that was killed: it counts for nothing, since
//! what listens at its URL by now may be anything.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anstream::eprintln;
use bytes::Bytes;
use clap::Args;
use http::StatusCode;
use keybound::json::{MemberError, Object};
use keybound_client::{System, TransportOptions};
use keybound_okta::{ApiToken, Call, Error, OktaClient, OrgUrl};
use keybound_org::{LocalOrg, refuse_of_others};
use serde::Serialize;
use tempfile::NamedTempFile;
use tracing::warn;
use zeroize::Zeroizing;

use crate::exit_code::ExitCode;
use crate::key_file;
use crate::report::{Failure, Outcome};

const FILE: &str = "running.json";
const LOCK_FILE: &str = "running.lock";

/// Where the administrator's token of an org is told.
const TOKEN_IS_TOLD: &str = "give the token of this run: it is another one at each start of the org, which its first line \
     and running.json in its folder tell; or name the folder: --data DIR";

/// A verb that looks holds the lock for a moment, which must not pass for another org.
const LOCK_TRIES: u32 = 10;
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Which org is meant.
#[derive(Args, Debug)]
#[command(next_help_heading = "Which org")]
pub(crate) struct WhichOrg {
    /// Folder of the data of an org that runs on this machine.
    #[arg(long, value_name = "DIR", required_unless_present = "org_url", conflicts_with = "org_url")]
    data: Option<PathBuf>,
    /// URL of the org, where its folder is out of reach.
    #[arg(long, value_name = "URL", requires = "admin_token_file")]
    org_url: Option<String>,
    /// Certificate authority of the org at that URL.
    #[arg(long, value_name = "FILE", requires = "org_url")]
    ca_file: Option<PathBuf>,
    /// File with its administrator's token.
    #[arg(long, value_name = "FILE", requires = "org_url")]
    admin_token_file: Option<PathBuf>,
}

/// An org that runs.
pub(crate) struct RunningOrg {
    pub(crate) url: String,
    /// The certificate authority's file, of an org with https.
    pub(crate) ca_file: Option<PathBuf>,
    admin_token: Zeroizing<String>,
}

#[derive(Serialize)]
struct Written<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ca_file: Option<&'a Path>,
    admin_token: &'a str,
}

/// What tells others of an org, as long as it is there.
#[derive(Debug)]
pub(crate) struct Announcement {
    file: PathBuf,
    /// Held to the end.
    _lock: File,
}

impl WhichOrg {
    /// A client that may do everything in the org.
    pub(crate) fn open(&self) -> Outcome<OktaClient> {
        match (&self.data, &self.org_url, &self.admin_token_file) {
            (Some(data), ..) => RunningOrg::of_folder(data)?.open(),
            (None, Some(url), Some(token)) => RunningOrg {
                url: url.clone(),
                ca_file: self.ca_file.clone(),
                admin_token: key_file::read_secret(token)?,
            }
            .open(),
            _ => Err(Failure::usage("no org is named").do_next("give --data DIR")),
        }
    }
}

impl RunningOrg {
    /// Whether an org runs with the data in this folder. Files that somebody else could have put there are refused:
    /// they would say where the administrator's word is sent.
    pub(crate) fn is_there(data: &Path) -> Outcome<bool> {
        for path in [data.join(LOCK_FILE), data.join(FILE)] {
            if !path.is_file() {
                return Ok(false);
            }
            refuse_of_others(&path)?;
        }
        refuse_of_others(data)?;
        Ok(is_locked(&data.join(LOCK_FILE)))
    }

    /// The org that runs with the data in this folder.
    pub(crate) fn of_folder(data: &Path) -> Outcome<Self> {
        if !Self::is_there(data)? {
            return Err(not_running(data));
        }
        let text = key_file::read_secret(&data.join(FILE))?;
        Self::parse(&text).map_err(|why| {
            not_running(data).because(format_args!("{FILE} there is not what an org writes: {why}"))
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let object = Object::parse(text.as_bytes()).map_err(|error| format!("it is {error}"))?;
        Self::of(&object).map_err(|error| error.to_string())
    }

    fn of(object: &Object<'_>) -> Result<Self, MemberError> {
        Ok(Self {
            url: object.string("url")?.to_owned(),
            ca_file: object.optional_string("ca_file")?.map(PathBuf::from),
            admin_token: object.string("admin_token")?.to_owned().into(),
        })
    }

    fn open(&self) -> Outcome<OktaClient> {
        let url = OrgUrl::parse(&self.url)
            .map_err(|error| Failure::usage("the org's URL cannot be used").because(error))?;
        let mut options = TransportOptions::default();
        if let Some(file) = &self.ca_file {
            options.certificate_authorities.push(key_file::read_certificates(file)?.to_string());
        }
        Ok(OktaClient::of_administrator(url, System::new(options), self.admin_token()?))
    }

    /// The administrator's token of this run.
    pub(crate) fn admin_token(&self) -> Outcome<ApiToken> {
        ApiToken::parse(&self.admin_token).map_err(|error| {
            Failure::new(ExitCode::Settings, "the org's administrator's token cannot be used")
                .because(error)
                .do_next(TOKEN_IS_TOLD)
        })
    }
}

/// What a call is about.
pub(super) struct Named {
    /// In words, as `fault f1`.
    pub(super) what: String,
    /// The verb that lists what there is.
    pub(super) listed_by: &'static str,
}

/// What the org answers to a call by its administrator's token, which may be about something that is not there.
pub(super) async fn ask(okta: &OktaClient, call: Call, about: Option<&Named>) -> Outcome<Bytes> {
    let error = match okta.call(call).await {
        Ok(answer) => return Ok(answer.into_body()),
        Err(error) => error,
    };
    let status = if let Error::Api(refused) = &error { Some(refused.status) } else { None };
    Err(match (status, about) {
        (Some(StatusCode::UNAUTHORIZED), _) => Failure::from(error).do_next(TOKEN_IS_TOLD),
        (Some(StatusCode::NOT_FOUND), Some(Named { what, listed_by })) => {
            Failure::new(ExitCode::ApiRefused, format_args!("there is no {what}"))
                .because("the org knows none of that name, or has forgotten it")
                .do_next(format_args!("`{listed_by}` tells those that are there"))
        }
        _ => error.into(),
    })
}

impl Announcement {
    /// Tells other verbs of `org`; `None` if another one runs with the same data, which they are to find.
    pub(super) fn of(org: &LocalOrg, data: &Path) -> io::Result<Option<Self>> {
        let Some(lock) = taken(&data.join(LOCK_FILE))? else {
            eprintln!("another org runs with the data in {}; other verbs find that one", data.display());
            return Ok(None);
        };
        let running = Written { url: org.url(), ca_file: org.ca_file(), admin_token: org.admin_token() };
        let mut text = Zeroizing::new(Vec::with_capacity(4096));
        serde_json::to_writer(&mut *text, &running)?;
        // For its owner alone, as every temporary file.
        let mut written = NamedTempFile::new_in(data)?;
        written.write_all(&text)?;
        let file = data.join(FILE);
        written.persist(&file)?;
        Ok(Some(Self { file, _lock: lock }))
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.file) {
            warn!(%error, file = %self.file.display(), "the file of the running org stays behind");
        }
    }
}

/// The lock of an org that runs, if no other has it.
fn taken(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path)?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            // Where files can't be locked, one takes the chance.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                return Ok(Some(file));
            }
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
        }
    }
    Ok(None)
}

/// Whether an org holds the lock.
fn is_locked(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    match file.try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(error)) => error.kind() == io::ErrorKind::Unsupported,
    }
}

fn not_running(data: &Path) -> Failure {
    Failure::new(ExitCode::LocalOrg, format_args!("no org runs with the data in {}", data.display()))
        .because("the folder names no org that is alive")
        .do_next(format_args!("keybound org start --data {}", data.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_one_orgs_and_is_free_when_its_file_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        assert!(!is_locked(&path), "no file");
        let lock = taken(&path).unwrap().unwrap();
        assert!(is_locked(&path));
        assert!(taken(&path).unwrap().is_none());
        drop(lock);
        assert!(!is_locked(&path), "as after the end of its process, however that came");
        assert!(taken(&path).unwrap().is_some());
    }
}
