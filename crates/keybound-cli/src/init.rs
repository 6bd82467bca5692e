//! `keybound init`: keys and settings for an org, and what to click there.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use keybound::{Algorithm, PrivateKey, PublicKey};
use keybound_okta::{OrgUrl, OrgUrlError};
use serde_json::json;

use crate::exit_code::ExitCode;
use crate::key_file::{self, KeyFiles, PRIVATE};
use crate::keys::generate;
use crate::output::{FAINT, NAME, Output, TITLE};
use crate::report::{Failure, Outcome};

/// Okta takes every algorithm of its list for a client's key; RS256 is what its console makes itself.
const CLIENT_ALGORITHM: Algorithm = Algorithm::RS256;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound init --scope okta.users.read                      before the app is there: prints the key to register
  keybound init --org-url https://example.okta.com --client-id 0oa1 --scope okta.users.read --scope okta.groups.read
  keybound init --dpop-key ES256                             with a DPoP key on disk that outlives the process")]
pub(crate) struct Arguments {
    /// The org's URL; left empty in .env if not given.
    #[arg(long, value_name = "URL", value_parser = org_url)]
    org_url: Option<String>,
    /// The app's client id; left empty in .env if not given.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A scope that the app shall have; may be given several times.
    #[arg(long = "scope", value_name = "SCOPE", default_value = "okta.users.read")]
    scopes: Vec<String>,
    /// Make a DPoP key too. Without it every run makes a fresh ES256 key in memory.
    #[arg(long, value_name = "ALG")]
    dpop_key: Option<Algorithm>,
    /// The certificate authority of an org that has one of its own, as a local org does.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The folder for .env and the keys.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// As it was given, if every later command would take it.
fn org_url(text: &str) -> Result<String, OrgUrlError> {
    OrgUrl::parse(text).map(|_| text.to_owned())
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let files = Files::in_folder(arguments)?;
    files.refuse_existing()?;
    let client_key = generate(CLIENT_ALGORITHM)?;
    files.write(arguments, &client_key)?;
    let public_key = key_file::registrable(client_key.public_key(), CLIENT_ALGORITHM);
    if output.is_terminal() {
        return tell(arguments, &files, &public_key, output);
    }
    output.json(&json!({ "files": files.written(), "public_jwk": public_key.jwk() }))
}

/// What is written, all of it or nothing.
struct Files {
    env: PathBuf,
    client: KeyFiles,
    dpop: Option<(KeyFiles, Algorithm)>,
    /// Not written but named: the certificate authority's.
    authority: Option<PathBuf>,
}

impl Files {
    fn in_folder(arguments: &Arguments) -> Outcome<Self> {
        let authority = arguments.ca_file.as_ref().map(fs::canonicalize).transpose().map_err(|error| {
            Failure::new(ExitCode::Settings, "the file of --ca-file cannot be used").because(error)
        })?;
        let folder = fs::create_dir_all(&arguments.dir).and_then(|()| fs::canonicalize(&arguments.dir));
        let folder = folder.map_err(|error| {
            Failure::new(
                ExitCode::Settings,
                format_args!("the folder {} cannot be used", arguments.dir.display()),
            )
            .because(error)
        })?;
        Ok(Self {
            env: folder.join(".env"),
            client: KeyFiles::with_prefix(&folder.join("cc")),
            dpop: arguments.dpop_key.map(|alg| (KeyFiles::with_prefix(&folder.join("dpop")), alg)),
            authority,
        })
    }

    fn refuse_existing(&self) -> Outcome {
        key_file::refuse_existing(&self.env)?;
        self.client.refuse_existing()?;
        self.dpop.iter().try_for_each(|(files, _)| files.refuse_existing())
    }

    fn write(&self, arguments: &Arguments, client_key: &PrivateKey) -> Outcome {
        self.client.write(client_key, CLIENT_ALGORITHM)?;
        self.write_dpop_key().inspect_err(|_| self.client.remove())?;
        key_file::write_new(&self.env, self.settings(arguments).as_bytes(), PRIVATE).inspect_err(|_| {
            self.client.remove();
            self.dpop.iter().for_each(|(files, _)| files.remove());
        })
    }

    fn write_dpop_key(&self) -> Outcome {
        let Some((files, algorithm)) = &self.dpop else { return Ok(()) };
        files.write(&generate(*algorithm)?, *algorithm)
    }

    /// The `.env`, by the names of Okta's samples.
    fn settings(&self, arguments: &Arguments) -> String {
        let given = |value: &Option<String>| value.clone().unwrap_or_default();
        let mut lines = vec![
            ("OKTA_ORG_URL", given(&arguments.org_url)),
            ("OKTA_CLIENT_ID", given(&arguments.client_id)),
            ("OKTA_SCOPES", arguments.scopes.join(" ")),
            ("OKTA_CC_PRIVATE_KEY_FILE", file_name(&self.client.private)),
        ];
        if let Some((files, _)) = &self.dpop {
            lines.push(("OKTA_DPOP_PRIVATE_KEY_FILE", file_name(&files.private)));
            lines.push(("OKTA_DPOP_PUBLIC_KEY_FILE", file_name(&files.public)));
        }
        if let Some(authority) = &self.authority {
            lines.push(("KEYBOUND_CA_FILE", authority.display().to_string()));
        }
        lines.iter().fold(String::new(), |mut text, (name, value)| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{name}={}", quoted(value));
            text
        })
    }

    fn written(&self) -> Vec<&Path> {
        let dpop = self.dpop.iter().flat_map(|(files, _)| [&files.private, &files.public]);
        [&self.env, &self.client.private, &self.client.public]
            .into_iter()
            .chain(dpop)
            .map(PathBuf::as_path)
            .collect()
    }
}

/// Relative paths start beside the `.env` file, so the folder can be moved.
fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// In double quotes, with what is special there escaped, if anything could be.
pub(crate) fn quoted(value: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-._~:/@".contains(character);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', r"\\").replace('"', "\\\""))
}

fn tell(arguments: &Arguments, files: &Files, public_key: &PublicKey, output: Output) -> Outcome {
    output.line(format_args!("{TITLE}Written{TITLE:#}"))?;
    for path in files.written() {
        output.line(format_args!("  {}", path.display()))?;
    }
    output.line(format_args!("\n{TITLE}The public key to register{TITLE:#}"))?;
    output.json(public_key.jwk())?;
    output.line(format_args!("\n{TITLE}In the org's admin console{TITLE:#}"))?;
    for (number, click) in clicks(arguments).iter().enumerate() {
        output.line(format_args!("  {NAME}{}{NAME:#}  {click}", number + 1))?;
    }
    if arguments.org_url.is_none() || arguments.client_id.is_none() {
        output.line(format_args!("\nThen fill in what is empty in {}.", files.env.display()))?;
    }
    output.line(format_args!("\n{FAINT}Try it:{FAINT:#} keybound users list"))
}

fn clicks(arguments: &Arguments) -> [String; 6] {
    [
        "Applications → Create App Integration → API Services: name it, save.".to_owned(),
        "General: note the Client ID (OKTA_CLIENT_ID) and the org's domain (OKTA_ORG_URL).".to_owned(),
        "Client Credentials → Edit → Public key / Private key → Add key: paste the key above, save.".to_owned(),
        "General Settings → Proof of possession: \"Require Demonstrating Proof of Possession (DPoP) header in \
         token requests\" on."
            .to_owned(),
        format!("Okta API Scopes: grant {}.", arguments.scopes.join(", ")),
        "Admin roles → Edit assignments: Read-only Administrator (or what the app needs).".to_owned(),
    ]
}
