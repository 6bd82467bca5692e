//! `keybound init`: from nothing to a working call. Keys and settings are written here; what is to be set up at the org
//! is told click by click, or done through its API where an administrator's token is given.

mod by_api;
mod by_hand;
mod files;
mod first_call;
mod preview;
mod role;

use std::env;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use clap::Args;
use keybound::Algorithm;
use keybound_okta::{ApiToken, MAX_API_TOKEN_BYTES, OrgUrl, OrgUrlError};
use zeroize::Zeroizing;

use crate::exit_code::ExitCode;
use crate::key_file;
use crate::org::RunningOrg;
use crate::output::Output;
use crate::report::{Failure, Outcome};

use files::{CA_FILE, Files};

/// Okta takes every algorithm of its list for a client's key; RS256 is what its console makes itself.
const CLIENT_ALGORITHM: Algorithm = Algorithm::RS256;

/// What most apps have.
const USUAL_SCOPE: &str = "okta.users.read";

/// The variable that has an administrator's API token.
const ADMIN_TOKEN: &str = "OKTA_ADMIN_TOKEN";

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound init --data ./org                        for a local org that runs (keybound org start)
  keybound init --org-url https://example.okta.com  for another one: prints the key to register
  keybound init --org-url https://example.okta.com --admin-token-file token.txt
  keybound init --org-url https://example.okta.com --admin-token-file token.txt --dry-run
  keybound init --org-url https://example.okta.com --client-id 0oa1 --scope okta.groups.read
  keybound init --dpop-key ES256                    with a DPoP key on disk, too

With an administrator's API token (admin console → Security → API → Tokens) the app is created, its scopes are granted, \
its role is assigned, and a first call is made. If a step fails, run the same command again: it goes on with the keys \
and the app that are there. The token is not kept. A local org tells its URL, its certificate authority and its \
administrator's token in the folder of its data.")]
pub(crate) struct Arguments {
    /// The folder of the data of a local org that runs: the app is set up there.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["org_url", "ca_file", "admin_token_file"])]
    data: Option<PathBuf>,
    /// The org's URL; left empty in .env if not given.
    #[arg(long, value_name = "URL", value_parser = org_url)]
    org_url: Option<String>,
    /// The app's client id; left empty in .env if not given.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A scope that the app shall have; may be given several times [default: okta.users.read].
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Make a DPoP key too. Without it every run makes a fresh ES256 key in memory.
    #[arg(long, value_name = "ALG")]
    dpop_key: Option<Algorithm>,
    /// The certificate authority of an org that has one of its own, as a local org does (KEYBOUND_CA_FILE).
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The folder for .env and the keys.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Set the app up through the API, by the administrator's API token in this file, or on standard input where it is
    /// `-` (or in OKTA_ADMIN_TOKEN).
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// What the app is called that is set up through the API.
    #[arg(long, value_name = "NAME", default_value = "Keybound")]
    app_name: String,
    /// The admin role that the app gets through the API, or `none`; READ_ONLY_ADMIN where all scopes are for reading.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
    /// Tell what would be written and sent, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

/// As it was given, if every later command would take it.
fn org_url(text: &str) -> Result<String, OrgUrlError> {
    OrgUrl::parse(text).map(|_| text.to_owned())
}

pub(crate) fn run(mut arguments: Arguments, output: Output) -> Outcome {
    let local_org = arguments.data.as_deref().map(RunningOrg::of_folder).transpose()?;
    let token = match local_org {
        Some(org) => Some(arguments.admin_token_of(org)?),
        None => arguments.admin_token()?,
    };
    let files = Files::in_folder(&arguments)?;
    match token {
        Some(token) => by_api::run(&arguments, &files, token, output),
        None => by_hand::run(&arguments, &files, output),
    }
}

impl Arguments {
    fn scopes_or_usual(&self) -> Vec<String> {
        if self.scopes.is_empty() { vec![USUAL_SCOPE.to_owned()] } else { self.scopes.clone() }
    }

    /// The token of a local org, which tells where it is as well.
    fn admin_token_of(&mut self, org: RunningOrg) -> Outcome<ApiToken> {
        let token = org.admin_token()?;
        self.org_url = Some(org.url);
        self.ca_file = org.ca_file;
        Ok(token)
    }

    fn admin_token(&self) -> Outcome<Option<ApiToken>> {
        let (text, from) = match &self.admin_token_file {
            Some(path) if path.as_os_str() == "-" => (standard_input()?, "standard input".to_owned()),
            Some(path) => (key_file::read_secret(path)?, path.display().to_string()),
            None => match env::var(ADMIN_TOKEN).map(Zeroizing::new) {
                Ok(text) if !text.trim().is_empty() => (text, ADMIN_TOKEN.to_owned()),
                _ => return Ok(None),
            },
        };
        api_token(&text, &from).map(Some)
    }

    /// The certificate authority's file, and what names it.
    fn certificate_authority(&self) -> Option<(PathBuf, &'static str)> {
        let set = || env::var_os(CA_FILE).filter(|path| !path.is_empty());
        match &self.ca_file {
            Some(path) => Some((path.clone(), "--ca-file")),
            None => set().map(|path| (path.into(), CA_FILE)),
        }
    }

    fn refuse_role_without_token(&self) -> Outcome {
        if self.role.is_none() {
            return Ok(());
        }
        Err(Failure::usage("--role is for an app that is set up through the API")
            .do_next(format_args!(
                "give --admin-token-file FILE (or {ADMIN_TOKEN}), or --data DIR of a local org, or leave --role out"
            )))
    }
}

/// The API token that `from` has.
fn api_token(text: &str, from: &str) -> Outcome<ApiToken> {
    ApiToken::parse(text).map_err(|error| {
        Failure::new(ExitCode::Settings, format_args!("what {from} has is no API token"))
            .because(error)
            .do_next("give the token alone, as the admin console showed it: Security → API → Tokens")
    })
}

fn standard_input() -> Outcome<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(MAX_API_TOKEN_BYTES * 2));
    io::stdin()
        .take(MAX_API_TOKEN_BYTES as u64 * 2)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage("the API token cannot be read from standard input").because(error))?;
    Ok(text)
}

/// The line of a folder's commands, from where the user stands.
fn command_in(folder: &Path, command: &str) -> String {
    match env::current_dir() {
        Ok(current) if current == folder => command.to_owned(),
        _ => format!("cd {} && {command}", folder.display()),
    }
}

/// In double quotes, with what is special there escaped, if anything could be.
pub(crate) fn quoted(value: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-._~:/@".contains(character);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
}
