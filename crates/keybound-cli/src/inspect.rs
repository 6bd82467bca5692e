//! `keybound inspect`: decodes a proof, a client assertion or an access token, and holds it to every rule.

mod access_token;
mod assertion;
mod findings;
mod proof;

use std::io::{self, Read as _};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use http::Method;
use keybound::{DecodedJwt, NumericDate, TargetUri};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::output::{BAD, FAINT, GOOD, NAME, Output, TITLE, escaped};
use crate::report::{Failure, Outcome};

pub(crate) use findings::{Finding, Judgement};

/// Bytes that are read: more than any rule here lets through.
const MAX_INPUT_BYTES: u64 = 64 * 1024;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound inspect --method GET --url https://api.example/orders --access-token \"$TOKEN\" < proof
  keybound inspect --jwks client_keys.json --audience https://example.okta.com < assertion.txt
  keybound inspect --jwks issuer_keys.json --json < token.txt | jq .rules")]
pub(crate) struct Arguments {
    /// What it is; without this it is told from what it says.
    #[arg(long = "as", value_enum, value_name = "KIND")]
    kind: Option<Kind>,
    /// Method of the request that the proof came with.
    #[arg(short = 'X', long)]
    method: Option<Method>,
    /// URL of the request that the proof came with.
    #[arg(long, value_parser = TargetUri::parse)]
    url: Option<TargetUri>,
    /// Access token that the proof came with.
    #[arg(
        long,
        value_name = "T",
        allow_hyphen_values = true,
        env = "KEYBOUND_ACCESS_TOKEN",
        hide_env_values = true
    )]
    access_token: Option<String>,
    /// Nonce that the server gave.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    nonce: Option<String>,
    /// Public key: of the client, of the issuer, or the one that the access token is bound to.
    #[arg(long, value_name = "FILE", conflicts_with = "jwks")]
    key: Option<PathBuf>,
    /// JWK Set with the public keys of the client or the issuer.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// Issuer that the access token must have.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Audience that the assertion or the access token must have.
    #[arg(long, value_name = "URL")]
    audience: Option<String>,
    /// Seconds since 1970 to check at; now, if not given.
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
    /// Print JSON on a terminal too.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    clock: Clock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Proof,
    ClientAssertion,
    AccessToken,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Proof => "proof",
            Self::ClientAssertion => "client assertion",
            Self::AccessToken => "access token",
        }
    }
}

impl Arguments {
    fn now(&self) -> NumericDate {
        self.at.map_or_else(|| self.clock.now(), NumericDate::from_seconds)
    }
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let text = read_input()?;
    let document = DecodedJwt::decode(&text);
    let kind = arguments.kind.unwrap_or_else(|| kind(&document, arguments));
    let findings = match kind {
        Kind::Proof => proof::inspect(&text, arguments)?,
        Kind::ClientAssertion => assertion::inspect(&text, arguments)?,
        Kind::AccessToken => access_token::inspect(&text, arguments)?,
    };
    if output.is_terminal() && !arguments.json {
        tell(kind, &document, &findings, output)?;
    } else {
        output.json(&json!({
            "kind": kind.name(),
            "header": document.header(),
            "claims": document.claims_in_full(),
            "thumbprint": document.thumbprint(),
            "accepted": !findings.iter().any(Finding::is_failed),
            "rules": findings,
        }))?;
    }
    verdict(kind, &findings)
}

/// A proof is asked about with its request; otherwise the text says what it is.
fn kind(document: &DecodedJwt, arguments: &Arguments) -> Kind {
    if arguments.method.is_some() || arguments.url.is_some() || looks_like_proof(document) {
        Kind::Proof
    } else if looks_like_assertion(document) {
        Kind::ClientAssertion
    } else {
        Kind::AccessToken
    }
}

fn looks_like_proof(document: &DecodedJwt) -> bool {
    let header = document.header().unwrap_or_default();
    let typ = header.get("typ").and_then(Value::as_str).unwrap_or_default();
    let typed = typ.eq_ignore_ascii_case("dpop+jwt");
    typed || header.get("jwk").is_some() || document.claim("htm").is_some()
}

/// A client speaks of itself: `iss` and `sub` are one (RFC 7523 section 3).
fn looks_like_assertion(document: &DecodedJwt) -> bool {
    document.text_claim("iss").is_some() && document.text_claim("iss") == document.text_claim("sub")
}

/// One token: white space around it and the name of the header field before it are taken off.
fn read_input() -> Outcome<String> {
    let mut text = String::new();
    let unreadable =
        |error: io::Error| Failure::usage("standard input cannot be read as text").because(error);
    let length = io::stdin().take(MAX_INPUT_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if length as u64 > MAX_INPUT_BYTES {
        return Err(Failure::usage(format_args!("standard input has more than {MAX_INPUT_BYTES} bytes"))
            .because("no proof, assertion or access token that any rule here accepts is so long"));
    }
    let mut token = text.trim();
    for before in ["Authorization:", "DPoP:", "DPoP ", "Bearer "] {
        token = token.strip_prefix(before).unwrap_or(token).trim_start();
    }
    if token.is_empty() {
        return Err(Failure::usage("standard input is empty")
            .do_next("give the proof, client assertion or access token there: keybound inspect < FILE"));
    }
    Ok(token.to_owned())
}

fn verdict(kind: Kind, findings: &[Finding]) -> Outcome {
    match findings.iter().filter(|finding| finding.is_failed()).count() {
        0 => Ok(()),
        1 => Err(Failure::new(ExitCode::InspectRefused, format_args!("the {} breaks a rule", kind.name()))),
        broken => Err(Failure::new(
            ExitCode::InspectRefused,
            format_args!("the {} breaks {broken} rules", kind.name()),
        )),
    }
}

fn tell(kind: Kind, document: &DecodedJwt, findings: &[Finding], output: Output) -> Outcome {
    output.line(format_args!("{TITLE}{}{TITLE:#}, decoded", capitalised(kind.name())))?;
    for (part, value) in [("header", document.header()), ("claims", document.claims_in_full())] {
        output.line(format_args!("{NAME}{part}{NAME:#}"))?;
        let text = value.map_or_else(
            || "(cannot be read)".to_owned(),
            |value| serde_json::to_string_pretty(&value).unwrap_or_default(),
        );
        output.line(indented(&escaped(&text)))?;
    }
    if let Some(thumbprint) = document.thumbprint() {
        output.line(format_args!("{NAME}thumbprint of its key{NAME:#}\n  {thumbprint}"))?;
    }
    output.line(format_args!("\n{TITLE}Held to the rules{TITLE:#}"))?;
    findings.iter().try_for_each(|finding| tell_finding(finding, output))
}

/// One rule and how it stands, for a person.
pub(crate) fn tell_finding(finding: &Finding, output: Output) -> Outcome {
    let source = format!("{FAINT}{}{FAINT:#}", finding.source);
    match &finding.judgement {
        Judgement::Passed => output.line(format_args!("  {GOOD}✓{GOOD:#} {}  {source}", finding.requirement)),
        Judgement::Failed { reason } => {
            output.line(format_args!("  {BAD}✗ {}{BAD:#}  {source}", finding.requirement))?;
            output.line(format_args!("      {reason}"))
        }
        Judgement::NotChecked { reason } => {
            output.line(format_args!("  {FAINT}–{FAINT:#} {}  {source}", finding.requirement))?;
            output.line(format_args!("      {FAINT}not checked: {reason}{FAINT:#}"))
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(characters).collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
