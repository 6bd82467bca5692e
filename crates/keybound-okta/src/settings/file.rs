//! Small text files that may hold secrets: read once, within a bound, wiped from memory when done with.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

/// A text file that has been read.
pub(super) struct TextFile {
    pub(super) text: Zeroizing<String>,
    /// The file's mode, if others than its owner may read or write it.
    pub(super) exposed_mode: Option<u32>,
}

/// Why a file can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The system refuses.
    #[error("{}", match .0 {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "the system does not permit it".to_owned(),
        other => other.to_string(),
    })]
    Io(io::ErrorKind),
    /// A folder or a device.
    #[error("it is not a file")]
    NotAFile,
    /// More than such a file ever has.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The bytes that are read, at most.
        limit: u64,
    },
    /// Binary content.
    #[error("it is not text (UTF-8)")]
    NotText,
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

/// Reads the file at `path`, which has `limit` bytes at most.
pub(super) fn read(path: &Path, limit: u64) -> Result<TextFile, ReadError> {
    // Asked before opening too: opening a pipe would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(ReadError::NotAFile);
    }
    let mut file = File::open(path)?;
    let exposed_mode = exposed_mode(&file)?;
    let capacity = usize::try_from(file.metadata()?.len().min(limit)).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity + 1));
    file.by_ref().take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLong { limit });
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| ReadError::NotText)?;
    Ok(TextFile { text: Zeroizing::new(text.to_owned()), exposed_mode })
}

/// The mode's bits for group and others, of the file that is open, not of whatever has its name by now.
#[cfg(unix)]
fn exposed_mode(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode() & 0o7777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

/// Elsewhere access lists decide, which are not looked at.
#[cfg(not(unix))]
fn exposed_mode(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
}
