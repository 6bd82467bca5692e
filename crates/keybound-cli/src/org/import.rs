//! `keybound org import`: what `keybound org export` wrote, into a new org.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use clap::Args;
use keybound_org::{ImportError, Store};
use serde_json::json;

use super::now;
use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::report::{Failure, Outcome};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org import --data ./another org.jsonl
  keybound org export --data ./org | keybound org import --data ./another -

All of it is there, or nothing. An org that has users, groups or apps is not imported into.")]
pub(crate) struct Import {
    /// Folder of the org's data; made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The file; `-` for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(super) fn run(arguments: &Import, output: Output) -> Outcome {
    let name = arguments.file.display();
    let records = if arguments.file == Path::new("-") {
        Store::open(&arguments.data)?.import(io::stdin().lock(), now())
    } else {
        // Before a folder is made: a wrong name leaves nothing behind.
        let file = File::open(&arguments.file)
            .map_err(|error| Failure::usage(format_args!("{name} could not be read")).because(error))?;
        Store::open(&arguments.data)?.import(BufReader::new(file), now())
    };
    let records = records.map_err(|error| refused(&arguments.file, error))?;
    output.changed(format_args!("{records} records read from {name}"), &json!({ "records": records }))
}

fn refused(file: &Path, error: ImportError) -> Failure {
    match error {
        ImportError::NotEmpty => Failure::new(ExitCode::LocalOrg, error)
            .do_next("name a new folder for --data, or make this one new with `keybound org reset`"),
        ImportError::Store(error) => error.into(),
        error => {
            Failure::usage(format_args!("{} cannot be imported; nothing was", file.display())).because(error)
        }
    }
}
