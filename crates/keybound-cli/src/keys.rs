//! `keybound keys`: makes, shows, converts and rotates keys.

mod convert;
mod env_switch;
mod rotate;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use keybound::{Algorithm, KeyKind, PrivateKey, PublicKey};
use serde_json::{Value, json};

use crate::exit_code::ExitCode;
use crate::key_file::{self, KeyFiles};
use crate::output::{FAINT, NAME, Output};
use crate::report::{Failure, Outcome};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make a key pair: PREFIX_private_key.pem (0600) and PREFIX_public_key.json (the JWK to register).
    New(New),
    /// Show the public parts and the thumbprint of a key: PEM or JWK, private or public.
    Show(Show),
    /// Write a key in another form: PEM or JWK, private or public.
    Convert(convert::Arguments),
    /// Print the thumbprint of a key (RFC 7638): what tokens are bound to, and what keys made here are registered as.
    Thumbprint(Thumbprint),
    /// Put a new key in the place of the client key: register it, try it, switch .env over.
    Rotate(Box<rotate::Arguments>),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound keys new --out cc                      RS256, for the app: cc_private_key.pem
  keybound keys new --alg ES256 --out dpop        for proofs: dpop_private_key.pem")]
pub(crate) struct New {
    /// Algorithm that the key is for: RS256, PS256, ES256, ES384, ES512, EdDSA, …
    #[arg(long, default_value = "RS256")]
    alg: Algorithm,
    /// What the names of both files start with, path included.
    #[arg(long, value_name = "PREFIX")]
    out: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound keys show cc_private_key.pem           its public half
  keybound keys show cc_public_key.json | jq -r .pem
  keybound keys show awskms:alias/dpop")]
pub(crate) struct Show {
    /// The key: PEM or JWK, private or public; or a reference to a key elsewhere, such as handle:0x81010001.
    #[arg(value_name = "FILE|REFERENCE")]
    file: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound keys thumbprint dpop_private_key.pem
  keybound keys thumbprint cc_public_key.json
  keybound keys thumbprint keyring:keybound/dpop")]
pub(crate) struct Thumbprint {
    /// The key: PEM or JWK, private or public; or a reference to a key elsewhere, such as handle:0x81010001.
    #[arg(value_name = "FILE|REFERENCE")]
    file: PathBuf,
}

pub(crate) fn run(verb: &Verb, output: Output) -> Outcome {
    match verb {
        Verb::New(arguments) => new(arguments, output),
        Verb::Show(arguments) => show(arguments, output),
        Verb::Convert(arguments) => convert::run(arguments, output),
        Verb::Thumbprint(arguments) => output.line(Shown::read(&arguments.file)?.public.thumbprint()),
        Verb::Rotate(arguments) => rotate::run(arguments, output),
    }
}

fn new(arguments: &New, output: Output) -> Outcome {
    let files = KeyFiles::with_prefix(&arguments.out);
    files.refuse_existing()?;
    let key = generate(arguments.alg)?;
    files.write(&key, arguments.alg)?;

    let thumbprint = key.public_key().thumbprint();
    if !output.is_terminal() {
        return output.json(&json!({
            "private_key_file": files.private,
            "public_key_file": files.public,
            "alg": arguments.alg.name(),
            "kid": thumbprint.to_string(),
        }));
    }
    output.line(format_args!(
        "{NAME}private key{NAME:#}  {} {FAINT}(keep it; mode 0600){FAINT:#}",
        files.private.display()
    ))?;
    output.line(format_args!(
        "{NAME}public key{NAME:#}   {} {FAINT}(register it){FAINT:#}",
        files.public.display()
    ))?;
    output.line(format_args!("{NAME}thumbprint{NAME:#}   {thumbprint}"))
}

/// A new private key for `algorithm`.
pub(crate) fn generate(algorithm: Algorithm) -> Outcome<PrivateKey> {
    PrivateKey::generate(KeyKind::for_algorithm(algorithm))
        .map_err(|error| Failure::new(ExitCode::Unexpected, error))
}

fn show(arguments: &Show, output: Output) -> Outcome {
    let shown = Shown::read(&arguments.file)?;
    let key = &shown.public;
    if !output.is_terminal() {
        return output.json(&json!({
            "kind": key.kind().to_string(),
            "private": shown.private,
            "thumbprint": key.thumbprint().to_string(),
            "jwk": key.jwk(),
            "pem": key.to_pem(),
        }));
    }
    let half = if shown.private { "private key (its public half is shown)" } else { "public key" };
    output.line(format_args!("{NAME}kind{NAME:#}        {}, {half}", key.kind()))?;
    output.line(format_args!("{NAME}thumbprint{NAME:#}  {}", key.thumbprint()))?;
    output.line("")?;
    output.json(key.jwk())?;
    output.line("")?;
    output.line(key.to_pem().trim_end())
}

pub(crate) struct Shown {
    pub(crate) public: PublicKey,
    private: bool,
}

impl Shown {
    /// What the file holds decides, not its name.
    pub(crate) fn read(file: &Path) -> Outcome<Self> {
        if let Some(key) = key_file::open_reference(file, None)? {
            return Ok(Self { public: key.public_key().clone(), private: true });
        }
        let text = key_file::read(file)?;
        let private = if key_file::is_json(&text) {
            serde_json::from_str::<Value>(&text).is_ok_and(|jwk| jwk.get("d").is_some())
        } else {
            text.contains("PRIVATE KEY")
        };
        let public = if private {
            key_file::read_private(file)?.public_key().clone()
        } else {
            key_file::read_public(file)?
        };
        Ok(Self { public, private })
    }
}
