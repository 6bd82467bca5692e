//! `keybound guard check`: what a policy means, and what it would do with a recorded request.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use http::{HeaderValue, Response};
use keybound::NumericDate;
use keybound::exchange::DPOP_NONCE;
use keybound_guard::{Explanation, IncomingRequest, Step, Verdict};
use serde_json::{Map, Value, json};

use super::meaning;
use super::own_answer::OwnAnswer;
use super::policy::PolicyArguments;
use super::recorded_request::RecordedRequest;
use crate::clock::Clock;
use crate::exit_code::ExitCode;
use crate::inspect::{Finding, Judgement, tell_finding};
use crate::output::{BAD, FAINT, GOOD, NAME, Output, TITLE};
use crate::report::{Failure, Outcome};
use crate::runtime;

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  keybound guard check --policy guard.toml
  keybound guard check --policy guard.toml --request request.txt --at 1790000000
  printf 'GET /orders HTTP/1.1\\nHost: api.example.com\\n%s\\n%s\\n\\n' \\
      \"Authorization: DPoP $TOKEN\" \"DPoP: $PROOF\" |
      keybound guard check --policy guard.toml --request - --json | jq .steps

Exit code 0: the request would be admitted, or is one that the guard answers itself: a preflight of a page that may \
call, or for the metadata of the resource (or, without a request, the policy can be used); 13: it would be refused. \
Nothing is recorded. As for a real request, an issuer may be asked over the network: for its keys, unless \
they are in a file, and about the token, where the policy has introspection for it; but only if all else about the \
request is right.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    policy: PolicyArguments,
    /// Recorded request: its request line and header fields as text; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Seconds since 1970 to check at; if not given, the request's Date, else now.
    #[arg(long, value_name = "SECONDS")]
    at: Option<u64>,
    /// Address that the request came from, for what trusted proxies say.
    #[arg(long, value_name = "IP")]
    peer: Option<IpAddr>,
    /// The request came over TLS to the guard.
    #[arg(long)]
    tls: bool,
    /// Print JSON on a terminal too.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    clock: Clock,
}

pub(crate) fn run(arguments: &Arguments, output: Output) -> Outcome {
    let guard = arguments.policy.guard()?;
    let for_person = output.is_terminal() && !arguments.json;
    let Some(path) = &arguments.request else {
        return meaning::tell(&guard.policy(), for_person, output);
    };
    let request = RecordedRequest::read(path)?;
    let now = arguments
        .at
        .map(NumericDate::from_seconds)
        .or_else(|| request.date())
        .unwrap_or_else(|| arguments.clock.now());
    let incoming = IncomingRequest {
        method: &request.method,
        uri: &request.uri,
        headers: &request.headers,
        peer: arguments.peer,
        secure: arguments.tls,
    };
    if let Some(answer) = OwnAnswer::of(&guard, &incoming) {
        return answer.tell(&request, now, for_person, output);
    }
    let mut explanation = runtime::start()?.block_on(guard.explain(&incoming, now));
    if guard.policy().nonces.secret_files.is_empty() {
        hide_own_nonce(&mut explanation);
    }
    if for_person {
        tell(&request, &explanation, now, output)?;
    } else {
        output.json(&shown(&request, &explanation, now))?;
    }
    match &explanation.outcome {
        Ok(_) => Ok(()),
        Err(refused) => Err(Failure::new(ExitCode::InspectRefused, "the request would be refused")
            .because(format_args!("{} [{}]", refused.refusal, refused.refusal.rule().source()))),
    }
}

/// A nonce of this process's own secret would be taken by no guard: the answer shows that there is one, and no more.
fn hide_own_nonce(explanation: &mut Explanation) {
    const ELSEWHERE: HeaderValue = HeaderValue::from_static("(a nonce of the guard that is asked)");
    if let Err(refused) = &mut explanation.outcome
        && let Some(nonce) = refused.response.headers_mut().get_mut(DPOP_NONCE)
    {
        *nonce = ELSEWHERE;
    }
}

/// The proof by every rule, as `keybound inspect` shows one.
fn findings(explanation: &Explanation) -> Vec<Finding> {
    let finding = |found: &keybound::proof::Finding| {
        Finding::new(found.rule, Judgement::of(found.outcome.clone(), None))
    };
    explanation.proof.iter().map(finding).collect()
}

fn shown(request: &RecordedRequest, explanation: &Explanation, now: NumericDate) -> Value {
    let answer = explanation.outcome.as_ref().err().map(|refused| shown_answer(&refused.response));
    json!({
        "method": request.method.as_str(),
        "path": request.uri.path(),
        "at": now.seconds(),
        "admitted": explanation.outcome.is_ok(),
        "steps": explanation.steps.iter().map(shown_step).collect::<Vec<_>>(),
        "proof": findings(explanation),
        "answer": answer,
    })
}

fn shown_step(step: &Step) -> Value {
    match &step.verdict {
        Verdict::Passed(found) => json!({ "step": step.name, "outcome": "passed", "found": found }),
        Verdict::Failed(refusal) => json!({
            "step": step.name,
            "outcome": "failed",
            "rule": refusal.rule().source(),
            "requirement": refusal.rule().requirement(),
            "reason": refusal.to_string(),
            "status": refusal.at_resource().status.as_u16(),
        }),
        Verdict::NotChecked(reason) => {
            json!({ "step": step.name, "outcome": "not_checked", "reason": reason })
        }
        _ => json!({ "step": step.name, "outcome": "unknown" }),
    }
}

pub(super) fn shown_answer(response: &Response<bytes::Bytes>) -> Value {
    let mut headers = Map::new();
    for name in response.headers().keys() {
        let values: Vec<_> =
            response.headers().get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        headers.insert(name.to_string(), values.into());
    }
    let body = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
    json!({ "status": response.status().as_u16(), "headers": headers, "body": body })
}

fn tell(request: &RecordedRequest, explanation: &Explanation, now: NumericDate, output: Output) -> Outcome {
    output.line(format_args!("{TITLE}{} {}{TITLE:#}, at {now}", request.method, request.uri.path()))?;
    for step in &explanation.steps {
        tell_step(step, output)?;
        if step.name == "proof" && !explanation.proof.is_empty() {
            findings(explanation).iter().try_for_each(|finding| tell_finding(finding, output))?;
        }
    }
    match &explanation.outcome {
        Ok(Some(token)) => output.line(format_args!("\n{GOOD}would be admitted{GOOD:#}: {}", token.subject)),
        Ok(None) => output.line(format_args!("\n{GOOD}would be admitted{GOOD:#}, as everybody is")),
        Err(refused) => {
            output.line(format_args!("\n{BAD}would be refused{BAD:#}, with this answer:"))?;
            tell_answer(&refused.response, output)
        }
    }
}

pub(super) fn tell_answer(response: &Response<bytes::Bytes>, output: Output) -> Outcome {
    output.line(format_args!("  HTTP/1.1 {}", response.status()))?;
    for (name, value) in response.headers() {
        output.line(format_args!("  {NAME}{name}{NAME:#}: {}", value.to_str().unwrap_or_default()))?;
    }
    output.line(format_args!("\n  {}", String::from_utf8_lossy(response.body())))
}

fn tell_step(step: &Step, output: Output) -> Outcome {
    match &step.verdict {
        Verdict::Passed(found) => {
            output.line(format_args!("{GOOD}✓{GOOD:#} {NAME}{}{NAME:#}: {found}", step.name))
        }
        Verdict::Failed(refusal) => output.line(format_args!(
            "{BAD}✗{BAD:#} {NAME}{}{NAME:#}: {refusal}  {FAINT}{}{FAINT:#}",
            step.name,
            refusal.rule().source()
        )),
        Verdict::NotChecked(reason) => {
            output.line(format_args!("{FAINT}– {}: not checked: {reason}{FAINT:#}", step.name))
        }
        _ => Ok(()),
    }
}
