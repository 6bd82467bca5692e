//! `keybound org export`: an org's data as a file of JSON Lines.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use keybound_org::{ExportError, Secrets, Store};
use tempfile::NamedTempFile;

use super::open_existing;
use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::report::{Failure, Outcome};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org export --data ./org > org.jsonl
  keybound org export --data ./org --secrets --out org-with-secrets.jsonl

It has users, groups, apps and authorization servers as they were at one instant, also while the org runs; no tokens, \
no sessions, no system log. `keybound org import` reads it.")]
pub(crate) struct Export {
    /// Folder of the org's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// File to write to, which must not be there yet; standard output, if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Also export hashes of passwords and of client secrets, and the private signing keys. The owner alone can read
    /// the file.
    #[arg(long, requires = "out")]
    secrets: bool,
}

pub(super) fn run(arguments: &Export, _: Output) -> Outcome {
    let store = open_existing(&arguments.data)?;
    let secrets = if arguments.secrets { Secrets::Included } else { Secrets::LeftOut };
    match &arguments.out {
        Some(path) => write_file(&store, secrets, path),
        None => write(&store, secrets, &mut BufWriter::new(io::stdout().lock())),
    }
}

/// The file is there when it is whole, and as its owner's alone.
fn write_file(store: &Store, secrets: Secrets, path: &Path) -> Outcome {
    let taken =
        || Failure::new(ExitCode::WouldOverwrite, format_args!("{} is there already", path.display()));
    if path.exists() {
        return Err(taken().do_next("choose another file for --out, or move this one away"));
    }
    let unable = |error: io::Error| {
        Failure::new(ExitCode::Unexpected, format_args!("{} could not be written", path.display()))
            .because(error)
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(folder).map_err(unable)?;
    write(store, secrets, &mut BufWriter::new(file.as_file_mut()))?;
    file.persist_noclobber(path).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => taken(),
        _ => unable(error.error),
    })?;
    Ok(())
}

fn write(store: &Store, secrets: Secrets, to: &mut dyn Write) -> Outcome {
    store.export(secrets, to).map(drop).map_err(|error| match error {
        ExportError::Store(error) => error.into(),
        ExportError::Write(error) => error.into(),
        error => Failure::new(ExitCode::Unexpected, error),
    })
}
