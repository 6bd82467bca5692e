//! `keybound org start`.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::eprintln;
use clap::Args;
use keybound_org::{Data, LocalOrg, NoncePolicy, OrgSettings, Scheme, StartError, WebOrigin};
use serde_json::json;

use super::running::{Announcement, RunningOrg};
use crate::exit_code::ExitCode;
use crate::output::{FAINT, NAME, Output};
use crate::report::{Failure, Outcome};
use crate::runtime;
use crate::signals::Signals;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org start
  keybound org start --listen 127.0.0.1:8443 --data ./org
  keybound org start --listen 127.0.0.1:8080 --http --data ./org
  keybound org start --trusted-origin http://localhost:3000")]
pub(crate) struct Start {
    /// Address to serve at; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Serve plain http, on loopback only.
    #[arg(long)]
    http: bool,
    /// Listen where other machines can reach it, as one does in a container; https only.
    #[arg(long, conflicts_with = "http")]
    listen_beyond_loopback: bool,
    /// Folder of the database, the certificate authority and the keys; made if it is not there. Without one the data is
    /// in a temporary folder, and ends with the org.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Made-up users that a new org begins with.
    #[arg(long, value_name = "N", default_value_t = OrgSettings::default().seed_users)]
    seed_users: usize,
    /// Requests that the management API takes in a minute, before it answers 429.
    #[arg(long, value_name = "N", default_value_t = OrgSettings::default().requests_per_minute)]
    requests_per_minute: u32,
    /// Origin whose pages may call the org from a browser; may be given several times. That of a redirect URI of an
    /// app in a browser may ask for tokens without it.
    #[arg(long = "trusted-origin", value_name = "ORIGIN")]
    trusted_origins: Vec<WebOrigin>,
    /// How often the authorization servers renew their nonce, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400, value_parser = clap::value_parser!(u64).range(1..))]
    nonce_period: u64,
    /// For how long after the start of its period a nonce is taken, in seconds; two periods at least.
    #[arg(long, value_name = "SECONDS", default_value_t = 259_200)]
    nonce_grace: u64,
    /// For how long a refresh token may be used again, in seconds, since an answer may have been lost.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    refresh_token_grace: u64,
    /// Requests that the live trace remembers, within 32 MiB; 0 records nothing.
    #[arg(long, value_name = "N", default_value_t = OrgSettings::default().traces_remembered)]
    traces: usize,
}

/// Serves until it is told to end: Ctrl-C, or SIGTERM.
pub(super) fn run(arguments: &Start, output: Output) -> Outcome {
    let settings = OrgSettings {
        listen: arguments.listen,
        scheme: if arguments.http { Scheme::Http } else { Scheme::Https },
        listen_beyond_loopback: arguments.listen_beyond_loopback,
        data: arguments.data.clone().map_or(Data::Temporary, Data::Directory),
        seed_users: arguments.seed_users,
        requests_per_minute: arguments.requests_per_minute,
        trusted_origins: arguments.trusted_origins.clone(),
        nonces: NoncePolicy {
            renewed_every: Duration::from_secs(arguments.nonce_period),
            accepted_for: Duration::from_secs(arguments.nonce_grace),
        },
        refresh_token_grace: Duration::from_secs(arguments.refresh_token_grace),
        traces_remembered: arguments.traces,
        ..OrgSettings::default()
    };
    let unable =
        |error: io::Error| Failure::new(ExitCode::LocalOrg, "the local org cannot start").because(error);
    runtime::start()?.block_on(async {
        // Listened for from the start, so that no signal is missed.
        let mut signals = Signals::listen().map_err(unable)?;
        let started = LocalOrg::start(settings).await;
        let org = started.map_err(|error| not_started(error, arguments.data.as_deref()))?;
        let announcement = Announcement::of(&org, org.data_folder()).map_err(unable)?;
        if arguments.data.is_none() {
            let folder = org.data_folder().display();
            eprintln!("the org's data is in {folder} and ends with the org; --data DIR keeps it");
        }
        tell(&org, arguments.data.as_deref(), output)?;
        signals.told_to_end().await;
        drop(announcement);
        org.stop().await;
        Ok(())
    })
}

/// Where somebody listens at the address, it may well be the org that was started before with the same data.
fn not_started(error: StartError, data: Option<&Path>) -> Failure {
    let is_taken = matches!(error, StartError::Listen { .. });
    let failure = Failure::from(error);
    let Some(data) = data.filter(|_| is_taken) else { return failure };
    match RunningOrg::of_folder(data) {
        Ok(org) => failure.also_do(format_args!(
            "an org runs with this data already, at {}; other verbs find it by --data {}",
            org.url,
            data.display()
        )),
        Err(_) => failure,
    }
}

/// Where the org serves and how it is entered, and to a person how to go on.
fn tell(org: &LocalOrg, data: Option<&Path>, output: Output) -> Outcome {
    let ca_file = org.ca_file().map(fs::canonicalize).transpose()?;
    let console_url = org.console_url().map_err(StartError::from)?;
    if !output.is_terminal() {
        return output.json(&json!({
            "url": org.url(),
            "ca_file": ca_file,
            "admin_token": org.admin_token(),
            "console_url": console_url.as_str(),
        }));
    }
    output.line(format_args!("{NAME}url{NAME:#}          {}", org.url()))?;
    if let Some(file) = ca_file {
        output.line(format_args!("{NAME}ca_file{NAME:#}      {}", file.display()))?;
    }
    output.line(format_args!("{NAME}admin_token{NAME:#}  {}", org.admin_token()))?;
    output.line(format_args!("{NAME}console_url{NAME:#}  {}", console_url.as_str()))?;
    let folder = data.unwrap_or(org.data_folder()).display();
    output.line(format_args!(
        "\n{FAINT}Next, for an app with its key and .env in this folder:{FAINT:#} keybound init --data {folder}"
    ))
}
