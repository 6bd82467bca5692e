//! `keybound guard`: lets only the key's holder through to an API.

mod check;
mod meaning;
mod own_answer;
mod policy;
mod recorded_request;
mod serve;

use clap::{Args, Subcommand};

use crate::output::Output;
use crate::report::Outcome;

#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_help = "\
Examples:
  keybound guard --policy guard.toml --listen 127.0.0.1:8088 --upstream http://127.0.0.1:3000
  keybound guard --resource http://127.0.0.1:8088 --upstream http://127.0.0.1:3000 \\
      --issuer https://127.0.0.1:8443 --audience https://127.0.0.1:8443 --ca-file org/ca.pem
  keybound guard --policy guard.toml --listen 0.0.0.0:443 --upstream h2c://127.0.0.1:50051 \\
      --tls-certificate chain.pem --tls-key key.pem
  keybound guard --policy guard.toml --listen 127.0.0.1:9000 --forward-auth nginx
  keybound guard --policy guard.toml --listen 127.0.0.1:9000 --ext-authz
  keybound guard check --policy guard.toml                    what the policy means
  keybound guard check --policy guard.toml --request req.txt  what it would do with a request

SIGHUP has policy and certificate read anew, and so does a change of their files. SIGTERM and Ctrl-C end it: \
requests under way are finished first; a second signal ends it at once (exit code 17)."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    serve: serve::ServeArguments,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Explain what the policy means, or what it would do with a recorded request; nothing is served.
    Check(check::Arguments),
}

impl Arguments {
    /// What is logged unless `-v` or `KEYBOUND_LOG` say otherwise: a server's refusals and troubles.
    pub(crate) const fn logs(&self) -> Option<&'static str> {
        match self.verb {
            None => Some("keybound_guard=info,keybound::audit=info"),
            Some(_) => None,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    match &arguments.verb {
        None => serve::run(&arguments.serve, output),
        Some(Verb::Check(arguments)) => check::run(arguments, output),
    }
}
