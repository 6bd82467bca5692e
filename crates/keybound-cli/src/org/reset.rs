//! `keybound org reset`: an org's data made new.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use keybound_org::CA_FILE_NAMES;
use serde_json::json;

use super::open_existing;
use super::running::RunningOrg;
use crate::consent::Consent;
use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::report::{Failure, Outcome};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org reset --data ./org
  keybound org reset --data ./org --all --yes

A new org's users are made when it starts next. One that runs meanwhile goes on with nothing, and has to be \
ended before --all.")]
pub(crate) struct Reset {
    /// Folder of the org's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Also remove the certificate authority, which clients then have to trust anew.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    consent: Consent,
}

pub(super) fn run(arguments: &Reset, output: Output) -> Outcome {
    let store = open_existing(&arguments.data)?;
    let folder = arguments.data.display();
    if arguments.all && RunningOrg::is_there(&arguments.data)? {
        return Err(Failure::new(ExitCode::LocalOrg, format_args!("the org in {folder} runs"))
            .because("it serves with the certificate that is to be removed")
            .do_next("end it first, or leave --all out"));
    }
    let authority = if arguments.all { " and its certificate authority" } else { "" };
    arguments
        .consent
        .to(format_args!("delete all users, apps and keys of the org in {folder}{authority}"))?;
    store.reset()?;
    if arguments.all {
        remove_authority(&arguments.data)?;
    }
    output.changed(format_args!("the org in {folder} is new"), &json!({ "reset": true }))
}

fn remove_authority(data: &Path) -> Outcome {
    for file in CA_FILE_NAMES.map(|name| data.join(name)) {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let what = format_args!("{} could not be removed", file.display()).to_string();
                return Err(Failure::new(ExitCode::LocalOrg, what).because(error));
            }
            _ => {}
        }
    }
    Ok(())
}
