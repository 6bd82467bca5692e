//! `keybound org fault`: what goes wrong on purpose in an org that runs.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use http::Method;
use keybound::base64url;
use keybound::excerpt::excerpt;
use keybound_okta::{Call, OktaClient};
use keybound_org::{Cut, EndpointKind, ErrorBody, FaultId, FaultKind};
use serde_json::{Map, Value, json};

use super::running::{self, Named, WhichOrg};
use crate::exit_code::ExitCode;
use crate::key_file;
use crate::output::Output;
use crate::report::{Failure, Outcome};
use crate::runtime;

const FAULTS: &str = "/keybound/v1/faults";

/// Characters of a member in a table, at most.
const SHOWN_CHARACTERS: usize = 300;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Let something go wrong.
    Add(Box<Add>),
    /// List the faults, with how often each has struck: a table on a terminal, JSON in a pipe.
    #[command(after_help = "\
Examples:
  keybound org fault list --data ./org | jq '.[] | select(.id == \"f1\").struck'")]
    List(WhichOrg),
    /// End faults.
    #[command(after_help = "\
Examples:
  keybound org fault remove --data ./org f1 f2")]
    Remove(Remove),
    /// End all faults.
    #[command(after_help = "\
Examples:
  keybound org fault clear --data ./org")]
    Clear(WhichOrg),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Kinds:
  slow            the answer is late: --delay-ms
  rate-limited    429 in Okta's words: --reset-after-seconds
  server-error    5xx, nothing is done: --status, --body
  cut-connection  what was asked is done, and its answer is lost: --at
  clock-skew      the org's clock is ahead, or behind: --seconds
  rotate-nonce    a new DPoP-Nonce: --old refused|accepted
  rotate-key      a new signing key: --server, --old published|gone
  revoke-token    --token-file, --jti, --of-client, --all, --presented
  replay          an attacker sends each request with a proof once more

rotate-nonce, rotate-key and revoke-token happen at once, unless it is said where or how often: then before each \
request that they strike. All others strike until they are removed or used up.

Examples:
  keybound org fault add rate-limited --data ./org --path /api/v1/users --times 3
  keybound org fault add server-error --data ./org --status 503 --body html --probability 0.1
  keybound org fault add cut-connection --data ./org --at in-body --method POST --times 1
  keybound org fault add clock-skew --data ./org --seconds -300 --for-seconds 60
  keybound org fault add rotate-nonce --data ./org
  keybound org fault add revoke-token --data ./org --of-client 0oa1")]
pub(crate) struct Add {
    /// What happens.
    #[arg(value_name = "KIND", value_parser = named(FaultKind::ALL, FaultKind::name))]
    kind: String,
    #[command(flatten)]
    org: WhichOrg,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    detail: Detail,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "Where and how often")]
struct Place {
    /// Only requests with this method.
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Only requests to this path; `*` stands for one segment, `**` at the end for any number of them.
    #[arg(long, value_name = "PATTERN")]
    path: Option<String>,
    /// Only requests of this client.
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// Only requests to these endpoints.
    #[arg(long, value_name = "KIND", value_parser = named(EndpointKind::ALL, EndpointKind::name))]
    endpoint: Option<String>,
    /// Only the next N requests.
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = clap::value_parser!(u64).range(1..))]
    times: Option<u64>,
    /// Each request with this probability, greater than 0 and at most 1.
    #[arg(long, value_name = "P", allow_negative_numbers = true)]
    probability: Option<f64>,
    /// Only for so many seconds.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    for_seconds: Option<u64>,
    /// After so many milliseconds.
    #[arg(long, value_name = "MS", allow_negative_numbers = true)]
    delay_ms: Option<u64>,
}

#[derive(Args, Debug)]
#[command(next_help_heading = "What happens in detail")]
struct Detail {
    /// Seconds until a rate limit is reset; 1, if not given.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    reset_after_seconds: Option<u64>,
    /// Status of a server error; 500, if not given.
    #[arg(long, value_name = "5XX", allow_negative_numbers = true)]
    status: Option<u64>,
    /// Body of a server error; Okta's, if not given.
    #[arg(long, value_name = "BODY", value_parser = named(ErrorBody::ALL, ErrorBody::name))]
    body: Option<String>,
    /// Where the connection is cut; before the answer, if not given.
    #[arg(long, value_name = "PLACE", value_parser = named(Cut::ALL, Cut::name))]
    at: Option<String>,
    /// How far the clock is ahead; negative if it is behind.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    seconds: Option<i64>,
    /// The authorization server whose key is rotated; the org's own, if not given.
    #[arg(long, value_name = "ID")]
    server: Option<String>,
    /// What becomes of what was there before: of nonces refused, if not given, or accepted; of a key published, if not
    /// given, or gone.
    #[arg(long, value_name = "FATE", value_parser = PossibleValuesParser::new(["refused", "accepted", "published", "gone"]))]
    old: Option<String>,
    /// Revoke the access token in this file, which only its owner may read.
    #[arg(long, value_name = "FILE", conflicts_with = "jti")]
    token_file: Option<PathBuf>,
    /// Revoke the access token with this `jti`.
    #[arg(long, value_name = "JTI", allow_hyphen_values = true)]
    jti: Option<String>,
    /// Revoke all access tokens that this client has got so far.
    #[arg(long, value_name = "ID")]
    of_client: Option<String>,
    /// Revoke all access tokens that were issued so far.
    #[arg(long)]
    all: bool,
    /// Revoke the access token that a request carries.
    #[arg(long)]
    presented: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Remove {
    /// The faults' names, as `keybound org fault list` tells them.
    #[arg(value_name = "FAULT", required = true)]
    faults: Vec<FaultId>,
    #[command(flatten)]
    org: WhichOrg,
}

pub(super) fn run(verb: &Verb, output: Output) -> Outcome {
    match verb {
        Verb::Add(arguments) => add(arguments, output),
        Verb::List(org) => list(&org.open()?, output),
        Verb::Remove(arguments) => {
            let okta = arguments.org.open()?;
            for fault in &arguments.faults {
                remove(&okta, *fault)?;
            }
            Ok(())
        }
        Verb::Clear(org) => ask(&org.open()?, Method::DELETE, FAULTS, Bytes::new()).map(drop),
    }
}

fn remove(okta: &OktaClient, fault: FaultId) -> Outcome {
    let call = Call { method: Method::DELETE, path: format!("{FAULTS}/{fault}"), ..Call::default() };
    let about = Named { what: format!("fault {fault}"), listed_by: "keybound org fault list" };
    runtime::run(okta, running::ask(okta, call, Some(&about))).map(drop)
}

fn add(arguments: &Add, output: Output) -> Outcome {
    let said = Value::Object(said(arguments)?).to_string();
    let added = ask(&arguments.org.open()?, Method::POST, FAULTS, said.into())?;
    output.json(&added)
}

fn list(okta: &OktaClient, output: Output) -> Outcome {
    let faults = ask(okta, Method::GET, FAULTS, Bytes::new())?;
    if !output.is_terminal() {
        return output.json(&faults);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["FAULT", "KIND", "STRUCK", "OVER", "MORE"]);
    for fault in faults.as_array().into_iter().flatten() {
        let text = |name: &str| fault.get(name).map(shown).unwrap_or_default();
        let over = if fault.get("over") == Some(&Value::Bool(true)) { "yes" } else { "" };
        table.add_row([&text("id"), &text("kind"), &text("struck"), over, &more(fault)]);
    }
    output.line(table.trim_fmt())
}

/// What else is said of a fault.
fn more(fault: &Value) -> String {
    let members = fault.as_object().into_iter().flatten();
    let others = members.filter(|(name, _)| !matches!(name.as_str(), "id" | "kind" | "struck" | "over"));
    others.map(|(name, value)| format!("{name}={}", shown(value))).collect::<Vec<_>>().join(" ")
}

/// What a terminal can be shown of it: who asked for the fault may be anybody.
fn shown(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    excerpt(&text, SHOWN_CHARACTERS)
}

/// The fault as the org takes it.
fn said(arguments: &Add) -> Outcome<Map<String, Value>> {
    let (place, detail) = (&arguments.place, &arguments.detail);
    let jwt_id = detail.token_file.as_deref().map(jwt_id_in).transpose()?;
    let members = json!({
        "kind": arguments.kind,
        "method": place.method,
        "path": place.path,
        "client_id": place.client_id,
        "endpoint": place.endpoint,
        "times": place.times,
        "probability": place.probability,
        "for_seconds": place.for_seconds,
        "delay_ms": place.delay_ms,
        "reset_after_seconds": detail.reset_after_seconds,
        "status": detail.status,
        "body": detail.body,
        "at": detail.at,
        "seconds": detail.seconds,
        "server": detail.server,
        "old": detail.old,
        "jti": jwt_id.or_else(|| detail.jti.clone()),
        "of_client": detail.of_client,
        "all": detail.all.then_some(true),
        "presented": detail.presented.then_some(true),
    });
    let Value::Object(members) = members else { return Ok(Map::new()) };
    Ok(members.into_iter().filter(|(_, value)| !value.is_null()).collect())
}

/// The `jti` of the access token in a file. The token itself goes nowhere.
fn jwt_id_in(path: &Path) -> Outcome<String> {
    let token = key_file::read_secret(path)?;
    let claims = token.trim().split('.').nth(1).and_then(|claims| base64url::decode(claims).ok());
    let claims: Option<Value> = claims.and_then(|claims| serde_json::from_slice(&claims).ok());
    let jwt_id = claims.as_ref().and_then(|claims| claims.get("jti")).and_then(Value::as_str);
    jwt_id.map(str::to_owned).ok_or_else(|| {
        Failure::usage(format_args!("{} holds no access token of this org", path.display()))
            .because("it is no JWT with a `jti`, by which a token is revoked")
            .do_next("give the file of a token as `keybound token` prints it")
    })
}

/// What the org answers; nothing is `null`.
fn ask(okta: &OktaClient, method: Method, path: &str, body: Bytes) -> Outcome<Value> {
    let call = Call { method, path: path.to_owned(), body, ..Call::default() };
    let answer = runtime::run(okta, running::ask(okta, call, None))?;
    if answer.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(&answer).map_err(|error| {
        Failure::new(ExitCode::Connection, "what answers there is no org of this program").because(error)
    })
}

fn named<T: Copy>(all: &'static [T], name_of: fn(T) -> &'static str) -> PossibleValuesParser {
    PossibleValuesParser::new(all.iter().map(|one| name_of(*one)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_fault_writes_over_a_terminal() {
        let fault = json!({ "id": "f1", "client_id": "0oa\u{1b}[2J", "path": "/\u{9b}x", "times": 3 });
        let told = more(&fault);
        assert!(told.contains("client_id=0oa") && told.contains("times=3"), "{told}");
        assert!(!told.chars().any(char::is_control), "{told}");
    }
}
