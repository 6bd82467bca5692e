//! `keybound keys convert`: a key in another form. The private half goes to a file of its owner's alone, and to
//! standard output only where that is asked for by name.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;
use zeroize::Zeroizing;

use crate::exit_code::ExitCode;
use crate::key_file::{self, PRIVATE, PUBLIC};
use crate::output::Output;
use crate::report::{Failure, Outcome};

use super::Shown;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound keys convert cc_private_key.pem --to public-jwk               the JWK to register
  keybound keys convert cc_private_key.pem --to jwk --out cc_private_key.jwk
  KEYBOUND_KEY_PASSPHRASE=… keybound keys convert locked.pem --to pem --out cc_private_key.pem

An encrypted key (PKCS#8) is decrypted with the passphrase in KEYBOUND_KEY_PASSPHRASE; where that is not set, a terminal is \
asked for it.")]
pub(crate) struct Arguments {
    /// The key: PEM (PKCS#8, also encrypted, PKCS#1, SEC1) or JWK.
    file: PathBuf,
    /// The form to write it in.
    #[arg(long, value_enum, value_name = "FORM")]
    to: Form,
    /// Where to; never overwritten. A private form gets mode 0600.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print a private form to standard output, where whatever reads it, or shows it, has the key.
    #[arg(long, conflicts_with = "out")]
    stdout: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The private key as PKCS#8, not encrypted.
    Pem,
    /// The private key as a JWK.
    Jwk,
    /// The public key as PEM.
    PublicPem,
    /// The public key as a JWK.
    PublicJwk,
}

impl Form {
    const fn is_private(self) -> bool {
        matches!(self, Self::Pem | Self::Jwk)
    }
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let text = written(arguments)?;
    let Some(path) = &arguments.out else { return output.bytes(text.as_bytes()) };
    key_file::write_new(path, text.as_bytes(), if arguments.to.is_private() { PRIVATE } else { PUBLIC })?;
    if output.is_terminal() { output.line(path.display()) } else { output.json(&json!({ "file": path })) }
}

/// The key in its new form.
fn written(arguments: &Arguments) -> Outcome<Zeroizing<String>> {
    let failed = |error| Failure::new(ExitCode::Unexpected, error);
    if !arguments.to.is_private() {
        let key = Shown::read(&arguments.file)?.public;
        return Ok(Zeroizing::new(match arguments.to {
            Form::PublicPem => key.to_pem(),
            _ => key.jwk().to_json() + "\n",
        }));
    }
    if arguments.out.is_none() && !arguments.stdout {
        return Err(Failure::usage("a private key is not printed without being told to")
            .because("what is printed may be seen, and kept by a terminal or a log")
            .do_next("give --out FILE; or --stdout where a program reads it"));
    }
    let key = key_file::read_private(&arguments.file)?;
    match arguments.to {
        Form::Pem => key.to_pkcs8_pem().map_err(failed),
        _ => key.to_jwk().map_err(failed).map(|jwk| Zeroizing::new(format!("{}\n", *jwk))),
    }
}
