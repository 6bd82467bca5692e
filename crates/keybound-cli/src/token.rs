//! `keybound token`: gets an access token, for use with another HTTP client and with proofs of `keybound proof`;
//! shows one, and revokes one.

mod revoke;
mod show;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use keybound::NumericDate;
use keybound_client::Token;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::connection::Connection;
use crate::input;
use crate::output::Output;
use crate::report::{Failure, Outcome};
use crate::runtime;

#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  keybound keys new --alg ES256 --out dpop
  TOKEN=$(keybound token --key dpop_private_key.pem)
  keybound token | keybound token show
  keybound token --json | jq .expires_at
  keybound token --issuer https://idp.example --scope orders.read --key dpop_private_key.pem
  curl https://api.example/orders -H \"Authorization: DPoP $TOKEN\" -H \"DPoP: $(keybound proof \\
      --key dpop_private_key.pem --url https://api.example/orders --access-token \"$TOKEN\")\"

The token goes to standard output and nowhere else. It is a secret: keep it out of files and of what a shell remembers."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Private key that the token is bound to, PEM or JWK: the one to make proofs with. Without it, the one that is
    /// set (OKTA_DPOP_PRIVATE_KEY_FILE).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dpop_private_key_file", "no_dpop"])]
    key: Option<PathBuf>,
    /// Print JSON with what is known of the token: type, scopes, when it expires, the thumbprint of its key.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show what a token says, when it expires, and which key it is bound to.
    Show(show::Arguments),
    /// Tell the org, or the issuer, that a token is not to be used any more (RFC 7009).
    Revoke(Box<revoke::Arguments>),
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    match &arguments.verb {
        Some(Verb::Show(arguments)) => return show::run(arguments, output),
        Some(Verb::Revoke(arguments)) => return revoke::run(arguments, output),
        None => {}
    }
    let settings = arguments.connection.settings_for_tokens(arguments.key.as_ref())?;
    let asked = settings.grant.scopes.clone();
    let okta = arguments.connection.client(settings);
    let token = runtime::run(&okta, async { Ok(okta.token().await?) })?;
    if arguments.json {
        return output.json(&described(&token, &asked));
    }
    output.line(token.secret())
}

/// By the names of RFC 6749 section 5.1, but for when it expires: by the server's clock, in seconds since 1970.
fn described(token: &Token, asked: &[String]) -> Value {
    let scopes = token.scopes().unwrap_or(asked);
    json!({
        "access_token": token.secret(),
        "token_type": if token.bound_to().is_some() { "DPoP" } else { "Bearer" },
        "scope": (!scopes.is_empty()).then(|| scopes.join(" ")),
        "expires_at": token.expires_at().map(NumericDate::seconds),
        "jkt": token.bound_to().map(|key| key.thumbprint().to_string()),
    })
}

/// The token that is given, or that standard input has where `-` is given; as a header field has it, too.
fn given(argument: &str) -> Outcome<Zeroizing<String>> {
    let text = match argument {
        "-" => Zeroizing::new(input::text(Path::new("-"))?),
        token => Zeroizing::new(token.to_owned()),
    };
    let mut token = text.trim();
    for before in ["Authorization:", "DPoP ", "Bearer "] {
        token = token.strip_prefix(before).unwrap_or(token).trim_start();
    }
    if token.is_empty() {
        return Err(Failure::usage("there is no token")
            .do_next("give it on standard input: keybound token show < FILE"));
    }
    Ok(Zeroizing::new(token.to_owned()))
}
