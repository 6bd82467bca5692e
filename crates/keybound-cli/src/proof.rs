//! `keybound proof`: makes one proof (RFC 9449 section 4.2), for use with another HTTP client.

use std::path::PathBuf;

use clap::Args;
use http::Method;
use keybound::proof::{AccessTokenHash, DpopKey, ProofRequest};
use keybound::random::OperatingSystem;
use keybound::{Algorithm, KeyKind, Nonce, PrivateKey, TargetUri};

use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::key_file;
use crate::output::Output;
use crate::report::{Failure, Outcome};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound proof --key dpop_private_key.pem --url https://api.example/orders --access-token \"$TOKEN\"
  curl -H \"Authorization: DPoP $TOKEN\" -H \"DPoP: $(keybound proof …)\" https://api.example/orders")]
pub(crate) struct Arguments {
    /// Private key of the proof: a file (PEM or JWK), or a reference to a key elsewhere, such as handle:0x81010001.
    #[arg(long, value_name = "FILE|REFERENCE")]
    key: PathBuf,
    /// Algorithm; without it RS256 for RSA, and the one that fits any other key.
    #[arg(long)]
    alg: Option<Algorithm>,
    /// Method of the request that the proof is for.
    #[arg(short = 'X', long, default_value = "GET")]
    method: Method,
    /// URL of the request; its query and fragment are left out of the proof.
    #[arg(long, value_parser = TargetUri::parse)]
    url: TargetUri,
    /// Access token that goes with the request, for `ath`.
    #[arg(
        long,
        value_name = "T",
        allow_hyphen_values = true,
        env = "KEYBOUND_ACCESS_TOKEN",
        hide_env_values = true
    )]
    access_token: Option<String>,
    /// Nonce that the server gave.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = Nonce::parse)]
    nonce: Option<Nonce>,
    #[command(flatten)]
    clock: Clock,
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let key = key_file::open_private(&arguments.key, arguments.alg, usual_algorithm)?;
    let request = ProofRequest {
        method: &arguments.method,
        target: &arguments.url,
        access_token: arguments.access_token.as_deref().map(AccessTokenHash::of),
        nonce: arguments.nonce.as_ref(),
    };
    let proof = DpopKey::new(key)
        .prove(&request, arguments.clock.now(), &OperatingSystem)
        .map_err(|error| Failure::new(ExitCode::Unexpected, error))?;
    output.line(proof)
}

/// The algorithm that a key of this kind is used with where nobody says otherwise.
pub(crate) fn usual_algorithm(key: &PrivateKey) -> Algorithm {
    match key.kind() {
        KeyKind::P256 => Algorithm::ES256,
        KeyKind::P384 => Algorithm::ES384,
        KeyKind::P521 => Algorithm::ES512,
        KeyKind::Ed25519 => Algorithm::EdDSA,
        KeyKind::Rsa { .. } => Algorithm::RS256,
    }
}
