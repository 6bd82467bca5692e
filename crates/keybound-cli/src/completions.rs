//! `keybound completions` and `keybound man`: what a shell completes, and the manual pages, both made of the command
//! line itself.

use std::fs;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::CompleteEnv;

use crate::command_line::CommandLine;
use crate::exit_code::ExitCode;
use crate::output::Output;
use crate::report::{Failure, Outcome};

/// The variable by which a shell asks for what may stand where the cursor is.
const VARIABLE: &str = "COMPLETE";

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  source <(keybound completions bash)                        in ~/.bashrc
  source <(keybound completions zsh)                         in ~/.zshrc, after compinit
  keybound completions fish > ~/.config/fish/completions/keybound.fish")]
pub(crate) struct Arguments {
    /// The shell that the script is for.
    shell: Shell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound man --out ~/.local/share/man/man1 && man keybound-api")]
pub(crate) struct ManualArguments {
    /// The folder for the pages, one for each verb. Pages that are there are replaced.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
}

/// Answers a shell that asks what may stand at its cursor, and ends the program; otherwise nothing is done.
pub(crate) fn answer_shell() {
    CompleteEnv::with_factory(CommandLine::command).var(VARIABLE).bin("keybound").complete();
}

/// Prints the script by which a shell asks this program, so that it completes what this version has.
pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let name = arguments.shell.to_possible_value().map(|shell| shell.get_name().to_owned());
    let shells = clap_complete::env::Shells::builtins();
    let shell = name.as_deref().and_then(|name| shells.completer(name));
    let failed = |why: String| Failure::new(ExitCode::Unexpected, "there is no script for it").because(why);
    let shell = shell.ok_or_else(|| failed("the shell is unknown".to_owned()))?;
    let mut script = Vec::new();
    shell
        .write_registration(VARIABLE, "keybound", "keybound", "keybound", &mut script)
        .map_err(|error| failed(error.to_string()))?;
    output.bytes(&script)
}

/// Writes the manual pages.
pub(crate) fn write_manual(arguments: &ManualArguments) -> Outcome {
    let command = CommandLine::command().disable_help_subcommand(true);
    fs::create_dir_all(&arguments.out)
        .and_then(|()| clap_mangen::generate_to(command, &arguments.out))
        .map_err(|error| {
            Failure::usage(format_args!("the pages cannot be written to {}", arguments.out.display()))
                .because(error)
        })
}
