//! `keybound token`: gets an access token, for use with another HTTP client and with proofs of `keybound proof`.

use std::path::PathBuf;

use clap::Args;

use crate::connection::Connection;
use crate::output::Output;
use crate::report::Outcome;
use crate::runtime;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound keys new --alg ES256 --out dpop
  TOKEN=$(keybound token --key dpop_private_key.pem)
  curl https://api.example/orders -H \"Authorization: DPoP $TOKEN\" -H \"DPoP: $(keybound proof \\
      --key dpop_private_key.pem --url https://api.example/orders --access-token \"$TOKEN\")\"

The token goes to standard output and nowhere else. It is a secret: keep it out of files and of what a shell remembers.")]
pub(crate) struct Arguments {
    /// Private key that the token is bound to, PEM or JWK: the one to make proofs with. Without it, the one that is
    /// set (OKTA_DPOP_PRIVATE_KEY_FILE).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dpop_private_key_file", "no_dpop"])]
    key: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let okta = arguments.connection.open_for_tokens(arguments.key.as_ref())?;
    let token = runtime::run(&okta, async { Ok(okta.token().await?) })?;
    output.line(token.secret())
}
