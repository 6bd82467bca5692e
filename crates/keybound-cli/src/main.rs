//! The program `keybound`: a thin face over the crates of the workspace.

#![allow(clippy::doc_markdown, reason = "doc comments are the help texts of the command line")]

mod api;
mod apps;
mod clock;
mod command_line;
mod completions;
mod connection;
mod consent;
mod demo;
mod doctor;
mod exit_code;
mod groups;
mod guard;
mod init;
mod input;
mod inspect;
mod jq;
mod kept_files;
mod key_file;
mod keys;
mod listing;
mod logging;
mod login;
mod logs;
mod operations;
mod org;
mod output;
mod passphrase;
mod probe;
mod proof;
mod proxy;
mod question;
mod report;
mod runtime;
mod session;
mod signals;
mod token;
mod users;

use std::process;

use clap::Parser as _;

use command_line::{CommandLine, Verb};
use exit_code::ExitCode;
use mimalloc::MiMalloc;
use output::Output;
use report::Outcome;

/// A request through the guard takes memory and gives it back many times, which is sooner done here than by the
/// allocator of most systems.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> process::ExitCode {
    completions::answer_shell();
    let command_line = CommandLine::parse();
    logging::start(command_line.verbose, command_line.verb.logs());
    match run(command_line.verb, Output::standard()) {
        Ok(()) => ExitCode::Ok,
        Err(failure) => failure.tell(),
    }
    .into()
}

fn run(verb: Verb, output: Output) -> Outcome {
    match verb {
        Verb::Demo(arguments) => demo::run(&arguments, output),
        Verb::Init(arguments) => init::run(arguments, output),
        Verb::Doctor(arguments) => doctor::run(&arguments, output),
        Verb::Api(arguments) => api::run(&arguments, output),
        Verb::Operations(arguments) => operations::run(&arguments, output),
        Verb::Users(verb) => users::run(&verb, output),
        Verb::Groups(verb) => groups::run(&verb, output),
        Verb::Apps(verb) => apps::run(&verb, output),
        Verb::Logs(verb) => logs::run(&verb, output),
        Verb::Keys(verb) => keys::run(&verb, output),
        Verb::Token(arguments) => token::run(&arguments, output),
        Verb::Login(arguments) => login::run(&arguments, output),
        Verb::Logout(arguments) => login::log_out(&arguments, output),
        Verb::Whoami(arguments) => login::tell_who(&arguments, output),
        Verb::Proof(arguments) => proof::run(&arguments, output),
        Verb::Inspect(arguments) => inspect::run(&arguments, output),
        Verb::Proxy(arguments) => proxy::run(&arguments, output),
        Verb::Guard(arguments) => guard::run(&arguments, output),
        Verb::Org(verb) => org::run(&verb, output),
        Verb::Completions(arguments) => completions::run(&arguments, output),
        Verb::Man(arguments) => completions::write_manual(&arguments),
    }
}
