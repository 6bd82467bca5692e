//! Exchanges for a person. A file may be anybody's, so nothing of it reaches the terminal but what can be shown.

use anstyle::Style;
use keybound::excerpt::excerpt;
use keybound_org::trace::{Exchange, Finding, FindingOutcome, Lane, VerdictOutcome};

use crate::output::{BAD, FAINT, GOOD, NAME, Output, TITLE};
use crate::report::Outcome;

/// Characters of a line, at most.
const LINE: usize = 1000;

/// Each line without what cannot be shown.
pub(super) fn clean(text: &str) -> String {
    text.lines().map(|line| excerpt(line, LINE)).collect::<Vec<_>>().join("\n")
}

const fn style(outcome: VerdictOutcome) -> Style {
    match outcome {
        VerdictOutcome::Admitted => GOOD,
        VerdictOutcome::Challenged => NAME,
        VerdictOutcome::Refused | VerdictOutcome::Failed => BAD,
        VerdictOutcome::Unanswered => FAINT,
    }
}

/// The message, and its answer.
pub(super) fn line(exchange: &Exchange, output: Output) -> Outcome {
    let lane = match exchange.lane {
        Lane::AuthorizationServer => "→ server",
        Lane::Api => "→ API   ",
    };
    let outcome = style(exchange.verdict.outcome);
    let status = exchange.status.map_or_else(|| "---".to_owned(), |status| status.to_string());
    let again = exchange.replay_of.map(|first| format!(" (replay of {first})")).unwrap_or_default();
    let fault =
        exchange.fault.as_ref().map(|fault| format!(" ({})", clean(&fault.words()))).unwrap_or_default();
    output.line(format_args!(
        "{:>5}  {FAINT}{}{FAINT:#}  {lane}  {TITLE}{}{TITLE:#} {}  {outcome}{status} {}{outcome:#}{again}{fault}  {FAINT}{}{FAINT:#}",
        exchange.id,
        exchange.time(),
        clean(&exchange.method),
        clean(exchange.path()),
        exchange.verdict.outcome.name(),
        clean(exchange.verdict.rule.as_deref().unwrap_or_default()),
    ))
}

/// What was decided and why, with each rule that is broken.
pub(super) fn verdict(exchange: &Exchange, output: Output) -> Outcome {
    let verdict = &exchange.verdict;
    if let Some(reason) = &verdict.reason {
        output.line(format_args!("       {}", clean(reason)))?;
    }
    if let Some(change) = &verdict.change {
        output.line(format_args!("       {NAME}change:{NAME:#} {}", clean(change)))?;
    }
    let others = exchange.all_findings().filter(|finding| finding.is_failed());
    let told = |finding: &&Finding| Some(&finding.rule) == verdict.rule.as_ref();
    others.filter(|finding| !told(finding)).try_for_each(|failed| finding(failed, output))
}

/// Everything: the decision, the tokens, every rule.
pub(super) fn whole(exchange: &Exchange, output: Output) -> Outcome {
    let outcome = style(exchange.verdict.outcome);
    let client = exchange.sender().unwrap_or_else(|| "somebody".to_owned());
    output.line(format_args!(
        "{TITLE}{} {}{TITLE:#} by {}: {outcome}{}{outcome:#}",
        clean(&exchange.method),
        clean(&exchange.target),
        clean(&client),
        exchange.verdict.outcome.name()
    ))?;
    if let Some(fault) = &exchange.fault {
        output.line(format_args!("       {}", clean(&fault.words())))?;
    }
    verdict(exchange, output)?;
    if !exchange.findings.is_empty() {
        output.line(format_args!("\n{TITLE}The request{TITLE:#}"))?;
    }
    exchange.findings.iter().try_for_each(|found| finding(found, output))?;
    for token in exchange.tokens_broken_first() {
        output.line(format_args!("\n{TITLE}{}{TITLE:#}", token.kind.name()))?;
        for (part, text) in [("header", token.header_text()), ("claims", token.claims_text())] {
            output.line(format_args!("  {NAME}{part}{NAME:#}\n{}", indented(&clean(&text))))?;
        }
        output.line(format_args!("  {NAME}signature{NAME:#}\n    {}", token.signature.name()))?;
        token.findings.iter().try_for_each(|found| finding(found, output))?;
    }
    Ok(())
}

fn finding(finding: &Finding, output: Output) -> Outcome {
    let (rule, requirement) = (clean(&finding.rule), clean(&finding.requirement));
    let mark = match finding.outcome {
        FindingOutcome::Passed => format!("{GOOD}✓{GOOD:#} {requirement}"),
        FindingOutcome::Failed => format!("{BAD}✗ {requirement}{BAD:#}"),
        FindingOutcome::NotChecked => format!("{FAINT}–{FAINT:#} {requirement}"),
    };
    output.line(format_args!("  {mark}  {FAINT}{rule}{FAINT:#}"))?;
    if let Some(reason) = &finding.reason {
        output.line(format_args!("      {}", clean(reason)))?;
    }
    if let Some(change) = &finding.change {
        output.line(format_args!("      {NAME}change:{NAME:#} {}", clean(change)))?;
    }
    Ok(())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}
