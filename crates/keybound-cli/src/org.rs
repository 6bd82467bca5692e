//! `keybound org`: a local org, its apps and their keys, its data, and what goes wrong in it.

mod app;
mod export;
mod fault;
mod import;
mod key;
mod reset;
mod running;
mod seed;
mod start;
mod trace;
mod trust;

use std::path::Path;
use std::time::SystemTime;

use clap::Subcommand;
use keybound::NumericDate;
use keybound_org::Store;

pub(crate) use running::RunningOrg;

use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::report::{Failure, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start the local org, and tell where it serves: in a pipe, one line of JSON. Ctrl-C ends it.
    Start(start::Start),
    /// Register and list apps, also while the org runs.
    #[command(subcommand)]
    App(app::Verb),
    /// Register keys, also while the org runs.
    #[command(subcommand)]
    Key(key::Verb),
    /// Add made-up users, as many as wanted, also while the org runs.
    Seed(seed::SeedUsers),
    /// Make an org's data new; its certificate authority stays.
    Reset(reset::Reset),
    /// Write an org's data as JSON Lines, as it is at one instant.
    Export(export::Export),
    /// Read what an export wrote into a new org: all of it, or nothing.
    Import(import::Import),
    /// Let things go wrong in an org that runs: for tests of what calls it.
    #[command(subcommand)]
    Fault(fault::Verb),
    /// See what a running org is asked and answers, with every rule explained.
    #[command(subcommand)]
    Trace(trace::Verb),
    /// Print what to set so that other programs trust the org's certificate authority.
    Trust(trust::Trust),
}

pub(crate) fn run(verb: &Verb, output: Output) -> Outcome {
    match verb {
        Verb::Start(arguments) => start::run(arguments, output),
        Verb::App(verb) => app::run(verb, output),
        Verb::Key(verb) => key::run(verb, output),
        Verb::Seed(arguments) => seed::run(arguments, output),
        Verb::Reset(arguments) => reset::run(arguments, output),
        Verb::Export(arguments) => export::run(arguments, output),
        Verb::Import(arguments) => import::run(arguments, output),
        Verb::Fault(verb) => fault::run(verb, output),
        Verb::Trace(verb) => trace::run(verb, output),
        Verb::Trust(arguments) => trust::run(arguments, output),
    }
}

/// The data of an org that is there: a wrong path must not make a new one.
fn open_existing(data: &Path) -> Outcome<Store> {
    if Store::is_in(data) {
        return Ok(Store::open(data)?);
    }
    Err(Failure::new(ExitCode::LocalOrg, format_args!("there is no org's data in {}", data.display()))
        .because("the folder holds no database of an org")
        .do_next("give the folder that `keybound org start --data` was given"))
}

fn now() -> NumericDate {
    SystemTime::now().into()
}
