//! `keybound org seed`: made-up users, as many as wanted.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keybound::random::OperatingSystem;
use keybound_org::{SEEDED_PASSWORD, Store};
use serde_json::json;

use super::now;
use crate::output::Output;
use crate::report::Outcome;

/// Users of an org, at most: their numbers and names are told apart up to here, and a disk has room for them.
const MAX_USERS: u64 = 10_000_000;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org seed --data ./org --users 10000
  keybound org seed --data ./org --users 500 --seed 7

The users of a seed are the same on every machine. Those who are there already stay as they are, so that the same \
command twice does no more than once. It may be done while the org runs.")]
pub(crate) struct SeedUsers {
    /// Folder of the org's data; made if it is not there.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many users of the seed there are to be.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MAX_USERS))]
    users: u64,
    /// Which users. 0 has those that a new org begins with.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
}

pub(super) fn run(arguments: &SeedUsers, output: Output) -> Outcome {
    let store = Store::open(&arguments.data)?;
    let bar = progress(arguments.users);
    let users = usize::try_from(arguments.users).unwrap_or(usize::MAX);
    let told = |done| bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
    let seeded = store.seed(users, arguments.seed, now(), &OperatingSystem, told);
    bar.finish_and_clear();
    let seeded = seeded?;
    let (added, there) = (seeded.added, seeded.already_there);
    output.changed(
        format_args!("{added} users added, {there} were there already; their password is {SEEDED_PASSWORD}"),
        &json!({ "added": added, "already_there": there }),
    )
}

/// How far it is, for a person at a terminal.
fn progress(users: u64) -> ProgressBar {
    let is_shown = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb");
    let target = if is_shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(users), target);
    // The template is ours, and is one.
    if let Ok(style) = ProgressStyle::with_template("{pos} of {len} users, {eta} to go") {
        bar.set_style(style);
    }
    bar
}
