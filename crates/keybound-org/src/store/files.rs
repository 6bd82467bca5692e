//! The org's folder and files, which their owner alone can read: the org's private keys are in them.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

pub(super) fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Waits until nobody else opens the database. SQLite itself does not wait where two change a new file to its
/// write-ahead log at once.
pub(super) fn wait_for_turn(lock_file: &Path) -> io::Result<File> {
    let file = private_file(OpenOptions::new().append(true).create(true), lock_file)?;
    match file.lock() {
        // Where files can't be locked, one takes the chance.
        Err(error) if error.kind() != io::ErrorKind::Unsupported => Err(error),
        _ => Ok(file),
    }
}

/// SQLite gives its log and index files the mode of the database.
/// One that is there is not opened: closing it would end the locks that this process has on it.
pub(super) fn make_private_file(file: &Path) -> io::Result<()> {
    match private_file(OpenOptions::new().append(true).create_new(true), file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn private_file(options: &mut OpenOptions, file: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(file)
}
