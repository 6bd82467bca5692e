//! `keybound org trust`: what to set so that other programs trust an org's certificate authority.
//!
//! What is printed can be handed to a shell as it is: settings are commands, and what changes the system or needs more
//! rights stands in comments.

mod bundle;
mod program;
mod shell;

use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use keybound_org::refuse_of_others;
use serde_json::{Value, json};

use crate::exit_code::ExitCode;
use crate::key_file;
use crate::output::Output;
use crate::report::{Failure, Outcome};

use program::{Advice, Places, Program};
use shell::Shell;

/// The authority's certificate in an org's folder.
const AUTHORITY_FILE: &str = "ca.pem";

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  eval \"$(keybound org trust --data ./org --for node)\"
  eval \"$(keybound org trust --data ./org --for python --bundle ./org/all-authorities.pem)\"
  keybound org trust --data ./org --for go --shell fish | source
  keybound org trust --data ./org --json | jq '.programs[0].variables'

Without --for, the settings of all programs are printed. docs/trust.md says what each does.")]
pub(crate) struct Trust {
    /// Folder of the org's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// A program that is to trust the org; may be given several times.
    #[arg(long = "for", value_name = "PROGRAM", value_enum)]
    programs: Vec<Program>,
    /// The shell that the settings are for.
    #[arg(long, value_enum, default_value = "sh")]
    shell: Shell,
    /// Write a file with the system's authorities and the org's, for the variables that take the place of the system's.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Print the same as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Trust, output: Output) -> Outcome {
    let authority = authority_of(&arguments.data)?;
    if let Some(path) = &arguments.bundle {
        bundle::write(path, &authority)?;
    }
    let bundle = arguments.bundle.as_deref().map(absolute).transpose()?;
    let truststore = absolute(&arguments.data.join("truststore.p12"))?;
    let browser_database = env::home_dir().map(|home| absolute(&home.join(".pki/nssdb"))).transpose()?;
    let places = Places { authority, bundle, truststore, browser_database };
    let wanted = if arguments.programs.is_empty() { Program::ALL } else { &arguments.programs };
    let advice: Vec<_> = wanted.iter().map(|program| (*program, program.advice(&places))).collect();
    if arguments.json {
        return output.json(&shown(&places, &advice));
    }
    output.line(arguments.shell.script(&advice))
}

/// The file of the org's authority, which is there once the org has served https.
fn authority_of(data: &Path) -> Outcome<String> {
    let path = data.join(AUTHORITY_FILE);
    if !path.is_file() {
        return Err(Failure::new(
            ExitCode::LocalOrg,
            format_args!("there is no certificate authority of an org in {}", data.display()),
        )
        .because(format_args!("{} is not there; an org makes it when it first serves https", path.display()))
        .do_next(format_args!("keybound org start --data {}", data.display())));
    }
    refuse_of_others(data)?;
    refuse_of_others(&path)?;
    if !key_file::read_certificates(&path)?.contains("-----BEGIN CERTIFICATE-----") {
        return Err(Failure::new(
            ExitCode::LocalOrg,
            format_args!("{} holds no certificate", path.display()),
        ));
    }
    absolute(&path)
}

/// The path for programs that work in any folder. One with a line end could break out of a comment.
fn absolute(path: &Path) -> Outcome<String> {
    let unusable = |why: &dyn std::fmt::Display| {
        Failure::usage(format_args!("the path {} cannot be told to a shell", path.display())).because(why)
    };
    let absolute = std::path::absolute(path).map_err(|error| unusable(&error))?;
    match absolute.to_str() {
        Some(text) if !text.chars().any(char::is_control) => Ok(text.to_owned()),
        _ => Err(unusable(&"it has a control character, or is no UTF-8").do_next("use another folder")),
    }
}

fn shown(places: &Places, advice: &[(Program, Advice)]) -> Value {
    let programs: Vec<_> = advice.iter().map(|(program, advice)| advice.json(*program)).collect();
    json!({ "ca_file": places.authority, "bundle": places.bundle, "programs": programs })
}
