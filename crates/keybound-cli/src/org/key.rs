//! `keybound org key`: keys of apps, registered in an org's data.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{now, open_existing};
use crate::key_file;
use crate::output::Output;
use crate::report::Outcome;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Register another public key of an app.
    Add(AddKey),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org key add --data ./org --client-id 0oa1 --public-jwk next_public_key.json")]
pub(crate) struct AddKey {
    /// Folder of the org's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The app's client id.
    #[arg(long, value_name = "ID")]
    client_id: String,
    /// The public key, a JWK.
    #[arg(long, value_name = "FILE")]
    public_jwk: PathBuf,
}

pub(super) fn run(verb: &Verb, output: Output) -> Outcome {
    match verb {
        Verb::Add(arguments) => add_key(arguments, output),
    }
}

fn add_key(arguments: &AddKey, output: Output) -> Outcome {
    let key = key_file::read_public(&arguments.public_jwk)?;
    open_existing(&arguments.data)?.add_key(&arguments.client_id, &key, now())?;
    let key_id = key.key_id().map_or_else(|| key.thumbprint().to_string(), str::to_owned);
    output.json(&json!({ "client_id": arguments.client_id, "kid": key_id }))
}
