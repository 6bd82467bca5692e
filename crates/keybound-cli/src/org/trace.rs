//! `keybound org trace`: what a running org is asked and answers, explained; files of that, opened.

mod tell;

use std::fs;
use std::io::{self, BufRead as _, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, Subcommand};
use http::Method;
use keybound_okta::{Call, OktaClient};
use keybound_org::trace::{Exchange, MAX_TRACE_BYTES, Replayed, TraceFile};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::running::{self, Named, WhichOrg};
use crate::exit_code::ExitCode;
use crate::key_file;
use crate::output::Output;
use crate::report::{Failure, Outcome};
use crate::runtime;

const TRACES: &str = "/keybound/v1/traces";

/// Exchanges that one look at the org brings, at most.
const MAX_AT_ONCE: u64 = 200;

/// Between two looks at the org: soon enough for a person.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the newest requests, the newest last: one line each on a terminal, NDJSON in a pipe.
    List(List),
    /// Show one request by every rule: its tokens decoded, what failed, and what to change.
    Show(One),
    /// Send a recorded request again, byte for byte, as an attacker would who saw it pass. What it asks for is really
    /// done again if nothing stands in the way.
    Replay(Replay),
    /// Write a file of what was recorded, with secrets removed.
    Export(Export),
    /// Open such a file; nothing in it is believed or sent.
    Open(Open),
    /// Forget everything that was recorded.
    #[command(after_help = "\
Examples:
  keybound org trace clear --data ./org")]
    Clear(WhichOrg),
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org trace list --data ./org
  keybound org trace list --data ./org --follow
  keybound org trace list --data ./org --follow | jq 'select(.verdict.outcome == \"refused\").verdict'")]
pub(crate) struct List {
    #[command(flatten)]
    org: WhichOrg,
    /// Requests to begin with.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(..=200))]
    limit: u64,
    /// Go on with new requests as they happen, until Ctrl-C.
    #[arg(short, long)]
    follow: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org trace show 7 --data ./org")]
pub(crate) struct One {
    /// Its number, as the list tells it.
    #[arg(value_name = "NUMBER")]
    id: u64,
    #[command(flatten)]
    org: WhichOrg,
}

#[derive(Args, Debug)]
#[command(after_help = "\
A call with an API token (SSWS) or a Bearer token has no proof that is good only once: a POST /api/v1/apps that is sent \
again makes a second app. It is sent only with --yes.

Examples:
  keybound org trace replay 7 --data ./org
  keybound org trace replay 9 --data ./org --yes")]
pub(crate) struct Replay {
    #[command(flatten)]
    one: One,
    /// Send it although what it asks for may be done a second time: it is no GET, and carries no proof.
    #[arg(long)]
    yes: bool,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org trace export --data ./org --out trace.json
  keybound org trace export --data ./org --conversation 4 > trace.json")]
pub(crate) struct Export {
    #[command(flatten)]
    org: WhichOrg,
    /// Number of one conversation; everything, if not given.
    #[arg(long, value_name = "NUMBER")]
    conversation: Option<u64>,
    /// File to write, which must not be there; standard output, if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound org trace open trace.json
  keybound org trace open trace.json --step
  keybound org trace open trace.json --message 3 --rules")]
pub(crate) struct Open {
    /// The file; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show this message alone.
    #[arg(long, value_name = "NUMBER")]
    message: Option<u64>,
    /// Show every rule, also those that hold, and the decoded tokens.
    #[arg(long)]
    rules: bool,
    /// Wait for Enter between two messages.
    #[arg(long, conflicts_with = "message")]
    step: bool,
}

#[derive(Deserialize)]
struct Listed {
    exchanges: Vec<Exchange>,
}

pub(super) fn run(verb: &Verb, output: Output) -> Outcome {
    match verb {
        Verb::List(arguments) => list(arguments, output),
        Verb::Show(arguments) => {
            let exchange = read_answer(&ask_about(arguments, Method::GET, "")?)?;
            if output.is_terminal() { tell::whole(&exchange, output) } else { output.json(&exchange) }
        }
        Verb::Replay(arguments) => replay(arguments, output),
        Verb::Export(arguments) => export(arguments, output),
        Verb::Open(arguments) => open(arguments, output),
        Verb::Clear(org) => ask(org, Method::DELETE, TRACES).map(drop),
    }
}

/// Asks about one request.
fn ask_about(one: &One, method: Method, verb: &str) -> Outcome<Bytes> {
    let okta = one.org.open()?;
    let call = Call { method, path: format!("{TRACES}/{}{verb}", one.id), ..Call::default() };
    let about = Named { what: format!("request {}", one.id), listed_by: "keybound org trace list" };
    runtime::run(&okta, running::ask(&okta, call, Some(&about)))
}

fn list(arguments: &List, output: Output) -> Outcome {
    let okta = arguments.org.open()?;
    runtime::run(&okta, async {
        let mut latest = tell_newer(&okta, 0, arguments.limit, output).await?;
        if !arguments.follow {
            return Ok(());
        }
        loop {
            tokio::time::sleep(PAUSE).await;
            let newer = tell_newer(&okta, latest, MAX_AT_ONCE, output).await;
            latest = newer
                .map_err(|failure| if failure.code() == ExitCode::Connection { ended() } else { failure })?;
        }
    })
}

/// It answered a moment before, so nothing is wrong with the network.
fn ended() -> Failure {
    Failure::new(ExitCode::Connection, "the org has ended")
        .because("it does not answer any more, and what it recorded ended with it")
        .do_next("start it again (`keybound org start`), and list its trace anew")
}

/// Tells of the exchanges after `latest`, and which is the latest then.
async fn tell_newer(okta: &OktaClient, latest: u64, limit: u64, output: Output) -> Outcome<u64> {
    let listed = answer(okta, Method::GET, &format!("{TRACES}?after={latest}&limit={limit}")).await?;
    let Listed { exchanges } = read_answer(&listed)?;
    for exchange in exchanges.iter().rev() {
        if output.is_terminal() {
            tell::line(exchange, output)?;
        } else {
            output.json(exchange)?;
        }
    }
    Ok(exchanges.first().map_or(latest, |newest| newest.id))
}

fn replay(arguments: &Replay, output: Output) -> Outcome {
    let first: Exchange = read_answer(&ask_about(&arguments.one, Method::GET, "")?)?;
    if first.may_act_again() && !arguments.yes {
        let what =
            format_args!("{} {} is not sent again", tell::clean(&first.method), tell::clean(first.path()));
        return Err(Failure::usage(what)
            .because("it is no GET and carries no proof, so what it asks for may be done a second time")
            .do_next("add --yes if that is meant"));
    }
    let answer = ask_about(&arguments.one, Method::POST, "/replay")?;
    let replayed: Replayed = read_answer(&answer)?;
    if !output.is_terminal() {
        return output.json(&replayed);
    }
    tell::line(&replayed.first, output)?;
    tell::line(&replayed.again, output)?;
    tell::verdict(&replayed.again, output)
}

fn export(arguments: &Export, output: Output) -> Outcome {
    if let Some(path) = &arguments.out {
        key_file::refuse_existing(path)?;
    }
    let conversation = arguments.conversation.map(|id| format!("?conversation={id}")).unwrap_or_default();
    let file = ask(&arguments.org, Method::GET, &format!("{TRACES}/export{conversation}"))?;
    let Some(path) = &arguments.out else { return output.json_text(&file) };
    key_file::write_new(path, &file, key_file::PRIVATE)?;
    let line = format_args!("{} has {} bytes; its secrets are removed", path.display(), file.len());
    output.changed(line, &serde_json::json!({ "file": path, "bytes": file.len() }))
}

fn open(arguments: &Open, output: Output) -> Outcome {
    let file = TraceFile::parse(&read(&arguments.file)?).map_err(|error| {
        Failure::usage(format_args!("{} cannot be opened", arguments.file.display())).because(error)
    })?;
    let is_chosen = |exchange: &&Exchange| arguments.message.is_none_or(|id| id == exchange.id);
    let mut chosen = file.exchanges.iter().filter(is_chosen).peekable();
    if let (None, Some(id)) = (chosen.peek(), arguments.message) {
        return Err(Failure::usage(format_args!("the file has no message {id}")));
    }
    output.line(tell::clean(&format!("{}, {} messages", file.org, file.exchanges.len())))?;
    while let Some(exchange) = chosen.next() {
        tell::line(exchange, output)?;
        if arguments.rules {
            tell::whole(exchange, output)?;
        } else {
            tell::verdict(exchange, output)?;
        }
        if arguments.step && chosen.peek().is_some() && !goes_on()? {
            break;
        }
    }
    Ok(())
}

/// Waits for Enter; the end of standard input is the end.
fn goes_on() -> Outcome<bool> {
    let mut line = String::new();
    Ok(io::stdin().lock().take(1024).read_line(&mut line)? > 0)
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    let unreadable =
        |error: io::Error| Failure::usage(format_args!("{} cannot be read", path.display())).because(error);
    // One byte more, so that what is too large is told.
    let limit = MAX_TRACE_BYTES as u64 + 1;
    let mut text = Vec::new();
    if path == Path::new("-") {
        io::stdin().take(limit).read_to_end(&mut text).map_err(unreadable)?;
    } else {
        fs::File::open(path).and_then(|file| file.take(limit).read_to_end(&mut text)).map_err(unreadable)?;
    }
    Ok(text)
}

fn ask(org: &WhichOrg, method: Method, path: &str) -> Outcome<Bytes> {
    let okta = org.open()?;
    runtime::run(&okta, answer(&okta, method, path))
}

async fn answer(okta: &OktaClient, method: Method, path: &str) -> Outcome<Bytes> {
    let call = Call { method, path: path.to_owned(), ..Call::default() };
    running::ask(okta, call, None).await
}

fn read_answer<T: DeserializeOwned>(answer: &[u8]) -> Outcome<T> {
    serde_json::from_slice(answer).map_err(|error| {
        Failure::new(ExitCode::Connection, "what answers there is no org of this version of the program")
            .because(error)
    })
}
