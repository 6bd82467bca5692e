//! Tokens in a folder that is open to nobody else: one file for each key.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keybound::Thumbprint;
use keybound::random::{OperatingSystem, jwt_id};
use zeroize::Zeroizing;

use super::{CacheKey, CacheLock, CachedToken, MAX_CACHED_BYTES, TokenCache};

/// A temporary file that is older was left behind by a process that died.
const ABANDONED_AFTER: Duration = Duration::from_secs(60 * 60);

/// Keeps tokens in a folder, one file for each [`CacheKey`].
///
/// Folder and files are for their owner alone (modes `0700` and `0600`); a file that others can read, or that
/// belongs to somebody else, is not used. A file is written beside its place and then moved there, so that
/// nobody ever reads half of one. Where there are no such modes (Windows), put the folder where others can't
/// reach it: in the user's profile.
///
/// The lock is one of the operating system, on a file that stays: it ends with its process, however that
/// ends. Processes that share a folder over a network file system need one whose locks hold over the
/// network; without, each makes its own exchange and nothing worse happens.
#[derive(Clone, Debug)]
pub struct FileTokenCache {
    folder: PathBuf,
    /// Who files belong to that this process makes.
    owner: Owner,
}

impl FileTokenCache {
    /// A cache in `folder`, which is made if it is not there.
    ///
    /// A folder that is there already must belong to the user and be closed to others; the error says what
    /// is wrong with it.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        make_private_folder(&folder)?;
        let owner = new_owner(&folder)?;
        check_private(&fs::metadata(&folder)?, owner)
            .map_err(|problem| denied(&format!("{problem}: {} (chmod 700)", folder.display())))?;
        remove_abandoned(&folder)?;
        Ok(Self { folder, owner })
    }

    /// Drops every token that is bound to the key with this thumbprint, whatever it is kept under: its user has logged
    /// out. How many there were comes back.
    pub fn forget_bound_to(&self, thumbprint: Thumbprint) -> io::Result<usize> {
        let mut dropped = 0;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let is_token = path.extension() == Some(OsStr::new("json"));
            // One that can't be read is of no use to anybody here, and may be another's.
            if is_token && self.read(&path).ok().flatten().is_some_and(|token| token.thumbprint == thumbprint)
            {
                fs::remove_file(&path)?;
                dropped += 1;
            }
        }
        Ok(dropped)
    }

    fn path(&self, key: &CacheKey, ending: &str) -> PathBuf {
        self.folder.join(format!("{}.{ending}", key.name()))
    }

    fn read(&self, path: &Path) -> io::Result<Option<CachedToken>> {
        if !self.is_there(path)? {
            return Ok(None);
        }
        let file = match File::open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        // One byte more than is allowed, to see that there is more; room for all, so that it never grows.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_CACHED_BYTES + 64));
        file.take(MAX_CACHED_BYTES as u64 + 1).read_to_end(&mut text)?;
        CachedToken::from_json(&text).map(Some).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))
    }

    /// The file at `path`, or `None`, after it was seen to be one of ours: what is no file (a pipe, say) is
    /// not opened, since that alone may take forever. Nobody else can put another in its place meanwhile.
    fn is_there(&self, path: &Path) -> io::Result<bool> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => Err(denied("it is not a file")),
            Ok(found) => check_private(&found, self.owner).map(|()| true).map_err(denied),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl TokenCache for FileTokenCache {
    fn load(&self, key: &CacheKey) -> io::Result<Option<CachedToken>> {
        self.read(&self.path(key, "json"))
    }

    fn store(&self, key: &CacheKey, token: &CachedToken) -> io::Result<()> {
        let text = token.to_json();
        if text.is_empty() || text.len() > MAX_CACHED_BYTES {
            return Err(io::Error::new(ErrorKind::InvalidData, "the token is too long to be kept"));
        }
        let (path, temporary) = (self.path(key, "json"), temporary_path(&self.folder)?);
        let written = write_new(&temporary, &text).and_then(|()| fs::rename(&temporary, path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn forget(&self, key: &CacheKey) -> io::Result<()> {
        match fs::remove_file(self.path(key, "json")) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn try_lock(&self, key: &CacheKey) -> io::Result<Option<CacheLock>> {
        let path = self.path(key, "lock");
        self.is_there(&path)?;
        let file = private_file().create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(CacheLock::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn temporary_path(folder: &Path) -> io::Result<PathBuf> {
    let name = jwt_id(&OperatingSystem).map_err(io::Error::other)?;
    Ok(folder.join(format!("{name}.tmp")))
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = private_file().create_new(true).open(path)?;
    file.write_all(text)?;
    // Without this a machine that loses power may find an empty file under the final name.
    file.sync_all()
}

/// Removes what processes left behind that died before their file was moved to its place.
fn remove_abandoned(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        let age = entry.metadata().and_then(|found| found.modified()).map(|date| date.elapsed());
        let is_old = matches!(age, Ok(Ok(age)) if age > ABANDONED_AFTER);
        if is_old && path.extension() == Some(OsStr::new("tmp")) {
            let _ = fs::remove_file(path);
        }
    }
    Ok(())
}

fn denied(problem: &str) -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, problem)
}

#[cfg(unix)]
type Owner = u32;

/// Who owns a file that this process makes in `folder`: the user that it runs as.
#[cfg(unix)]
fn new_owner(folder: &Path) -> io::Result<Owner> {
    use std::os::unix::fs::MetadataExt as _;
    let path = temporary_path(folder)?;
    let owner = private_file().create_new(true).open(&path)?.metadata().map(|made| made.uid());
    fs::remove_file(path)?;
    owner
}

#[cfg(unix)]
fn check_private(found: &Metadata, owner: Owner) -> Result<(), &'static str> {
    use std::os::unix::fs::MetadataExt as _;
    /// Whatever the group and others may do.
    const OPEN_TO_OTHERS: u32 = 0o077;
    if found.uid() != owner {
        return Err("it belongs to another user");
    }
    if found.mode() & OPEN_TO_OTHERS != 0 {
        return Err("others can reach it");
    }
    Ok(())
}

#[cfg(unix)]
fn private_file() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

#[cfg(unix)]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
type Owner = ();

#[cfg(not(unix))]
fn new_owner(_folder: &Path) -> io::Result<Owner> {
    Ok(())
}

#[cfg(not(unix))]
fn check_private(_found: &Metadata, _owner: Owner) -> Result<(), &'static str> {
    Ok(())
}

#[cfg(not(unix))]
fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    options
}

#[cfg(not(unix))]
fn make_private_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).create(folder)
}
